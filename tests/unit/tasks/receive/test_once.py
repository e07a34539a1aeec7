"""Every lost answer ends as one issue or note: it is found again by its writer, its files, its number, and no clock."""

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import time_machine

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.store.queries.messages import MessageFilter
from tests.product import mail, message_id_of
from tests.unit.tasks.desk import Desk, open_desk

ANNA = "Anna Agent <anna@example.com>"
HOUR, DAY = 3600.0, 86400.0
EMOJI = "\\ud83d"  # as JSON writes it


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A desk that believes every From, where anna has a user, and tickets is one for strangers."""
    with open_desk(tmp_path, monkeypatch) as made:
        made.users = {"anna": 5, "tickets": 6}
        change(made, trust="any")
        yield made


def change(desk: Desk, *, ticket_user: str | None = None, settle: str = "0s", **issue: Any) -> None:
    """Given keys of the mailbox's issue table, set them."""
    values = desk.settings.model_dump(exclude_unset=True)
    box = values["mailboxes"]["desk"]
    box["issue"] = box["issue"] | issue
    box["senders"] = {"ticket_user": ticket_user} if ticket_user else {}
    values["redmine"]["settle"] = settle
    desk.settings = Settings.model_validate(values)


def subjects(desk: Desk) -> list[str]:
    """The subjects of the issues, sorted."""
    return sorted(issue["subject"] for issue in desk.issues)


def notes(desk: Desk) -> list[str]:
    """The last line of each note of the first issue."""
    return [journal["notes"].splitlines()[-1] for journal in desk.issues[0]["journals"]]


def started(desk: Desk, sender: str = "zoe@elsewhere.example") -> str:
    """An issue is there. Return the Message-ID of the mail that made it."""
    first = mail("Start", sender=sender)
    desk.server.append(first)
    desk.receive()
    return message_id_of(first)


def finish(desk: Desk, passes: int = 3) -> None:
    """Make passes, as if the pauses were over."""
    for _ in range(passes):
        desk.receive()


def ended(desk: Desk) -> list[State]:
    """Where the mails stand."""
    return [row.state for row in desk.rows()]


# ---------------------------------------------------------------------- who wrote it


@pytest.mark.fault("I1")
@pytest.mark.parametrize("status", [500, 502, 504])
def test_ticket_user(desk: Desk, status: int) -> None:
    """An issue that the ticket_user wrote is found again after a lost answer."""
    change(desk, ticket_user="tickets")
    desk.answers = [(status, "written")]
    desk.server.append(mail("Exactly one"))
    finish(desk)

    assert (["Exactly one"], 1) == (subjects(desk), desk.writes)
    assert 6 == desk.issues[0]["author"]["id"]
    assert [(State.DONE, 1)] == [(row.state, row.issue) for row in desk.rows()]


@pytest.mark.parametrize("status", [500, 502, 504])
@pytest.mark.parametrize("what", ["", "written"])
def test_as_the_sender(desk: Desk, status: int, what: str) -> None:
    """An issue and a note that the sender's own user wrote are there once, written or not."""
    desk.answers = [(status, what)]
    first = mail("Start", sender=ANNA)
    desk.server.append(first)
    finish(desk)
    desk.answers = [(status, what)]
    desk.server.append(mail("Re: Start", "The reply.\n", sender=ANNA, In_Reply_To=message_id_of(first)))
    finish(desk)

    assert (["Start"], ["The reply."]) == (subjects(desk), notes(desk))
    assert (5, 5) == (desk.issues[0]["author"]["id"], desk.issues[0]["journals"][0]["user"]["id"])
    assert [State.DONE, State.DONE] == ended(desk)


def test_impersonation_that_is_ignored(desk: Desk) -> None:
    """Where Redmine wrote as the key's own user though asked to act as another, that one's issue is taken too."""
    desk.answers = [(502, "written")]
    desk.server.append(mail("Ignored", sender=ANNA))
    desk.receive()
    desk.issues[0]["author"] = {"id": 1, "name": "Mail Bridge"}
    finish(desk)

    assert ["Ignored"] == subjects(desk)
    assert any("written by Mail Bridge (1) instead of anna" in line for line in desk.lines(desk.rows()[0]))


@pytest.mark.parametrize(
    "files", [pytest.param({}, marks=pytest.mark.fault("M9")), {"a.bin": b"content"}], ids=["plain", "with a file"]
)
def test_login_renamed(desk: Desk, files: dict[str, bytes]) -> None:
    """A user whose login was changed a moment ago writes all the same: the mail is decided anew."""
    with desk.application() as made:
        desk.server.append(mail("First", sender=ANNA))
        made.receivers[0].once()
        desk.users["anna-smith"] = desk.users.pop("anna")
        desk.server.append(mail("Second", sender=ANNA, files=files))
        for minutes in (0, 10, 20):  # the pause after a request that came to nothing
            with time_machine.travel(dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minutes)):
                made.receivers[0].once()

    assert ["First", "Second"] == subjects(desk)
    assert {5} == {issue["author"]["id"] for issue in desk.issues}
    assert [State.DONE, State.DONE] == ended(desk)


@pytest.mark.fault("M9")
def test_login_renamed_while_unclear(desk: Desk) -> None:
    """So does one whose login was changed while it was unclear whether the first request was carried out."""
    desk.answers = [(502, "")]
    desk.server.append(mail("Once", sender=ANNA))
    desk.receive()
    desk.users["anna-smith"] = desk.users.pop("anna")
    finish(desk)

    assert (["Once"], [State.DONE]) == (subjects(desk), ended(desk))
    assert 5 == desk.issues[0]["author"]["id"]


# ---------------------------------------------------------------------- in which form


def refuses_wide(desk: Desk, *first: tuple[int, str]) -> None:
    """Redmine's database takes no emoji; before that, these are the answers to requests with one."""
    answers = list(first)
    desk.always = lambda body: (answers.pop(0) if answers else (500, "")) if EMOJI in body else None


@pytest.mark.fault("I2")
def test_emoji_and_a_500_after_the_save(desk: Desk) -> None:
    """What was sent is looked for as it was sent: an emoji and a 500 that came too late make no second issue."""
    refuses_wide(desk, (500, "written"))
    desk.server.append(mail("Party \U0001f600", "Come!\n"))
    finish(desk)

    assert (["Party \U0001f600"], [State.DONE]) == (subjects(desk), ended(desk))


@pytest.mark.fault("I2")
def test_emoji_in_a_note_and_a_500_after_the_save(desk: Desk) -> None:
    """Nor a second note."""
    reply_to = started(desk)
    refuses_wide(desk, (500, "written"))
    desk.server.append(mail("Re: Start", "Thanks \U0001f600\n", In_Reply_To=reply_to))
    finish(desk)

    assert (["Thanks \U0001f600"], [State.DONE] * 2) == (notes(desk), ended(desk))


def test_emoji_that_the_database_refuses(desk: Desk) -> None:
    """An emoji that Redmine fails on is named, once nothing of the first request is there."""
    refuses_wide(desk)
    desk.server.append(mail("Party \U0001f600", "Come!\n"))
    finish(desk)

    assert (["Party :grinning_face:"], [State.DONE], 2) == (subjects(desk), ended(desk), desk.writes)
    assert any("4-byte characters replaced" in line for line in desk.lines(desk.rows()[0]))


@pytest.mark.parametrize("late", [pytest.param(True, marks=pytest.mark.fault("I2")), False])
def test_each_form_is_looked_for(desk: Desk, late: bool) -> None:
    """A request that lands late in its first form, or one that was sent in the second, is the mail's issue."""
    desk.always = lambda body: (500, "") if EMOJI in body else (504, "" if late else "written")
    desk.server.append(mail("Party \U0001f600", "Come \U0001f600\n"))
    desk.receive()
    desk.always = lambda _body: None
    if late:  # the very first request was under way all the time
        simple = json.loads(json.loads(desk.rows()[0].request or "{}")["request"])["attributes"]["description"]
        text = simple.replace(":grinning_face:", "\U0001f600")
        desk.issues.append(issue_like(desk, "Party \U0001f600", text))
    finish(desk)

    made = "Party \U0001f600" if late else "Party :grinning_face:"
    assert ([made], [State.DONE], 2) == (subjects(desk), ended(desk), desk.writes)


def issue_like(desk: Desk, subject: str, text: str, author: int = 1) -> dict[str, Any]:
    """An issue that somebody makes beside the bridge."""
    return {
        "id": len(desk.issues) + 1, "project": {"id": 7, "name": "Desk"}, "tracker": {"id": 1, "name": "Bug"},
        "status": {"id": 1, "name": "New"}, "author": {"id": author, "name": "x"}, "subject": subject,
        "description": text, "is_private": False, "attachments": [], "journals": [],
        "created_on": "2026-01-01T00:00:00Z", "updated_on": "2026-01-01T00:00:00Z",
    }  # fmt: skip


# ---------------------------------------------------------------------- by no clock


CLOCKS = [  # how many seconds Redmine's clock is ahead of the proxy's and ours
    *(pytest.param(ahead, marks=pytest.mark.fault("I5")) for ahead in (-DAY, -10.0)),
    HOUR,
]
FILES: list[dict[str, bytes]] = [{}, {"a.bin": b"content"}]


@pytest.mark.parametrize("ahead", CLOCKS)
def test_a_reply_where_clocks_differ(desk: Desk, ahead: float) -> None:
    """A note that Redmine took is no refusal because Redmine's clock is not that of the proxy before it."""
    desk.ahead, desk.date = ahead, 0.0
    reply_to = started(desk)
    desk.server.append(mail("Re: Start", "The reply.\n", In_Reply_To=reply_to))
    finish(desk, 1)

    assert (["The reply."], [State.DONE, State.DONE]) == (notes(desk), ended(desk))


@pytest.mark.parametrize("ahead", CLOCKS)
@pytest.mark.parametrize("files", FILES, ids=["plain", "with a file"])
def test_lost_answers_where_clocks_differ(desk: Desk, ahead: float, files: dict[str, bytes]) -> None:
    """Nor does it make a second issue or note, with files or without, of one whose answer was lost."""
    desk.ahead, desk.date = ahead, 0.0
    desk.answers = [(504, "written")]
    first = mail("Start", files=files)
    desk.server.append(first)
    finish(desk)
    desk.answers = [(504, "written")]
    desk.server.append(mail("Re: Start", "The reply.\n", In_Reply_To=message_id_of(first), files=files))
    finish(desk)

    assert (["Start"], ["The reply."]) == (subjects(desk), notes(desk))
    assert [State.DONE, State.DONE] == ended(desk)
    assert 2 * len(files) == len(desk.issues[0]["attachments"]) == desk.uploads


@pytest.mark.parametrize("jump", [*(pytest.param(to, marks=pytest.mark.fault("I6")) for to in (-DAY, -HOUR)), DAY])
@pytest.mark.parametrize("files", FILES, ids=["plain", "with a file"])
def test_our_clock_is_set_between_send_and_look(desk: Desk, jump: float, files: dict[str, bytes]) -> None:
    """Whoever sets our clock in between, forward or back, makes no second issue or note."""
    desk.date = 0.0
    reply_to = started(desk)
    desk.answers = [(504, "written"), (504, "written")]
    desk.server.append(
        mail("A second", files=files), mail("Re: Start", "The reply.\n", In_Reply_To=reply_to, files=files)
    )
    desk.receive()
    desk.ahead = desk.date = -jump
    with time_machine.travel(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=jump)):
        finish(desk)

    assert (["A second", "Start"], ["The reply."]) == (subjects(desk), notes(desk))
    assert [State.DONE] * 3 == ended(desk)


@pytest.mark.fault("I6")
def test_a_clock_that_is_set_forward_shortens_no_wait(desk: Desk) -> None:
    """A request may be under way as long as `settle` says, by a clock that nobody sets: until then nothing is sent."""
    change(desk, settle="10m")
    desk.answers = [(504, "")]
    desk.server.append(mail("Under way"))
    desk.receive()
    with time_machine.travel(dt.datetime.now(dt.UTC) + dt.timedelta(hours=2)):
        desk.receive()

    assert ([State.WRITING], 1) == (ended(desk), desk.writes)
    assert "looking when it has settled" in (desk.rows()[0].reason or "")


def test_after_a_restart_of_the_machine_the_wait_begins_anew(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that was started since cannot know how long ago it was sent: it waits, then looks."""
    from redmine_mailbridge.tasks.receive import settle

    change(desk, settle="10m")
    desk.answers = [(504, "written")]
    desk.server.append(mail("Once"))
    desk.receive()
    for at, expected in ((5000.0, State.WRITING), (5599.0, State.WRITING), (5601.0, State.DONE)):
        monkeypatch.setattr(settle, "now", lambda at=at: ("another start", at))
        desk.receive()
        assert [expected] == ended(desk), at

    assert (["Once"], 1) == (subjects(desk), desk.writes)


# ---------------------------------------------------------------------- by number


def test_what_was_there_before_is_not_taken(desk: Desk) -> None:
    """An issue and a note with the same words and writer that were there before are somebody else's."""
    reply_to = started(desk)
    like = desk.issues[0]
    desk.issues.append(issue_like(desk, "Alike", like["description"]))
    desk.note(like, {"notes": "placeholder"}, {"id": 1, "name": "Mail Bridge"})
    desk.answers = [(504, "")]
    desk.server.append(mail("Alike"), mail("Re: Start", "The reply.\n", In_Reply_To=reply_to))
    desk.receive()
    written = json.loads(next(row for row in desk.rows() if row.subject == "Re: Start").request or "{}")
    like["journals"][0]["notes"] = json.loads(written["request"])["attributes"]["notes"]
    finish(desk)

    assert ["Alike", "Alike", "Start"] == subjects(desk)
    assert ["The reply.", "The reply."] == notes(desk)


def test_numbers_that_went_back(desk: Desk) -> None:
    """A database that was put back to an earlier day while Redmine was away hides nothing that is made then."""
    with desk.application() as made:
        desk.server.append(*(mail(f"Before {number}") for number in range(5)))
        made.receivers[0].once()
        del desk.issues[1:]
        desk.down = True
        desk.server.append(mail("After"))
        made.receivers[0].once()
        desk.down = False
        desk.answers = [(504, "written")]
        later = dt.datetime.now(dt.UTC)
        for _ in range(4):
            later += dt.timedelta(minutes=10)
            with time_machine.travel(later):
                made.receivers[0].once()

        desk.server.append(mail("And then"))
        with time_machine.travel(later):
            made.receivers[0].once()

    assert ["After", "And then"] == [issue["subject"] for issue in desk.issues[1:]]
    assert {"After": 2, "And then": 3} == {row.subject: row.created_issue for row in desk.rows()[5:]}


def test_known_numbers_cost_no_request(desk: Desk) -> None:
    """The newest issue is asked for once, before the first; each answer tells it from then on."""
    with desk.application() as made:
        desk.server.append(*(mail(f"Mail {number}") for number in range(6)))
        made.receivers[0].once()

    assert (6, 1) == (len(desk.issues), desk.lists)


def test_twins(desk: Desk) -> None:
    """Mails that differ in nothing but their Message-ID stay as many, issues and notes, whatever answers are lost."""
    reply_to = started(desk)
    desk.answers = [(504, "written"), (504, ""), (500, "written"), (502, "")]
    desk.server.append(*(mail("Alike") for _ in range(2)))
    desk.server.append(*(mail("Re: Start", "Alike.\n", In_Reply_To=reply_to) for _ in range(2)))
    finish(desk, 5)

    assert ["Alike", "Alike", "Start"] == subjects(desk)
    assert ["Alike.", "Alike."] == notes(desk)
    assert 5 == len({(row.created_issue, row.journal) for row in desk.rows()})


# ---------------------------------------------------------------------- changed before the look


def test_edited_before_the_look(desk: Desk) -> None:
    """An issue whose subject and text somebody has changed before the look is found by what they were."""
    desk.answers = [(504, "written")]
    desk.server.append(mail("As sent"))
    desk.receive()
    desk.note(desk.issues[0], {"subject": "Edited", "description": "Other words"}, {"id": 5, "name": "anna"})
    finish(desk)

    assert (["Edited"], [State.DONE]) == (subjects(desk), ended(desk))


@pytest.mark.fault("I5")
def test_a_note_whose_words_redmine_changes(desk: Desk) -> None:
    """A note that a plugin or the database keeps in other words than it was sent in is no refusal, and is told."""
    reply_to = started(desk)
    desk.keeps = lambda text: f"{text}\n-- \nadded by a plugin"
    desk.server.append(mail("Re: Start", "The reply.\n", In_Reply_To=reply_to))
    finish(desk, 1)

    assert [State.DONE, State.DONE] == ended(desk)
    assert any("not as it was sent" in line for line in desk.lines(desk.rows()[1]))


# ---------------------------------------------------------------------- refused


@pytest.mark.fault("M5")
def test_a_refusal_with_a_number_in_it(desk: Desk) -> None:
    """Words of a refusal that hold a number say nothing of files: it is a refusal, tried once again with all
    names asked anew, and the file went once with each.
    """
    desk.always = lambda _body: (422, "")
    desk.refusal = "Level 1 cannot be blank"
    desk.server.append(mail("Refused", files={"a.bin": b"content"}))
    finish(desk)

    assert ([State.REFUSED], 2, 2) == (ended(desk), desk.writes, desk.uploads)
    assert "Level 1 cannot be blank" in (desk.rows()[0].reason or "")


@pytest.mark.fault("S1")
def test_a_file_that_redmine_does_not_take(desk: Desk) -> None:
    """Its name is told in the issue as code: it makes no link, no mention and no macro there."""
    desk.server.append(mail("Named", files={"#62 @admin {{child_pages}}.bin": b"x"}))
    desk.no_files = "This file cannot be uploaded"
    finish(desk)

    assert "Not attached:" in (told := desk.issues[0]["description"])
    assert (
        "* <code>&#35;62 &#64;admin {&#123;child&#95;pages}}.bin</code>: `This file cannot be uploaded`"
        == told.splitlines()[-1]
    )


@pytest.mark.fault("M5")
def test_such_a_refusal_after_an_unclear_request(desk: Desk) -> None:
    """Where the first request was unclear the file is sent once more, and once again with all names asked anew; then
    the refusal is believed.
    """
    desk.answers = [(504, "")]
    desk.server.append(mail("Refused", files={"a.bin": b"content"}))
    desk.receive()
    desk.always = lambda _body: (422, "")
    desk.refusal = "Level 1 cannot be blank"
    finish(desk, 4)

    assert ([State.REFUSED], 3) == (ended(desk), desk.uploads)


def test_tokens_that_a_late_request_used(desk: Desk) -> None:
    """A request that lands between the look and the next one has used the files, in whatever words Redmine says so."""
    desk.answers = [(504, "")]
    desk.server.append(mail("Late", files={"a.bin": b"content"}))
    desk.receive()
    late = json.loads(json.loads(desk.rows()[0].request or "{}")["request"])

    def land(_body: str) -> tuple[int, str] | None:
        desk.issues.append(issue_like(desk, "Late", late["attributes"]["description"]))
        desk.issues[-1]["attachments"] = desk._take(late)
        desk.always = lambda _body: None
        return None

    desk.always = land
    finish(desk)

    assert (["Late"], [State.DONE], 1) == (subjects(desk), ended(desk), desk.uploads)


@pytest.mark.fault("I5")
def test_a_retry_after_a_wrong_refusal(desk: Desk) -> None:
    """A note that could not be seen when it was written, and was refused, is looked for when an admin tries again."""
    reply_to = started(desk)
    desk.server.append(mail("Re: Start", "The reply.\n", In_Reply_To=reply_to))
    shown, desk.issues[0]["journals"] = desk.issues[0]["journals"], Hidden()
    desk.receive()
    assert [State.DONE, State.REFUSED] == ended(desk)
    desk.issues[0]["journals"] = [*shown, *desk.issues[0]["journals"].kept]
    with desk.application() as made:
        made.store.retry(desk.rows()[1].id)
    finish(desk, 2)

    assert (["The reply."], [State.DONE, State.DONE]) == (notes(desk), ended(desk))


class Hidden(list[Any]):
    """Journals that are kept and not shown."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[Any] = []

    def append(self, one: Any) -> None:
        self.kept.append(one)


def test_a_retry_after_a_right_refusal(desk: Desk) -> None:
    """A note that was dropped is decided anew when an admin tries again, and is then written once."""
    reply_to = started(desk)
    desk.drops_notes = True
    desk.server.append(mail("Re: Start", "The reply.\n", In_Reply_To=reply_to))
    desk.receive()
    desk.drops_notes = False
    with desk.application() as made:
        made.store.retry(desk.rows()[1].id)
    finish(desk, 2)

    assert (["The reply."], [State.DONE, State.DONE]) == (notes(desk), ended(desk))


# ---------------------------------------------------------------------- of the first version


@pytest.mark.parametrize("what", ["", "written"])
def test_an_intent_of_the_first_version(desk: Desk, what: str) -> None:
    """A mail whose request was sent by the first version, which kept no numbers, is found or sent all the same."""
    desk.answers = [(504, what)]
    desk.server.append(mail("Once"))
    desk.receive()
    with desk.application() as made:
        (row,) = made.archive.messages(MessageFilter())
        known = json.loads(row.request or "{}")
        made.store.rewrite(
            row.id, json.dumps({name: value for name, value in known.items() if name not in {"after", "made", "again"}})
        )
    finish(desk)

    assert (["Once"], [State.DONE]) == (subjects(desk), ended(desk))
