"""The history of a mail: what is known of it, also when its bytes or its mailbox are gone."""

from dataclasses import replace

from redmine_mailbridge.mail.parse import parse
from redmine_mailbridge.model.mail import Message
from redmine_mailbridge.model.stored_mail import StoredMail
from redmine_mailbridge.redmine.requests import IssueRequest, NoteRequest, Upload
from redmine_mailbridge.redmine.write_intent import WriteIntent
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.outgoing.outbox import Outbox
from redmine_mailbridge.store.queries.messages import MessageFilter, MessageQueries
from redmine_mailbridge.tasks.receive.history import MessageHistory, history_of, message_of, raw_of
from tests.unit.store.kept import keep, make


def told(store: Store, number: int) -> MessageHistory | None:
    return history_of(store, MessageQueries(store.database), Outbox(store.database, store.clock), read, number)


def read(raw: bytes, mailbox: str, *, truncated: bool) -> Message:
    if mailbox == "gone":
        raise KeyError(mailbox)
    return parse(b"Subject: " + raw + (b" (cut)" if truncated else b"") + b"\n\n")


def row_of(store: Store, number: int) -> StoredMail:
    (row,) = MessageQueries(store.database).messages(MessageFilter(ids=[number]))
    return row


def test_a_mail_that_became_an_issue(store: Store) -> None:
    """Its steps, its message, and the subject, text and files that were sent."""
    store.hold_reply(number := keep(store, 1), "waits")
    request = IssueRequest(
        1, {"subject": "Printer", "description": "It burns"}, uploads=(Upload("1.a", "smoke.png", ""),)
    )
    make(store, number, 7, request=WriteIntent(request, "made").to_json())
    history = told(store, number)
    assert history is not None
    assert (("Printer", "It burns"), ("smoke.png",)) == (history.sent, history.files)
    assert (number, 7, ()) == (history.row.id, history.row.issue, history.answers)
    assert ["waits"] == [step.line for step in history.steps]
    assert history.message is not None
    assert "support 1" == history.message.subject


def test_a_note_has_no_subject_and_its_text_is_what_was_sent(store: Store) -> None:
    number = keep(store, 1)
    make(store, number, 7, journal=3, request=WriteIntent(NoteRequest(7, 1, {"notes": "Still"}), "note").to_json())
    history = told(store, number)
    assert history is not None
    assert ("", "Still") == history.sent


def test_a_mail_of_which_nothing_was_written(store: Store) -> None:
    """Nothing was sent and no file; a number that is no mail has no history."""
    history = told(store, keep(store, 1))
    assert history is not None
    assert (None, ()) == (history.sent, history.files)
    assert None is told(store, 99)


def test_what_is_no_longer_stored_or_cannot_be_read_is_no_message(store: Store) -> None:
    """Bytes that were forgotten, that are missing from the folder, or whose mailbox has left the settings."""
    row, left = row_of(store, keep(store, 1)), row_of(store, keep(store, 2, "gone"))
    assert (b"support 1", b"gone 2") == (raw_of(store, row), raw_of(store, left))
    assert None is message_of(store, read, left)

    assert None is raw_of(store, replace(row, raw=None))
    assert row.raw is not None
    store.raw.path(row.raw).unlink()
    assert None is raw_of(store, row)
    assert None is message_of(store, read, row)


def test_a_mail_that_came_in_part_is_read_as_such(store: Store) -> None:
    message = message_of(store, read, replace(row_of(store, keep(store, 1)), truncated=True))
    assert message is not None
    assert "support 1 (cut)" == message.subject
