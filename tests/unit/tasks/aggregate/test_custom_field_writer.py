"""Figures in custom fields: what changed is written once, and what Redmine does not take is said."""

import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from redmine_mailbridge.redmine.client import Client, Connection
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.store.aggregate_results import AggregateResults
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.tasks.aggregate.custom_field_writer import TRY_AGAIN, CustomFieldWriter, DesiredValues
from tests.unit.redmine.tiny import Tiny, serve
from tests.unit.tasks.custom_fields_twin import FIRST, Fields

NOW = 1_780_000_000.0


@pytest.fixture
def redmine() -> Fields:
    return Fields()


@pytest.fixture
def tiny(redmine: Fields) -> Iterator[Tiny]:
    with serve(redmine.serve) as made:
        yield made


@pytest.fixture
def results(store: Store) -> AggregateResults:
    return AggregateResults(store.database)


@pytest.fixture
def writer(tiny: Tiny, results: AggregateResults) -> CustomFieldWriter:
    client = Client(Connection(tiny.url, "key"))
    return CustomFieldWriter(client, MetadataCache(client), results, most=3)


def wanted(number: int, kind: str = "issue", **values: str) -> DesiredValues:
    """The values for one issue or project."""
    return DesiredValues(kind, number, "desk", {name.replace("_", " "): value for name, value in values.items()})


def write(writer: CustomFieldWriter, *desired: DesiredValues, at: float = NOW) -> tuple[int, int]:
    return writer.write(iter(desired), threading.Event(), at)


def test_only_what_changed_is_written(redmine: Fields, writer: CustomFieldWriter) -> None:
    """A value is written once; with the next change only the fields that changed are. A field that never had a value
    is not emptied, one that had is.
    """
    assert (1, 0) == write(writer, wanted(5, Hours="1.50", First_response=""))
    assert (0, 0) == write(writer, wanted(5, Hours="1.50", First_response=""))
    assert (1, 0) == write(writer, wanted(5, hours="1.50", First_response="0.25"), wanted(6, Hours=""))
    assert (1, 0) == write(writer, wanted(5, hours="1.50", First_response=""))
    assert [{31: "1.50"}, {31: "1.50", 32: "0.25"}, {32: ""}] == [values for _, values in redmine.writes]


def test_fields_of_a_project(redmine: Fields, writer: CustomFieldWriter) -> None:
    """A project's own fields are found and written."""
    assert (1, 0) == write(writer, wanted(7, "project", Hours="12.00"))
    assert [("projects/7", {31: "12.00"})] == redmine.writes


def test_a_field_that_does_not_exist(redmine: Fields, writer: CustomFieldWriter, results: AggregateResults) -> None:
    """A field that is not there costs its own value only, and is said; it is looked for again a day later."""
    both = wanted(5, Hours="1.50", Effort="2")
    assert (0, 1) == write(writer, both)
    assert (0, 1) == write(writer, wanted(6, Effort="2"))
    assert (0, 0) == write(writer, both, at=NOW + TRY_AGAIN - 1)
    assert (0, 1) == write(writer, both, at=NOW + TRY_AGAIN + 1)
    assert [("issues/5", {31: "1.50"})] == redmine.writes
    assert ["issue 5, Effort: this custom field does not exist there"] == [
        line for line in results.refused() if "issue 5" in line
    ]


def test_redmine_drops_a_value(redmine: Fields, writer: CustomFieldWriter, results: AggregateResults) -> None:
    """A value that Redmine confirms and drops does not count as written."""
    redmine.drops = {31}
    assert (0, 1) == write(writer, wanted(5, Hours="1.50"))
    (line,) = results.refused()
    assert line.startswith("issue 5, Hours: ")
    redmine.drops = set()
    assert (1, 0) == write(writer, wanted(5, Hours="1.50"), at=NOW + TRY_AGAIN + 1)
    assert [] == results.refused()


def test_redmine_refuses(redmine: Fields, writer: CustomFieldWriter, results: AggregateResults) -> None:
    """What Redmine refuses is said in its words, and the next issue has its turn."""
    redmine.closed = {"issues/5"}
    assert (1, 1) == write(writer, wanted(5, Hours="1.50"), wanted(6, Hours="2.00"))
    assert ["issue 5, Hours: Redmine refused: Hours is invalid"] == results.refused()


def test_no_more_than_a_run_may_write(redmine: Fields, writer: CustomFieldWriter) -> None:
    """A run writes to at most so many, what is refused included, and the next run continues; a stop ends it."""
    redmine.closed = {"issues/1"}
    many = [wanted(number, Hours="1.00") for number in range(1, 6)]
    assert (2, 1) == write(writer, *many)
    assert (2, 0) == write(writer, *many)
    stop = threading.Event()
    stop.set()
    assert (0, 0) == writer.write(iter([wanted(9, Hours="1.00")]), stop, NOW)


class Along:
    """A field that goes along with the figures of issues."""

    def __init__(self) -> None:
        self.results: list[tuple[int, str]] = []

    def due(self, issue: int, *, alone: bool = False) -> dict[str, Any]:
        assert (True, False) == (issue < 7, alone)  # never asked of a project
        return {"id": FIRST["id"], "value": "today"}

    def confirm(self, issue: int, issue_data: Mapping[str, Any]) -> None:
        self.results.append((issue, next(str(f["value"]) for f in issue_data["custom_fields"] if f["id"] == 32)))

    def reject(self, issue: int, why: str) -> None:
        self.results.append((issue, why))

    def set_aside(self, issue: int) -> None:
        raise AssertionError(issue)


def test_a_field_goes_along_with_the_figures(redmine: Fields, tiny: Tiny, results: AggregateResults) -> None:
    """An issue that is written anyway gets the field in the same request, and is not written for it alone; where both
    are refused, the figures are tried without it.
    """
    client, along = Client(Connection(tiny.url, "key")), Along()
    writer = CustomFieldWriter(client, MetadataCache(client), results, along)
    assert (2, 0) == write(writer, wanted(5, Hours="1.50"), wanted(7, "project", Hours="12.00"))
    assert [("issues/5", {31: "1.50", 32: "today"}), ("projects/7", {31: "12.00"})] == redmine.writes
    assert [(5, "today")] == along.results
    assert (0, 0) == write(writer, wanted(5, Hours="1.50"))
    redmine.closed = {"issues/5"}
    before = sum(seen.method == "PUT" for seen in tiny.seen)
    assert (0, 1) == write(writer, wanted(5, Hours="2.00"))
    assert (2, 1) == (sum(seen.method == "PUT" for seen in tiny.seen) - before, len(along.results))
