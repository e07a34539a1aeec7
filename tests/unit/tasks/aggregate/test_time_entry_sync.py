"""Reading time entries: whole once, then in a number of requests that does not grow with history."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from redmine_mailbridge.errors import RedmineUnavailable
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.time_entries import TimeEntries
from redmine_mailbridge.tasks.aggregate.time_entry_sync import SEARCH, SyncedEntries, TimeEntrySync, entry_of, units_of
from tests.unit.tasks.entries_twin import Twin, twin

SWEEP = 3


@dataclass(slots=True)
class World:
    twin: Twin
    hours: TimeEntries
    reader: TimeEntrySync

    def read(self, *projects: int, rebuild: bool = False) -> SyncedEntries:
        return self.reader.once(projects or (1,), threading.Event(), rebuild=rebuild)

    def held(self) -> list[tuple[int, int | None, int]]:
        return [(entry.id, entry.issue, entry.units_of_12s) for entry in self.hours.entries()]

    def truth(self, *projects: int) -> list[tuple[int, int | None, int]]:
        rows = [entry_of(row) for _, row in sorted(self.twin.rows.items())]
        return [(row.id, row.issue, row.units_of_12s) for row in rows if row.project_id in (projects or (1,))]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    store = Store.open(f"sqlite:///{tmp_path}/store.db", tmp_path / "raw")
    with twin() as (made, client):
        hours = TimeEntries(store.database)
        yield World(made, hours, TimeEntrySync(client, hours, sweep=SWEEP))
    store.close()


@pytest.mark.parametrize(
    ("told", "units"),
    [("1.0", 300), (0.5, 150), (1.33, 400), (0.02, 5), (0.38, 115), (0.36, 108), (8.25, 2475), (0.0, 0), (2, 600)],
)
def test_hours_are_whole_units(told: object, units: int) -> None:
    """Two decimals that whole minutes give are those minutes, exactly; others are hundredths of an hour."""
    assert units == units_of(told)


def test_every_minute_of_a_day_is_known_from_its_two_decimals() -> None:
    """The two decimals that Redmine tells of whole minutes lose nothing."""
    assert [5 * minutes for minutes in range(1440)] == [units_of(f"{minutes / 60:.2f}") for minutes in range(1440)]


def test_everything_is_read_the_first_time(world: World) -> None:
    """The first run reads every page once; pages overlap by the entry that proves that none was lost between them."""
    for number in range(250):
        world.twin.add(issue=number, hours=0.25)
    assert SyncedEntries(changed=250, held=250, requests=3) == world.read()
    assert world.truth() == world.held()


@pytest.mark.parametrize("history", [1_000, 10_000])
@pytest.mark.parametrize("change", ["nothing", "added", "newest edited", "deleted"])
def test_the_requests_of_one_change_do_not_grow_with_history(world: World, history: int, change: str) -> None:
    """After one change one run is enough, within a bound that is the same for any history."""
    for number in range(history):
        world.twin.add(issue=number % 97, hours=0.5)
    world.read()
    if change == "added":
        world.twin.add(issue=5, hours=2)
    elif change == "newest edited":
        world.twin.rows[history]["hours"] = 7.75
    elif change == "deleted":
        del world.twin.rows[history // 3]
    done = world.read()
    assert world.truth() == world.held()
    assert (0 if change == "nothing" else 1) == done.changed
    assert done.requests <= 1 + max(SWEEP, SEARCH)
    assert change == "deleted" or 1 + SWEEP == done.requests


def test_an_old_entry_that_was_edited_or_moved_is_found_by_the_sweep(world: World) -> None:
    """The sweep comes to every older entry within as many runs as its pages need."""
    for _ in range(1_000):
        world.twin.add(hours=1)
    world.read()
    world.twin.rows[1]["hours"] = 3.0
    world.twin.rows[500]["issue"] = {"id": 77}
    runs = 0
    while world.truth() != world.held():
        runs += 1
        assert 1 + SWEEP >= world.read().requests
        assert runs <= 4


def test_an_entry_that_leaves_its_issue_counts_no_more(world: World) -> None:
    """Redmine does not list an entry without an issue when it is asked for those with one."""
    for _ in range(120):
        world.twin.add()
    world.read()
    del world.twin.rows[60]
    world.read()
    assert 119 == len(world.held())


def test_another_project_is_read_whole_when_its_first_issue_comes_by_mail(world: World) -> None:
    """What was there before in a project that is new to us is counted too, and forgotten with its last issue."""
    for number in range(30):
        world.twin.add(project=1 + number % 2)
    world.read(1)
    assert world.truth(1) == world.held()
    world.read(1, 2)
    assert world.truth(1, 2) == world.held()
    world.read(2)
    assert world.truth(2) == world.held()


def test_an_issue_that_comes_from_another_project_brings_its_old_entries(world: World) -> None:
    """Entries whose project changed, which touches no time of theirs, are found by the count."""
    for number in range(900):
        world.twin.add(project=1 if number % 3 else 9, issue=number)
    world.read()
    world.twin.rows[1]["project"]["id"] = 1
    world.twin.rows[400]["project"]["id"] = 1
    world.read()
    assert world.truth() == world.held()


def test_lost_rights_forget_nothing(world: World) -> None:
    """When Redmine suddenly shows less than half, what is held stays, and the error says what to do."""
    for _ in range(300):
        world.twin.add()
    world.read()
    world.twin.rows = dict(list(world.twin.rows.items())[:100])
    with pytest.raises(RedmineUnavailable, match="--rebuild"):
        world.read()
    assert len(world.held()) >= 250
    world.read(rebuild=True)
    assert world.truth() == world.held()


def test_a_deletion_while_everything_is_read_loses_nothing(world: World) -> None:
    """Entries that move up a page because an earlier one was deleted are read all the same."""
    for _ in range(400):
        world.twin.add()

    def delete(twin: Twin) -> None:
        if twin.asked == 2:
            twin.rows.pop(5)
            twin.rows.pop(6)

    world.twin.before = delete
    world.read()
    missing = {row[0] for row in world.truth()} - {row[0] for row in world.held()}
    assert set() == missing


def test_whatever_happens_the_increments_give_what_everything_gives(world: World) -> None:
    """After any mix of changes, some runs later what is held equals what reading everything anew gives."""
    chance = Random(7)
    for _ in range(700):
        world.twin.add(
            issue=chance.randrange(50), project=chance.choice((1, 1, 1, 2)), hours=chance.randrange(480) / 60
        )
    world.read()
    for _ in range(12):
        for _ in range(chance.randrange(8)):
            number = chance.choice(list(world.twin.rows))
            what = chance.randrange(4)
            if what == 0:
                del world.twin.rows[number]
            elif what == 1:
                world.twin.rows[number]["hours"] = chance.randrange(480) / 60
            elif what == 2:
                world.twin.rows[number]["project"]["id"] = chance.choice((1, 2))
            else:
                world.twin.add(issue=chance.randrange(50), hours=chance.randrange(480) / 60)
        assert world.read().requests <= 1 + SEARCH
    for _ in range(6):
        world.read()
    incremental = world.held()
    world.read(rebuild=True)
    assert incremental == world.held() == world.truth()


def test_an_import_of_many_entries(world: World) -> None:
    """However many entries come between two runs, one run reads them all."""
    for _ in range(120):
        world.twin.add()
    world.read()
    for _ in range(340):
        world.twin.add(hours=0.25)
    world.read()
    assert world.truth() == world.held()


def test_many_of_the_newest_were_deleted(world: World) -> None:
    """Where so many were deleted that the list ends before the known ones, what is left is right."""
    for _ in range(240):
        world.twin.add()
    world.read()
    for number in list(world.twin.rows)[130:]:
        del world.twin.rows[number]
    for _ in range(3):
        world.read()
    assert world.truth() == world.held()


def test_deletions_all_over_the_history(world: World) -> None:
    """Entries that were deleted in many places are found within some runs, none of which makes many requests: a search
    that was broken off goes on where it was.
    """
    for _ in range(4_000):
        world.twin.add()
    world.read()
    for number in range(50, 4_000, 500):
        del world.twin.rows[number]
    requests = [world.read().requests for _ in range(12)]
    assert world.truth() == world.held()
    assert max(requests) <= SEARCH + SWEEP + 2


def test_a_stop_while_entries_are_read(world: World) -> None:
    """A run that is stopped keeps what was known, and the next one is whole."""
    for _ in range(250):
        world.twin.add()
    stop = threading.Event()
    world.twin.before = lambda _twin: stop.set()
    assert (False, 0) == ((read := world.reader.once((1,), stop)).complete, read.held)
    assert world.read().complete
    for _ in range(250):
        world.twin.add(project=2)
    stop.clear()
    assert not world.reader.once((1, 2), stop).complete
    assert world.truth(1) == world.held()
    assert world.read(1, 2).complete
    assert world.truth(1, 2) == world.held()
    assert SyncedEntries(held=500) == world.reader.once((), threading.Event())


def test_more_projects_than_a_request_can_name(world: World) -> None:
    """With very many projects the entries of all are read; with few again, those of these."""
    for project in (1, 2, 300):
        world.twin.add(project=project)
    many = tuple(range(1, 150))
    world.reader.once(many, threading.Event())
    assert 3 == len(world.held())
    world.twin.add(project=2)
    world.reader.once(many, threading.Event())
    assert 4 == len(world.held())
    world.read(1)
    assert world.truth(1) == world.held()


def test_an_answer_without_a_list(world: World) -> None:
    """An answer that is no list of entries ends the run, and nothing is forgotten."""
    world.twin.add()
    world.read()
    world.twin.broken = True
    with pytest.raises(RedmineUnavailable, match="the response has no list time_entries"):
        world.read()
    assert world.truth() == world.held()
