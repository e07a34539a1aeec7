"""Stored mails that cannot be opened: each is tried again or set aside alone, and the others are processed."""

from collections.abc import Callable, Sequence

import pytest

from redmine_mailbridge.errors import LockLost, RawMissing, RawUnreadable, StoreBusy, StoreError, StoreFull
from redmine_mailbridge.mail.parse import parse
from redmine_mailbridge.model.mail import Message
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.stored_mail import StoredMail
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.queries.messages import MessageFilter, MessageQueries
from redmine_mailbridge.tasks.receive.mail_reader import MailReader
from redmine_mailbridge.tasks.receive.result import ProcessingResult
from tests.unit.store.kept import keep, lines
from tests.unit.tasks.fetch_settings import fetch_settings

Many = Sequence[tuple[StoredMail, Message]]


def message_of(row: StoredMail) -> Message:
    return parse(f"Subject: {row.id}\n\n".encode())


def row_of(store: Store, number: int) -> StoredMail:
    (row,) = MessageQueries(store.database).messages(MessageFilter(ids=[number]))
    return row


def reader(
    store: Store,
    *,
    read: Callable[[StoredMail], Message] = message_of,
    find: Callable[[Many], dict[int, StoredMail]] = lambda _read: {},
) -> tuple[MailReader, list[ProcessingResult]]:
    told: list[ProcessingResult] = []
    settings = fetch_settings(1000, max_attempts=3)
    return MailReader(settings, store, read=read, find_copies=find, report=told.append), told


def failing(number: int, error: Exception) -> Callable[[StoredMail], Message]:
    def read(row: StoredMail) -> Message:
        if row.id == number:
            raise error
        return message_of(row)

    return read


@pytest.mark.parametrize(
    ("error", "words"), [(RawUnreadable("bad block"), "bad block"), (ValueError("secret"), "ValueError")]
)
def test_a_mail_that_cannot_be_read_fails_after_several_attempts(store: Store, error: Exception, words: str) -> None:
    """Until then it waits, with the reason; what a fault says of itself may quote the mail and is left out."""
    bad, good = keep(store, 1), keep(store, 2)
    reading, told = reader(store, read=failing(bad, error))
    for tries in (1, 2):
        opened, copies = reading.open([row_of(store, bad), row_of(store, good)])
        assert ([good], {}) == ([row.id for row, _ in opened], copies)
        row = row_of(store, bad)
        assert (State.STORED, tries) == (row.state, row.tries)
        assert told[-1].retry_at == row.next_try_at
        assert words in told[-1].line
    reading.open([row_of(store, bad)])
    assert (State.FAILED, State.FAILED) == (row_of(store, bad).state, told[-1].state)
    assert told[-1].line.startswith("failed after 3 attempts: ")
    assert [bad] * 3 == [one.row.id for one in told]
    assert "secret" not in "".join(lines(store, bad))


def test_a_mail_whose_bytes_are_gone_fails_at_once(store: Store) -> None:
    """Another try would find no more."""
    bad = keep(store, 1)
    reading, told = reader(store, read=failing(bad, RawMissing("not there")))
    assert ([], {}) == reading.open([row_of(store, bad)])
    assert (State.FAILED, "not there") == (row_of(store, bad).state, told[0].line)
    assert "not there" in lines(store, bad)


def test_a_store_that_fails_is_no_fault_of_the_mail(store: Store) -> None:
    """The pass ends, and no mail has an attempt less."""
    number = keep(store, 1)
    reading, told = reader(store, read=failing(number, StoreError("disk")))
    with pytest.raises(StoreError, match="disk"):
        reading.open([row_of(store, number)])
    assert ([], 0) == (told, row_of(store, number).tries)


def test_a_mail_that_cannot_be_described_spoils_no_other(store: Store) -> None:
    """All are described at once; where that fails one by one, so that one mail waits and the copies among the others
    are found.
    """
    first, bad, copy = keep(store, 1), keep(store, 2), keep(store, 3)
    original = row_of(store, first)

    def find(read: Many) -> dict[int, StoredMail]:
        if any(row.id == bad for row, _ in read):
            raise ValueError("secret")
        return {row.id: original for row, _ in read if row.id == copy}

    reading, told = reader(store, find=find)
    opened, copies = reading.open([row_of(store, one) for one in (first, bad, copy)])
    assert ([first, copy], {copy: original}) == ([row.id for row, _ in opened], copies)
    assert [(bad, State.STORED)] == [(one.row.id, one.state) for one in told]
    assert (0, 1, 0) == tuple(row_of(store, one).tries for one in (first, bad, copy))


@pytest.mark.parametrize("error", [StoreBusy("locked"), StoreFull("full"), LockLost("gone")])
def test_a_store_that_is_busy_or_full_or_another_s_is_not_tried_for_each_mail(store: Store, error: StoreError) -> None:
    calls: list[int] = []

    def find(read: Many) -> dict[int, StoredMail]:
        calls.append(len(read))
        raise error

    reading, told = reader(store, find=find)
    with pytest.raises(type(error)):
        reading.open([row_of(store, keep(store, uid)) for uid in (1, 2)])
    assert ([2], []) == (calls, told)
