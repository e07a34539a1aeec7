"""The life of a mail in the store, on SQLite."""

import datetime as dt
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
import sqlalchemy as sa

from redmine_mailbridge.errors import AlreadyRunning, StoreBusy, StoreError, StoreFull
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.mailbox import Listed, Location, RawMail
from redmine_mailbridge.model.stored_mail import Cursor, Description, StoredMail
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.queries.messages import MessageFilter, MessageQueries
from redmine_mailbridge.store.raw_mails.retention import forget_raw
from tests.clocks import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Disk(NamedTuple):
    """What is free of a disk, in bytes."""

    free: int


def raw(uid: int, content: bytes = b"Subject: x\r\n\r\nhello", *, validity: str = "1") -> RawMail:
    place = Location("support", "INBOX", validity, str(uid))
    return RawMail(Listed(place, len(content), dt.datetime(2026, 1, 1, tzinfo=dt.UTC)), content)


def test_only_the_owner_may_read(store: Store, tmp_path: Path) -> None:
    """Neither the database, with its log, nor the raw mails can be read by others on the machine."""
    made = [path for path in tmp_path.rglob("*") if path.name != "spool"]
    assert {"store.db", "store.db-wal", "raw"} <= {path.name for path in made}
    assert [] == [path.name for path in made if path.stat().st_mode & 0o077]


def describe(mail_id: int, key: str = "k", message_id: str = "m@example.com") -> Description:
    return Description(mail_id, message_id, key, "anna@example.com", "A subject")


def test_keeping_twice_keeps_one_row(store: Store) -> None:
    """A mail that is listed again after a crash has its row already."""
    first = store.add([raw(1)], cursor=Cursor("1", "1"))
    second = store.add([raw(1), raw(2, b"other")], cursor=Cursor("1", "2"))
    assert first[0].id == second[0].id
    assert [State.STORED, State.STORED] == [row.state for row in second]
    assert Cursor("1", "2") == store.cursor("support", "INBOX")


def test_the_bytes_are_those_that_came(store: Store) -> None:
    """What is kept is byte for byte what the server gave, small and large."""
    large = b"x" * 1_000_000
    rows = store.add([raw(1, b"a\x00\r\nb"), raw(2, large)])
    assert b"a\x00\r\nb" == bytes(store.raw.read(rows[0].raw or ""))
    assert large == bytes(store.raw.read(rows[1].raw or "")[:])


def test_a_copy_is_told_from_a_mail_that_shares_its_id(store: Store) -> None:
    """The same content is a copy wherever it lies; the same Message-ID with other content is not."""
    one, two, three = store.add([raw(1, b"1"), raw(2, b"2"), raw(3, b"3")])
    copies = store.describe([describe(one.id, "same"), describe(two.id, "same"), describe(three.id, "other")])
    assert {two.id: one.id} == {copy: speaker.id for copy, speaker in copies.items()}


def test_a_copy_of_a_refused_mail_takes_over(store: Store) -> None:
    """Dragging a mail back from the failure folder is another try, not a duplicate."""
    (one,) = store.add([raw(1, b"1")])
    store.describe([describe(one.id)])
    store.finish(one.id, State.REJECTED, "project closed")
    (two,) = store.add([raw(2, b"1")])
    assert {} == store.describe([describe(two.id)])


def test_two_mails_cannot_claim_one_issue(store: Store) -> None:
    """An issue is made by one mail: the database itself refuses the second claim."""
    one, two = store.add([raw(1, b"1"), raw(2, b"2")])
    store.done(one.id, "made", issue=7, created=True)
    with pytest.raises(StoreError, match=r"rejected a statement: UNIQUE constraint failed: mail\.created_issue"):
        store.done(two.id, "made", issue=7, created=True)
    assert MessageQueries(store.database).claimed_issue(7)
    assert not MessageQueries(store.database).claimed_issue(8)


def test_deferring_pauses_longer_each_time(store: Store, clock: Clock) -> None:
    """A mail that fails is not due before its pause ends, and the pauses grow."""
    (row,) = store.add([raw(1)])
    first = store.defer(row.id, "a fault") - clock.now
    assert [] == store.due("support")
    clock.now += first
    assert [row.id] == [due.id for due in store.due("support")]
    second = store.defer(row.id, "a fault") - clock.now
    assert second == 2 * first


def test_an_outage_is_no_try(store: Store) -> None:
    """Redmine being away does not count against the mail."""
    (row,) = store.add([raw(1)])
    store.defer(row.id, "Redmine is unavailable", counts=False)
    (kept,) = MessageQueries(store.database).messages(MessageFilter())
    assert 0 == kept.tries


def test_the_first_intent_is_remembered(store: Store, clock: Clock) -> None:
    """The look goes back to the first request that may have been carried out."""
    (row,) = store.add([raw(1)])
    store.record_intent(row.id, "{}")
    clock.now += 60
    store.record_intent(row.id, "{}")
    (kept,) = MessageQueries(store.database).messages(MessageFilter())
    assert (1_000_000.0, 1_000_060.0) == (kept.first_sent_at, kept.last_sent_at)
    assert State.WRITE_PENDING == kept.state


def test_closed_mails_are_filed_once(store: Store) -> None:
    """Done and refused mails want filing; held ones stay where they are."""
    rows = store.add([raw(n, str(n).encode()) for n in range(4)])
    store.done(rows[0].id, "made", issue=1, created=True)
    store.finish(rows[1].id, State.REJECTED, "no")
    store.finish(rows[2].id, State.HELD, "unknown sender")
    assert [rows[0].id, rows[1].id] == [row.id for row in store.unfiled("support")]
    store.filed([(rows[0].id, "Processed"), (rows[1].id, "Failed")])
    assert [] == store.unfiled("support")


def test_participants_and_known_ids_are_found_again(store: Store) -> None:
    """A mail that led to an issue is known by its Message-ID, and its people take part."""
    (row,) = store.add([raw(1)])
    store.describe([describe(row.id, message_id="a@example.com")])
    store.done(row.id, "made", issue=5, created=True, participants=["Anna@Example.com", "b@example.com"])
    archive = MessageQueries(store.database)
    assert {"a@example.com": 5} == {key: m.issue for key, m in archive.by_message_id(["a@example.com", "x"]).items()}
    assert {5: frozenset({"anna@example.com", "b@example.com"})} == archive.participants([5])


def test_retry_reopens_what_was_refused_and_nothing_else(store: Store) -> None:
    """A refused mail is tried again on request; a done one never."""
    one, two = store.add([raw(1, b"1"), raw(2, b"2")])
    store.finish(one.id, State.REJECTED, "no")
    store.done(two.id, "made", issue=1, created=True)
    assert (True, False) == (store.retry(one.id), store.retry(two.id))
    assert [one.id] == [row.id for row in store.due("support")]


def test_only_one_holds_the_lock(store: Store) -> None:
    """A second service on the same store is told so, and the lock comes free with its holder."""
    lock = store.lock("service")
    with pytest.raises(AlreadyRunning, match="another redmine-mailbridge"):
        store.lock("service")
    lock.release()
    store.lock("service").release()


def test_old_bytes_are_forgotten_and_rows_stay(store: Store, clock: Clock) -> None:
    """Retention removes the raw bytes of filed mails, unless another mail still needs the same bytes."""
    one, two = store.add([raw(1, b"same"), raw(2, b"same")])
    for row in (one, two):
        store.done(row.id, "ignored")
    store.filed([(one.id, "Processed")])
    clock.now += 1000
    assert 0 == forget_raw(store, older_than=clock.now)
    store.filed([(two.id, "Processed")])
    assert 1 == forget_raw(store, older_than=clock.now)
    assert not store.raw.path(one.raw or "").exists()
    assert 2 == len(MessageQueries(store.database).messages(MessageFilter()))


def test_steps_read_as_a_story(store: Store) -> None:
    """What happened to a mail stands in its record line by line, in order."""
    (row,) = store.add([raw(1)])
    store.say_once(row.id, "automatic: no")
    store.defer(row.id, "Redmine is unavailable", counts=False)
    lines = [step.line for step in MessageQueries(store.database).steps(row.id)]
    assert ["automatic: no", "deferred: Redmine is unavailable"] == lines


def test_an_accepted_mail_remembers_it_and_a_rejected_one_is_refused(store: Store) -> None:
    """What an admin decides about a held mail stands in its row."""
    one, two = store.add([raw(1, b"1"), raw(2, b"2")])
    for row in (one, two):
        store.finish(row.id, State.HELD, "unknown sender")
    assert (True, True) == (store.retry(one.id, accept=True), store.reject(two.id))
    kept = {row.id: row for row in MessageQueries(store.database).messages(MessageFilter())}
    assert (State.STORED, True) == (kept[one.id].state, kept[one.id].accepted)
    assert State.REJECTED == kept[two.id].state
    assert not store.reject(one.id)


@pytest.mark.parametrize("state", [State.FAILED, State.REJECTED])
def test_a_mail_that_ended_in_doubt_is_looked_for_and_its_copy_waits(store: Store, state: State) -> None:
    """Putting back a mail whose request may have been carried out makes the first one look, not the copy write."""
    (one,) = store.add([raw(1, b"1")])
    store.describe([describe(one.id)])
    store.record_intent(one.id, "{}")
    store.finish(one.id, state, "too many tries")
    (two,) = store.add([raw(2, b"1")])
    assert one.id == store.describe([describe(two.id)])[two.id].id
    assert (State.WRITE_PENDING, "{}") == next(
        (row.state, row.request) for row in store.due("support") if row.id == one.id
    )


def test_a_retry_of_a_doubtful_mail_looks_and_of_a_refused_one_decides_anew(store: Store) -> None:
    """Only what is known not to be written is decided about again."""
    one, two, three = store.add([raw(1, b"1"), raw(2, b"2"), raw(3, b"3")])
    for row, state in ((one, State.FAILED), (two, State.REJECTED), (three, State.REJECTED)):
        store.record_intent(row.id, "{}")
        if row is two:
            store.withdraw(row.id)
        store.finish(row.id, state, "why")
        store.retry(row.id)
    states = {row.id: (row.state, row.request) for row in store.due("support")}
    assert {
        one.id: (State.WRITE_PENDING, "{}"),
        two.id: (State.STORED, None),
        three.id: (State.WRITE_PENDING, "{}"),
    } == states


def test_a_number_that_comes_again_is_claimed_by_the_mail_that_has_it_now(store: Store) -> None:
    """Where Redmine's numbers went back, the issue of a number, and the note of one, are those that were made last."""
    archive = MessageQueries(store.database)
    one, two, three, four = store.add([raw(n, b"%d" % n) for n in range(1, 5)])
    store.done(one.id, "why", issue=5, created=True)
    store.done(two.id, "why", issue=5, created=True, number_again=True)
    store.done(three.id, "why", issue=5, journal=9)
    assert (True, False) == (archive.claimed_journal(9, 5), archive.claimed_journal(9, 6))
    store.done(four.id, "why", issue=6, journal=9)
    made = {row.id: (row.created_issue, row.journal) for row in archive.messages(MessageFilter())}
    assert {one.id: (None, None), two.id: (5, None), three.id: (None, None), four.id: (None, 9)} == made


def test_a_reply_waits_only_for_earlier_mails_that_are_open(store: Store) -> None:
    """What must end before a mail is an earlier open one that it refers to, or one that nobody has read yet."""
    archive = MessageQueries(store.database)
    parent, unread, reply = store.add([raw(1), raw(2), raw(3)])
    store.describe([describe(parent.id, "k1", "parent@example.com"), describe(reply.id, "k3", "reply@example.com")])
    assert unread.id == waits_for(archive, reply, "other@example.com")
    store.describe([describe(unread.id, "k2", "unread@example.com")])
    assert waits_for(archive, reply, "other@example.com") is None
    assert parent.id == waits_for(archive, reply, "parent@example.com")
    assert waits_for(archive, parent, "reply@example.com") is None
    store.done(parent.id, "made", issue=7, created=True)
    assert waits_for(archive, reply, "parent@example.com") is None


def test_a_mail_to_be_bundled_waits_for_the_open_one_before_it(store: Store) -> None:
    """Where mails of one sender and subject are bundled, an earlier open one of both must end first."""
    archive = MessageQueries(store.database)
    first, second = store.add([raw(1), raw(2)])
    store.describe([describe(first.id, "k1", "a@example.com"), describe(second.id, "k2", "b@example.com")])
    same = ("anna@example.com", "A subject", second.kept_at - 60)
    found = archive.open_before(second, (), same=same)
    assert found is not None
    assert first.id == found.id
    assert archive.open_before(second, (), same=("anna@example.com", "A subject", second.kept_at + 1)) is None


def test_mails_of_one_subject_within_a_window(store: Store, clock: Clock) -> None:
    """Whether mails of one sender and subject are bundled is told by when they came, to the second."""
    archive = MessageQueries(store.database)
    came = dt.datetime(2026, 5, 1, 8, tzinfo=dt.UTC)
    clock.now = came.timestamp() + 86_400  # it lay there a day before it was read
    (row,) = store.add([replace(raw(1), listed=replace(raw(1).listed, received_at=came))])
    store.describe([describe(row.id, "k1", "a@example.com")])
    at, hour = came.timestamp(), 3600.0

    def found(later: float) -> bool:
        since, until = at + later - hour, at + later + hour
        return archive.same_subject("anna@example.com", "A subject", since=since, until=until) is not None

    assert not found(0)
    store.done(row.id, "made", issue=7, created=True)
    assert [True, True, False] == [found(later) for later in (0, hour, hour + 1)]
    assert archive.same_subject("anna@example.com", "Another", since=0, until=at) is None
    assert archive.same_subject("bob@example.com", "A subject", since=0, until=at) is None


def waits_for(archive: MessageQueries, row: StoredMail, message_id: str) -> int | None:
    found = archive.open_before(row, [message_id])
    return found.id if found else None


def test_left_on_the_server_for_a_while(store: Store, clock: Clock) -> None:
    """A mail that is to stay on the server is no work until its day, and then it is."""
    (row,) = store.add([raw(1)])
    store.done(row.id, "made")
    assert [row.id] == [one.id for one in store.unfiled("support")]
    store.file_after(row.id, clock.now + 60)
    assert [] == store.unfiled("support")
    clock.now += 61
    assert [row.id] == [one.id for one in store.unfiled("support")]


def test_looking_for_what_to_file_passes_by_what_waits(store: Store) -> None:
    """The question for mails to file reads the index by their time, so that those that wait cost nothing."""
    asked: list[str] = []
    sa.event.listen(store.database.engine, "before_cursor_execute", lambda *said: asked.append(str(said[2])))
    store.unfiled("support")
    statement = next(text for text in asked if "filed_at IS NULL" in text)
    with store.database.engine.connect() as db:
        values = ("support", "done", "rejected", "failed", 1.0, 200, 0)
        plan = db.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
        steps = " ".join(str(step) for step in plan)
    assert "ix_mail_unfiled (mailbox=? AND filed_at=? AND next_file_at<?" in steps


def test_a_subject_without_an_end_is_cut(store: Store) -> None:
    """A subject of any length is described by its first 1,000 characters, which is what the column holds everywhere."""
    (row,) = store.add([raw(1)], cursor=Cursor("1", "1"))
    store.describe([replace(describe(row.id), subject="ß" * 999 + "ab" * 1000)])
    (found,) = MessageQueries(store.database).messages(MessageFilter())
    assert "ß" * 999 + "a" == found.subject


def test_very_many_uids_are_known(store: Store) -> None:
    """A question for more UIDs than a database takes values in one statement is asked in pieces."""
    store.add([raw(1), raw(99_999)])
    assert {"1", "99999"} == store.known("support", "INBOX", [str(uid) for uid in range(100_000)])


@pytest.mark.parametrize("words", ["database or disk is full", "Disk quota: disk FULL"])
def test_full_disk_that_says_so(store: Store, words: str) -> None:
    """A full disk is told from other failures by the driver's words."""
    with pytest.raises(StoreFull, match=f"^the store's disk is full: {words}$"), store.database.write():
        raise sa.exc.OperationalError("INSERT", {}, sqlite3.OperationalError(words))


@pytest.mark.parametrize(("free", "error"), [(0, StoreFull), (262_143, StoreFull), (262_144, StoreBusy)])
def test_full_disk(store: Store, tmp_path: Path, free: int, error: type, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite's "disk I/O error" is about a full disk if that of the database's folder has next to nothing left."""
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Disk(free if path == tmp_path else 10**12))
    driver = sqlite3.OperationalError("disk I/O error")
    with pytest.raises(error) as raised, store.database.write():
        raise sa.exc.OperationalError("INSERT", {}, driver)
    assert error is type(raised.value)
