"""Every lost answer ends as one issue or note: it is found again by its writer, its files, its number, and no clock."""

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import time_machine

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.policy.manual import ManualDecision
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.store.queries.messages import MessageFilter
from tests.product import mail, message_id_of
from tests.unit.tasks.fake_redmine import FakeRedmine, open_fake_redmine

ANNA = "Anna Agent <anna@example.com>"
HOUR, DAY = 3600.0, 86400.0
EMOJI = "\\ud83d"  # as JSON writes it


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRedmine]:
    """A desk that believes every From, where anna has a user, and tickets is one for strangers."""
    with open_fake_redmine(tmp_path, monkeypatch) as made:
        made.users = {"anna": 5, "tickets": 6}
        change(made, trust="any")
        yield made


def change(fake: FakeRedmine, *, ticket_user: str | None = None, settle: str = "0s", **issue: Any) -> None:
    """Given keys of the mailbox's issue table, set them."""
    values = fake.settings.model_dump(exclude_unset=True)
    box = values["mailboxes"]["desk"]
    box["issue"] = box["issue"] | issue
    box["senders"] = {"ticket_user": ticket_user} if ticket_user else {}
    values["redmine"]["settle"] = settle
    fake.settings = Settings.model_validate(values)


def subjects(fake: FakeRedmine) -> list[str]:
    """The subjects of the issues, sorted."""
    return sorted(issue["subject"] for issue in fake.issues)


def notes(fake: FakeRedmine) -> list[str]:
    """The last line of each note of the first issue."""
    return [journal["notes"].splitlines()[-1] for journal in fake.issues[0]["journals"]]


def started(fake: FakeRedmine, sender: str = "zoe@elsewhere.example") -> str:
    """An issue is there. Return the Message-ID of the mail that made it."""
    first = mail("Start", sender=sender)
    fake.server.append(first)
    fake.receive()
    return message_id_of(first)


def finish(fake: FakeRedmine, passes: int = 3) -> None:
    """Make passes, as if the pauses were over."""
    for _ in range(passes):
        fake.receive()


def ended(fake: FakeRedmine) -> list[State]:
    """Where the mails stand."""
    return [row.state for row in fake.rows()]


# ---------------------------------------------------------------------- who wrote it


@pytest.mark.fault("I1")
@pytest.mark.parametrize("status", [500, 502, 504])
def test_ticket_user(fake: FakeRedmine, status: int) -> None:
    """An issue that the ticket_user wrote is found again after a lost answer."""
    change(fake, ticket_user="tickets")
    fake.answers = [(status, "written")]
    fake.server.append(mail("Exactly one"))
    finish(fake)

    assert (["Exactly one"], 1) == (subjects(fake), fake.writes)
    assert 6 == fake.issues[0]["author"]["id"]
    assert [(State.DONE, 1)] == [(row.state, row.issue) for row in fake.rows()]


@pytest.mark.parametrize("status", [500, 502, 504])
@pytest.mark.parametrize("what", ["", "written"])
def test_as_the_sender(fake: FakeRedmine, status: int, what: str) -> None:
    """An issue and a note that the sender's own user wrote are there once, written or not."""
    fake.answers = [(status, what)]
    first = mail("Start", sender=ANNA)
    fake.server.append(first)
    finish(fake)
    fake.answers = [(status, what)]
    fake.server.append(mail("Re: Start", "The reply.\n", sender=ANNA, In_Reply_To=message_id_of(first)))
    finish(fake)

    assert (["Start"], ["The reply."]) == (subjects(fake), notes(fake))
    assert (5, 5) == (fake.issues[0]["author"]["id"], fake.issues[0]["journals"][0]["user"]["id"])
    assert [State.DONE, State.DONE] == ended(fake)


def test_impersonation_that_is_ignored(fake: FakeRedmine) -> None:
    """Where Redmine wrote as the key's own user though asked to act as another, that one's issue is taken too."""
    fake.answers = [(502, "written")]
    fake.server.append(mail("Ignored", sender=ANNA))
    fake.receive()
    fake.issues[0]["author"] = {"id": 1, "name": "Mail Bridge"}
    finish(fake)

    assert ["Ignored"] == subjects(fake)
    assert any("written by Mail Bridge (1) instead of anna" in line for line in fake.lines(fake.rows()[0]))


@pytest.mark.parametrize(
    "files", [pytest.param({}, marks=pytest.mark.fault("M9")), {"a.bin": b"content"}], ids=["plain", "with a file"]
)
def test_login_renamed(fake: FakeRedmine, files: dict[str, bytes]) -> None:
    """A user whose login was changed a moment ago writes all the same: the mail is decided anew."""
    with fake.application() as made:
        fake.server.append(mail("First", sender=ANNA))
        made.receivers[0].once()
        fake.users["anna-smith"] = fake.users.pop("anna")
        fake.server.append(mail("Second", sender=ANNA, files=files))
        for minutes in (0, 10, 20):  # the pause after a request that came to nothing
            with time_machine.travel(dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minutes)):
                made.receivers[0].once()

    assert ["First", "Second"] == subjects(fake)
    assert {5} == {issue["author"]["id"] for issue in fake.issues}
    assert [State.DONE, State.DONE] == ended(fake)


@pytest.mark.fault("M9")
def test_login_renamed_while_unclear(fake: FakeRedmine) -> None:
    """So does one whose login was changed while it was unclear whether the first request was carried out."""
    fake.answers = [(502, "")]
    fake.server.append(mail("Once", sender=ANNA))
    fake.receive()
    fake.users["anna-smith"] = fake.users.pop("anna")
    finish(fake)

    assert (["Once"], [State.DONE]) == (subjects(fake), ended(fake))
    assert 5 == fake.issues[0]["author"]["id"]


# ---------------------------------------------------------------------- in which form


def refuses_wide(fake: FakeRedmine, *first: tuple[int, str]) -> None:
    """Redmine's database takes no emoji; before that, these are the answers to requests with one."""
    answers = list(first)
    fake.always = lambda body: (answers.pop(0) if answers else (500, "")) if EMOJI in body else None


@pytest.mark.fault("I2")
def test_emoji_and_a_500_after_the_save(fake: FakeRedmine) -> None:
    """What was sent is looked for as it was sent: an emoji and a 500 that came too late make no second issue."""
    refuses_wide(fake, (500, "written"))
    fake.server.append(mail("Party \U0001f600", "Come!\n"))
    finish(fake)

    assert (["Party \U0001f600"], [State.DONE]) == (subjects(fake), ended(fake))


@pytest.mark.fault("I2")
def test_emoji_in_a_note_and_a_500_after_the_save(fake: FakeRedmine) -> None:
    """Nor a second note."""
    reply_to = started(fake)
    refuses_wide(fake, (500, "written"))
    fake.server.append(mail("Re: Start", "Thanks \U0001f600\n", In_Reply_To=reply_to))
    finish(fake)

    assert (["Thanks \U0001f600"], [State.DONE] * 2) == (notes(fake), ended(fake))


def test_emoji_that_the_database_refuses(fake: FakeRedmine) -> None:
    """An emoji that Redmine fails on is named, once nothing of the first request is there."""
    refuses_wide(fake)
    fake.server.append(mail("Party \U0001f600", "Come!\n"))
    finish(fake)

    assert (["Party :grinning_face:"], [State.DONE], 2) == (subjects(fake), ended(fake), fake.writes)
    assert any("4-byte characters replaced" in line for line in fake.lines(fake.rows()[0]))


@pytest.mark.parametrize("late", [pytest.param(True, marks=pytest.mark.fault("I2")), False])
def test_each_form_is_looked_for(fake: FakeRedmine, late: bool) -> None:
    """A request that lands late in its first form, or one that was sent in the second, is the mail's issue."""
    fake.always = lambda body: (500, "") if EMOJI in body else (504, "" if late else "written")
    fake.server.append(mail("Party \U0001f600", "Come \U0001f600\n"))
    fake.receive()
    fake.always = lambda _body: None
    if late:  # the very first request was under way all the time
        simple = json.loads(json.loads(fake.rows()[0].request or "{}")["request"])["attributes"]["description"]
        text = simple.replace(":grinning_face:", "\U0001f600")
        fake.issues.append(issue_like(fake, "Party \U0001f600", text))
    finish(fake)

    made = "Party \U0001f600" if late else "Party :grinning_face:"
    assert ([made], [State.DONE], 2) == (subjects(fake), ended(fake), fake.writes)


def issue_like(fake: FakeRedmine, subject: str, text: str, author: int = 1) -> dict[str, Any]:
    """An issue that somebody makes beside the bridge."""
    return {
        "id": len(fake.issues) + 1, "project": {"id": 7, "name": "Desk"}, "tracker": {"id": 1, "name": "Bug"},
        "status": {"id": 1, "name": "New"}, "author": {"id": author, "name": "x"}, "subject": subject,
        "description": text, "is_private": False, "attachments": [], "journals": [],
        "created_on": "2026-01-01T00:00:00Z", "updated_on": "2026-01-01T00:00:00Z",
    }  # fmt: skip


def test_a_note_whose_issue_is_deleted_before_the_look(fake: FakeRedmine) -> None:
    """Nothing of it can be there: the mail is decided anew, and becomes an issue."""
    reply_to = started(fake)
    fake.answers = [(504, "")]
    fake.server.append(mail("Re: Start", "The reply.\n", In_Reply_To=reply_to))
    fake.receive()
    fake.reads = lambda url: (404, {}, "") if "/issues/1.json" in url else None
    fake.always = lambda body: (404, "") if "notes" in body else None
    finish(fake)

    assert ([State.DONE, State.DONE], [1, 2]) == (ended(fake), [row.issue for row in fake.rows()])


# ---------------------------------------------------------------------- by no clock


CLOCKS = [  # how many seconds Redmine's clock is ahead of the proxy's and ours
    *(pytest.param(ahead, marks=pytest.mark.fault("I5")) for ahead in (-DAY, -10.0)),
    HOUR,
]
FILES: list[dict[str, bytes]] = [{}, {"a.bin": b"content"}]


@pytest.mark.parametrize("ahead", CLOCKS)
def test_a_reply_where_clocks_differ(fake: FakeRedmine, ahead: float) -> None:
    """A note that Redmine took is no refusal because Redmine's clock is not that of the proxy before it."""
    fake.ahead, fake.date = ahead, 0.0
    reply_to = started(fake)
    fake.server.append(mail("Re: Start", "The reply.\n", In_Reply_To=reply_to))
    finish(fake, 1)

    assert (["The reply."], [State.DONE, State.DONE]) == (notes(fake), ended(fake))


@pytest.mark.parametrize("ahead", CLOCKS)
@pytest.mark.parametrize("files", FILES, ids=["plain", "with a file"])
def test_lost_answers_where_clocks_differ(fake: FakeRedmine, ahead: float, files: dict[str, bytes]) -> None:
    """Nor does it make a second issue or note, with files or without, of one whose answer was lost."""
    fake.ahead, fake.date = ahead, 0.0
    fake.answers = [(504, "written")]
    first = mail("Start", files=files)
    fake.server.append(first)
    finish(fake)
    fake.answers = [(504, "written")]
    fake.server.append(mail("Re: Start", "The reply.\n", In_Reply_To=message_id_of(first), files=files))
    finish(fake)

    assert (["Start"], ["The reply."]) == (subjects(fake), notes(fake))
    assert [State.DONE, State.DONE] == ended(fake)
    assert 2 * len(files) == len(fake.issues[0]["attachments"]) == fake.uploads


@pytest.mark.parametrize("jump", [*(pytest.param(to, marks=pytest.mark.fault("I6")) for to in (-DAY, -HOUR)), DAY])
@pytest.mark.parametrize("files", FILES, ids=["plain", "with a file"])
def test_our_clock_is_set_between_send_and_look(fake: FakeRedmine, jump: float, files: dict[str, bytes]) -> None:
    """Whoever sets our clock in between, forward or back, makes no second issue or note."""
    fake.date = 0.0
    reply_to = started(fake)
    fake.answers = [(504, "written"), (504, "written")]
    fake.server.append(
        mail("A second", files=files), mail("Re: Start", "The reply.\n", In_Reply_To=reply_to, files=files)
    )
    fake.receive()
    fake.ahead = fake.date = -jump
    with time_machine.travel(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=jump)):
        finish(fake)

    assert (["A second", "Start"], ["The reply."]) == (subjects(fake), notes(fake))
    assert [State.DONE] * 3 == ended(fake)


@pytest.mark.fault("I6")
def test_a_clock_that_is_set_forward_shortens_no_wait(fake: FakeRedmine) -> None:
    """A request may be under way as long as `settle` says, by a clock that nobody sets: until then nothing is sent."""
    change(fake, settle="10m")
    fake.answers = [(504, "")]
    fake.server.append(mail("Under way"))
    fake.receive()
    with time_machine.travel(dt.datetime.now(dt.UTC) + dt.timedelta(hours=2)):
        fake.receive()

    assert ([State.WRITE_PENDING], 1) == (ended(fake), fake.writes)
    assert "it will be checked later" in (fake.rows()[0].reason or "")


def test_after_a_restart_of_the_machine_the_wait_begins_anew(
    fake: FakeRedmine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that was started since cannot know how long ago it was sent: it waits, then looks."""
    from redmine_mailbridge.tasks.receive import settle

    change(fake, settle="10m")
    fake.answers = [(504, "written")]
    fake.server.append(mail("Once"))
    fake.receive()
    for at, expected in ((5000.0, State.WRITE_PENDING), (5599.0, State.WRITE_PENDING), (5601.0, State.DONE)):
        monkeypatch.setattr(settle, "now", lambda at=at: ("another start", at))
        fake.receive()
        assert [expected] == ended(fake), at

    assert (["Once"], 1) == (subjects(fake), fake.writes)


# ---------------------------------------------------------------------- by number


def test_what_was_there_before_is_not_taken(fake: FakeRedmine) -> None:
    """An issue and a note with the same words and writer that were there before are somebody else's."""
    reply_to = started(fake)
    like = fake.issues[0]
    fake.issues.append(issue_like(fake, "Alike", like["description"]))
    fake.note(like, {"notes": "placeholder"}, {"id": 1, "name": "Mail Bridge"})
    fake.answers = [(504, "")]
    fake.server.append(mail("Alike"), mail("Re: Start", "The reply.\n", In_Reply_To=reply_to))
    fake.receive()
    written = json.loads(next(row for row in fake.rows() if row.subject == "Re: Start").request or "{}")
    like["journals"][0]["notes"] = json.loads(written["request"])["attributes"]["notes"]
    finish(fake)

    assert ["Alike", "Alike", "Start"] == subjects(fake)
    assert ["The reply.", "The reply."] == notes(fake)


def test_numbers_that_went_back(fake: FakeRedmine) -> None:
    """A database that was put back to an earlier day while Redmine was away hides nothing that is made then."""
    with fake.application() as made:
        fake.server.append(*(mail(f"Before {number}") for number in range(5)))
        made.receivers[0].once()
        del fake.issues[1:]
        fake.down = True
        fake.server.append(mail("After"))
        made.receivers[0].once()
        fake.down = False
        fake.answers = [(504, "written")]
        later = dt.datetime.now(dt.UTC)
        for _ in range(4):
            later += dt.timedelta(minutes=10)
            with time_machine.travel(later):
                made.receivers[0].once()

        fake.server.append(mail("And then"))
        with time_machine.travel(later):
            made.receivers[0].once()

    assert ["After", "And then"] == [issue["subject"] for issue in fake.issues[1:]]
    assert {"After": 2, "And then": 3} == {row.subject: row.created_issue for row in fake.rows()[5:]}


def test_known_numbers_cost_no_request(fake: FakeRedmine) -> None:
    """The newest issue is asked for once, before the first; each answer tells it from then on."""
    with fake.application() as made:
        fake.server.append(*(mail(f"Mail {number}") for number in range(6)))
        made.receivers[0].once()

    assert (6, 1) == (len(fake.issues), fake.lists)


def test_twins(fake: FakeRedmine) -> None:
    """Mails that differ in nothing but their Message-ID stay as many, issues and notes, whatever answers are lost."""
    reply_to = started(fake)
    fake.answers = [(504, "written"), (504, ""), (500, "written"), (502, "")]
    fake.server.append(*(mail("Alike") for _ in range(2)))
    fake.server.append(*(mail("Re: Start", "Alike.\n", In_Reply_To=reply_to) for _ in range(2)))
    finish(fake, 5)

    assert ["Alike", "Alike", "Start"] == subjects(fake)
    assert ["Alike.", "Alike."] == notes(fake)
    assert 5 == len({(row.created_issue, row.journal) for row in fake.rows()})


# ---------------------------------------------------------------------- changed before the look


def test_edited_before_the_look(fake: FakeRedmine) -> None:
    """An issue whose subject and text somebody has changed before the look is found by what they were."""
    fake.answers = [(504, "written")]
    fake.server.append(mail("As sent"))
    fake.receive()
    fake.note(fake.issues[0], {"subject": "Edited", "description": "Other words"}, {"id": 5, "name": "anna"})
    finish(fake)

    assert (["Edited"], [State.DONE]) == (subjects(fake), ended(fake))


@pytest.mark.fault("I5")
def test_a_note_whose_words_redmine_changes(fake: FakeRedmine) -> None:
    """A note that a plugin or the database keeps in other words than it was sent in is no refusal, and is told."""
    reply_to = started(fake)
    fake.keeps = lambda text: f"{text}\n-- \nadded by a plugin"
    fake.server.append(mail("Re: Start", "The reply.\n", In_Reply_To=reply_to))
    finish(fake, 1)

    assert [State.DONE, State.DONE] == ended(fake)
    assert any("not as it was sent" in line for line in fake.lines(fake.rows()[1]))


# ---------------------------------------------------------------------- refused


@pytest.mark.fault("M5")
def test_a_refusal_with_a_number_in_it(fake: FakeRedmine) -> None:
    """Words of a refusal that hold a number say nothing of files: it is a refusal, tried once again with all
    names asked anew, and the file went once with each.
    """
    fake.always = lambda _body: (422, "")
    fake.refusal = "Level 1 cannot be blank"
    fake.server.append(mail("Refused", files={"a.bin": b"content"}))
    finish(fake)

    assert ([State.REJECTED], 2, 2) == (ended(fake), fake.writes, fake.uploads)
    assert "Level 1 cannot be blank" in (fake.rows()[0].reason or "")


@pytest.mark.fault("S1")
def test_a_file_that_redmine_does_not_take(fake: FakeRedmine) -> None:
    """Its name is told in the issue as code: it makes no link, no mention and no macro there."""
    fake.server.append(mail("Named", files={"#62 @admin {{child_pages}}.bin": b"x"}))
    fake.no_files = "This file cannot be uploaded"
    finish(fake)

    assert "Not attached:" in (told := fake.issues[0]["description"])
    assert (
        "* <code>&#35;62 &#64;admin {&#123;child&#95;pages}}.bin</code>: `This file cannot be uploaded`"
        == told.splitlines()[-1]
    )


@pytest.mark.fault("M5")
def test_such_a_refusal_after_an_unclear_request(fake: FakeRedmine) -> None:
    """Where the first request was unclear the file is sent once more, and once again with all names asked anew; then
    the refusal is believed.
    """
    fake.answers = [(504, "")]
    fake.server.append(mail("Refused", files={"a.bin": b"content"}))
    fake.receive()
    fake.always = lambda _body: (422, "")
    fake.refusal = "Level 1 cannot be blank"
    finish(fake, 4)

    assert ([State.REJECTED], 3) == (ended(fake), fake.uploads)


def test_tokens_that_a_late_request_used(fake: FakeRedmine) -> None:
    """A request that lands between the look and the next one has used the files, in whatever words Redmine says so."""
    fake.answers = [(504, "")]
    fake.server.append(mail("Late", files={"a.bin": b"content"}))
    fake.receive()
    late = json.loads(json.loads(fake.rows()[0].request or "{}")["request"])

    def land(_body: str) -> tuple[int, str] | None:
        fake.issues.append(issue_like(fake, "Late", late["attributes"]["description"]))
        fake.issues[-1]["attachments"] = fake._take(late)
        fake.always = lambda _body: None
        return None

    fake.always = land
    finish(fake)

    assert (["Late"], [State.DONE], 1) == (subjects(fake), ended(fake), fake.uploads)


@pytest.mark.fault("I5")
def test_a_retry_after_a_wrong_refusal(fake: FakeRedmine) -> None:
    """A note that could not be seen when it was written, and was refused, is looked for when an admin tries again."""
    reply_to = started(fake)
    fake.server.append(mail("Re: Start", "The reply.\n", In_Reply_To=reply_to))
    shown, fake.issues[0]["journals"] = fake.issues[0]["journals"], Hidden()
    fake.receive()
    assert [State.DONE, State.REJECTED] == ended(fake)
    fake.issues[0]["journals"] = [*shown, *fake.issues[0]["journals"].kept]
    with fake.application() as made:
        made.store.retry(fake.rows()[1].id)
    finish(fake, 2)

    assert (["The reply."], [State.DONE, State.DONE]) == (notes(fake), ended(fake))


class Hidden(list[Any]):
    """Journals that are kept and not shown."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[Any] = []

    def append(self, one: Any) -> None:
        self.kept.append(one)


def test_a_retry_after_a_right_refusal(fake: FakeRedmine) -> None:
    """A note that was dropped is decided anew when an admin tries again, and is then written once."""
    reply_to = started(fake)
    fake.drops_notes = True
    fake.server.append(mail("Re: Start", "The reply.\n", In_Reply_To=reply_to))
    fake.receive()
    fake.drops_notes = False
    with fake.application() as made:
        made.store.retry(fake.rows()[1].id)
    finish(fake, 2)

    assert (["The reply."], [State.DONE, State.DONE]) == (notes(fake), ended(fake))


# ---------------------------------------------------------------------- of the first version


@pytest.mark.parametrize("what", ["", "written"])
def test_an_intent_of_the_first_version(fake: FakeRedmine, what: str) -> None:
    """A mail whose request was sent by the first version, which kept no numbers, is found or sent all the same."""
    fake.answers = [(504, what)]
    fake.server.append(mail("Once"))
    fake.receive()
    with fake.application() as made:
        (row,) = made.message_queries.messages(MessageFilter())
        known = json.loads(row.request or "{}")
        made.store.rewrite(
            row.id, json.dumps({name: value for name, value in known.items() if name not in {"after", "made", "again"}})
        )
    finish(fake)

    assert (["Once"], [State.DONE]) == (subjects(fake), ended(fake))


def test_an_intent_of_the_first_version_does_not_take_what_was_there_before(fake: FakeRedmine) -> None:
    """Of two issues that are alike, the one from before the mail was sent is somebody else's."""
    started(fake)
    fake.answers = [(504, "")]
    fake.server.append(mail("Once"))
    fake.receive()
    row = fake.rows()[1]
    known = json.loads(row.request or "{}")
    fake.issues.append(issue_like(fake, "Once", json.loads(known["request"])["attributes"]["description"]))
    with fake.application() as made:
        made.store.rewrite(
            row.id, json.dumps({name: value for name, value in known.items() if name not in {"after", "made", "again"}})
        )
    finish(fake)

    assert (["Once", "Once", "Start"], [State.DONE] * 2) == (subjects(fake), ended(fake))
    assert 3 == fake.rows()[1].created_issue


@pytest.mark.fault("A20-16")
@pytest.mark.parametrize("written", ["written", ""])
def test_a_decision_about_a_mail_whose_request_is_in_doubt(fake: FakeRedmine, written: str) -> None:
    """A mail that failed while the result of its request was unknown, and that a person files to an issue, becomes a
    note there, unless Redmine has executed the request: then that is its result. It is never both.
    """
    started(fake)
    fake.answers = [(504, written)]
    fake.server.append(mail("In doubt"))
    fake.receive()
    row = next(row for row in fake.rows() if row.subject == "In doubt")
    with fake.application() as made:
        made.store.finish(row.id, State.FAILED, "after 20 attempts")
        assert made.store.retry(row.id, manual_decision=str(ManualDecision("kim", issue=fake.issues[0]["id"])))
    finish(fake)
    assert (["In doubt", "Start"] if written else ["Start"]) == subjects(fake)
    assert (0 if written else 1) == len(fake.issues[0]["journals"])


@pytest.mark.fault("A24-4")
def test_a_decided_mail_with_an_emoji_that_a_gateway_hides_the_refusal_of(fake: FakeRedmine) -> None:
    """A mail that a person has imported is sent without its emoji, as any, once it is certain that Redmine's database
    does not take it: its own request, in doubt, is no reason to decide it anew and to send the emoji for ever.
    """
    fake.always = lambda body: (500, "<html>Something went wrong</html>") if EMOJI in body else None
    fake.server.append(mail("Party \U0001f600"))
    with fake.application() as made:
        made.receivers[0].once()
        (row,) = made.message_queries.messages(MessageFilter())
        made.store.withdraw(row.id)
        made.store.finish(row.id, State.REJECTED, "a rule")
        assert made.store.retry(row.id, manual_decision=str(ManualDecision("kim")))
    finish(fake, 4)
    assert (["Party :grinning_face:"], [State.DONE]) == (subjects(fake), ended(fake))
    assert 3 == fake.writes
