"""The bridge dies before and after every one of its side effects; whoever comes after it makes each mail once."""

import contextlib
import email
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from redmine_mailbridge.side_effects import Moment, SideEffect
from redmine_mailbridge.store.issue_copy import IssueCopy
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.task_state import TaskState
from redmine_mailbridge.tasks.update.issue_sync import IssueSync
from redmine_mailbridge.wiring import application as app
from redmine_mailbridge.wiring.store import open_store
from tests.crash.dying import Died, dying
from tests.crash.letters import batch, letter
from tests.crash.variants import AHEAD, Variant, one_of
from tests.crash.world import World
from tests.outbox import mails_about
from tests.servers.fixtures import Redmine
from tests.servers.graph import graph_server
from tests.servers.mail import Mailbox
from tests.servers.processes import free_port, next_second
from tests.servers.proxy import Fault, FaultProxy

pytestmark = [pytest.mark.crash, pytest.mark.newest]  # looking for what was written, test_cuts shows on each version


def boundaries(*effects: SideEffect) -> list[tuple[SideEffect, Moment]]:
    """Both sides of each effect."""
    return [(effect, moment) for effect in effects for moment in ("before", "after")]


DELIVER = boundaries(SideEffect.DELIVER)  # test_deliver
PARTS = boundaries(SideEffect.KEEP_PART)
MOVED = boundaries(SideEffect.MOVE_RAW)
UPKEEP = boundaries(SideEffect.REMOVE_RAW, SideEffect.FORGET_RAW)
ANSWERS = boundaries(SideEffect.SEND_MAIL, SideEffect.RECORD_SENT)
UPDATE = boundaries(SideEffect.MIRROR)
QUEUE = boundaries(SideEffect.QUEUE_MAIL)
BEGIN = boundaries(SideEffect.BEGIN_CONVERSATION)
DRAFTS = boundaries(SideEffect.MAKE_DRAFT)
COPIES = boundaries(SideEffect.SAVE_SENT)
AGGREGATE = boundaries(SideEffect.RECORD_HOURS, SideEffect.WRITE_FIELD)
RULES = boundaries(SideEffect.INTEND_RULE, SideEffect.RECORD_RULE)
RULE = """
[[rules]]
name = "nudge"
when = { created = "1s" }
then = { note = "It is time.", mail = "reminder" }
"""
RULE_STANDS = [
    *RULES, (SideEffect.ADD_NOTE, "after"), *RULES[2:], *QUEUE, *RULES[2:], (SideEffect.INTEND_RULE, "after"),
]  # fmt: skip
"""Where each update in turn dies over one rule: before and after its intent, over taking back the intent, with the
change made, over noting that, over its mail, over its end; and over the intent on the next issue.
"""
STEERING = boundaries(SideEffect.STEER)
ELSEWHERE = (
    DELIVER + PARTS + MOVED + UPKEEP + ANSWERS + DRAFTS + COPIES + UPDATE + BEGIN + QUEUE + AGGREGATE + RULES + STEERING
)
MAILS = [boundary for boundary in boundaries(*SideEffect) if boundary not in ELSEWHERE]
TOGETHER = {SideEffect.DEFER, SideEffect.ADD_NOTE, SideEffect.ADD_RELATION}
"""What comes up only while our own clock stays, or with mails that wait for each other."""
HARD_MAILS = [
    pytest.param(
        effect, moment, one_of(number, users=effect is SideEffect.CREATE_USER, clock=effect not in TOGETHER),
        id=f"{effect}-{moment}",
    )
    for number, (effect, moment) in enumerate(MAILS)
]  # fmt: skip
"""Each in one of the hard worlds."""


@pytest.fixture
def world(  # noqa: PLR0917 - fixtures are named, not placed
    tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str, redmine_proxy: FaultProxy, store_table: str
) -> World:
    """A bridge of its own for each test, with a proxy in front of Redmine."""
    return World(tmp_path, redmine, {"box": (mailbox, project)}, redmine_url=redmine_proxy.url, store=store_table)


@pytest.fixture
def smtp() -> Iterator[tuple[int, list[str]]]:
    """An SMTP server's port, and the Message-IDs of what it took."""
    sink, port = Sink(), free_port()
    controller = Controller(sink, "127.0.0.1", port)
    controller.start()
    yield port, sink.message_ids
    controller.stop()


@pytest.mark.parametrize(("effect", "moment", "variant"), HARD_MAILS)
def test_a_mail_is_made_once_although_the_bridge_died_twice_at_a_boundary(
    world: World, redmine_proxy: FaultProxy, effect: SideEffect, moment: Moment, variant: Variant
) -> None:
    """Killed at its first and, restarted, at its second stand at a boundary, the bridge makes every mail once, whatever
    the clocks say, whoever writes, and though Redmine fails after saves.
    """
    world.harden(variant, redmine_proxy)
    world.deliver(one for one in batch(variant) if one.alone or not variant.ours)  # what waits does so by the clock
    if effect is SideEffect.DEFER:  # Redmine must be away for mails to be put off
        world.redmine_url = f"http://127.0.0.1:{free_port()}"
        world.write_settings()
    for number in (1, 2):
        told = f"{effect}:{moment}:{number}"
        died = world.command("receive", "--once", die=told).wait()
        if number == 1:
            assert told == died, (world.directory / "victim.log").read_text()[-3000:]
        if variant.ours:
            world.set_own_clock(0)
    world.redmine_url = redmine_proxy.url
    world.write_settings()
    world.finish()
    assert [] == world.judge().wrong


@pytest.mark.fault("I1")
@pytest.mark.parametrize("told", ["create_issue:after:1", "record_done:before:1"])
def test_a_strangers_mail_is_made_once_although_the_bridge_died_over_it(world: World, told: str) -> None:
    """Killed when the ticket_user has written an issue, before that is noted, the bridge finds it under that name."""
    world.unknown, world.senders_extra = "accept", 'ticket_user = "bob"'
    world.write_settings()
    world.deliver([letter(sender="Zoe <zoe@elsewhere.example>") for _ in range(2)])
    assert told == world.command("receive", "--once", die=told).wait()
    world.finish()
    assert [] == world.judge().wrong
    issues = world.redmine.admin.issues(world.boxes["box"][1])
    assert ["Bob Builder"] * 2 == [issue["author"]["name"] for issue in issues]


@pytest.mark.databases("mariadb-utf8mb3")
def test_a_mail_is_made_once_where_the_database_takes_no_emoji(world: World, redmine_proxy: FaultProxy) -> None:
    """Where Redmine fails on an emoji without saving it, and on other mails after it has, all are made once."""
    world.harden(AHEAD, redmine_proxy)
    world.deliver(batch(AHEAD))
    redmine_proxy.plan(Fault("response", "gateway", match=b"PUT /issues/"))
    for told in ("create_issue:after:2", "create_issue:before:3"):
        assert told == world.command("receive", "--once", die=told).wait(), (world.directory / "victim.log").read_text()
    world.finish()
    assert [] == world.judge().wrong


@pytest.mark.parametrize(("effect", "moment"), UPKEEP, ids=str)
def test_raw_mails_are_forgotten_whole_although_upkeep_died(world: World, effect: SideEffect, moment: Moment) -> None:
    """Killed while it forgets old raw mails, the bridge forgets all of them the next time, and no row misses one."""
    world.deliver([letter(files=1) for _ in range(3)])
    world.finish()
    world.store = f'{world.store or "[store]"}\nraw_retention = "1s"\n'
    world.write_settings()
    world.let_age(1.0)
    told = f"{effect}:{moment}:{2 if effect is SideEffect.REMOVE_RAW else 1}"  # all rows are cleared at once
    assert told == world.command("run", die=told).wait()
    world.pass_once()
    forget(world)
    assert [] == [path.name for path in (world.directory / "mails").rglob("*.eml")]
    assert [] == world.judge().wrong


@pytest.mark.parametrize(("effect", "moment"), ANSWERS, ids=str)
def test_an_answer_goes_out_although_the_bridge_died(
    world: World, smtp: tuple[int, list[str]], effect: SideEffect, moment: Moment
) -> None:
    """Killed while it sends answers, the bridge sends every one; only the one in hand goes out twice, as itself.

    SMTP has no way to ask whether a mail was taken, so the one in hand cannot be known; its Message-ID stays.
    """
    world.pass_once()  # what lies there when a mailbox is read for the first time is never answered
    world.deliver([letter() for _ in range(3)])
    world.send_by(smtp[0], "received = true")
    world.write_settings()
    told = f"{effect}:{moment}:2"
    assert told == world.command("receive", "--once", die=told).wait(), (world.directory / "victim.log").read_text()
    world.finish()
    world.send_answers()
    counts = Counter(smtp[1])
    assert 3 == len(counts)
    assert [1, 1, 1] == sorted(counts.values()) or [1, 1, 2] == sorted(counts.values())
    twice = (effect, moment) in {(SideEffect.SEND_MAIL, "after"), (SideEffect.RECORD_SENT, "before")}
    assert twice == (2 in counts.values())
    assert [] == world.judge().wrong


@pytest.mark.parametrize(("effect", "moment"), DRAFTS + ANSWERS, ids=str)
def test_an_answer_by_graph_goes_out_once_although_the_bridge_died(
    world: World, effect: SideEffect, moment: Moment
) -> None:
    """Killed while it sends answers by Microsoft Graph, the bridge sends each once: what left lies in the mailbox, and
    is looked for there before it is sent again. No draft stays.
    """
    world.pass_once()
    world.deliver([letter() for _ in range(3)])
    with graph_server() as server:
        world.extra = f"""
[oauth.ms]
token_endpoint = "http://127.0.0.1:{server.port}/tenant/oauth2/v2.0/token"
client_id = "bridge"
client_secret = "secret"
grant = "client_credentials"
scopes = ["https://graph.microsoft.com/.default"]
[outgoing]
transport = "graph"
host = "127.0.0.1"
port = {server.port}
security = "none"
oauth = "ms"
username = "{server.user}"
from_address = "{server.user}"
"""
        world.box_extra = "answers = { received = true }"
        world.write_settings()
        told = f"{effect}:{moment}:2"
        assert told == world.command("receive", "--once", die=told).wait(), (world.directory / "victim.log").read_text()
        world.finish()
        world.send_answers()
        counts = Counter(str(one.parsed["Message-ID"]) for one in server.delivered)
        assert ([1, 1, 1], 0) == (list(counts.values()), len(server.contents("Entwürfe")))
    assert [] == world.judge().wrong


@pytest.mark.parametrize(("effect", "moment"), COPIES, ids=str)
def test_a_sent_mail_has_one_copy_although_the_bridge_died(
    world: World, smtp: tuple[int, list[str]], effect: SideEffect, moment: Moment
) -> None:
    """Killed while it puts copies into the Sent folder, the bridge has put each there once in the end, and has sent
    nothing twice.
    """
    world.pass_once()
    world.deliver([letter() for _ in range(3)])
    out = f'host = "127.0.0.1"\nport = {smtp[0]}\nsecurity = "none"\nusername = ""'
    world.extra = f'[outgoing]\n{out}\nsave_sent = true\nsent_folder = "Copies"\n'
    world.box_extra = "answers = { received = true }"
    world.write_settings()
    box = world.boxes["box"][0]
    box.create("Copies")
    told = f"{effect}:{moment}:2"
    assert told == world.command("receive", "--once", die=told).wait(), (world.directory / "victim.log").read_text()
    assert len(box.mails("Copies")) == (1 if moment == "before" else 2)
    world.finish()
    assert "" == world.command("receive", "--once").wait()
    copies = [str(email.message_from_bytes(one)["Message-ID"]) for one in box.mails("Copies")]
    assert (3, sorted(smtp[1])) == (len(copies), sorted(copies))
    for uid, _flags, _content in box.contents("Copies"):  # the judge knows only what was sent to us
        with box.imap() as imap:
            imap.select("Copies")
            imap.uid("STORE", str(uid), "+FLAGS.SILENT", r"(\Deleted)")
            imap.expunge()
    assert [] == world.judge().wrong


def test_the_copy_of_redmine_is_whole_although_its_refresh_died(world: World) -> None:
    """Ended at its second stand at each boundary, a refresh is made good by the next: it lacks no issue, no entry."""
    first = letter()
    world.deliver([first, letter(), letter("note", reply_to=first)])
    world.finish()
    made = [row.created_issue for row in world.rows() if row.created_issue is not None]
    application = app.build(world.settings())
    issues = IssueCopy(application.store.database, application.store.clock)
    try:
        for effect, moment in UPDATE:
            for number in made:
                world.redmine.admin.call("PUT", f"/issues/{number}.json", {"issue": {"notes": moment}})
            with pytest.raises(Died), dying(effect, moment, 2):
                IssueSync(issues, application.client, application.metadata).refresh()
            IssueSync(issues, application.client, application.metadata).refresh()
            assert set(made) == {row.id for row in issues.issues()}
            found = [journal["id"] for number in made for journal in world.redmine.admin.issue(number)["journals"]]
            assert set(found) == {row.id for row in issues.journals()}
    finally:
        application.close()


def test_an_agents_answer_is_queued_once_although_the_update_died(world: World, smtp: tuple[int, list[str]]) -> None:
    """Ended at its first stands at each boundary, `update` mails each note once in the end, and no history."""
    world.deliver([letter(), letter()])
    world.finish()
    world.send_by(smtp[0], 'notes = "public_notes", redmine_users = "mail"')
    world.write_settings()
    world.say("history")
    update(world)
    stands = [(*boundary, number) for boundary in QUEUE for number in (1, 2)]
    for stand in stands:
        world.say(f"An answer at {stand}.")
        assert update(world, stand)
    update(world)
    while world.send_answers():
        pass
    assert 2 * len(stands) == len(smtp[1]) == len(set(smtp[1]))


def test_a_conversation_begins_once_although_the_update_died(world: World, smtp: tuple[int, list[str]]) -> None:
    """Ended at each boundary while an issue made in Redmine begins, and while its requester changes, `update` has begun
    it once in the end, and has mailed each of its notes once, to whom the field named then.
    """
    world.send_by(smtp[0], 'notes = "public_notes", redmine_users = "mail"')
    world.issue_extra = 'requester_field = "Requester"\nconversations_from_redmine = true'
    world.write_settings()
    bob, project = world.redmine.api("bob"), world.boxes["box"][1]
    field = world.redmine.seed["custom_fields"]["Requester"]
    enabling = [update(world, (*stand, 1)) for stand in BEGIN]
    assert [True] * len(BEGIN) == enabling
    update(world)
    stands, numbers = [*BEGIN, *UPDATE], []
    for stand in stands:
        values = {"project_id": project, "subject": f"A call at {stand}"}
        values |= {"custom_fields": [{"id": field, "value": "kim@client.example"}]}
        made = bob.call("POST", "/issues.json", {"issue": values})
        numbers.append(made["issue"]["id"])
        bob.call("PUT", f"/issues/{numbers[-1]}.json", {"issue": {"notes": "The first note."}})
        assert update(world, (*stand, 1))
        update(world)
        changed = {"notes": "The second note.", "custom_fields": [{"id": field, "value": "lee@client.example"}]}
        bob.call("PUT", f"/issues/{numbers[-1]}.json", {"issue": changed})
        assert update(world, (*stand, 1))
        update(world)
    while world.send_answers():
        pass
    assert 2 * len(stands) == len(smtp[1]) == len(set(smtp[1]))
    store = open_store(world.settings())
    try:
        recipients = [[mail.recipient for mail in mails_about(store, number)] for number in numbers]
    finally:
        store.close()
    assert [["kim@client.example", "lee@client.example"]] * len(stands) == recipients


def test_a_command_begins_a_conversation_once_although_the_update_died(
    world: World, smtp: tuple[int, list[str]]
) -> None:
    """Ended at each boundary while a note begins a conversation by a command, and while another note changes its
    requester, `update` has begun it once in the end, and has mailed each of its notes once, to whom it names.
    """
    world.extra = f'[outgoing]\nhost = "127.0.0.1"\nport = {smtp[0]}\nsecurity = "none"\nusername = ""\n'
    world.box_extra = 'answers = { notes = "public_notes", redmine_users = "mail", command_roles = ["Developer"] }'
    world.issue_extra = "conversations_from_redmine = true"
    world.write_settings()
    bob, project = world.redmine.api("bob"), world.boxes["box"][1]
    enabling = [update(world, (*stand, 1)) for stand in (*BEGIN, *BEGIN)]  # of the mailbox, then of commands
    assert [True] * 2 * len(BEGIN) == enabling
    update(world)
    next_second()  # what was written in the second in which commands began to count is history
    stands, numbers = [*BEGIN, *UPDATE, *QUEUE], []
    for place, stand in enumerate(stands):
        values = {"project_id": project, "subject": f"A call at {stand}"}
        numbers.append(bob.call("POST", "/issues.json", {"issue": values})["issue"]["id"])
        for stage, name in ((stand, "kim"), (QUEUE[place % len(QUEUE)], "lee")):
            note = f"/requester {name}@client.example\nTo {name}."
            bob.call("PUT", f"/issues/{numbers[-1]}.json", {"issue": {"notes": note}})
            assert update(world, (*stage, 1))
            update(world)
    while world.send_answers():
        pass
    assert 2 * len(stands) == len(smtp[1]) == len(set(smtp[1]))
    store = open_store(world.settings())
    try:
        recipients = [[mail.recipient for mail in mails_about(store, number)] for number in numbers]
    finally:
        store.close()
    assert [["kim@client.example", "lee@client.example"]] * len(stands) == recipients


def test_the_commands_of_a_note_count_once_although_the_update_died(world: World, smtp: tuple[int, list[str]]) -> None:
    """Ended at its first stands at each boundary, `update` has changed Cc and requester once by each note in the end,
    mailed the note to those whom it names, and hidden it where it says so.
    """
    world.deliver([letter(), letter()])
    world.finish()
    world.send_by(smtp[0], 'notes = "public_notes", redmine_users = "mail", command_roles = ["Developer"]')
    world.write_settings(settle="0s")
    update(world)
    stands = [(*boundary, number) for boundary in QUEUE for number in (1, 2)]
    for place, stand in enumerate(stands):
        world.say(f"/cc ccID@client.example\n/requester asksID{place}@client.example\nAn answer at {stand}.")
        assert update(world, stand)
    hiding = boundaries(SideEffect.ADD_NOTE, SideEffect.RECORD_SENT)
    for stand in hiding:
        world.say("/private\nHe never pays.")
        assert update(world, (*stand, 1))
    update(world)
    while world.send_answers():
        pass
    assert 2 * 2 * len(stands) == len(smtp[1])
    application = app.build(world.settings())
    try:
        with application.store.database.read() as db:
            counts = [
                db.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar()  # noqa: S608 - a name of ours
                for table in ("cc_change", "requester_change")
            ]
    finally:
        application.close()
    assert [2, 2 * len(stands)] == counts
    for row in world.rows():
        entries = world.redmine.admin.issue(row.created_issue or 0)["journals"]
        assert len(hiding) == sum(entry["private_notes"] for entry in entries)
        assert "He never pays." not in [entry["notes"] for entry in entries if not entry["private_notes"]]


def test_a_note_to_third_parties_is_queued_once_although_the_update_died(
    world: World, smtp: tuple[int, list[str]]
) -> None:
    """Ended at its first stands at each boundary, `update` mails each note to both whom it names, once in the end; what
    cannot be mailed is one private note.
    """
    world.deliver([letter(), letter()])
    world.finish()
    world.send_by(smtp[0], 'third_parties = true, redmine_users = "mail", command_roles = ["Developer"]')
    world.write_settings()
    ask = "/to sue@parts.example, sam@parts.example\n"
    world.say(f"{ask}history", private_notes=True)
    update(world)
    stands = [(*boundary, number) for boundary in QUEUE for number in (1, 2)]
    for stand in stands:
        world.say(f"{ask}A question at {stand}.", private_notes=True)
        assert update(world, stand)
    world.say(f"{ask}In public.")
    assert update(world, (*QUEUE[-1], 1))
    for _ in range(2):
        update(world)
    while world.send_answers():
        pass
    counts = Counter(smtp[1])
    assert (2 * len(stands), {2}) == (len(counts), set(counts.values()))
    for row in world.rows():
        notes = [one["notes"] for one in world.redmine.admin.issue(row.created_issue or 0)["journals"]]
        assert 1 == len([text for text in notes if "was not mailed" in text])


def test_a_rule_acts_once_although_the_update_died(world: World, smtp: tuple[int, list[str]]) -> None:
    """Ended at each boundary in turn, a rule of time has made one note and one reminder an issue in the end."""
    world.write_settings(settle="0s")
    world.deliver([letter(), letter()])
    world.finish()
    world.send_by(smtp[0])
    world.extra += RULE
    world.write_settings()
    world.let_age(1.0)
    assert [True] * len(RULE_STANDS) == [update(world, (*stand, 1), "rules") for stand in RULE_STANDS]
    update(world, station="rules")
    notes = [
        [one["notes"] for one in world.redmine.admin.issue(row.created_issue or 0)["journals"]] for row in world.rows()
    ]
    assert [["It is time."]] * 2 == notes
    while world.send_answers():
        pass
    assert 2 == len(smtp[1]) == len(set(smtp[1]))
    assert [1, 1] == [world.lines(row.id, "queued: reminder") for row in world.rows()]


def update(world: World, die: tuple[SideEffect, Moment, int] | None = None, station: str = "answers") -> bool:
    """Refresh the copy and do one station's work, as `update` does. Return whether it died where it was told to."""
    application = app.build(world.settings())
    try:
        (chosen,) = (one for one in application.tasks.steps if one.name == station)
        with dying(*die) if die else contextlib.nullcontext():
            assert chosen.once(threading.Event()).error is None
        return False
    except Died:
        return True
    finally:
        application.close()


class Sink:
    """An SMTP server that takes everything and keeps the Message-IDs."""

    def __init__(self) -> None:
        self.message_ids: list[str] = []

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        content = envelope.content
        assert isinstance(content, bytes)
        self.message_ids.append(str(email.message_from_bytes(content)["Message-ID"]))
        return "250 2.0.0 queued"


def forget(world: World) -> None:
    """What the service does once an hour."""
    application = app.build(world.settings())
    try:
        application.upkeep()
    finally:
        application.close()


@pytest.mark.parametrize(("effect", "moment"), STEERING, ids=str)
def test_a_change_of_a_task_is_there_whole_or_not_at_all(tmp_path: Path, effect: SideEffect, moment: Moment) -> None:
    """Ended before it, a stop has not been; ended after it, it is, and every process sees that something changed."""
    store = Store.open(f"sqlite:///{tmp_path / 'db'}", tmp_path / "raw")
    book = TaskState(store.database, store.clock)

    with pytest.raises(Died), dying(effect, moment, 1):
        book.stop()
    came = moment == "after"
    assert (came, int(came)) == (book.stopped, book.revision())
    store.close()
