"""What a person decides about a mail happens, whatever had turned it away."""

from dataclasses import replace

import pytest

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.stored_mail import DELETED
from redmine_mailbridge.policy.manual import ManualDecision
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.queries.messages import MessageFilter, MessageQueries
from redmine_mailbridge.store.task_state import TaskState
from redmine_mailbridge.tasks.receive.admin_decisions import (
    LEAVES,
    Decision,
    DecisionResult,
    decide,
    hurry,
    possible,
    refusal,
)
from tests.product import mail
from tests.unit.store.kept import describe, keep, lines, make, put
from tests.unit.tasks.fake_redmine import FakeRedmine


def say(
    fake: FakeRedmine, decision: Decision, *ids: int, issue: int | None = None, subject: str | None = None
) -> list[bool]:
    with fake.application() as made:
        return [
            one.ok
            for one in decide(
                made.store, made.message_queries, ids, decision, by="jsmith", issue=issue, subject=subject
            )
        ]


def test_an_ignored_mail_is_imported(fake: FakeRedmine) -> None:
    """A mail that was ignored as a machine's becomes an issue when a person wants it, and the record names them."""
    fake.server.append(mail("Out of office", Auto_Submitted="auto-replied"))
    fake.receive()
    assert [] == fake.issues

    assert [True] == say(fake, Decision.IMPORT, 1)
    fake.receive(hurry=False)
    (row,) = fake.rows()
    assert (State.DONE, 1, "Out of office") == (row.state, row.issue, fake.issues[0]["subject"])
    assert "accepted into Redmine by jsmith" in fake.lines(row)
    assert any("imported by jsmith" in line for line in fake.lines(row))


def test_a_subject_of_one_s_own(fake: FakeRedmine) -> None:
    """A mail that is imported by hand takes the subject that was typed."""
    fake.server.append(mail("Out of office", Auto_Submitted="auto-replied"))
    fake.receive()
    say(fake, Decision.IMPORT, 1, subject="Kim is away")
    fake.receive(hurry=False)
    assert ["Kim is away"] == [issue["subject"] for issue in fake.issues]


def test_a_mail_is_filed_to_an_issue(fake: FakeRedmine) -> None:
    """A mail becomes a note of the issue that a person names; one that does not exist holds it, with the reason."""
    fake.server.append(mail("First"), mail("Out of office", Auto_Submitted="auto-replied"))
    fake.receive()
    assert [True] == say(fake, Decision.FILE, 2, issue=99)
    fake.receive(hurry=False)
    held = fake.rows()[1]
    assert (State.HELD, "#99 does not exist, or this key may not see it") == (held.state, held.reason)

    assert [True] == say(fake, Decision.FILE, 2, issue=1)
    fake.receive(hurry=False)
    assert (State.DONE, 1) == (fake.rows()[1].state, fake.rows()[1].issue)
    assert 1 == len(fake.issues[0]["journals"])


def test_what_is_in_redmine_stays_once(fake: FakeRedmine) -> None:
    """A mail that is an issue already can be neither tried again nor imported, nor filed to that issue."""
    fake.server.append(mail("Once"))
    fake.receive()
    (row,) = fake.rows()
    with fake.application() as made:
        assert {Decision.FILE, Decision.NEW} == possible(made.store, row)
    for decision in set(Decision) - {Decision.NEW}:
        assert [False] == say(fake, decision, 1, issue=1)
    fake.receive()
    assert (1, 1) == (len(fake.issues), fake.writes)


def test_a_copy_that_a_person_wants_becomes_an_issue_of_its_own(fake: FakeRedmine) -> None:
    """It is a copy for the bridge alone: whoever imports it knows better."""
    raw = mail("Twice")
    fake.server.append(raw)
    fake.receive()
    fake.server.append(raw)
    fake.receive()
    assert 1 == len(fake.issues)
    assert "a copy of mail 1 (#1): nothing to do" in fake.lines(fake.rows()[1])
    assert [True] == say(fake, Decision.IMPORT, 2)
    fake.receive()
    assert [1, 2] == [row.issue for row in fake.rows()]


def test_no_such_mail(fake: FakeRedmine) -> None:
    """A number that is no mail changes nothing and is said."""
    assert [False] == say(fake, Decision.RETRY, 7)


def test_a_wish_is_read_as_it_was_written() -> None:
    """A wish survives the store, whatever stands in its subject."""
    for wish in (ManualDecision("a:b"), ManualDecision("jo", 7), ManualDecision("jo", project="x", subject='"é:\n')):
        assert wish == ManualDecision.read(str(wish))


# ---------------------------------------------------------------------- by the store alone

ANYWHERE = {Decision.IMPORT, Decision.FILE, Decision.NEW}


def result(
    store: Store, number: int, decision: Decision, *, issue: int | None = None, dry_run: bool = False
) -> DecisionResult:
    queries = MessageQueries(store.database)
    (one,) = decide(store, queries, [number], decision, by="anna", issue=issue, dry_run=dry_run)
    return one


def possible_now(store: Store, number: int) -> set[Decision]:
    (row,) = MessageQueries(store.database).messages(MessageFilter(ids=[number]))
    return set(possible(store, row))


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (State.STORED, {Decision.RETRY} | ANYWHERE),
        (State.WRITE_PENDING, {Decision.RETRY}),
        (State.HELD, {Decision.RETRY, Decision.ACCEPT, Decision.REJECT} | ANYWHERE),
        (State.REJECTED, {Decision.RETRY} | ANYWHERE),
        (State.FAILED, {Decision.RETRY} | ANYWHERE),
        (State.DONE, ANYWHERE),
    ],
)
def test_what_may_be_decided_of_a_mail_by_its_state(store: Store, state: State, expected: set[Decision]) -> None:
    """The pages offer these; none can be undone before one was decided. DONE is an ignored mail here."""
    number = keep(store, 1)
    put(store, number, state)
    assert expected == possible_now(store, number)


@pytest.mark.parametrize(
    ("state", "decision", "words"),
    [
        (State.REJECTED, Decision.ACCEPT, "it is rejected, not held"),
        (State.STORED, Decision.REJECT, "it is stored, not held"),
        (State.DONE, Decision.RETRY, "it has already been processed"),
        (State.WRITE_PENDING, Decision.NEW, "it is being written to Redmine: decide when that is done"),
        (State.HELD, Decision.UNDO, "nothing was decided manually"),
    ],
)
def test_why_a_decision_is_not_possible(store: Store, state: State, decision: Decision, words: str) -> None:
    """The reason is said, and the mail stays as it was."""
    number = keep(store, 1)
    put(store, number, state)
    before = lines(store, number)
    assert DecisionResult(number, False, words) == result(store, number, decision)
    assert before == lines(store, number)


def test_a_deleted_mail_without_its_bytes_can_only_be_rejected(store: Store) -> None:
    """Nothing could be fetched of it again."""
    put(store, number := keep(store, 1), State.HELD)
    (row,) = MessageQueries(store.database).messages(MessageFilter(ids=[number]))
    gone = replace(row, raw=None, filed_to=DELETED)
    expected = {one: None if one is Decision.REJECT else "its content is no longer stored" for one in Decision}
    assert expected == {one: refusal(gone, one) for one in Decision}
    elsewhere = replace(gone, filed_to="Done")
    assert None is refusal(elsewhere, Decision.RETRY)


@pytest.mark.parametrize(
    ("decision", "words", "state"),
    [
        (Decision.RETRY, "will be retried with the next receive", State.STORED),
        (Decision.ACCEPT, "will be processed with the next receive", State.STORED),
        (Decision.REJECT, "is rejected", State.REJECTED),
        (Decision.IMPORT, "will be imported with the next receive", State.STORED),
        (Decision.FILE, "will become a note of the issue with the next receive", State.STORED),
        (Decision.NEW, "will become a new issue with the next receive", State.STORED),
    ],
)
def test_a_held_mail_is_decided_about(store: Store, decision: Decision, words: str, state: State) -> None:
    """What comes next is said with the mail's subject. A dry run says the same and changes nothing; a mail that is not
    in Redmine leaves no issue, so that nothing is to be known before.
    """
    describe(store, number := keep(store, 1), "1@x", subject="Printer")
    put(store, number, State.HELD)
    expected = DecisionResult(number, True, words, "Printer")
    assert expected == result(store, number, decision, issue=9, dry_run=True)
    assert State.HELD is MessageQueries(store.database).state(number)
    assert expected == result(store, number, decision, issue=9)
    (row,) = MessageQueries(store.database).messages(MessageFilter(ids=[number]))
    assert state is row.state
    if decision in ANYWHERE:
        assert (decision is Decision.NEW) == ManualDecision.read(row.manual_decision or "").new


def test_where_a_mail_goes_by_hand_can_be_undone_until_it_is_carried_out(store: Store) -> None:
    """The undo brings it back to be held; a second one has nothing to undo. A retry is no such decision."""
    put(store, number := keep(store, 1), State.HELD)
    assert result(store, number, Decision.FILE, issue=9).ok
    assert Decision.UNDO in possible_now(store, number)
    assert DecisionResult(number, True, "will be undone with the next receive") == result(store, number, Decision.UNDO)
    assert State.HELD is MessageQueries(store.database).state(number)
    assert Decision.UNDO not in possible_now(store, number)
    assert result(store, number, Decision.RETRY).ok
    assert Decision.UNDO not in possible_now(store, number)


def test_before_a_mail_leaves_its_issue_it_is_said_what_becomes_of_that(store: Store) -> None:
    """The issue that it created is closed; a note that moves has no such hint."""
    make(store, made := keep(store, 1), 7)
    make(store, note := keep(store, 2), 8, journal=5)
    assert (True, LEAVES) == ((one := result(store, made, Decision.FILE, issue=9)).ok, one.hint)
    assert (True, "") == ((one := result(store, note, Decision.NEW)).ok, one.hint)
    assert any("to be moved from #7 to #9 by anna" in line for line in lines(store, made))


def test_a_mail_of_which_redmine_took_only_the_issue_does_not_leave_it(store: Store) -> None:
    """Its further note was refused: a person who has it filed elsewhere closes no issue."""
    put(store, number := keep(store, 1), State.WRITE_PENDING)
    store.wrote(number, "{}", issue=7, created=True, number_again=False, journal=None)
    put(store, number, State.REJECTED)
    (row,) = MessageQueries(store.database).messages(MessageFilter(ids=[number]))
    assert (State.REJECTED, 7) == (row.state, row.created_issue)
    assert (True, "") == ((one := result(store, number, Decision.FILE, issue=9)).ok, one.hint)


def test_a_mail_in_redmine_that_cannot_be_moved(store: Store) -> None:
    """Not to where it is, not while it moves, not a copy, and not from an issue that others have written to."""
    make(store, made := keep(store, 1), 7)
    make(store, note := keep(store, 2), 7, journal=5)
    store.done(copy := keep(store, 3), "a copy", issue=8)
    assert "it is in Redmine already, #7" == result(store, made, Decision.IMPORT).words
    assert "it already belongs to #7" == result(store, note, Decision.FILE, issue=7).words
    assert "#7 has 1 other messages: move them first" == result(store, made, Decision.NEW).words
    assert "it is a copy of another message" == result(store, copy, Decision.NEW).words
    assert result(store, note, Decision.FILE, issue=8).ok
    assert "nothing was decided manually" == result(store, made, Decision.UNDO).words
    assert result(store, made, Decision.NEW).ok


def test_several_mails_at_once(store: Store) -> None:
    """Each is said in the order in which it was named; one that does not exist stops none of the others."""
    put(store, first := keep(store, 1), State.HELD)
    put(store, second := keep(store, 2), State.HELD)
    queries = MessageQueries(store.database)
    results = decide(store, queries, [second, 99, first], Decision.REJECT, by="anna")
    expected = [(second, True, "is rejected"), (99, False, "this message does not exist"), (first, True, "is rejected")]
    assert expected == [(one.id, one.ok, one.words) for one in results]


def test_a_mail_that_changes_meanwhile_is_not_decided_about(store: Store) -> None:
    """Two persons decide at once: the second one is told."""
    put(store, number := keep(store, 1), State.HELD)
    results = decide(store, MessageQueries(store.database), [number, number], Decision.REJECT, by="anna")
    assert [(True, "is rejected"), (False, "it has changed in the meantime")] == [
        (one.ok, one.words) for one in results
    ]


def test_the_mailboxes_of_what_was_decided_are_read_at_once(store: Store) -> None:
    """One request a mailbox, however many mails; none while all tasks are stopped."""
    numbers = [keep(store, 1, "sales"), keep(store, 2, "desk"), keep(store, 3, "sales")]
    keep(store, 4, "other")
    book, queries = TaskState(store.database, store.clock), MessageQueries(store.database)
    book.stop()
    hurry(queries, book, numbers)
    assert [] == book.take_requests()
    book.start()
    hurry(queries, book, numbers)
    assert ["receive:desk", "receive:sales"] == sorted(book.take_requests())
