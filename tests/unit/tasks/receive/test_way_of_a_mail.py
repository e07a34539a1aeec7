"""The way of a mail through the tasks, where Redmine or the mail server does what real ones cannot be made to do."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
import time_machine

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.store.queries.messages import MessageFilter
from tests.product import mail, message_id_of
from tests.unit.tasks.fake_redmine import FakeRedmine, open_fake_redmine


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRedmine]:
    """A desk that gives up after three tries."""
    with open_fake_redmine(tmp_path, monkeypatch, max_attempts=3) as made:
        yield made


def subjects(fake: FakeRedmine) -> list[str]:
    """The subjects of the issues, sorted."""
    return sorted(issue["subject"] for issue in fake.issues)


def test_plain(fake: FakeRedmine) -> None:
    """A mail becomes an issue and is filed."""
    fake.server.append(mail("Plain"))
    (outcome,) = fake.receive()

    assert (State.DONE, 1, "Processed") == (outcome.state, outcome.issue, outcome.filed)
    assert ["Plain"] == subjects(fake)
    assert 1 == fake.writes


@pytest.mark.parametrize("status", [500, 502, 504])
@pytest.mark.parametrize("what", ["", "written"])
def test_unclear(fake: FakeRedmine, status: int, what: str) -> None:
    """After an unclear answer the mail is exactly one issue, whether Redmine wrote it or not."""
    fake.answers = [(status, what)]
    fake.server.append(mail("Exactly one"))
    for _ in range(3):
        fake.receive()

    assert ["Exactly one"] == subjects(fake)
    assert (1 if what else 2) == fake.writes
    assert [(State.DONE, 1)] == [(row.state, row.issue) for row in fake.rows()]


@pytest.mark.parametrize("what", ["", "written"])
def test_unclear_note(fake: FakeRedmine, what: str) -> None:
    """After an unclear answer a reply is exactly one note, whether Redmine wrote it or not."""
    first = mail("Start")
    fake.server.append(first)
    fake.receive()
    fake.answers = [(502, what)]
    fake.server.append(mail("Re: Start", "The reply.\n", In_Reply_To=message_id_of(first)))
    for _ in range(3):
        fake.receive()

    assert 1 == len(fake.issues)
    assert 1 == len(fake.issues[0]["journals"])
    assert (2 if what else 3) == fake.writes


def test_dropped_note(fake: FakeRedmine) -> None:
    """A note that Redmine drops with a success is refused with that reason, and not filed as done."""
    first = mail("Start")
    fake.server.append(first)
    fake.receive()
    fake.drops_notes = True
    fake.server.append(mail("Re: Start", "The reply.\n", In_Reply_To=message_id_of(first)))
    (outcome,) = fake.receive()

    assert (State.REJECTED, "Failed") == (outcome.state, outcome.filed)
    assert "Redmine took no note on #1" in outcome.line


def test_alike(fake: FakeRedmine) -> None:
    """Two mails with the same words, whose answers both get lost, are two issues."""
    fake.answers = [(502, "written"), (502, "written")]
    fake.server.append(mail("Alike"), mail("Alike"))
    for _ in range(3):
        fake.receive()

    assert ["Alike", "Alike"] == subjects(fake)
    assert [1, 2] == sorted(row.issue or 0 for row in fake.rows())


def test_refused_for_what_it_can_do_without(fake: FakeRedmine) -> None:
    """What Redmine refuses for a field that an issue can do without is made without it, and the record says so."""
    box = fake.settings.mailboxes["desk"]
    issue = box.issue.model_copy(update={"due_in": dt.timedelta(days=1)})
    fake.settings = fake.settings.model_copy(update={"mailboxes": {"desk": box.model_copy(update={"issue": issue})}})
    fake.always = lambda body: (422, "") if "due_date" in body else None
    fake.server.append(mail("Late"))
    fake.receive()
    (row,) = fake.rows()

    assert (State.DONE, ["Late"], 2) == (row.state, subjects(fake), fake.writes)
    assert any("sent again without due_date" in line for line in fake.lines(row))
    assert "Processed" == row.filed_to


def test_refused_for_good(fake: FakeRedmine) -> None:
    """What Redmine refuses, and nothing can be left out of, is refused after two requests, names asked anew between."""
    fake.always = lambda _body: (422, "")
    fake.server.append(mail("Never"))
    fake.receive()
    (row,) = fake.rows()

    assert (State.REJECTED, [], 2) == (row.state, subjects(fake), fake.writes)


def test_one_poisoned_mail(fake: FakeRedmine) -> None:
    """A mail whose request always fails, while others go through, is set aside after its tries, with the reason."""
    fake.always = lambda body: (502, "") if "Poison" in body else None
    fake.server.append(mail("Poison"))
    for number in range(6):
        fake.server.append(mail(f"Good {number}"))
        fake.receive()
    (poison,) = [row for row in fake.rows() if row.subject == "Poison"]

    assert State.FAILED is poison.state
    assert "failed after 3 attempts" in (poison.reason or "")
    assert "(502)" in (poison.reason or "")
    assert "Failed" == poison.filed_to
    assert [f"Good {number}" for number in range(6)] == subjects(fake)


def test_written_by_the_last_try(fake: FakeRedmine) -> None:
    """A mail that is about to be set aside is looked for once more: what the last try wrote counts."""
    fake.answers = [(502, ""), (502, ""), (502, "written")]
    fake.server.append(mail("At last"))
    for _ in range(5):
        fake.receive()

    assert [(State.DONE, 1)] == [(row.state, row.issue) for row in fake.rows()]
    assert 3 == fake.writes


def test_long_outage(fake: FakeRedmine) -> None:
    """However long an outage lasts, no mail is set aside by it; afterwards each becomes its issue."""
    fake.down = True
    fake.server.append(*(mail(f"Mail {number}") for number in range(3)))
    for _ in range(8):
        fake.receive()

    assert 3 == len(fake.server.contents("INBOX"))
    fake.down = False
    fake.receive()
    fake.receive()
    assert ["Mail 0", "Mail 1", "Mail 2"] == subjects(fake)
    assert 3 == len(fake.server.contents("Processed"))


def test_lost_upload(fake: FakeRedmine) -> None:
    """When Redmine has forgotten an upload before its issue was made, the file is sent once more."""
    fake.answers = [(502, "")]
    fake.server.append(mail("With a file", files={"a.bin": b"content"}))
    fake.receive()
    fake.tokens.clear()
    fake.receive()
    fake.receive()

    assert ["With a file"] == subjects(fake)
    assert 1 == len(fake.issues[0]["attachments"])
    assert [State.DONE] == [row.state for row in fake.rows()]


def test_over_quota(fake: FakeRedmine) -> None:
    """A move that the server refuses is tried again later; the issue is made once."""
    fake.server.refuse_filing = "[OVERQUOTA] Quota exceeded"
    fake.server.append(mail("Full"))
    (outcome,) = fake.receive()
    assert (State.DONE, None) == (outcome.state, outcome.filed)
    (row,) = fake.rows()
    assert any("OVERQUOTA" in line for line in fake.lines(row))

    fake.server.refuse_filing = ""
    with time_machine.travel(dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)):
        fake.receive()
    assert ["Processed"] == [row.filed_to for row in fake.rows()]
    assert (0, 1) == (len(fake.server.contents("INBOX")), len(fake.server.contents("Processed")))
    assert ["Full"] == subjects(fake)


def test_connection_breaks_in_a_fetch(fake: FakeRedmine) -> None:
    """What was fetched before a connection broke is worked on; the rest comes with the next pass."""
    fake.server.append(*(mail(f"Mail {number}") for number in range(4)))
    fake.server.breaks_after = 2
    with fake.application() as made:
        result = made.receivers[0].once()
        assert "connection broken" in (result.error or "")
    fake.receive()

    assert [f"Mail {number}" for number in range(4)] == subjects(fake)


def test_a_fault_of_the_bridge(fake: FakeRedmine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of the bridge itself while it speaks to the mail server ends the pass with a line, not the process."""
    with fake.application() as made:
        monkeypatch.setattr(made.receivers[0].mailbox, "connect", lambda: 1 / 0)
        result = made.receivers[0].once()

    assert "internal error (ZeroDivisionError)" in (result.error or "")


def test_order_across_passes(fake: FakeRedmine) -> None:
    """A reply waits for the mail that it answers, also when that one's result is not known yet."""
    first = mail("Start")
    fake.always = lambda body: (502, "") if "Start" in body and not fake.issues else None
    fake.server.append(first)
    fake.receive()
    fake.server.append(mail("Re: Start", "The reply.\n", In_Reply_To=message_id_of(first)))
    fake.receive()
    assert [] == fake.issues

    fake.always = lambda _body: None
    fake.receive()
    fake.receive()
    assert ["Start"] == subjects(fake)
    assert ["The reply."] == [j["notes"].splitlines()[-1] for j in fake.issues[0]["journals"]]


def test_same_validity_again(fake: FakeRedmine) -> None:
    """Mails whose UIDs all change make no second issue."""
    fake.settings = fake.settings.model_copy(
        update={
            "mailboxes": {
                "desk": fake.settings.mailboxes["desk"].model_copy(
                    update={"after_success": "keep", "start_from": "all"}
                )
            }
        }
    )
    fake.server.append(mail("One"), mail("Two"))
    fake.receive()
    for _, flags, _ in fake.server.contents():
        assert {"$MailbridgeDone"} == flags
    for kept in fake.server.folders["INBOX"].mails.values():
        kept.flags.clear()
    fake.server.renew("INBOX")
    fake.receive()

    assert ["One", "Two"] == subjects(fake)
    assert 4 == len(fake.rows())


def test_bytes_that_are_gone(fake: FakeRedmine) -> None:
    """A mail whose bytes somebody removed from the store is set aside, and the mailbox goes on."""
    fake.down = True
    fake.server.append(mail("Its bytes go"), mail("Its bytes stay"))
    fake.receive()
    fake.down = False
    gone = min(fake.rows(), key=lambda row: row.id)
    folder = fake.settings.store.raw_folder
    (folder / (gone.raw or "")[:2] / f"{gone.raw}.eml").unlink()
    for _ in range(3):
        fake.receive()

    assert ["Its bytes stay"] == subjects(fake)
    assert {gone.id: State.FAILED} == {row.id: row.state for row in fake.rows() if row.state is not State.DONE}


def test_a_reply_waits_a_little_longer_than_what_it_waits_for(fake: FakeRedmine) -> None:
    """A mail that waits for an earlier one is due half a second after it, and the later, the longer it has waited."""
    first = mail("Start")
    fake.answers = [(502, "")] * 9
    fake.server.append(first, mail("Re: Start", "The reply.\n", In_Reply_To=message_id_of(first)))
    now = dt.datetime.now(dt.UTC)
    with time_machine.travel(now, tick=False):
        fake.receive()
        before, reply = fake.rows()
        assert 0.5 == pytest.approx(reply.next_try_at - before.next_try_at, abs=1e-3)
    with time_machine.travel(now + dt.timedelta(seconds=100), tick=False), fake.application() as made:
        waited = made.store.clock() - reply.kept_at
        made.receivers[0].once()
        before, reply = made.message_queries.messages(MessageFilter())[::-1]
        assert 0.5 + waited / 20 == pytest.approx(reply.next_try_at - before.next_try_at, abs=1e-3)


def to_strangers(fake: FakeRedmine, unknown_sender: str) -> None:
    """Have strangers' mail treated so."""
    box = fake.settings.mailboxes["desk"]
    issue = box.issue.model_copy(update={"unknown_sender": unknown_sender})
    fake.settings = fake.settings.model_copy(update={"mailboxes": {"desk": box.model_copy(update={"issue": issue})}})


@pytest.mark.fault("S6")
def test_the_reason_stands_in_the_record_once(fake: FakeRedmine) -> None:
    """Whatever becomes of a mail, `messages ID` tells the reason in one line, and not a second time in the next."""
    start, copy = mail("Start"), mail("Twice")
    fake.always = lambda body: (422, "") if "Never" in body else None
    fake.server.append(start, copy, copy, mail("Never"), mail("Auto", Auto_Submitted="auto-replied"))
    fake.receive()
    fake.server.append(mail("Re: Start", "The reply.\n", In_Reply_To=message_id_of(start)))
    fake.receive()
    for how in ("hold", "refuse", "ignore"):
        to_strangers(fake, how)
        fake.server.append(mail(f"A stranger's: {how}"))
        fake.receive()
    rows = fake.rows()
    assert {State.DONE, State.REJECTED, State.HELD} == {row.state for row in rows}
    assert 9 == len(rows)
    for row in rows:
        reason = (row.reason or "").partition(": ")[2] or row.reason or ""
        told = [line for line in fake.lines(row) if reason in line]
        assert 1 == len(told), told
