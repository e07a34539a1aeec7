"""Mails whose bytes the server did not hand out at first."""

import pytest

from redmine_mailbridge.errors import StoreError
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.mailbox import Listed, Location, RawMail
from redmine_mailbridge.model.stored_mail import Cursor, StoredMail
from redmine_mailbridge.store.mails.unfetched import due_to_fetch, fetched
from redmine_mailbridge.store.messages import Store
from tests.clocks import Clock
from tests.unit.store.kept import keep, lines


@pytest.fixture
def clock() -> Clock:
    return Clock()


def _listed(uid: int, folder: str = "INBOX") -> Listed:
    return Listed(Location("support", folder, "1", str(uid)), 5)


def _unfetched(store: Store, uid: int) -> StoredMail:
    return store.add_unfetched(_listed(uid), "no answer", cursor=Cursor("1", str(uid)), state=State.STORED)


def test_a_mail_that_comes_after_all_is_like_one_that_came_at_once(store: Store) -> None:
    keep(store, 1)
    row, other = _unfetched(store, 2), _unfetched(store, 3)
    assert [row.id, other.id] == [one.id for one in due_to_fetch(store, "support")]
    assert [row.id] == [one.id for one in due_to_fetch(store, "support", limit=1)]
    assert [] == due_to_fetch(store, "sales")
    now = fetched(store, row, RawMail(_listed(2), b"here it is"))
    assert now is not None
    assert (row.id, 0, 0.0, None) == (now.id, now.tries, now.next_try_at, now.reason)
    assert b"here it is" == bytes(store.raw.read(now.raw or ""))
    assert "fetched on a later try" == lines(store, row.id)[-1]
    assert [other.id] == [one.id for one in due_to_fetch(store, "support")]


def test_it_lies_where_its_bytes_came_from(store: Store) -> None:
    row = _unfetched(store, 2)
    now = fetched(store, row, RawMail(_listed(9, "MessageQueries"), b"moved"))
    assert now is not None
    assert ("MessageQueries", "9") == (now.location.folder, now.location.uid)
    assert "fetched on a later try from MessageQueries, its current folder" == lines(store, row.id)[-1]


def test_bytes_that_are_another_mails_do_not_become_its_own(store: Store) -> None:
    """Neither what lies where another mail of the store lies, nor what another one has."""
    row = _unfetched(store, 2)
    place = Location("support", "MessageQueries", "1", "9")
    store.add([RawMail(Listed(place, 5), b"known")])
    assert None is fetched(store, row, RawMail(_listed(9, "MessageQueries"), b"at its place"))
    assert None is fetched(store, row, RawMail(_listed(10, "MessageQueries"), b"known"))
    assert [row.id] == [one.id for one in due_to_fetch(store, "support")]


def test_bytes_of_an_earlier_mail(store: Store) -> None:
    """Bytes that an earlier message has, or that lie where it does, are not this one's."""
    place = Location("support", "Sent", "1", "9")
    store.add([RawMail(Listed(place, 5), b"known")])
    row = _unfetched(store, 2)
    assert None is fetched(store, row, RawMail(_listed(9, "Sent"), b"at its place"))
    assert None is fetched(store, row, RawMail(_listed(10, "Sent"), b"known"))


def test_not_fetched(store: Store, clock: Clock) -> None:
    """A message whose bytes the server does not return has failed, or is to be fetched again: at once, or from a time
    on; its folder is read on behind it.
    """
    failed = store.add_unfetched(_listed(1), "no answer", cursor=Cursor("1", "1"))
    waits = store.add_unfetched(
        _listed(2), "no answer", cursor=Cursor("1", "2"), state=State.STORED, next_try_at=clock.now + 60
    )
    assert (State.FAILED, "no answer", 0.0, None, 0) == (
        failed.state, failed.reason, failed.next_try_at, failed.raw, failed.tries,
    )  # fmt: skip
    assert (State.STORED, clock.now + 60) == (waits.state, waits.next_try_at)
    assert "not fetched: no answer" == lines(store, failed.id)[-1]
    assert Cursor("1", "2") == store.cursor("support", "INBOX")
    assert [] == due_to_fetch(store, "support")
    clock.now += 60
    assert [waits.id] == [one.id for one in due_to_fetch(store, "support")]


@pytest.mark.parametrize("state", [State.DONE, State.WRITE_PENDING, State.HELD, State.REJECTED])
def test_no_beginning(store: Store, state: State) -> None:
    """No message begins as if something had become of it."""
    with pytest.raises(StoreError, match=f"^a message cannot start as {state}: only as stored or failed$"):
        store.add_unfetched(_listed(1), "no answer", cursor=Cursor("1", "1"), state=state)
    assert None is store.cursor("support", "INBOX")


def test_the_same_bytes_at_its_own_place(store: Store) -> None:
    """What the server returns for a message is its own, even if another one has the same bytes."""
    place = Location("support", "Sent", "1", "9")
    store.add([RawMail(Listed(place, 5), b"known")])
    row = _unfetched(store, 2)
    now = fetched(store, row, RawMail(_listed(2), b"known"))
    assert now is not None
    assert b"known" == bytes(store.raw.read(now.raw or ""))
