"""What rules of time have done: once for each rule, issue and trigger event, and told once."""

from dataclasses import replace

import pytest
import sqlalchemy as sa

from redmine_mailbridge.policy.time_rules.due import RuleMatch
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.outgoing.adding import NewAnswer
from redmine_mailbridge.store.outgoing.outbox import Outbox
from redmine_mailbridge.store.rule_runs import RuleRuns, Stage, Tally
from redmine_mailbridge.store.tables import applied
from tests.clocks import Clock
from tests.unit.store.kept import keep, lines

FOUND = RuleMatch("remind", 7, 3, 900.0, "no word for 3 days")


@pytest.fixture
def clock() -> Clock:
    return Clock(1000.0)


@pytest.fixture
def applications(store: Store) -> RuleRuns:
    return RuleRuns(store.database, store.clock)


@pytest.fixture
def mail_id(store: Store) -> int:
    return keep(store, 1)


def test_a_trigger_event_is_acted_on_once(applications: RuleRuns) -> None:
    """Who comes second gets nothing; another trigger event, issue or rule is another application."""
    assert applications.intend(FOUND, "{}", 5) is not None
    assert applications.intend(FOUND, "{}", 5) is None
    for other in (replace(FOUND, trigger_event=4), replace(FOUND, issue=8), replace(FOUND, rule="close")):
        assert applications.intend(other, "{}", 5) is not None
    assert {(7, 3), (7, 4), (8, 3)} == applications.trigger_events("remind")


def test_from_the_intent_to_the_end(store: Store, applications: RuleRuns, mail_id: int) -> None:
    """Intended, written, done: each step is found by a restart, and the record tells each line once."""
    row = applications.intend(FOUND, "{}", 5)
    assert row is not None
    assert [row] == applications.open()
    row = applications.wrote(row, 9, mail_id, ["applied"])
    assert [(Stage.WRITTEN, 9)] == [(one.state, one.journal) for one in applications.open()]
    applications.finish(row, mail_id, ["queued: reminder"])
    applications.finish(row, mail_id, ["queued: reminder"])
    assert [] == applications.open()
    assert ["applied", "queued: reminder"] == lines(store, mail_id)
    assert {"remind": Tally(1, 0, 1000.0)} == applications.tallies()
    with store.database.read() as db:
        done = db.execute(sa.select(applied)).one()
    found = RuleMatch(done.rule, done.issue, done.trigger_event, done.due_at, done.reason)
    assert ("applied; queued: reminder", FOUND) == (done.outcome, found)


def test_a_line_of_who_queued_its_mail_is_not_told_twice(store: Store, applications: RuleRuns, mail_id: int) -> None:
    """The outbox writes on the record that a mail is queued or held back; the rule's end adds only what is new."""
    row = applications.intend(FOUND, None, 5)
    assert row is not None
    mail = NewAnswer(
        "support", "reminder", "s@example.com", "kim@client.example", "id@x", b"", lambda _c: "no answer", 7
    )
    ((_, said),) = Outbox(store.database, store.clock).queue([mail], mail_id=mail_id)
    applications.finish(row, mail_id, ["applied", said])
    assert ["no answer (reminder to kim@client.example)", "applied"] == lines(store, mail_id)


def test_what_was_not_written_is_due_again(applications: RuleRuns) -> None:
    """An intent that is taken back leaves nothing behind."""
    row = applications.intend(FOUND, "{}", 5)
    assert row is not None
    applications.withdraw(row)
    assert set() == applications.trigger_events("remind")
    assert applications.intend(FOUND, "{}", 5) is not None


def test_a_refusal_is_for_good_until_an_admin_says_so(store: Store, applications: RuleRuns, mail_id: int) -> None:
    """It is counted and told, not tried again; `rules retry` forgets it, and what was done stays done."""
    applications.refuse(FOUND, mail_id, "could not be applied")
    applications.refuse(FOUND, mail_id, "could not be applied")
    row = applications.intend(replace(FOUND, issue=8), "{}", 5)
    assert row is not None
    applications.fail(row, mail_id, "refused")
    assert ["could not be applied", "refused"] == lines(store, mail_id)
    assert {"remind": Tally(0, 2, 1000.0)} == applications.tallies()
    assert 2 == applications.forget_failed("remind")
    assert set() == applications.trigger_events("remind")


@pytest.mark.fault("S3")
def test_a_release_counts_once(applications: RuleRuns) -> None:
    """It is an answer to a stop, remembered until the rule went on; without a stop there is nothing to release."""
    applications.release("remind")
    assert not applications.released("remind")
    applications.stop("remind")
    applications.release("remind")
    applications.release("remind")
    assert (True, False) == (applications.released("remind"), applications.released("close"))
    applications.end_stop("remind")
    assert not applications.released("remind")
    applications.release("remind")
    assert not applications.released("remind")


def test_runs_apart(store: Store, applications: RuleRuns, mail_id: int) -> None:
    """What becomes of a run changes no other one: neither of another event, nor of another issue, nor of another
    rule.
    """
    others = [replace(FOUND, trigger_event=2), replace(FOUND, trigger_event=4), replace(FOUND, issue=6)]
    others += [replace(FOUND, issue=8), replace(FOUND, rule="close"), replace(FOUND, rule="warn")]
    kept = [applications.intend(other, "{}", 5) for other in others]
    row = applications.intend(FOUND, "{}", 5)
    assert row is not None
    applications.finish(applications.wrote(row, 9, mail_id, ["applied"]), mail_id, [])
    by_event = {(one.rule, one.issue, one.trigger_event): one for one in kept if one is not None}
    assert by_event == {(one.rule, one.issue, one.trigger_event): one for one in applications.open()}


def test_rewritten(applications: RuleRuns, mail_id: int) -> None:
    """The text of an intent is replaced as long as it was not written, and no other one's."""
    row, other = applications.intend(FOUND, "{}", 5), applications.intend(replace(FOUND, issue=8), "{}", 5)
    assert row is not None
    applications.rewrite(row, "new")
    assert {7: "new", 8: "{}"} == {one.issue: one.request for one in applications.open()}
    applications.wrote(row, 9, mail_id, ["applied"])
    applications.rewrite(row, "too late")
    assert {7: "new", 8: "{}"} == {one.issue: one.request for one in applications.open()}
    assert other is not None


def test_refused_is_told(store: Store, applications: RuleRuns, mail_id: int) -> None:
    """A run that cannot be carried out is told the first time, in the history of the message."""
    applications.refuse(FOUND, mail_id, "could not be applied")
    assert ["could not be applied"] == lines(store, mail_id)
    applications.refuse(FOUND, mail_id, "still not")
    assert ["could not be applied"] == lines(store, mail_id)


def test_released(applications: RuleRuns) -> None:
    """A rule can be released when it was stopped, and not otherwise."""
    assert not applications.release("remind")
    applications.stop("remind")
    assert applications.release("remind")
