"""A mail goes only where the table of transitions lets it, by whatever method, whoever else wants to move it."""

import itertools
from collections.abc import Callable

import pytest

from redmine_mailbridge.errors import StoreError
from redmine_mailbridge.model.mail_state import BEGINS, FOLLOWS, OPEN, State
from redmine_mailbridge.model.mailbox import Listed, Location, RawMail
from redmine_mailbridge.model.stored_mail import Cursor
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.queries.messages import Archive, MessageFilter

WAYS: dict[State, list[list[Callable[[Store, int], object]]]] = {
    State.KEPT: [[]],
    State.WRITING: [[lambda store, one: store.intend(one, "{}")]],
    State.DONE: [[lambda store, one: store.done(one, "ignored")]],
    State.HELD: [[lambda store, one: store.end(one, State.HELD, "held")]],
    # the ones that may have been written are looked for, when they are tried again
    State.REFUSED: [
        [lambda store, one: store.end(one, State.REFUSED, "refused")],
        [lambda store, one: store.intend(one, "{}"), lambda store, one: store.end(one, State.REFUSED, "refused")],
    ],
    State.ASIDE: [
        [lambda store, one: store.end(one, State.ASIDE, "aside")],
        [lambda store, one: store.intend(one, "{}"), lambda store, one: store.end(one, State.ASIDE, "aside")],
    ],
}
"""How a mail gets into each state, in each way that there is."""
CHANGES: dict[State, list[Callable[[Store, int], object]]] = {
    State.KEPT: [lambda store, one: store.withdraw(one)],
    State.WRITING: [lambda store, one: store.intend(one, "{}")],
    State.DONE: [lambda store, one: store.done(one, "done"), lambda store, one: store.done(one, "made", issue=5)],
    State.REFUSED: [
        lambda store, one: store.end(one, State.REFUSED, "refused"),
        lambda store, one: store.reject(one),
    ],
    State.HELD: [lambda store, one: store.end(one, State.HELD, "held")],
    State.ASIDE: [lambda store, one: store.end(one, State.ASIDE, "aside")],
}
"""What moves a mail to each state."""
RETRIES: list[Callable[[Store, int], object]] = [
    lambda store, one: store.retry(one),
    lambda store, one: store.retry(one, accept=True),
    lambda store, one: store.retry(one, wish="{}"),
]
"""What moves one that has come to an end, or waits for an admin, to where it is worked on; others it only hurries."""


def kept(store: Store) -> int:
    """Keep a mail. Return its number."""
    number = len(Archive(store.database).messages(MessageFilter(limit=10_000))) + 1
    place = Location("support", "INBOX", "1", str(number))
    (row,) = store.keep([RawMail(Listed(place, 5), b"mail %d" % number)])
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
    archive = Archive(store.database)
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
            assert why_not.startswith(("nothing to do", f"mail {number} cannot go to {to}: it is {before}"))
            assert was == (archive.messages(MessageFilter(ids=[number])), archive.steps(number))
    assert reached <= FOLLOWS[before]
    assert (to in FOLLOWS[before]) == (to in reached)


def test_a_mail_that_is_not_there(store: Store) -> None:
    """A mail that the store does not have is named, and that it has none."""
    with pytest.raises(StoreError, match="mail 99 cannot go to done: there is none"):
        store.done(99, "made")


def test_what_changes_no_state(store: Store) -> None:
    """What is noted of an open mail is noted of no other; the error says where it stands, and what could be."""
    number = kept(store)
    with pytest.raises(StoreError, match=f"mail {number} cannot be changed: it is kept; only one that is writing can"):
        store.rewrite(number, "{}")
    store.done(number, "ignored")
    for change in (lambda: store.defer(number, "later"), lambda: store.hold_reply(number, "waits")):
        with pytest.raises(StoreError, match=f"mail {number} cannot be changed: it is done"):
            change()


@pytest.mark.parametrize("state", State)
def test_where_a_life_begins(store: Store, state: State) -> None:
    """A mail that the server does not hand out begins as one that is fetched anew, or is set aside; as nothing else."""
    listed = Listed(Location("support", "INBOX", "1", "7"), 5)
    if state in BEGINS:
        assert state == store.keep_unfetched(listed, "why", cursor=Cursor("1", "7"), state=state).state
    else:
        with pytest.raises(StoreError, match=f"cannot begin as {state}"):
            store.keep_unfetched(listed, "why", cursor=Cursor("1", "7"), state=state)
