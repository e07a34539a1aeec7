"""A mail goes only where the table of transitions lets it, by whatever method, whoever else wants to move it."""

import itertools
from collections.abc import Callable

import pytest

from redmine_mailbridge.errors import StoreError
from redmine_mailbridge.model.mail_state import BEGINS, OPEN, TRANSITIONS, State
from redmine_mailbridge.model.mailbox import Listed, Location, RawMail
from redmine_mailbridge.model.stored_mail import Cursor
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.queries.messages import MessageFilter, MessageQueries
from tests.unit.store.kept import keep, lines, put

WAYS: dict[State, list[list[Callable[[Store, int], object]]]] = {
    State.STORED: [[]],
    State.WRITE_PENDING: [[lambda store, one: store.record_intent(one, "{}")]],
    State.DONE: [[lambda store, one: store.done(one, "ignored")]],
    State.HELD: [[lambda store, one: store.finish(one, State.HELD, "held")]],
    # the ones that may have been written are looked for, when they are tried again
    State.REJECTED: [
        [lambda store, one: store.finish(one, State.REJECTED, "refused")],
        [
            lambda store, one: store.record_intent(one, "{}"),
            lambda store, one: store.finish(one, State.REJECTED, "refused"),
        ],
    ],
    State.FAILED: [
        [lambda store, one: store.finish(one, State.FAILED, "aside")],
        [
            lambda store, one: store.record_intent(one, "{}"),
            lambda store, one: store.finish(one, State.FAILED, "aside"),
        ],
    ],
}
"""How a mail gets into each state, in each way that there is."""
CHANGES: dict[State, list[Callable[[Store, int], object]]] = {
    State.STORED: [lambda store, one: store.withdraw(one)],
    State.WRITE_PENDING: [lambda store, one: store.record_intent(one, "{}")],
    State.DONE: [lambda store, one: store.done(one, "done"), lambda store, one: store.done(one, "made", issue=5)],
    State.REJECTED: [
        lambda store, one: store.finish(one, State.REJECTED, "refused"),
        lambda store, one: store.reject(one),
    ],
    State.HELD: [lambda store, one: store.finish(one, State.HELD, "held")],
    State.FAILED: [lambda store, one: store.finish(one, State.FAILED, "aside")],
}
"""What moves a mail to each state."""
RETRIES: list[Callable[[Store, int], object]] = [
    lambda store, one: store.retry(one),
    lambda store, one: store.retry(one, accept=True),
    lambda store, one: store.retry(one, manual_decision="{}"),
]
"""What moves one that has come to an end, or waits for an admin, to where it is worked on; others it only hurries."""


def kept(store: Store) -> int:
    """Keep a mail. Return its number."""
    number = len(MessageQueries(store.database).messages(MessageFilter(limit=10_000))) + 1
    place = Location("support", "INBOX", "1", str(number))
    (row,) = store.add([RawMail(Listed(place, 5), b"mail %d" % number)])
    return row.id


def attempt(change: Callable[[Store, int], object], store: Store, number: int) -> str | None:
    """Change a mail. Return why that cannot be; None when it was done."""
    try:
        return "nothing to do" if change(store, number) is False else None
    except StoreError as error:
        return str(error)


@pytest.mark.parametrize(("before", "to"), [*itertools.product(State, State)])
def test_every_pair(store: Store, before: State, to: State) -> None:
    """Whatever is called, a mail comes from one state to another just where the table says so. What cannot be is an
    error that names the mail and both states, or said to be nothing to do, and changes nothing.
    """
    archive = MessageQueries(store.database)
    changes = CHANGES[to] + (RETRIES if to in OPEN and before not in OPEN else [])
    reached = set[State]()
    for way, change in itertools.product(WAYS[before], changes):
        number = kept(store)
        for part in way:
            part(store, number)
        was = archive.messages(MessageFilter(ids=[number])), archive.steps(number)
        assert before == archive.state(number)
        why_not = attempt(change, store, number)
        if why_not is None:
            reached.add(archive.state(number))
        else:
            assert why_not.startswith(("nothing to do", f"message {number} cannot go to {to}: it is {before}"))
            assert was == (archive.messages(MessageFilter(ids=[number])), archive.steps(number))
    assert reached <= TRANSITIONS[before]
    assert (to in TRANSITIONS[before]) == (to in reached)


def test_a_mail_that_is_not_there(store: Store) -> None:
    """A mail that the store does not have is named, and that it has none."""
    with pytest.raises(StoreError, match="message 99 cannot go to done: it does not exist"):
        store.done(99, "made")


def test_what_changes_no_state(store: Store) -> None:
    """What is noted of an open mail is noted of no other; the error says where it stands, and what could be."""
    number = kept(store)
    with pytest.raises(StoreError, match=f"message {number} cannot be changed: it is stored; only one"):
        store.rewrite(number, "{}")
    store.done(number, "ignored")
    for change in (lambda: store.defer(number, "later"), lambda: store.hold_reply(number, "waits")):
        with pytest.raises(StoreError, match=f"message {number} cannot be changed: it is done"):
            change()


@pytest.mark.parametrize("state", State)
def test_where_a_life_begins(store: Store, state: State) -> None:
    """A mail that the server does not hand out begins as one that is fetched anew, or is set aside; as nothing else."""
    listed = Listed(Location("support", "INBOX", "1", "7"), 5)
    if state in BEGINS:
        assert state == store.add_unfetched(listed, "why", cursor=Cursor("1", "7"), state=state).state
    else:
        with pytest.raises(StoreError, match=f"cannot start as {state}"):
            store.add_unfetched(listed, "why", cursor=Cursor("1", "7"), state=state)


def test_only_from_these_states(store: Store) -> None:
    """A change that is for messages in one state alone is refused for one in any other."""
    for uid, state in enumerate(state for state in State if state is not State.STORED):
        mail_id = keep(store, uid)
        put(store, mail_id, state)
        with pytest.raises(StoreError):
            store.hold_reply(mail_id, "waits")
        assert "waits" not in lines(store, mail_id)
