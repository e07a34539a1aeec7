"""The copy of the issues that mails made."""

from dataclasses import replace

import pytest

from redmine_mailbridge.store.issue_copy import IssueCopy, IssueOrigin, IssueRow, JournalMail, JournalRow, is_neutral
from redmine_mailbridge.store.messages import Store
from tests.clocks import Clock
from tests.unit.store.kept import describe, keep, lines, make


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def issues(store: Store, clock: Clock) -> IssueCopy:
    return IssueCopy(store.database, clock)


def row(number: int, **more: object) -> IssueRow:
    """An issue as Redmine showed it."""
    made = IssueRow(
        number, "support", 1, "kim@c.example", "Kim", "c.example", 1, "support", "Support", True, "Bug", "New", False,
        "Normal", None, None, 5, "Printer", False, 100.0, 200.0, None, 300.0,
    )  # fmt: skip
    return replace(made, **more)  # type: ignore[arg-type]


def journal(number: int, issue: int, **more: object) -> JournalRow:
    """An entry of an issue's history."""
    made = JournalRow(number, issue, 150.0, 5, "Anna", "agent", has_notes=True, private=False)
    return replace(made, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("request_text", "neutral"),
    [(None, False), ("", False), ("{}", False), ('{"machine": true}', True), ('{"third_party": true}', True)],
)
def test_what_was_written_says_whether_a_mail_counts_for_a_side(request_text: str | None, *, neutral: bool) -> None:
    assert neutral is is_neutral(request_text)


def test_issues_are_found_by_what_is_asked(issues: IssueCopy) -> None:
    plain, closed, gone = row(7), row(8, closed=True, closed_on=250.0, settled=False), row(9, gone=True, seen_at=900.0)
    for one in (gone, plain, closed):
        issues.save(one, [])
    assert (plain, gone, None) == (issues.get(7), issues.get(9), issues.get(10))
    assert [plain, closed] == issues.issues()
    assert [plain, closed, gone] == issues.issues(gone=None)
    assert [gone] == issues.issues(gone=True)
    assert ([closed], [plain]) == (issues.issues(closed=True), issues.issues(closed=False))
    assert ([plain], [closed]) == (issues.issues(settled=True), issues.issues(settled=False))
    assert [gone] == issues.issues(gone=None, seen_since=900.0)
    assert [plain, closed, gone] == issues.issues(gone=None, seen_since=299.0)
    assert [closed] == issues.issues([8, 10])


def test_an_issue_that_is_gone_or_may_be_old_is_marked_alone(issues: IssueCopy, clock: Clock) -> None:
    for number in (7, 8, 9):
        issues.save(row(number, settled=False), [])
    issues.gone(8)
    assert row(8, gone=True, settled=True, seen_at=clock.now) == issues.get(8)
    assert [row(7, settled=False), row(9, settled=False)] == issues.issues()
    issues.save(row(9), [])
    issues.save(row(7), [])
    issues.unsettle(9)
    assert [True, False] == [one.settled for one in issues.issues()]


def test_a_history_takes_the_place_of_what_was_known_of_it(issues: IssueCopy) -> None:
    issues.save(row(7), [journal(71, 7), journal(70, 7)])
    issues.save(row(8), [journal(80, 8)])
    assert [70, 71, 80] == [one.id for one in issues.journals()]
    issues.save_journals(7, [journal(72, 7, side="customer", status_to="Closed")])
    assert [journal(72, 7, side="customer", status_to="Closed")] == issues.journals([7])
    issues.save_journals(7, [journal(80, 7)])
    assert [journal(80, 7)] == issues.journals()
    issues.save_journals(7, [])
    assert [] == issues.journals()


def test_mails_are_known_as_the_origin_of_issues_and_notes(issues: IssueCopy, store: Store) -> None:
    first, note, third = (keep(store, uid) for uid in range(3))
    describe(store, first, "1@x", sender="kim@c.example")
    make(store, first, 7, request='{"action": "create"}')
    make(store, note, 7, journal=70, request='{"machine": true}')
    make(store, third, 9)
    made = IssueOrigin(7, first, "support", "kim@c.example", '{"action": "create"}')
    assert {7: made} == issues.origins([7, 8])
    assert {70: JournalMail(note, "", neutral=True)} == issues.mails_of([70, 71])
    assert [made, IssueOrigin(9, third, "support", "", None)] == issues.missing()
    issues.save(row(7), [journal(70, 7), journal(71, 7)])
    assert [9] == [one.issue for one in issues.missing()]
    assert [7] == issues.unclaimed()
    issues.save_journals(7, [journal(70, 7, mail_id=note), journal(71, 7)])
    assert [] == issues.unclaimed()
    for _ in range(2):
        issues.record(7, "it is closed")
    assert ["it is closed"] == [line for line in lines(store, first) if "closed" in line]
    assert [] == [line for line in lines(store, third) if "closed" in line]


def test_a_task_keeps_its_own_values(issues: IssueCopy) -> None:
    assert None is issues.state("read up to")
    issues.keep_state("read up to", "70")
    issues.keep_state("read up to", "71")
    assert ("71", None) == (issues.state("read up to"), issues.state("other"))
