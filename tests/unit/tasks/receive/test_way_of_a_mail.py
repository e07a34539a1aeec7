"""The way of a mail through the tasks, where Redmine or the mail server does what real ones cannot be made to do."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
import time_machine

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.store.queries.messages import MessageFilter
from tests.product import mail, message_id_of
from tests.unit.tasks.desk import Desk, open_desk


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A desk that gives up after three tries."""
    with open_desk(tmp_path, monkeypatch, give_up_after=3) as made:
        yield made


def subjects(desk: Desk) -> list[str]:
    """The subjects of the issues, sorted."""
    return sorted(issue["subject"] for issue in desk.issues)


def test_plain(desk: Desk) -> None:
    """A mail becomes an issue and is filed."""
    desk.server.append(mail("Plain"))
    (outcome,) = desk.receive()

    assert (State.DONE, 1, "Processed") == (outcome.state, outcome.issue, outcome.filed)
    assert ["Plain"] == subjects(desk)
    assert 1 == desk.writes


@pytest.mark.parametrize("status", [500, 502, 504])
@pytest.mark.parametrize("what", ["", "written"])
def test_unclear(desk: Desk, status: int, what: str) -> None:
    """After an unclear answer the mail is exactly one issue, whether Redmine wrote it or not."""
    desk.answers = [(status, what)]
    desk.server.append(mail("Exactly one"))
    for _ in range(3):
        desk.receive()

    assert ["Exactly one"] == subjects(desk)
    assert (1 if what else 2) == desk.writes
    assert [(State.DONE, 1)] == [(row.state, row.issue) for row in desk.rows()]


@pytest.mark.parametrize("what", ["", "written"])
def test_unclear_note(desk: Desk, what: str) -> None:
    """After an unclear answer a reply is exactly one note, whether Redmine wrote it or not."""
    first = mail("Start")
    desk.server.append(first)
    desk.receive()
    desk.answers = [(502, what)]
    desk.server.append(mail("Re: Start", "The reply.\n", In_Reply_To=message_id_of(first)))
    for _ in range(3):
        desk.receive()

    assert 1 == len(desk.issues)
    assert 1 == len(desk.issues[0]["journals"])
    assert (2 if what else 3) == desk.writes


def test_dropped_note(desk: Desk) -> None:
    """A note that Redmine drops with a success is refused with that reason, and not filed as done."""
    first = mail("Start")
    desk.server.append(first)
    desk.receive()
    desk.drops_notes = True
    desk.server.append(mail("Re: Start", "The reply.\n", In_Reply_To=message_id_of(first)))
    (outcome,) = desk.receive()

    assert (State.REFUSED, "Failed") == (outcome.state, outcome.filed)
    assert "Redmine took no note on #1" in outcome.line


def test_alike(desk: Desk) -> None:
    """Two mails with the same words, whose answers both get lost, are two issues."""
    desk.answers = [(502, "written"), (502, "written")]
    desk.server.append(mail("Alike"), mail("Alike"))
    for _ in range(3):
        desk.receive()

    assert ["Alike", "Alike"] == subjects(desk)
    assert [1, 2] == sorted(row.issue or 0 for row in desk.rows())


def test_refused_for_what_it_can_do_without(desk: Desk) -> None:
    """What Redmine refuses for a field that an issue can do without is made without it, and the record says so."""
    box = desk.settings.mailboxes["desk"]
    issue = box.issue.model_copy(update={"due_in": dt.timedelta(days=1)})
    desk.settings = desk.settings.model_copy(update={"mailboxes": {"desk": box.model_copy(update={"issue": issue})}})
    desk.always = lambda body: (422, "") if "due_date" in body else None
    desk.server.append(mail("Late"))
    desk.receive()
    (row,) = desk.rows()

    assert (State.DONE, ["Late"], 2) == (row.state, subjects(desk), desk.writes)
    assert any("sent again without due_date" in line for line in desk.lines(row))
    assert "Processed" == row.filed_to


def test_refused_for_good(desk: Desk) -> None:
    """What Redmine refuses, and nothing can be left out of, is refused after two requests, names asked anew between."""
    desk.always = lambda _body: (422, "")
    desk.server.append(mail("Never"))
    desk.receive()
    (row,) = desk.rows()

    assert (State.REFUSED, [], 2) == (row.state, subjects(desk), desk.writes)


def test_one_poisoned_mail(desk: Desk) -> None:
    """A mail whose request always fails, while others go through, is set aside after its tries, with the reason."""
    desk.always = lambda body: (502, "") if "Poison" in body else None
    desk.server.append(mail("Poison"))
    for number in range(6):
        desk.server.append(mail(f"Good {number}"))
        desk.receive()
    (poison,) = [row for row in desk.rows() if row.subject == "Poison"]

    assert State.ASIDE is poison.state
    assert "set aside after 3 tries" in (poison.reason or "")
    assert "(502)" in (poison.reason or "")
    assert "Failed" == poison.filed_to
    assert [f"Good {number}" for number in range(6)] == subjects(desk)


def test_written_by_the_last_try(desk: Desk) -> None:
    """A mail that is about to be set aside is looked for once more: what the last try wrote counts."""
    desk.answers = [(502, ""), (502, ""), (502, "written")]
    desk.server.append(mail("At last"))
    for _ in range(5):
        desk.receive()

    assert [(State.DONE, 1)] == [(row.state, row.issue) for row in desk.rows()]
    assert 3 == desk.writes


def test_long_outage(desk: Desk) -> None:
    """However long an outage lasts, no mail is set aside by it; afterwards each becomes its issue."""
    desk.down = True
    desk.server.append(*(mail(f"Mail {number}") for number in range(3)))
    for _ in range(8):
        desk.receive()

    assert 3 == len(desk.server.contents("INBOX"))
    desk.down = False
    desk.receive()
    desk.receive()
    assert ["Mail 0", "Mail 1", "Mail 2"] == subjects(desk)
    assert 3 == len(desk.server.contents("Processed"))


def test_lost_upload(desk: Desk) -> None:
    """When Redmine has forgotten an upload before its issue was made, the file is sent once more."""
    desk.answers = [(502, "")]
    desk.server.append(mail("With a file", files={"a.bin": b"content"}))
    desk.receive()
    desk.tokens.clear()
    desk.receive()
    desk.receive()

    assert ["With a file"] == subjects(desk)
    assert 1 == len(desk.issues[0]["attachments"])
    assert [State.DONE] == [row.state for row in desk.rows()]


def test_over_quota(desk: Desk) -> None:
    """A move that the server refuses is tried again later; the issue is made once."""
    desk.server.refuse_filing = "[OVERQUOTA] Quota exceeded"
    desk.server.append(mail("Full"))
    (outcome,) = desk.receive()
    assert (State.DONE, None) == (outcome.state, outcome.filed)
    (row,) = desk.rows()
    assert any("OVERQUOTA" in line for line in desk.lines(row))

    desk.server.refuse_filing = ""
    with time_machine.travel(dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)):
        desk.receive()
    assert ["Processed"] == [row.filed_to for row in desk.rows()]
    assert (0, 1) == (len(desk.server.contents("INBOX")), len(desk.server.contents("Processed")))
    assert ["Full"] == subjects(desk)


def test_connection_breaks_in_a_fetch(desk: Desk) -> None:
    """What was fetched before a connection broke is worked on; the rest comes with the next pass."""
    desk.server.append(*(mail(f"Mail {number}") for number in range(4)))
    desk.server.breaks_after = 2
    with desk.application() as made:
        result = made.receivers[0].once()
        assert "connection broken" in (result.error or "")
    desk.receive()

    assert [f"Mail {number}" for number in range(4)] == subjects(desk)


def test_a_fault_of_the_bridge(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of the bridge itself while it speaks to the mail server ends the pass with a line, not the process."""
    with desk.application() as made:
        monkeypatch.setattr(made.receivers[0].mailbox, "connect", lambda: 1 / 0)
        result = made.receivers[0].once()

    assert "a fault of the bridge (ZeroDivisionError)" in (result.error or "")


def test_order_across_passes(desk: Desk) -> None:
    """A reply waits for the mail that it answers, also when that one's result is not known yet."""
    first = mail("Start")
    desk.always = lambda body: (502, "") if "Start" in body and not desk.issues else None
    desk.server.append(first)
    desk.receive()
    desk.server.append(mail("Re: Start", "The reply.\n", In_Reply_To=message_id_of(first)))
    desk.receive()
    assert [] == desk.issues

    desk.always = lambda _body: None
    desk.receive()
    desk.receive()
    assert ["Start"] == subjects(desk)
    assert ["The reply."] == [j["notes"].splitlines()[-1] for j in desk.issues[0]["journals"]]


def test_same_validity_again(desk: Desk) -> None:
    """Mails whose UIDs all change make no second issue."""
    desk.settings = desk.settings.model_copy(
        update={
            "mailboxes": {
                "desk": desk.settings.mailboxes["desk"].model_copy(
                    update={"after_success": "keep", "start_from": "all"}
                )
            }
        }
    )
    desk.server.append(mail("One"), mail("Two"))
    desk.receive()
    for _, flags, _ in desk.server.contents():
        assert {"$MailbridgeDone"} == flags
    for kept in desk.server.folders["INBOX"].mails.values():
        kept.flags.clear()
    desk.server.renew("INBOX")
    desk.receive()

    assert ["One", "Two"] == subjects(desk)
    assert 4 == len(desk.rows())


def test_bytes_that_are_gone(desk: Desk) -> None:
    """A mail whose bytes somebody removed from the store is set aside, and the mailbox goes on."""
    desk.down = True
    desk.server.append(mail("Its bytes go"), mail("Its bytes stay"))
    desk.receive()
    desk.down = False
    gone = min(desk.rows(), key=lambda row: row.id)
    folder = desk.settings.store.raw_folder
    (folder / (gone.raw or "")[:2] / f"{gone.raw}.eml").unlink()
    for _ in range(3):
        desk.receive()

    assert ["Its bytes stay"] == subjects(desk)
    assert {gone.id: State.ASIDE} == {row.id: row.state for row in desk.rows() if row.state is not State.DONE}


def test_a_reply_waits_a_little_longer_than_what_it_waits_for(desk: Desk) -> None:
    """A mail that waits for an earlier one is due half a second after it, and the later, the longer it has waited."""
    first = mail("Start")
    desk.answers = [(502, "")] * 9
    desk.server.append(first, mail("Re: Start", "The reply.\n", In_Reply_To=message_id_of(first)))
    now = dt.datetime.now(dt.UTC)
    with time_machine.travel(now, tick=False):
        desk.receive()
        before, reply = desk.rows()
        assert 0.5 == pytest.approx(reply.next_try_at - before.next_try_at, abs=1e-3)
    with time_machine.travel(now + dt.timedelta(seconds=100), tick=False), desk.application() as made:
        waited = made.store.clock() - reply.kept_at
        made.receivers[0].once()
        before, reply = made.archive.messages(MessageFilter())[::-1]
        assert 0.5 + waited / 20 == pytest.approx(reply.next_try_at - before.next_try_at, abs=1e-3)


def to_strangers(desk: Desk, unknown_sender: str) -> None:
    """Have strangers' mail treated so."""
    box = desk.settings.mailboxes["desk"]
    issue = box.issue.model_copy(update={"unknown_sender": unknown_sender})
    desk.settings = desk.settings.model_copy(update={"mailboxes": {"desk": box.model_copy(update={"issue": issue})}})


@pytest.mark.fault("S6")
def test_the_reason_stands_in_the_record_once(desk: Desk) -> None:
    """Whatever becomes of a mail, `messages ID` tells the reason in one line, and not a second time in the next."""
    start, copy = mail("Start"), mail("Twice")
    desk.always = lambda body: (422, "") if "Never" in body else None
    desk.server.append(start, copy, copy, mail("Never"), mail("Auto", Auto_Submitted="auto-replied"))
    desk.receive()
    desk.server.append(mail("Re: Start", "The reply.\n", In_Reply_To=message_id_of(start)))
    desk.receive()
    for how in ("hold", "refuse", "ignore"):
        to_strangers(desk, how)
        desk.server.append(mail(f"A stranger's: {how}"))
        desk.receive()
    rows = desk.rows()
    assert {State.DONE, State.REFUSED, State.HELD} == {row.state for row in rows}
    assert 9 == len(rows)
    for row in rows:
        reason = (row.reason or "").partition(": ")[2] or row.reason or ""
        told = [line for line in desk.lines(row) if reason in line]
        assert 1 == len(told), told
