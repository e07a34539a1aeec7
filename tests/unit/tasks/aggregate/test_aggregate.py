"""The aggregate task: warnings that nobody could get are not forgotten, fields that refused are tried again."""

import datetime as dt
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from redmine_mailbridge.model.mail import Address
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.reports.budgets import Budget
from redmine_mailbridge.reports.report_data import ReportData
from redmine_mailbridge.store.aggregate_results import AggregateResults
from redmine_mailbridge.store.issue_copy import IssueCopy
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.time_entries import TimeEntries
from redmine_mailbridge.tasks.aggregate.aggregate import Aggregator, Targets
from redmine_mailbridge.tasks.aggregate.custom_field_writer import CustomFieldWriter
from redmine_mailbridge.tasks.aggregate.time_entry_sync import TimeEntrySync
from tests.unit.reports.sample_data import half_time, issue
from tests.unit.tasks.entries_twin import twin

NOW = dt.datetime(2026, 3, 20, tzinfo=dt.UTC).timestamp()


class Post:
    """Queues, or says that a limit holds it back."""

    def __init__(self) -> None:
        self.open = False
        self.asked: list[str] = []

    def __call__(self, kind: str, key: str, to: Sequence[Address], variables: Mapping[str, object]) -> tuple[bool, str]:
        self.asked.append(f"{kind} {key} {to[0].address}")
        return (True, "queued") if self.open else (False, "no answer: the limit is reached")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(f"sqlite:///{tmp_path}/store.db", tmp_path / "raw", clock=lambda: NOW)
    IssueCopy(store.database, store.clock).save(issue(), ())
    yield store
    store.close()


def test_a_warning_that_was_held_back_goes_out_with_the_next_run(store: Store) -> None:
    """What a limit holds back is asked for again, what is queued is not; higher thresholds are told anew."""
    post, results = Post(), AggregateResults(store.database)
    budget = Budget("Client", 10 * 300, project="support")
    kept = ReportData(
        IssueCopy(store.database, store.clock),
        TimeEntries(store.database),
        results,
        half_time,
        dt.UTC,
        store.clock,
        [budget],
    )
    targets = Targets(warn=post, people={"Client": [Address("", "boss@example.com")]})
    with twin() as (made, client):
        made.add(hours=8.5)
        task = Aggregator(
            kept,
            TimeEntrySync(client, kept.hours),
            CustomFieldWriter(client, MetadataCache(client), results),
            targets,
            refresh=lambda _stop, reread_all: None,  # noqa: ARG005 - called by its name
            closing=frozenset,
        )
        for open_ in (False, True, True):
            post.open = open_
            assert task.once(threading.Event()).error is None
        assert ["budget Client/2026-03-01/80 boss@example.com"] * 2 == post.asked
        made.add(hours=2)
        assert task.once(threading.Event()).error is None
        assert "budget Client/2026-03-01/100 boss@example.com" == post.asked[-1]
        assert {("Client", "2026-03-01", 80), ("Client", "2026-03-01", 100)} == results.warned()


def test_a_field_that_refused_is_tried_again_after_a_day(store: Store) -> None:
    """What was written stays known; what was refused is known for a day only, so that no run is full of refusals."""
    results = AggregateResults(store.database)
    results.put_written("issue", 1, {"Hours": "1.50", "Gone": "2"}, {"Gone": "there is no such custom field"}, NOW)
    both = {(1, "Hours"): "1.50", (1, "Gone"): "2"}
    assert both == results.written("issue", NOW, refused_within=1)
    assert {(1, "Hours"): "1.50"} == results.written("issue", NOW + 2, refused_within=1)
    assert ["issue 1, Gone: there is no such custom field"] == results.refused()
