"""Issues that became conversations in Redmine: each begins once, and a message has priority."""

import pytest

from redmine_mailbridge.model.mail import Address
from redmine_mailbridge.store.begun_issues import MOST_WAITING, BegunIssue, BegunIssues
from redmine_mailbridge.store.issue_copy import IssueCopy, IssueOrigin
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.note_decisions import NoteDecision, NoteDecisions
from redmine_mailbridge.store.notices import NewNotice, Notices
from redmine_mailbridge.store.queries.conversations import ConversationQueries
from redmine_mailbridge.store.queries.messages import MessageQueries
from redmine_mailbridge.store.recipient_changes import RecipientChanges
from tests.clocks import Clock
from tests.unit.store.kept import describe, keep, make, participants
from tests.unit.store.test_issue_copy import journal, row

KIM, LEE = "kim@c.example", "lee@c.example"


@pytest.fixture
def begun(store: Store) -> BegunIssues:
    return BegunIssues(store.database, store.clock)


@pytest.fixture
def issues(store: Store) -> IssueCopy:
    return IssueCopy(store.database, store.clock)


def beginning(number: int, **more: object) -> BegunIssue:
    """How an issue began."""
    values: dict[str, object] = {"requester": KIM, "field": KIM, "after_journal": 0, "begun_on": 100.0}
    return BegunIssue(number, "desk", **(values | more))  # type: ignore[arg-type]


def test_it_begins_once(store: Store, begun: BegunIssues, issues: IssueCopy) -> None:
    """The second beginning of an issue changes nothing; the requester takes part, and it is an issue of the mailbox."""
    first = beginning(7)
    assert [True, False] == [begun.begin(one) for one in (first, beginning(7, requester=LEE))]
    assert {KIM} == participants(store, 7)
    assert {7: IssueOrigin(7, None, "desk", KIM, None, first)} == issues.origins([7, 8])
    assert {7: "desk"} == MessageQueries(store.database).mailboxes([7, 8])
    assert {7} == MessageQueries(store.database).begun([7, 8])


def test_a_message_has_priority(store: Store, begun: BegunIssues, issues: IssueCopy) -> None:
    """An issue that a message created does not begin; one whose message is known only later is that message's."""
    early, late = keep(store, 1), keep(store, 2)
    make(store, early, 7)
    assert not begun.begin(beginning(7))
    assert begun.begin(beginning(8))
    make(store, late, 8)
    assert {7: early, 8: late} == {number: origin.mail_id for number, origin in issues.origins([7, 8]).items()}
    assert {7: "support", 8: "support"} == MessageQueries(store.database).mailboxes([7, 8])
    assert frozenset() == MessageQueries(store.database).begun([7, 8])


def test_what_was_never_read(store: Store, begun: BegunIssues, issues: IssueCopy) -> None:
    """Issues of messages and of Redmine are found together, in the order of their numbers, and each once."""
    for number in (3, 5, 9):
        begun.begin(beginning(number))
    for uid, number in enumerate((4, 5, 8), 1):
        make(store, keep(store, uid), number)
    issues.save(row(3, mail_id=None), [])
    assert [4, 5, 8, 9] == [origin.issue for origin in issues.missing()]
    assert [4, 5] == [origin.issue for origin in issues.missing(limit=2)]
    assert [8, 9] == [origin.issue for origin in issues.missing(after=5, limit=2)]


def test_which_issues_are_known(store: Store, begun: BegunIssues) -> None:
    """Those that began, and those of messages, are not new; of one that a message left, the time is known."""
    begun.begin(beginning(3))
    made, moved = keep(store, 1), keep(store, 2)
    make(store, made, 4)
    describe(store, moved, "2@x")
    make(store, moved, 5, request="{}")
    before = store.clock()
    assert store.manual_changes.move(moved, '{"issue": 4}', "anna", "#4")
    assert {3, 4} == begun.known([2, 3, 4, 5, 6])
    assert (0.0, 0.0) == (begun.left_at(3), begun.left_at(4))
    assert before <= begun.left_at(5) <= store.clock()


def test_a_note_names_another_requester(store: Store, begun: BegunIssues) -> None:
    """The requester changes with the decision on the note; the value of the field that was seen stays. Who was copied
    as long as they were not the requester is not copied again.
    """
    decisions, queries = NoteDecisions(store.database, store.clock), ConversationQueries(store.database)
    begun.begin(beginning(7))
    copies = RecipientChanges(cc=(Address("", KIM),), who="anna")
    decisions.decide(NoteDecision(1, 7, 0.0, "a note"), changes=copies)
    changes = RecipientChanges(requester=Address("Lee", LEE), who="anna")
    decisions.decide(NoteDecision(2, 7, 0.0, "a note"), changes=changes)
    origin = IssueCopy(store.database, store.clock).origins([7])[7]
    assert origin.begun is not None
    assert (LEE, KIM, {KIM}) == (origin.sender, origin.begun.field, queries.former_requesters(7, LEE))
    assert {KIM, LEE} == participants(store, 7)
    assert () == queries.cc_changes(7).added
    assert {2: LEE} == begun.entry_requesters(7)


def test_what_entries_say(store: Store, begun: BegunIssues) -> None:
    """The note with which it began, and a change of the field that does not count, whose value was seen."""
    begun.begin(beginning(7), by_note=3)
    begun.begin(beginning(8))
    begun.refuse(7, LEE, [5, 6])
    begun.refuse(8, LEE, [])
    assert ({3: KIM, 5: "", 6: ""}, {}) == (begun.entry_requesters(7), begun.entry_requesters(8))
    origins = IssueCopy(store.database, store.clock).origins([7, 8])
    assert [(KIM, LEE)] * 2 == [(one.sender, one.begun and one.begun.field) for one in origins.values()]


def test_which_issues_were_looked_at(begun: BegunIssues) -> None:
    """They are kept in their order."""
    assert {} == begun.looked_at()
    begun.look_at({7: "a", 3: "b"})
    assert [(7, "a"), (3, "b")] == [*begun.looked_at().items()]


def test_another_requester(store: Store, begun: BegunIssues, issues: IssueCopy) -> None:
    """The copy changes with the requester, others stay; who was the requester is remembered until that one is again."""
    queries = ConversationQueries(store.database)
    for number in (7, 8):
        begun.begin(beginning(number))
        issues.save(row(number, mail_id=None, requester=KIM), [])
    begun.change(7, LEE, "Lee@c.example")
    shown = issues.get(7)
    assert shown is not None
    assert (LEE, "c.example", False) == (shown.requester, shown.domain, shown.settled)
    assert ({KIM, LEE}, {KIM}) == (participants(store, 7), participants(store, 8))
    assert ({KIM}, frozenset()) == (queries.former_requesters(7, LEE), queries.former_requesters(8, KIM))
    origin = issues.origins([7])[7]
    assert (LEE, "Lee@c.example") == (origin.sender, origin.begun and origin.begun.field)
    begun.change(7, "", "")
    assert {KIM, LEE} == queries.former_requesters(7, "")
    begun.change(7, KIM, KIM)
    assert {LEE} == queries.former_requesters(7, KIM)
    other = issues.get(8)
    assert other == row(8, mail_id=None, requester=KIM)


@pytest.mark.fault("A37-2")
def test_what_the_requester_before_received(store: Store, issues: IssueCopy) -> None:
    """A new requester has received no note from before the field changed; the same one again, after nobody, has."""
    clock = Clock()
    begun, decisions = BegunIssues(store.database, clock), NoteDecisions(store.database, clock)
    begun.begin(beginning(7))
    issues.save(row(7, mail_id=None, requester=KIM), [])
    expected: dict[str, set[int]] = {"": set(), KIM: {1, 2}, LEE: {3}, " Lee": {3, 4}, "again": {5}}
    for note, (field, mailed) in enumerate(expected.items(), 1):
        requester = {" Lee": LEE, "again": KIM}.get(field, field)
        if note == 1:
            decisions.decide(NoteDecision(1, 7, 0.0, "a note", "mailed"))
        clock.now += 10
        begun.change(7, requester, field)
        clock.now += 10
        if note > 1:
            decisions.decide(NoteDecision(note, 7, 0.0, "a note", "mailed"))
        assert mailed == decisions.mailed_notes([7])


def test_a_notice_comes_once(store: Store, begun: BegunIssues) -> None:
    """The same key is one notice for an issue, with a change or without one."""
    notices = Notices(store.database, store.clock)
    begun.begin(beginning(7))
    for number in (7, 7, 8):
        notices.add(number, None, NewNotice("requester/x", f"to {number}"))
    begun.change(7, "", "x", [NewNotice("requester/x", "again"), NewNotice("requester/y", "another")])
    assert ["another", "to 7", "to 8"] == sorted(one.text for one in notices.unreported())


def test_since_when(begun: BegunIssues) -> None:
    """The time of the first question counts until the mailbox is disabled; Redmine is asked for it once."""
    asked = []

    def newest() -> float:
        asked.append(1)
        return 100.9

    assert [(100.0, True), (100.0, False)] == [begun.since("desk", newest) for _ in range(2)]
    assert 1 == len(asked)
    begun.since("sales", lambda: 200.0)
    begun.disable_others(["desk", "other"])
    assert ((100.0, False), (300.0, True)) == (begun.since("desk", newest), begun.since("sales", lambda: 300.0))


def test_since_when_commands_count(begun: BegunIssues) -> None:
    """It is a time of its own, which ends by itself."""
    begun.since("desk", lambda: 100.0)
    assert [(200.0, True), (200.0, False)] == [begun.since("desk", lambda: 200.0, commands=True) for _ in range(2)]
    begun.disable_others([], commands=True)
    assert (100.0, False) == begun.since("desk", lambda: 300.0)
    assert (300.0, True) == begun.since("desk", lambda: 300.0, commands=True)


def test_what_waits(begun: BegunIssues) -> None:
    """The issues that wait are those of the last word, the newest if there are many."""
    assert [] == begun.waiting()
    begun.wait({9, 3})
    assert [3, 9] == begun.waiting()
    begun.wait(())
    assert [] == begun.waiting()
    begun.wait(range(MOST_WAITING + 100))
    assert list(range(100, MOST_WAITING + 100)) == begun.waiting()


def test_notes_from_before(store: Store, begun: BegunIssues, issues: IssueCopy) -> None:
    """Entries up to the beginning are not mailed, neither notes nor a closing; later ones and other issues' are."""
    decisions = NoteDecisions(store.database, store.clock)
    begun.begin(beginning(7, after_journal=2))
    issues.save(row(7, mail_id=None), [journal(number, 7, status_to="Closed") for number in (1, 2, 3)])
    issues.save(row(6), [journal(4, 6)])
    assert [(6, 4), (7, 3)] == decisions.undecided("support", notes=0, closed=0)
