"""Decisions about messages that are in Redmine: one at a time, undone once, and never a message without a place."""

import threading
from collections.abc import Callable

import pytest

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.manual_change import Phase
from redmine_mailbridge.redmine.requests import IssueRequest
from redmine_mailbridge.redmine.write_intent import WriteIntent
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.queries.messages import MessageFilter, MessageQueries
from redmine_mailbridge.tasks.receive.admin_decisions import Decision, DecisionResult, decide
from redmine_mailbridge.tasks.receive.requester_decisions import set_requester, undo_requester
from tests.clocks import Clock
from tests.unit.store.kept import describe, keep, lines, make, put


@pytest.fixture
def clock() -> Clock:
    return Clock(2e9)


def intent(*participants: str) -> str:
    return WriteIntent(IssueRequest(1, {"description": "x"}), "made", participants=participants).to_json()


def in_issue(store: Store, uid: int, issue: int, journal: int | None = None, *people: str) -> int:
    number = keep(store, uid)
    describe(store, number, f"{uid}@x", sender=people[0] if people else "kim@c.example")
    make(store, number, issue, journal=journal, request=intent(*people))
    return number


def say(store: Store, number: int, decision: Decision, issue: int | None = None) -> DecisionResult:
    found = MessageQueries(store.database)
    (result,) = decide(store, found, [number], decision, by="anna", issue=issue)
    return result


def at_once(*calls: Callable[[], bool]) -> list[bool]:
    """Call these in threads of their own that begin together. Return what each returned; False where it raised."""
    gate, results = threading.Barrier(len(calls)), [False] * len(calls)

    def run(index: int) -> None:
        gate.wait()
        results[index] = calls[index]()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_two_who_move_a_message_at_once(store: Store) -> None:
    """One of them does; the other is told that it has changed, and the message has one decision."""
    for uid in range(5):
        number = in_issue(store, uid, 100 + uid)
        done = at_once(
            lambda number=number: store.manual_changes.move(number, '{"who": "a", "issue": 8}', "a", "#8"),  # type: ignore[misc]
            lambda number=number: store.manual_changes.move(number, '{"who": "b", "issue": 9}', "b", "#9"),  # type: ignore[misc]
        )
        assert [False, True] == sorted(done)
        assert 1 == sum("to be moved" in line for line in lines(store, number))


def test_two_who_undo_at_once(store: Store) -> None:
    """The message is back once."""
    number = in_issue(store, 1, 7)
    assert say(store, number, Decision.FILE, 8).ok
    change = store.manual_changes.last(number)
    assert change is not None
    done = at_once(lambda: store.manual_changes.undo(change, "a"), lambda: store.manual_changes.undo(change, "b"))
    assert [False, True] == sorted(done)
    (row,) = MessageQueries(store.database).messages(MessageFilter(ids=[number]))
    assert (State.DONE, 7, 7) == (row.state, row.issue, row.created_issue)
    assert None is store.manual_changes.last(number)


def test_who_took_part_by_the_message_alone_does_so_no_longer(store: Store) -> None:
    """Whoever came into a private issue by a misfiled mail is out of it as soon as that leaves; others stay."""
    found = MessageQueries(store.database)
    first = in_issue(store, 1, 7, None, "kim@c.example")
    wrong = in_issue(store, 2, 7, 70, "eve@evil.example", "kim@c.example")
    with store.database.write() as db:
        store._join(db, 7, ["kim@c.example", "eve@evil.example"])
    assert say(store, wrong, Decision.FILE, 8).ok
    assert {7: frozenset({"kim@c.example"})} == dict(found.participants([7]))
    assert say(store, wrong, Decision.UNDO).ok
    assert {7: frozenset({"kim@c.example", "eve@evil.example"})} == dict(found.participants([7]))
    assert first


def test_a_request_on_its_way_is_not_undone(store: Store) -> None:
    """While it may be at Redmine, the decision stands; afterwards it can be undone."""
    number = in_issue(store, 1, 7)
    assert say(store, number, Decision.FILE, 8).ok
    store.record_intent(number, intent())
    assert not say(store, number, Decision.UNDO).ok
    store.done(number, "noted", issue=8, journal=80)
    assert say(store, number, Decision.UNDO).ok
    change = store.manual_changes.last(number)
    assert change is not None
    assert (Phase.UNDOING, 8, 80) == (change.phase, change.new and change.new.issue, change.new and change.new.journal)
    assert "it is being undone already" == say(store, number, Decision.UNDO).words


@pytest.mark.parametrize("state", [State.HELD, State.REJECTED, State.FAILED])
def test_what_was_not_in_redmine_waits_again(store: Store, state: State) -> None:
    """An import that is undone before it is carried out leaves the message for another decision, with its reason."""
    number = keep(store, 1)
    describe(store, number, "a@x")
    put(store, number, state)
    assert say(store, number, Decision.IMPORT).ok
    assert say(store, number, Decision.UNDO).ok
    (row,) = MessageQueries(store.database).messages(MessageFilter(ids=[number]))
    assert (State.HELD, "undone by anna; before: why") == (row.state, row.reason)


def test_a_requester_is_set_of_the_message_that_made_the_issue(store: Store) -> None:
    """Neither a note nor an ignored mail has one; an address with a line break, or of ours, is none."""
    first, note = in_issue(store, 1, 7, None, "kim@c.example"), in_issue(store, 2, 7, 70, "kim@c.example")
    ours = {"support@example.com"}
    for typed in (
        "",
        "kim",
        "a@b\nBcc: c@d",
        "support@example.com",
        "SUPPORT@example.com",
        "<a@b.example>",
        "a@b.example,c@d.example",
    ):
        assert not set_requester(store, first, typed, "", by="anna", ours=ours).ok, typed
    assert not set_requester(store, note, "jo@c.example", "", by="anna", ours=ours).ok
    assert not set_requester(store, 99, "jo@c.example", "", by="anna", ours=ours).ok
    assert set_requester(store, first, "Jo@C.example", "Jo\nBcc: x@y", by="anna", ours=ours).ok
    assert ("jo@c.example", "Jo Bcc: x@y") == store.requesters.current(first)
    assert [True, False] == [undo_requester(store, first, by="anna").ok for _ in range(2)]
    assert ("kim@c.example", "") == store.requesters.current(first)


def test_a_requester_set_by_hand_outlives_a_move_that_is_undone(store: Store) -> None:
    """The message is what it was, with the requester that a person had set."""
    number = in_issue(store, 1, 7, None, "kim@c.example")
    assert set_requester(store, number, "jo@c.example", "Jo", by="anna", ours=()).ok
    assert say(store, number, Decision.FILE, 8).ok
    store.record_intent(number, intent("kim@c.example"))
    store.done(number, "noted", issue=8, journal=80)
    assert say(store, number, Decision.UNDO).ok
    change = store.manual_changes.last(number)
    assert change is not None
    store.manual_changes.restored(change, ())
    assert ("jo@c.example", "Jo") == store.requesters.current(number)


def test_a_requester_by_the_field_in_redmine(store: Store) -> None:
    """A new value of the custom field counts once; what is set by page later holds, until the field is set anew."""
    number = in_issue(store, 1, 10, None, "kim@c.example")
    changes = store.requesters

    def field(value: str, written: str = "kim@c.example") -> bool:
        return changes.set_by_field(number, value, written)

    assert (False, False) == (field("kim@c.example"), field("kim@c.example", ""))
    assert (True, False) == (field("lee@c.example"), field("lee@c.example"))
    assert "lee@c.example" == changes.current(number)[0]
    assert set_requester(store, number, "max@c.example", "Max", by="anna", ours=()).ok
    assert (False, False) == (field("lee@c.example"), field("lee@c.example", ""))
    assert "max@c.example" == changes.current(number)[0]
    assert (True, True) == (field("kim@c.example"), field("lee@c.example"))
    assert undo_requester(store, number, by="anna").ok
    assert (False, "kim@c.example") == (field("lee@c.example"), changes.current(number)[0])


def test_a_requester_by_hand_before_the_field_was_known(store: Store) -> None:
    """Where it is not known what the bridge wrote into the field, the first requester's address is no change."""
    number = in_issue(store, 1, 10, None, "kim@c.example")
    assert set_requester(store, number, "max@c.example", "Max", by="anna", ours=()).ok
    assert not store.requesters.set_by_field(number, "kim@c.example", "")
    assert store.requesters.set_by_field(number, "lee@c.example", "")


def people(store: Store, issue: int) -> set[str]:
    return set(MessageQueries(store.database).participants([issue])[issue])


def moved(store: Store, number: int, to: int, journal: int | None = None) -> None:
    """A message with a decision is written to another place, and its former one taken back."""
    store.record_intent(number, intent("kim@c.example"))
    made = {"issue": to, "created": journal is None, "journal": journal, "participants": ["kim@c.example"]}
    store.done(number, "moved", **made)  # type: ignore[arg-type]  # as keywords
    change = store.manual_changes.last(number)
    assert change is not None
    store.manual_changes.arrived(change)
    (change,) = store.manual_changes.unfinished(["support"])
    store.manual_changes.go_on(change, Phase.SETTLED)


def undone(store: Store, number: int) -> None:
    assert say(store, number, Decision.UNDO).ok
    change = store.manual_changes.last(number)
    assert change is not None
    store.manual_changes.restored(change, ())


@pytest.fixture
def set_by_hand(store: Store) -> int:
    """A message of Kim that created #7, whose requester is Jo by hand."""
    number = in_issue(store, 1, 7, None, "kim@c.example")
    with store.database.write() as db:
        store._join(db, 7, ["kim@c.example"])
    assert set_requester(store, number, "jo@c.example", "Jo", by="anna", ours=()).ok
    return number


@pytest.mark.fault("A20-3")
def test_a_requester_set_by_hand_comes_along_to_a_new_issue(store: Store, set_by_hand: int) -> None:
    """Answers of the new issue go to that person, who takes part there and no longer in the former issue; both can be
    undone in either order.
    """
    assert say(store, set_by_hand, Decision.NEW).ok
    assert set() == people(store, 7)
    moved(store, set_by_hand, 9)
    assert ("jo@c.example", "Jo") == store.requesters.current(set_by_hand)
    assert {"jo@c.example", "kim@c.example"} == people(store, 9)
    said = "the requester of #9 is jo@c.example instead of kim@c.example, set by anna (#7)"
    assert said in lines(store, set_by_hand)
    assert undo_requester(store, set_by_hand, by="anna").ok
    assert (("kim@c.example", ""), {"kim@c.example"}) == (store.requesters.current(set_by_hand), people(store, 9))
    undone(store, set_by_hand)
    assert ("jo@c.example", "Jo") == store.requesters.current(set_by_hand)
    assert ({"jo@c.example", "kim@c.example"}, set()) == (people(store, 7), people(store, 9))
    assert undo_requester(store, set_by_hand, by="anna").ok
    assert (("kim@c.example", ""), {"kim@c.example"}) == (store.requesters.current(set_by_hand), people(store, 7))


@pytest.mark.fault("A20-3")
def test_a_requester_set_by_hand_takes_part_where_the_message_becomes_a_note(store: Store, set_by_hand: int) -> None:
    """And, when that note is moved on to a new issue, is its requester."""
    assert say(store, set_by_hand, Decision.FILE, 8).ok
    moved(store, set_by_hand, 8, 80)
    assert (set(), {"jo@c.example", "kim@c.example"}) == (people(store, 7), people(store, 8))
    assert say(store, set_by_hand, Decision.NEW).ok
    assert set() == people(store, 8)
    moved(store, set_by_hand, 9)
    assert (("jo@c.example", "Jo"), set()) == (store.requesters.current(set_by_hand), people(store, 8))
    for _ in range(2):
        undone(store, set_by_hand)
        (change,) = store.manual_changes.unfinished(["support"])
        store.manual_changes.go_on(change, Phase.UNDONE)
    assert ("jo@c.example", "Jo") == store.requesters.current(set_by_hand)
    assert ({"jo@c.example", "kim@c.example"}, set()) == (people(store, 7), people(store, 9))


@pytest.mark.fault("A20-4")
def test_a_requester_is_not_undone_while_or_after_the_message_is_moved_to_a_note(
    store: Store, set_by_hand: int
) -> None:
    """The change was about the former issue: it changes neither the request to be sent nor the other issue."""
    assert say(store, set_by_hand, Decision.FILE, 8).ok
    assert "nothing was decided manually" == undo_requester(store, set_by_hand, by="anna").words
    moved(store, set_by_hand, 8, 80)
    assert "nothing was decided manually" == undo_requester(store, set_by_hand, by="anna").words
    assert "jo@c.example" in people(store, 8)


@pytest.mark.fault("A20-5")
def test_a_requester_set_by_hand_stays_when_a_note_of_theirs_leaves(store: Store, set_by_hand: int) -> None:
    """Whoever is the requester by hand takes part in the issue without any message."""
    note = in_issue(store, 2, 7, 70, "jo@c.example", "lee@c.example")
    with store.database.write() as db:
        store._join(db, 7, ["lee@c.example"])
    assert say(store, note, Decision.FILE, 8).ok
    assert {"jo@c.example", "kim@c.example"} == people(store, 7)
    assert ("jo@c.example", "Jo") == store.requesters.current(set_by_hand)


@pytest.mark.fault("A20-6")
@pytest.mark.parametrize("typed", ["support+7@example.com", "Support+x@EXAMPLE.com", "desk@B\u00fccher.example"])
def test_an_own_address_is_no_requester_however_it_is_written(store: Store, set_by_hand: int, typed: str) -> None:
    """Answers to a subaddress of a mailbox would come back as mail."""
    ours = {"support@example.com", "desk@b\u00fccher.example"}
    assert (
        "is one of the bridge's own addresses" == set_requester(store, set_by_hand, typed, "", by="a", ours=ours).words
    )


@pytest.mark.fault("A20-7")
def test_what_is_to_be_known_before_a_message_leaves_its_issue(store: Store, set_by_hand: int) -> None:
    """Whoever moves the message that created an issue reads what becomes of that issue; a note's move has none."""
    note = in_issue(store, 2, 5, 70, "lee@c.example")
    assert "later notes there are not mailed" in say(store, set_by_hand, Decision.NEW).hint
    assert not say(store, note, Decision.FILE, 8).hint


@pytest.mark.fault("A28-4")
def test_a_clock_that_is_set_back_puts_no_move_off(store: Store, clock: Clock) -> None:
    """A move that waits for Redmine is carried on when its pause cannot be the clock's any more."""
    number = in_issue(store, 1, 10)
    assert say(store, number, Decision.FILE, 42).ok
    (change,) = store.manual_changes.unfinished(["support"])
    store.manual_changes.later(change, 60.0, "503")
    assert [] == store.manual_changes.unfinished(["support"])
    clock.now -= 86_400
    assert [number] == [one.mail_id for one in store.manual_changes.unfinished(["support"])]


@pytest.mark.fault("A28-5")
def test_a_decision_and_its_record_are_one(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the process dies over the record of a decision, nothing was decided; a decision can always be undone."""
    number = keep(store, 1)
    describe(store, number, "1@x")
    put(store, number, State.HELD)

    def dies(*_given: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(store.manual_changes, "record", dies)
        with pytest.raises(SystemExit):
            say(store, number, Decision.FILE, 42)
    (row,) = MessageQueries(store.database).messages(MessageFilter(ids=[number]))
    assert (State.HELD, None, None) == (row.state, row.manual_decision, store.manual_changes.last(number))
    assert say(store, number, Decision.FILE, 42).ok
    make(store, number, 42, journal=9, request=intent("kim@c.example"))
    assert say(store, number, Decision.UNDO).ok
