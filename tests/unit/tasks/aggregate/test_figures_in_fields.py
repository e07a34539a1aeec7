"""The aggregate task from end to end: hours and figures of issues and projects reach their custom fields."""

import datetime as dt
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from redmine_mailbridge.errors import RedmineUnavailable
from redmine_mailbridge.model.task_result import TaskStepResult
from redmine_mailbridge.redmine.client import Client, Connection
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
from tests.unit.redmine.tiny import serve
from tests.unit.reports.sample_data import half_time, issue, journal
from tests.unit.tasks.custom_fields_twin import Fields
from tests.unit.tasks.entries_twin import Twin, twin

NOW = dt.datetime(2026, 3, 20, tzinfo=dt.UTC).timestamp()


@pytest.fixture
def clock() -> Callable[[], float]:
    return lambda: NOW


@dataclass
class World:
    """The task with a store, a Redmine of time entries and one of custom fields."""

    store: Store
    entries: Twin
    fields: Fields
    client: Client
    writing: Client

    def __post_init__(self) -> None:
        self.issues = IssueCopy(self.store.database, self.store.clock)
        self.results = AggregateResults(self.store.database)
        self.hours = TimeEntries(self.store.database)
        self.refreshed: list[bool] = []
        self.down = False

    def refresh(self, stop: threading.Event, *, reread_all: bool) -> None:
        """Stands for the copy of the issues, which these tests write themselves."""
        self.refreshed.append(reread_all)
        if self.down:
            raise RedmineUnavailable("GET /issues.json: 502")

    def run(
        self, targets: Targets, stop: threading.Event | None = None, *, rebuild: bool = False, budgets: Any = ()
    ) -> TaskStepResult:
        """Make a run, as a new process would."""
        kept = ReportData(self.issues, self.hours, self.results, half_time, dt.UTC, self.store.clock, list(budgets))
        task = Aggregator(
            kept,
            TimeEntrySync(self.client, self.hours),
            CustomFieldWriter(self.writing, MetadataCache(self.writing), self.results),
            targets,
            refresh=self.refresh,
            closing=lambda: {"closed"},
        )
        return task.once(stop or threading.Event(), rebuild=rebuild)


@pytest.fixture
def world(store: Store) -> Iterator[World]:
    with ExitStack() as stack:
        entries, client = stack.enter_context(twin())
        fields = Fields()
        tiny = stack.enter_context(serve(fields.serve))
        yield World(store, entries, fields, client, Client(Connection(tiny.url, "key")))


ISSUE = Targets(issue_fields={"hours": "Hours", "first_answer": "First response"})


def test_figures_of_an_issue(world: World) -> None:
    """Hours with two decimals and the time to the first answer in hours; an issue without an answer has none. What
    changes is written with the next run, what stays is not.
    """
    world.issues.save(issue(1), [journal(5, "2026-03-02 11:30", has_notes=True)])
    world.issues.save(issue(2), ())
    world.entries.add(issue=1, hours=1.5)
    assert None is world.run(ISSUE).error
    assert {"issues/1": {31: "1.50", 32: "1.50"}, "issues/2": {31: "0.00"}} == world.fields.values
    before = len(world.fields.writes)
    assert TaskStepResult() == world.run(ISSUE)
    world.entries.add(issue=2, hours=0.25)
    assert None is world.run(ISSUE).error
    assert [("issues/2", {31: "0.25"})] == world.fields.writes[before:]


def test_figures_of_a_project(world: World) -> None:
    """A project's hours and its open issues stand in its fields; with a budget also what is left of it in the period.
    A project whose last issue is gone has no backlog.
    """
    targets = Targets(project_fields={"backlog": "Hours", "budget_left": "First response"})
    world.issues.save(issue(1), ())
    world.issues.save(issue(2, closed=True), ())
    world.entries.add(issue=1, hours=3)
    budget = Budget("Client", 10 * 300, project="support")
    assert None is world.run(targets, budgets=[budget]).error
    assert {31: "1", 32: "7.00"} == world.fields.values["projects/1"]
    for number in (1, 2):
        world.issues.gone(number)
    assert None is world.run(Targets(project_fields={"backlog": "Hours"})).error
    assert "0" == world.fields.values["projects/1"][31]


def test_hours_of_a_project_without_a_budget(world: World) -> None:
    """Fields of a budget are left alone where the project has none."""
    world.issues.save(issue(1), ())
    world.entries.add(issue=1, hours=3)
    world.run(Targets(project_fields={"hours": "Hours", "budget_spent": "First response"}))
    assert {"projects/1": {31: "3.00"}} == world.fields.values


def test_redmine_is_away(world: World) -> None:
    """While Redmine does not answer nothing is computed or written, and the result says why."""
    world.issues.save(issue(1), ())
    world.down = True
    assert TaskStepResult(error="GET /issues.json: 502") == world.run(ISSUE)
    assert ({}, {}) == (world.fields.values, world.results.all())


def test_a_stop(world: World) -> None:
    """A run that is stopped writes no figures of half of the time entries."""
    world.issues.save(issue(1), ())
    world.entries.add(issue=1, hours=3)
    stop = threading.Event()
    world.entries.before = lambda _twin: stop.set()
    assert None is world.run(ISSUE, stop).error
    assert ({}, {}) == (world.fields.values, world.results.all())


def test_rebuild(world: World) -> None:
    """A rebuild reads all issues and time entries again: what was changed behind the copy's back is right then."""
    world.issues.save(issue(1), ())
    number = world.entries.add(issue=1, hours=3)
    world.run(ISSUE)
    world.entries.rows[number]["hours"] = 5.0
    world.run(ISSUE, rebuild=True)
    assert [False, True] == world.refreshed
    assert "5.00" == world.fields.values["issues/1"][31]


def test_an_issue_that_is_gone(world: World) -> None:
    """The figures of an issue that was deleted are deleted."""
    for number in (1, 2):
        world.issues.save(issue(number), ())
    world.run(ISSUE)
    assert {1, 2} == set(world.results.all())
    world.issues.gone(1)
    world.run(ISSUE)
    assert {2} == set(world.results.all())


def test_a_list_in_another_order(world: World) -> None:
    """A list that is not in the order of the entries' numbers ends the run: none is taken for a deleted one."""
    world.issues.save(issue(1), ())
    first, second = (world.entries.add(issue=1, hours=1) for _ in range(2))
    world.run(ISSUE)
    world.entries.rows = {1: world.entries.rows[second], 2: world.entries.rows[first]}
    assert "the entries are not in the order of their IDs" in str(world.run(ISSUE).error)
    assert 2 == world.hours.count()
