"""Connections are cut, answers truncated and delayed in mid-request: every mail is still made once."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from tests.crash.letters import Letter, batch, letter
from tests.crash.variants import Variant, one_of
from tests.crash.world import World
from tests.servers.faults import Fault, failing
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox
from tests.servers.proxy import FaultProxy
from tests.unit.redmine.tiny import Seen, answer, serve

pytestmark = pytest.mark.crash

ISSUE, NOTE, USER = b"POST /issues.json", b"PUT /issues/", b"POST /users.json"
UPLOAD, LIST = b"POST /uploads.json", b"GET /issues.json"


@pytest.fixture
def world(  # noqa: PLR0917 - fixtures are named, not placed
    tmp_path: Path,
    redmine: Redmine,
    mailbox: Mailbox,
    project: str,
    redmine_proxy: FaultProxy,
    imap_proxy: FaultProxy,
    store_table: str,
) -> World:
    """A bridge behind both proxies."""
    return World(
        tmp_path, redmine, {"box": (mailbox, project)}, redmine_url=redmine_proxy.url, imap_port=imap_proxy.port,
        store=store_table,
    )  # fmt: skip


REDMINE = {
    "issue-made-answer-lost": [Fault("sent", match=ISSUE, skip=1)],
    "issue-half-sent": [Fault("request", match=ISSUE, after=150)],
    "issue-answer-truncated": [Fault("response", "close", match=ISSUE, after=300)],
    "issue-answer-torn-in-its-head": [Fault("response", match=ISSUE, after=9), failing(ISSUE, "before-save")],
    "issue-made-gateway-answers": [
        Fault("response", "gateway", match=ISSUE), Fault("sent", "gateway", match=ISSUE, status=504),
    ],
    "two-issues-in-a-row": [Fault("sent", match=ISSUE), failing(ISSUE)],
    "look-cut-too": [failing(ISSUE), Fault("sent", match=LIST), Fault("response", "gateway", match=LIST)],
    "note-made-answer-lost": [Fault("sent", match=NOTE), failing(NOTE)],
    "note-half-sent": [
        Fault("request", match=NOTE, after=60), Fault("sent", "close", match=NOTE),
        Fault("response", "gateway", match=NOTE, status=504),
    ],
    "upload-made-answer-lost": [Fault("sent", match=UPLOAD), failing(UPLOAD)],
    "user-made-answer-lost": [Fault("sent", match=USER)],
    "watcher-made-answer-lost": [Fault("sent", match=b"/watchers.json")],
    "connection-refused": [Fault("connect")],
}  # fmt: skip
HARD_REDMINE = [
    pytest.param(faults, replace(one_of(number, users="user" in name, clock=False), fails=False), id=name)
    for number, (name, faults) in enumerate(REDMINE.items())
]
"""Each in one of the hard worlds; what Redmine fails on, the faults say."""


@pytest.mark.parametrize(("faults", "variant"), HARD_REDMINE)
def test_a_cut_connection_to_redmine_makes_no_mail_twice(
    world: World, redmine_proxy: FaultProxy, faults: list[Fault], variant: Variant
) -> None:
    """Whatever request to Redmine is cut, or answered by a gateway or with a 500, and wherever, every mail is made
    once, whatever the clocks say and whoever writes.
    """
    world.harden(variant, redmine_proxy)
    world.deliver(batch(variant))
    redmine_proxy.plan(*faults)
    world.finish()
    assert faults == redmine_proxy.fired
    assert [] == world.judge().wrong


SLOW = {
    "answer-later-than-the-time-out": [Fault("response", "delay", match=ISSUE, seconds=3)],
    "request-arrives-after-the-time-out": [Fault("request", "delay", match=ISSUE, seconds=3)],
}


@pytest.mark.parametrize("faults", SLOW.values(), ids=SLOW)
def test_a_request_that_lands_after_the_client_gave_up_is_waited_for(
    world: World, redmine_proxy: FaultProxy, faults: list[Fault]
) -> None:
    """A request that Redmine gets, or answers, after the bridge's time-out is found when it has settled."""
    world.redmine_extra = 'timeout = "2s"'
    world.write_settings(settle="4s")
    world.deliver(batch())
    redmine_proxy.plan(*faults)
    world.finish()
    assert faults == redmine_proxy.fired
    assert [] == world.judge().wrong


IMAP = {
    "fetch-thrice": [Fault("response", match=b"BODY.PEEK[]", after=n) for n in (30, 60, 90)],
    "moved-answer-lost": [Fault("sent", match=b"UID MOVE", skip=2)],
    "moved-answer-torn": [Fault("response", "close", match=b"UID MOVE", after=12)],
    "moves-again-and-again": [Fault("sent", match=b"UID MOVE") for _ in range(4)],
    "folder-made-answer-lost": [Fault("sent", match=b"CREATE")],
    "greeting": [Fault("connect"), Fault("response", match=b"SELECT", after=4)],
}


@pytest.mark.parametrize("faults", IMAP.values(), ids=IMAP)
def test_a_cut_connection_to_the_mail_server_loses_and_doubles_nothing(
    world: World, imap_proxy: FaultProxy, faults: list[Fault]
) -> None:
    """Whatever is cut while mails are fetched and moved, every mail is made once and lies in its folder once."""
    world.deliver(batch())
    imap_proxy.plan(*faults)
    world.finish()
    assert faults == imap_proxy.fired
    assert [] == world.judge().wrong


def test_mails_that_arrive_while_connections_break_are_not_overlooked(
    world: World, imap_proxy: FaultProxy, redmine_proxy: FaultProxy
) -> None:
    """Mails that are delivered while the bridge fetches, moves and loses its connections are made once too."""
    batches = [batch() for _ in range(3)]

    def arrive() -> None:
        for one in batches:
            world.deliver(one)

    imap_proxy.plan(*(Fault("sent", match=b"UID MOVE", skip=3), Fault("response", match=b"BODY.PEEK[]", after=600)) * 2)
    redmine_proxy.plan(Fault("sent", match=ISSUE, skip=4), Fault("sent", match=NOTE))
    postman = threading.Thread(target=arrive)
    postman.start()
    while postman.is_alive():
        world.pass_once()
    postman.join()
    world.finish()
    assert imap_proxy.fired
    assert [] == world.judge().wrong


def test_a_reply_waits_for_the_mail_that_it_answers(world: World, redmine_proxy: FaultProxy) -> None:
    """While it is unclear whether a mail became an issue, its reply waits, and becomes a note on it; so does a copy."""
    parent = letter(copies=2)
    reply = letter("note", reply_to=parent)
    world.write_settings(settle="3s")
    world.deliver([parent, reply, letter("note", reply_to=reply)])
    redmine_proxy.plan(Fault("sent", match=ISSUE))
    world.pass_once()
    assert {"stored", "write_pending"} == {row.state.value for row in world.rows()}
    world.finish()
    assert [] == world.judge().wrong
    assert 1 == len(world.redmine.admin.issues(world.boxes["box"][1]))


def test_two_mails_with_the_same_words_stay_two(world: World, redmine_proxy: FaultProxy) -> None:
    """Two mails that differ in nothing but their Message-ID, both unclear at once, become two issues."""
    twins = [letter(subject="Twins", text="We say the same.\n") for _ in range(2)]
    for one in twins:
        world.boxes["box"][0].append(one.content)
    redmine_proxy.plan(Fault("sent", match=ISSUE), Fault("request", match=ISSUE, after=100))
    world.finish()
    assert 2 == len(redmine_proxy.fired)
    assert 2 == len(world.redmine.admin.issues(world.boxes["box"][1]))
    assert {"Processed": 2, "Failed": 0, "INBOX": 0} == world.boxes["box"][0].count()


def test_files_whose_tokens_are_spent_are_not_attached_twice(world: World, redmine_proxy: FaultProxy) -> None:
    """An issue with files, made and changed by hand before the bridge looks for it, is still found by its files."""
    one: Letter = letter(files=2)
    world.deliver([one])
    world.write_settings(settle="3s")
    redmine_proxy.plan(Fault("response", match=ISSUE))
    world.pass_once()
    (issue,) = world.redmine.admin.issues(world.boxes["box"][1])
    changed = {"issue": {"subject": "Seen by an agent", "description": f"{one.token} in other words"}}
    world.redmine.admin.call("PUT", f"/issues/{issue['id']}.json", changed)
    world.finish()
    assert [] == world.judge().wrong


def test_a_request_with_files_cannot_land_twice_however_late(world: World, redmine_proxy: FaultProxy) -> None:
    """A request with files that lands long after the look, when the mail was sent again, finds its files taken."""
    world.redmine_extra = 'timeout = "1s"'
    world.write_settings(settle="1s")
    world.deliver([letter(files=1)])
    redmine_proxy.plan(Fault("request", "delay", match=ISSUE, seconds=60))
    world.finish()
    redmine_proxy.release()
    redmine_proxy.wait_idle()
    assert 2 == sum(line.startswith("POST /issues.json") for line in redmine_proxy.requests)
    assert [] == world.judge().wrong
    assert 1 == len(world.redmine.admin.issues(world.boxes["box"][1]))


@pytest.mark.parametrize("died", ["record_done:after:3", "move:before:2", "move:after:2", "record_intent:after:4"])
def test_a_folder_made_anew_after_a_crash_doubles_nothing(world: World, died: str) -> None:
    """A folder whose UIDs all change (new UIDVALIDITY) while the bridge lies dead brings no mail a second time."""
    box = world.boxes["box"][0]
    world.folders = '["Queue"]'
    world.write_settings()
    box.create("Queue")
    world.deliver(batch(), folder="Queue")
    assert died == world.command("receive", "--once", die=died).wait()
    with box.imap() as imap:
        imap.rename("Queue", "Before")
    box.create("Queue")
    box.append(*box.mails("Before"), folder="Queue")
    with box.imap() as imap:
        imap.delete("Before")
    world.finish()
    assert [] == world.judge().wrong


def test_a_mail_is_not_set_aside_while_its_last_try_has_made_something(
    world: World, redmine: Redmine, imap_proxy: FaultProxy
) -> None:
    """Where Redmine answers 500 each time, but did what was asked the last time, the mail is done and not set aside."""
    posts: list[str] = []

    def liar(seen: Seen) -> bytes:
        headers = {name: value for name, value in seen.headers.items() if name not in ("host", "connection")}
        if seen.path == "/issues.json" and seen.method == "POST":
            posts.append(seen.path)
            if len(posts) == 3:
                requests.post(redmine.url + seen.target, data=seen.body, headers=headers, timeout=30)
            return answer("{}", "500 Internal Server Error")
        passed = requests.request(seen.method, redmine.url + seen.target, data=seen.body, headers=headers, timeout=30)
        return answer(passed.content, f"{passed.status_code} {passed.reason}")

    with serve(liar) as lying:
        world.redmine_url = lying.url
        world.extra = "[receive]\nmax_attempts = 1\n"
        world.write_settings()
        world.deliver([letter()])
        world.finish()
    assert 3 == len(posts)
    assert [] == world.judge().wrong
