"""Copies, and mails that share a Message-ID."""

import pytest
import sqlalchemy as sa

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.mailbox import Listed, Location, RawMail
from redmine_mailbridge.model.stored_mail import Description
from redmine_mailbridge.store.mails.copies import SAME_MINUTES
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.queries.messages import MessageFilter, MessageQueries
from tests.clocks import Clock
from tests.unit.store.kept import keep, make, put


@pytest.fixture
def clock() -> Clock:
    return Clock()


def _describe(store: Store, mail_id: int, key: str, *, proof: int | None = None, message_id: str = "m@x") -> int | None:
    """Let a mail say what it is. Return the mail that it is a copy of."""
    copies = store.describe([Description(mail_id, message_id, key, "kim@c.example", "S", proof)])
    return copies[mail_id].id if mail_id in copies else None


def test_many_mails_are_described_in_as_many_statements_as_one(store: Store) -> None:
    """Of 30 mails described together, the three with one content have one original, the first of them, and none of the
    others is a copy; only a copy costs statements of its own.
    """
    mails = [keep(store, uid) for uid in range(60)]
    executed: list[str] = []
    sa.event.listen(store.database.engine, "before_cursor_execute", lambda *given: executed.append(given[2]))
    store.describe([Description(mails[0], "m@x", "0", "kim@c.example", "S", None)])
    one, executed[:] = len(executed), []
    store.describe([Description(mail_id, "m@x", str(mail_id), "kim@c.example", "S", None) for mail_id in mails[1:30]])
    assert one == len(executed)
    alike = {mails[40], mails[50], mails[59]}
    keys = {mail_id: "same" if mail_id in alike else str(mail_id) for mail_id in mails[30:]}
    several = [Description(mail_id, "m@x", key, "kim@c.example", "S", None) for mail_id, key in keys.items()]
    copies = store.describe(several[::-1])
    assert {mails[50]: mails[40], mails[59]: mails[40]} == {of: row.id for of, row in copies.items()}


@pytest.mark.parametrize(
    ("proofs", "copy"),
    [((0, 0), True), ((1, 0), True), ((0, 1), False), ((1, 2), False), ((None, 2), True), ((0, None), True)],
)
def test_a_mail_whose_sender_is_better_proven_is_no_copy(
    store: Store, proofs: tuple[int | None, int | None], *, copy: bool
) -> None:
    first, second = keep(store, 1), keep(store, 2)
    assert None is _describe(store, first, "k", proof=proofs[0])
    assert (first if copy else None) == _describe(store, second, "k", proof=proofs[1])


def test_mails_without_a_message_id_are_one_when_they_came_within_the_same_minutes(store: Store, clock: Clock) -> None:
    """Two minutes later it is another one."""
    first = keep(store, 1)
    clock.now += 119
    second = keep(store, 2)
    clock.now += 1
    third = keep(store, 3)
    for key in ("bare:k", "named"):
        found = [_describe(store, mail_id, key) for mail_id in (first, second, third)]
        assert [None, first, first if key == "named" else None] == found, key


def test_namesakes_are_the_first_other_mails_of_the_same_id_that_are_no_copies(store: Store) -> None:
    one, two, three, copy, other = (keep(store, uid) for uid in range(5))
    for mail_id, key in ((one, "a"), (two, "b"), (three, "c"), (copy, "c")):
        _describe(store, mail_id, key)
    _describe(store, other, "d", message_id="other@x")
    found = {of: [row.id for row in rows] for of, rows in store.namesakes([one, two, other], limit=5).items()}
    assert {one: [two, three], two: [one, three]} == found
    assert [two] == [row.id for row in store.namesakes([one], limit=1)[one]]


def test_one_mail_speaks_for_two_of_much_the_same_content_unless_one_is_a_copy_by_now(store: Store) -> None:
    one, two, copy = (keep(store, uid) for uid in range(3))
    for mail_id, key in ((one, "a"), (two, "b"), (copy, "b")):
        _describe(store, mail_id, key)
    assert not store.join(copy, one)
    assert not store.join(4000, one)
    assert store.join(two, one)
    speakers = [store.speaker(mail_id) for mail_id in (two, copy, one)]
    assert [one, one, None] == [row and row.id for row in speakers]
    assert not store.join(two, one), "it is a copy now"


def test_the_same_bytes_are_a_copy_whatever_proves_the_sender(store: Store) -> None:
    place = [Location("support", "INBOX", "1", str(uid)) for uid in (1, 2)]
    one, two = store.add([RawMail(Listed(each, 4), b"same") for each in place])
    assert None is _describe(store, one.id, "k", proof=0)
    assert one.id == _describe(store, two.id, "k", proof=2)


def test_another_mailbox_open(store: Store) -> None:
    """While a message is open, the same one in another mailbox is its copy."""
    first, second = keep(store, 1), keep(store, 1, "sales")
    assert None is _describe(store, first, "k")
    assert first == _describe(store, second, "k")


def test_another_mailbox_made(store: Store) -> None:
    """Once a message has become an issue, the same one in another mailbox is its copy."""
    first = keep(store, 1)
    assert None is _describe(store, first, "k")
    make(store, first, 7)
    assert first == _describe(store, keep(store, 1, "sales"), "k")


def test_another_mailbox_ignored(store: Store) -> None:
    """A message that was ignored decides nothing for the same one in another mailbox, only for its own."""
    first = keep(store, 1)
    assert None is _describe(store, first, "k")
    put(store, first, State.DONE)
    assert first == _describe(store, keep(store, 2), "k")
    assert None is _describe(store, keep(store, 1, "sales"), "k")


@pytest.mark.parametrize(
    ("key", "same_bytes", "copy"),
    [("traced:k", True, True), ("traced:k", False, False), ("bare:k", True, False), ("bare:k", False, False)],
)
def test_unnamed_days_apart(store: Store, clock: Clock, key: str, *, same_bytes: bool, copy: bool) -> None:
    """A message without a Message-ID that comes days later is a copy only if its bytes are the same, with a Received
    field in them: the same few words may be written twice.
    """
    contents = (b"one", b"one" if same_bytes else b"two")
    numbers = []
    for uid, content in enumerate(contents):
        (row,) = store.add([RawMail(Listed(Location("support", "INBOX", "1", str(uid)), 3), content)])
        numbers.append(row.id)
        clock.now += 10 * SAME_MINUTES
    assert None is _describe(store, numbers[0], key)
    assert (numbers[0] if copy else None) == _describe(store, numbers[1], key)


def test_nothing_to_copy(store: Store) -> None:
    """A message that is not there, or has not been described, is no copy."""
    keep(store, 1)
    assert [None, None] == [store.speaker(4000), store.speaker(keep(store, 2))]


@pytest.mark.parametrize("lost", [None, "gone", pytest.param("damaged", marks=pytest.mark.fault("A24-6"))])
def test_moved_back(store: Store, lost: str | None) -> None:
    """A failed message that may have been written and is moved back is verified at once, with its own bytes if they are
    still there and whole, else with those of its copy.
    """
    first = keep(store, 1)
    assert None is _describe(store, first, "k")
    store.record_intent(first, "{}")
    store.defer(first, "no answer")
    put(store, first, State.FAILED)
    (before,) = MessageQueries(store.database).messages(MessageFilter(ids=[first]))
    assert before.raw is not None
    if lost == "gone":
        store.raw.path(before.raw).unlink()
    elif lost == "damaged":
        store.raw.path(before.raw).chmod(0o600)
        store.raw.path(before.raw).write_bytes(b"Subject: h")
    second = keep(store, 2)
    (copy,) = MessageQueries(store.database).messages(MessageFilter(ids=[second]))
    assert first == _describe(store, second, "k")
    (row,) = MessageQueries(store.database).messages(MessageFilter(ids=[first]))
    assert (State.WRITE_PENDING, 0, 0.0) == (row.state, row.tries, row.next_try_at)
    assert (copy.raw if lost else before.raw) == row.raw


def test_rejected_later(store: Store, clock: Clock) -> None:
    """A message that had come before the same one was rejected was not moved back, and is a copy; one that comes
    afterwards is processed.
    """
    first, second = keep(store, 1), keep(store, 2)
    assert None is _describe(store, first, "k")
    clock.now += 1
    put(store, first, State.REJECTED)
    assert first == _describe(store, second, "k")
    clock.now += 1
    assert None is _describe(store, keep(store, 3), "k")


def test_replaced_primary(store: Store) -> None:
    """A message whose content has another primary by now is nobody's namesake."""
    replaced, primary, other = (keep(store, uid) for uid in range(3))
    assert None is _describe(store, replaced, "k", proof=0)
    assert None is _describe(store, primary, "k", proof=2)
    assert None is _describe(store, other, "l")
    assert {other: [primary]} == {of: [r.id for r in rows] for of, rows in store.namesakes([other], limit=5).items()}
