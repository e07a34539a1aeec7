"""What is computed of the issues, and what of it was written to Redmine."""

from dataclasses import replace

import pytest

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.store.aggregate_results import AggregateResults, IssueFigures
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.outgoing.adding import NewAnswer
from redmine_mailbridge.store.outgoing.outbox import Outbox
from tests.clocks import Clock
from tests.unit.store.kept import keep, make, put


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def results(store: Store) -> AggregateResults:
    return AggregateResults(store.database)


def test_figures_of_issues_are_taken_over_and_those_of_gone_issues_removed(results: AggregateResults) -> None:
    one = IssueFigures(7, 450, 60.0, 30.0, None, None, 2, 1, 0)
    results.put([one, replace(one, issue=8), replace(one, issue=9)], [], 1.0)
    changed = replace(one, reopened=1)
    results.put([changed], [8, 4000], 2.0)
    assert {7: changed, 9: replace(one, issue=9)} == results.all()


def test_what_was_written_is_not_written_again_and_what_was_refused_only_after_a_while(
    results: AggregateResults,
) -> None:
    results.put_written("issue", 7, {"Hours": "1.5", "Answer": "2"}, {"Answer": "is not included in the list"}, 100.0)
    results.put_written("project", 7, {"Hours": "9"}, {}, 200.0)
    assert {(7, "Hours"): "1.5", (7, "Answer"): "2"} == results.written("issue", 110.0, refused_within=10.0)
    assert {(7, "Hours"): "1.5"} == results.written("issue", 110.5, refused_within=10.0)
    assert {(7, "Hours"): "9"} == results.written("project", 110.5, refused_within=10.0)
    results.put_written("issue", 8, {"Answer": "3"}, {"Answer": "is too long"}, 50.0)
    assert ["issue 8, Answer: is too long", "issue 7, Answer: is not included in the list"] == results.refused()
    results.put_written("issue", 7, {"Answer": "2"}, {}, 300.0)
    assert ["issue 8, Answer: is too long"] == results.refused()


def test_mails_are_counted_by_what_they_made_and_when_they_came(
    results: AggregateResults, store: Store, clock: Clock
) -> None:
    made, note, found, ignored, _ = (keep(store, n, received=clock.now - 100 + n if n else None) for n in range(5))
    make(store, made, 7)
    make(store, note, 7, journal=70)
    store.done(found, "it was there", issue=7)
    put(store, ignored, State.DONE)
    assert [(7, clock.now), (7, clock.now - 99)] == results.mails_in()
    assert [("support", clock.now - 97)] == results.ignored()


def test_mails_out_are_those_that_were_sent_about_an_issue(
    results: AggregateResults, store: Store, clock: Clock
) -> None:
    outbox = Outbox(store.database, clock)
    for number, issue in ((1, 7), (2, None), (3, 8)):
        outbox.queue([NewAnswer("support", "note", "s@x", "k@x", f"m{number}@x", b"x", lambda _: None, issue=issue)])
    sent = {mail.message_id: mail for mail in outbox.claim("support", limit=9)}
    clock.now += 5
    for number in (1, 2):
        outbox.sent(sent[f"m{number}@x"], "250 OK")
    assert [(7, clock.now)] == results.mails_out()


def test_the_statuses_that_close_an_issue_are_those_that_were_put_last(results: AggregateResults) -> None:
    assert frozenset() == results.closing()
    results.put_closing(["closed", "rejected"])
    results.put_closing(["closed", "solved"])
    assert frozenset({"closed", "solved"}) == results.closing()


def test_a_threshold_is_told_once_of_each_period(results: AggregateResults) -> None:
    results.put_warned("A", "2026-05", [50, 80], "80 % used", 1.0)
    results.put_warned("A", "2026-06", [50], "50 % used", 2.0)
    results.put_warned("A", "2026-06", [50], "50 % used", 3.0)
    assert frozenset({("A", "2026-05", 50), ("A", "2026-05", 80), ("A", "2026-06", 50)}) == results.warned()
