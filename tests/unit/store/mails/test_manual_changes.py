"""Decisions about messages that are in Redmine: one at a time, undone once, and never a message without a place."""

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
import sqlalchemy as sa

from redmine_mailbridge.model.mail_state import LONGEST_PAUSE, State
from redmine_mailbridge.model.manual_change import ManualChange, Phase, Place
from redmine_mailbridge.model.stored_mail import StoredMail
from redmine_mailbridge.redmine.requests import IssueRequest
from redmine_mailbridge.redmine.write_intent import WriteIntent
from redmine_mailbridge.store.issue_copy import IssueCopy
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.queries.messages import MessageFilter, MessageQueries
from redmine_mailbridge.store.tables import mail
from redmine_mailbridge.tasks.receive.admin_decisions import Decision, DecisionResult, decide
from redmine_mailbridge.tasks.receive.requester_decisions import set_requester, undo_requester
from tests.clocks import Clock
from tests.unit.store.kept import describe, keep, lines, make, participants, put
from tests.unit.store.test_issue_copy import journal as issue_journal
from tests.unit.store.test_issue_copy import row as issue_row


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


@pytest.mark.fault("A29-7")
@pytest.mark.parametrize("sent", [True, False])
def test_an_agents_reply_that_was_moved_and_came_back(store: Store, sent: bool) -> None:
    """It is sent to the requester again if it was before: the agent's decision holds, not the person's who filed it."""
    number = in_issue(store, 1, 7, 70)
    replied = replace(WriteIntent.from_json(intent()), to_requester=sent).to_json()
    with store.database.write() as db:
        db.execute(sa.update(mail).where(mail.c.id == number).values(request=replied, to_requester=sent))
    assert say(store, number, Decision.FILE, 8).ok
    store.record_intent(number, intent())
    store.done(number, "noted", issue=8, journal=80)
    undone(store, number)
    with store.database.read() as db:
        row = db.execute(sa.select(mail.c.journal, mail.c.to_requester).where(mail.c.id == number)).one()
    assert (70, sent) == tuple(row)


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
    assert set() == participants(store, 7)
    moved(store, set_by_hand, 9)
    assert ("jo@c.example", "Jo") == store.requesters.current(set_by_hand)
    assert {"jo@c.example", "kim@c.example"} == participants(store, 9)
    said = "the requester of #9 is jo@c.example instead of kim@c.example, set by anna (#7)"
    assert said in lines(store, set_by_hand)
    assert undo_requester(store, set_by_hand, by="anna").ok
    assert (("kim@c.example", ""), {"kim@c.example"}) == (store.requesters.current(set_by_hand), participants(store, 9))
    undone(store, set_by_hand)
    assert ("jo@c.example", "Jo") == store.requesters.current(set_by_hand)
    assert ({"jo@c.example", "kim@c.example"}, set()) == (participants(store, 7), participants(store, 9))
    assert undo_requester(store, set_by_hand, by="anna").ok
    assert (("kim@c.example", ""), {"kim@c.example"}) == (store.requesters.current(set_by_hand), participants(store, 7))


@pytest.mark.fault("A20-3")
def test_a_requester_set_by_hand_takes_part_where_the_message_becomes_a_note(store: Store, set_by_hand: int) -> None:
    """And, when that note is moved on to a new issue, is its requester."""
    assert say(store, set_by_hand, Decision.FILE, 8).ok
    moved(store, set_by_hand, 8, 80)
    assert (set(), {"jo@c.example", "kim@c.example"}) == (participants(store, 7), participants(store, 8))
    assert say(store, set_by_hand, Decision.NEW).ok
    assert set() == participants(store, 8)
    moved(store, set_by_hand, 9)
    assert (("jo@c.example", "Jo"), set()) == (store.requesters.current(set_by_hand), participants(store, 8))
    for _ in range(2):
        undone(store, set_by_hand)
        (change,) = store.manual_changes.unfinished(["support"])
        store.manual_changes.go_on(change, Phase.UNDONE)
    assert ("jo@c.example", "Jo") == store.requesters.current(set_by_hand)
    assert ({"jo@c.example", "kim@c.example"}, set()) == (participants(store, 7), participants(store, 9))


@pytest.mark.fault("A20-4")
def test_a_requester_is_not_undone_while_or_after_the_message_is_moved_to_a_note(
    store: Store, set_by_hand: int
) -> None:
    """The change was about the former issue: it changes neither the request to be sent nor the other issue."""
    assert say(store, set_by_hand, Decision.FILE, 8).ok
    assert "nothing was decided manually" == undo_requester(store, set_by_hand, by="anna").words
    moved(store, set_by_hand, 8, 80)
    assert "nothing was decided manually" == undo_requester(store, set_by_hand, by="anna").words
    assert "jo@c.example" in participants(store, 8)


@pytest.mark.fault("A20-5")
def test_a_requester_set_by_hand_stays_when_a_note_of_theirs_leaves(store: Store, set_by_hand: int) -> None:
    """Whoever is the requester by hand takes part in the issue without any message."""
    note = in_issue(store, 2, 7, 70, "jo@c.example", "lee@c.example")
    with store.database.write() as db:
        store._join(db, 7, ["lee@c.example"])
    assert say(store, note, Decision.FILE, 8).ok
    assert {"jo@c.example", "kim@c.example"} == participants(store, 7)
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


def row_of(store: Store, number: int) -> StoredMail:
    (row,) = MessageQueries(store.database).messages(MessageFilter(ids=[number]))
    return row


def changed(store: Store, number: int) -> ManualChange:
    """The last decision about a message."""
    change = store.manual_changes.last(number)
    assert change is not None
    return change


@pytest.mark.parametrize("state", [State.STORED, State.HELD, State.REJECTED, State.FAILED])
def test_a_move_that_did_not_come_about_is_undone(store: Store, state: State) -> None:
    """Whatever became of a message on its way, it is where it was; one that may lie in the failure folder is filed
    anew, to where done messages lie.
    """
    number = in_issue(store, 1, 7, None, "kim@c.example")
    store.filed([(number, "Processed")])
    assert say(store, number, Decision.FILE, 8).ok
    put(store, number, state)
    assert say(store, number, Decision.UNDO).ok
    row = row_of(store, number)
    assert (State.DONE, 7, 7, None, "made") == (
        row.state, row.issue, row.created_issue, row.manual_decision, row.reason,
    )  # fmt: skip
    assert (state in {State.REJECTED, State.FAILED}) is (row.filed_at is None)
    assert (intent("kim@c.example"), False, "undone by anna") == (row.request, row.released, lines(store, number)[-1])


@pytest.mark.parametrize("state", [State.REJECTED, State.FAILED])
def test_not_moved(store: Store, state: State) -> None:
    """A message that could not be written elsewhere is where it was, and the decision is over."""
    number = in_issue(store, 1, 7)
    assert say(store, number, Decision.FILE, 8).ok
    put(store, number, state)
    store.manual_changes.not_moved(changed(store, number), "#8 is closed")
    row = row_of(store, number)
    assert (State.DONE, 7, 7, None) == (row.state, row.issue, row.created_issue, row.filed_at)
    assert ("not moved: #8 is closed", None) == (lines(store, number)[-1], store.manual_changes.last(number))


def test_an_ignored_message_is_ignored_again(store: Store) -> None:
    """An import of an ignored message that is undone leaves it ignored, for the same reason."""
    number = keep(store, 1)
    put(store, number, State.DONE)
    assert say(store, number, Decision.IMPORT).ok
    assert say(store, number, Decision.UNDO).ok
    row = row_of(store, number)
    assert (State.DONE, None, "ignored") == (row.state, row.issue, row.reason)


def test_what_is_undone_is_a_change_that_is_there(store: Store) -> None:
    """Of a message that is not there nothing is undone, nor a second time what is being undone."""
    number = in_issue(store, 1, 7)
    assert say(store, number, Decision.FILE, 8).ok
    assert not store.manual_changes.undo(replace(changed(store, number), mail_id=4000), "anna")
    make(store, number, 8, journal=80, request=intent())
    change = changed(store, number)
    assert store.manual_changes.undo(change, "anna")
    assert "to be undone by anna" == lines(store, number)[-1]
    assert not store.manual_changes.undo(change, "ben")
    change = changed(store, number)
    assert (Phase.UNDOING, "anna", 0.0) == (change.phase, change.undone_by, change.next_at)
    assert change.new is not None
    assert (8, 80, False) == (change.new.issue, change.new.journal, change.new.created)


def test_a_decision_is_recorded(store: Store, clock: Clock) -> None:
    """With who made it, when, and where the message was; a name of any length is cut to what a column holds."""
    number = in_issue(store, 1, 7, 70, "kim@c.example")
    clock.now += 5
    assert store.manual_changes.move(number, '{"issue": 8}', "w" * 300, "#8")
    change = changed(store, number)
    assert ("w" * 255, clock.now, State.DONE, "made", Phase.DECIDED) == (
        change.who, change.at, change.before, change.reason, change.phase,
    )  # fmt: skip
    assert Place(7, 70, created=False, request=intent("kim@c.example")) == change.old
    assert (None, None, 0.0, None) == (change.new, change.status, change.next_at, change.undone_by)
    row = row_of(store, number)
    assert (State.STORED, None, None, None, True, '{"issue": 8}') == (
        row.state, row.issue, row.journal, row.request, row.released, row.manual_decision,
    )  # fmt: skip
    assert f"to be moved from #7 to #8 by {'w' * 300}" == lines(store, number)[-1]


def test_only_what_is_in_redmine_is_moved(store: Store) -> None:
    """Neither an ignored message, nor one that waits, nor one that is being moved already."""
    ignored, held, made = keep(store, 1), keep(store, 2), in_issue(store, 3, 7)
    put(store, ignored, State.DONE)
    put(store, held, State.HELD)
    moves = [store.manual_changes.move(one, "{}", "anna", "#8") for one in (ignored, held, 4000, made, made)]
    assert [False, False, False, True, False] == moves


def test_each_step_is_gone_once(store: Store) -> None:
    """A second process that carries out the same phase changes nothing and records nothing."""
    number, other = in_issue(store, 1, 7), in_issue(store, 2, 9)
    for one in (other, number):
        assert say(store, one, Decision.FILE, 8).ok
    make(store, number, 8, journal=80, request=intent())
    decided = changed(store, number)
    store.manual_changes.arrived(decided)
    leaving = changed(store, number)
    assert Phase.LEAVING == leaving.phase
    store.manual_changes.note_status(leaving, 5)
    assert 5 == changed(store, number).status
    store.manual_changes.go_on(leaving, Phase.SETTLED, ["#7 is closed"])
    assert (Phase.SETTLED, "#7 is closed") == (changed(store, number).phase, lines(store, number)[-1])
    store.manual_changes.go_on(leaving, Phase.UNDONE, ["again"])
    store.manual_changes.arrived(decided)
    store.manual_changes.restored(leaving, ["again"])
    store.manual_changes.not_moved(leaving, "again")
    assert (Phase.SETTLED, "#7 is closed") == (changed(store, number).phase, lines(store, number)[-1])
    assert (8, 80) == (row_of(store, number).issue, row_of(store, number).journal)
    assert Phase.DECIDED == changed(store, other).phase


def test_an_import_leaves_no_place(store: Store) -> None:
    """A message that was in no issue before has nothing to take back: its decision is settled when it arrives."""
    number = keep(store, 1)
    put(store, number, State.HELD)
    assert say(store, number, Decision.IMPORT).ok
    make(store, number, 8, request=intent())
    store.manual_changes.arrived(changed(store, number))
    assert (Phase.SETTLED, []) == (changed(store, number).phase, store.manual_changes.unfinished(["support"]))


def test_a_pause_has_an_end(store: Store, clock: Clock) -> None:
    """What cannot be carried out now is tried again after the given seconds, half an hour at most; others are not
    delayed, and another mailbox's are not asked for.
    """
    number, other = in_issue(store, 1, 7), in_issue(store, 2, 9)
    keep(store, 3, "sales")
    for one in (number, other):
        assert say(store, one, Decision.FILE, 8).ok

    def due() -> list[int]:
        return [one.mail_id for one in store.manual_changes.unfinished(["support", "zoo"])]

    for asked, waits in ((20.0, 20.0), (1e6, LONGEST_PAUSE)):
        store.manual_changes.later(changed(store, number), asked, "503")
        assert "deferred: 503" == lines(store, number)[-1]
        clock.now += waits - 1
        assert [other] == due()
        clock.now += 1
        assert [number, other] == due()
    assert [] == store.manual_changes.unfinished(["sales", "zoo"])


def test_the_notes_of_others(store: Store) -> None:
    """Whether an issue may be closed depends on the notes there of other messages, earlier and later ones."""
    earlier, number = in_issue(store, 1, 7, 70), in_issue(store, 2, 7)
    in_issue(store, 3, 6, 60)
    in_issue(store, 4, 8, 80)
    assert 1 == store.manual_changes.others_at(7, number)
    later = in_issue(store, 5, 7, 71)
    assert [2, 1, 1] == [store.manual_changes.others_at(7, one) for one in (number, earlier, later)]


def test_what_leaves_takes_nothing_of_other_issues(store: Store, clock: Clock) -> None:
    """An issue whose message leaves is no more in the copy of Redmine, with its history; people take part in others as
    before.
    """
    number, copy = in_issue(store, 1, 7, None, "kim@c.example"), IssueCopy(store.database, clock)
    for issue in (6, 7, 8):
        copy.save(issue_row(issue), [issue_journal(10 * issue, issue)])
        with store.database.write() as db:
            store._join(db, issue, ["kim@c.example"])
    assert say(store, number, Decision.FILE, 9).ok
    assert ([6, 8], [60, 80]) == ([one.id for one in copy.issues()], [one.id for one in copy.journals()])
    assert [{"kim@c.example"}, set(), {"kim@c.example"}] == [participants(store, issue) for issue in (6, 7, 8)]


def test_a_note_that_leaves_keeps_the_copy_of_its_issue(store: Store, clock: Clock) -> None:
    """The issue came by another message, and is still to be looked after."""
    note, copy = in_issue(store, 1, 7, 70), IssueCopy(store.database, clock)
    copy.save(issue_row(7), [issue_journal(70, 7)])
    assert say(store, note, Decision.FILE, 8).ok
    assert ([7], [70]) == ([one.id for one in copy.issues()], [one.id for one in copy.journals()])


@pytest.mark.parametrize("former", [5, 9])
def test_a_requester_of_another_issue_does_not_stay(store: Store, former: int) -> None:
    """Whom a person made the requester of the issue that a message created takes no part, for that, in the one to which
    the message is moved, before the message has arrived there.
    """
    first = in_issue(store, 1, former, None, "kim@c.example")
    assert set_requester(store, first, "jo@c.example", "Jo", by="anna", ours=()).ok
    assert say(store, first, Decision.FILE, 7).ok
    make(store, first, 7, journal=70, request=intent("kim@c.example"))
    note = in_issue(store, 2, 7, 71, "jo@c.example")
    with store.database.write() as db:
        store._join(db, 7, ["kim@c.example", "jo@c.example"])
    assert say(store, note, Decision.FILE, 8).ok
    assert {"kim@c.example"} == participants(store, 7)


@pytest.mark.parametrize("state", [State.REJECTED, State.FAILED])
def test_what_may_be_in_redmine_is_not_undone_at_once(store: Store, state: State) -> None:
    """A message that has failed after its request was sent may have been written: its decision stands."""
    number = in_issue(store, 1, 7)
    assert say(store, number, Decision.FILE, 8).ok
    store.record_intent(number, intent())
    put(store, number, state)
    assert not store.manual_changes.undo(changed(store, number), "anna")
    assert (state, Phase.DECIDED) == (row_of(store, number).state, changed(store, number).phase)
