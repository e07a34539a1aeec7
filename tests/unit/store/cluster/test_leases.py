"""Leases: one holder, whose time is over by every clock before another's begins."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from redmine_mailbridge import errors
from redmine_mailbridge.store import lock as store_lock
from redmine_mailbridge.store.cluster.leases import RENEWALS, Lease, Membership, is_taken
from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.lock import is_held, take_lock
from redmine_mailbridge.store.meta import Meta
from redmine_mailbridge.store.tables import lease, process
from redmine_mailbridge.util import boot_clock
from redmine_mailbridge.util.boot_clock import machine_id, started
from tests.unit.store.catalogs import SERVER, open_catalogs

SECONDS = 10.0


class Clocks:
    """The server's clock and the machines', which go on when a test says so; the machines' began at other times."""

    def __init__(self) -> None:
        self.now = 1000.0

    def server(self) -> float:
        """The database's time."""
        return 5_000.0 + self.now

    def machine(self) -> float:
        """A machine's time."""
        return self.now


@pytest.fixture(autouse=True)
def _counted_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a lease changes in this process does not outlast its test."""
    monkeypatch.setattr(store_lock, "_took_over_at", float("-inf"))


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    """Clocks that stand still."""
    made = Clocks()
    monkeypatch.setattr(SERVER, "clock", made.server)
    return made


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A database that processes share."""
    made = open_catalogs(tmp_path, lease_seconds=SECONDS)
    yield made
    made.close()


@pytest.fixture
def join(database: Database, clocks: Clocks) -> Iterator[Callable[[], Membership]]:
    """What registers a further process."""
    members: list[Membership] = []

    def one() -> Membership:
        member = Membership(database, clock=clocks.machine)
        member.join()
        members.append(member)
        return member

    yield one
    for member in members:
        member.leave()


def taken(member: Membership, name: str = "service") -> Lease:
    """Have a process take a lease that is free."""
    held = member.take(name)
    assert held is not None
    return held


def fenced(database: Database, member: Membership, held: Lease) -> bool:
    """Does a transaction of this process write under this lease?"""
    with database.write() as db:
        return member.fence(db, held)


def test_one_holder(join: Callable[[], Membership], database: Database) -> None:
    """A lease has one holder, until he gives it back or leaves; others of other names are free. Its number grows."""
    first, second = join(), join()
    held = taken(first)
    assert (None, None) == (second.take("service"), first.take("service"))
    assert "tasks" == taken(second, "tasks").name
    with database.read() as db:
        assert [True, True, False] == [is_taken(db, name) for name in ("service", "tasks", "other")]
    first.release(held)
    again = taken(second)
    assert held.number + 1 == again.number
    second.leave()
    assert again.number + 1 == taken(first).number


def test_what_is_not_held_is_not_released(join: Callable[[], Membership], database: Database) -> None:
    """Giving back a lease that another one has by now changes nothing."""
    first, second = join(), join()
    old = taken(first)
    first.release(old)
    new = taken(second)
    first.release(old)
    second.release(Lease("service", new.number - 1, 0.0))
    assert first.take("service") is None
    assert [False, True] == [fenced(database, first, old), fenced(database, second, new)]


def test_an_end_by_every_clock(join: Callable[[], Membership], database: Database, clocks: Clocks) -> None:
    """A holder that does not renew counts as lost to itself before its row ends, and to others after; its number is
    old then, and it never comes back under its row."""
    first, second = join(), join()
    held = taken(first)
    clocks.now += SECONDS / 2
    assert second.renew()
    clocks.now += SECONDS / 2 - 0.1
    assert (0.0, None) == (first.remaining, second.take("service"))
    assert not fenced(database, first, held)
    clocks.now += 0.2
    new = taken(second)
    assert held.number + 1 == new.number
    assert not first.renew()
    assert [False, True] == [fenced(database, first, held), fenced(database, second, new)]


def test_renewed(join: Callable[[], Membership], database: Database, clocks: Clocks) -> None:
    """A holder that renews in time keeps all its leases, for as long as a new one has, less what clocks may differ."""
    first, second = join(), join()
    leases = [taken(first, name) for name in ("service", "tasks")]
    for _ in range(5):
        clocks.now += SECONDS * 0.9
        assert first.renew()
        second.renew()
    assert [True, True] == [fenced(database, first, held) for held in leases]
    assert pytest.approx(SECONDS * 0.98) == first.remaining


def test_a_renewal_that_took_long(
    join: Callable[[], Membership], clocks: Clocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A holder counts from before it asked: whatever time the statement takes, its own end comes first."""
    member = join()

    def slow() -> float:
        clocks.now += 4.0
        return clocks.server()

    monkeypatch.setattr(SERVER, "clock", slow)
    member.renew()
    assert member.remaining < SECONDS - 4.0


def test_a_row_without_its_lease(join: Callable[[], Membership], database: Database, clocks: Clocks) -> None:
    """The number alone does not let a process write whose row is gone or has ended by the database's clock."""
    member, lost = join(), list[str]()
    member.on_lost = lost.append
    held = taken(member)
    with database.engine.begin() as db:
        db.execute(sa.update(process).values(ends_at=clocks.server()))
    assert not fenced(database, member, held)
    assert member.take("other") is None
    assert not member.renew()
    assert (["another process has taken it, or may have"], member.lost) == (lost, lost[0])


def test_a_lease_whose_row_is_gone(join: Callable[[], Membership], database: Database) -> None:
    """A holder whose lease somebody has deleted or overwritten, or a backup brought back without it, finds that out at
    its next renewal, and writes nothing before; one that gave a lease back in order renews on."""
    first, second = join(), join()
    first.release(taken(first))
    assert first.renew()
    held, other = taken(first), taken(second, "other")
    with database.engine.begin() as db:
        db.execute(sa.delete(lease).where(lease.c.name == "service"))
    new = taken(second)
    assert held.number != new.number
    assert [False, True] == [fenced(database, first, held), fenced(database, second, new)]
    assert ([False, True], [0.0, True]) == (
        [member.renew() for member in (first, second)], [first.remaining, second.remaining > 0.0],
    )  # fmt: skip
    assert fenced(database, second, other)


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_the_databases_clock_jumps(
    join: Callable[[], Membership], database: Database, clocks: Clocks, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    """When PostgreSQL's clock is set, a dead holder keeps nobody waiting until that time comes again, and a living one
    either goes on or writes nothing any more."""
    dead, living = join(), join()
    old, held = taken(dead), taken(living, "other")
    before = clocks.server
    monkeypatch.setattr(SERVER, "clock", lambda: before() + jump)
    renewed = living.renew()
    assert (jump < 0) == renewed == (living.lost is None) == fenced(database, living, held)
    clocks.now += SECONDS + 0.1
    new = taken(join())
    assert not fenced(database, dead, old)
    assert old.number + 1 == new.number


def test_what_the_last_holder_recorded(join: Callable[[], Membership], clocks: Clocks, database: Database) -> None:
    """A lease counts as taken only after it was: whatever the last holder recorded under it was recorded before."""
    first, second = join(), join()
    taken(first)
    with database.engine.begin() as db:
        db.execute(sa.delete(process).where(process.c.id == first.id))
    at = clocks.now

    def slow() -> float:
        clocks.now += 0.5
        return clocks.server()

    SERVER.clock, before = slow, SERVER.clock
    try:
        assert taken(second).taken_at >= at + 0.5
    finally:
        SERVER.clock = before


def test_a_process_of_this_machine_that_ended(join: Callable[[], Membership], database: Database) -> None:
    """A process of this machine that no longer exists is found out at once; one whose number another has by now, too.
    One of another machine, or of another namespace, is not: its number says nothing here."""
    member = join()
    living = {"pid": os.getpid(), "started": started(), "boot": machine_id()}
    cases = [living, living | {"started": "1"}, living | {"pid": 2**22 + 1}, living | {"boot": "x", "started": "1"}]
    for number, case in enumerate(cases):
        other = join()
        held = taken(other)
        with database.engine.begin() as db:
            db.execute(sa.update(process).where(process.c.id == other.id).values(case))
        got = member.take("service")
        assert (number in {1, 2}) == (got is not None), case
        (member if got is not None else other).release(got or held)


def test_a_process_that_is_hidden(
    join: Callable[[], Membership], database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process of another user, which this one cannot see, counts as living until its row has ended."""
    member, other = join(), join()
    taken(other)
    monkeypatch.setattr(boot_clock, "PROC", tmp_path)
    assert member.take("service") is None
    with database.engine.begin() as db:
        db.execute(sa.update(process).where(process.c.id == other.id).values(pid=2**22 + 1))
    assert member.take("service") is not None


def test_when_a_process_started() -> None:
    """A process is known by when it started; one that has ended, or is a mere zombie, has no such time."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert child.stdin is not None
    assert int(started(child.pid)) >= int(started()) > 0
    child.stdin.close()
    end = time.monotonic() + 20
    while started(child.pid) and time.monotonic() < end:
        threading.Event().wait(0.01)
    assert "" == started(child.pid)
    child.wait()
    assert "" == started(child.pid)


def test_renewals_go_on(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The row of a process is renewed several times while it lasts, also after the database was away for a moment, and
    not after it was away for longer than that."""
    database.lease_seconds = 1.0
    member = Membership(database)
    member.join()
    member.start()
    held = taken(member)
    for away in (0.5, 0.0):
        monkeypatch.setattr(SERVER, "away", bool(away))
        member._engine.dispose()
        threading.Event().wait(away)
        monkeypatch.setattr(SERVER, "away", False)
        end = time.monotonic() + 2.0
        while time.monotonic() < end:
            assert member.lost is None
            threading.Event().wait(0.05)
    assert fenced(database, member, held)
    monkeypatch.setattr(SERVER, "away", True)
    member._engine.dispose()
    member._thread.join(10)
    assert "the database has not answered in time to renew it, or this process was stopped" == member.lost
    monkeypatch.setattr(SERVER, "away", False)
    assert not fenced(database, member, held)
    member.leave()
    assert RENEWALS >= 4


def test_a_lock_on_postgresql(database: Database) -> None:
    """The lock of a service is such a lease: one process holds it, writes under it, and is told of its loss."""
    assert not is_held(database, "service")
    lock = take_lock(database, "service", wait=0.0)
    assert (True, False) == (is_held(database, "service"), is_held(database, "tasks"))
    with pytest.raises(errors.AlreadyRunning):
        take_lock(database, "service", wait=0.0)
    lock.guard(database)
    lock.check()
    database.check_held()
    with database.write() as db:
        Meta(db).put("written", "yes")
    lock.release()
    for refused in (lock.check, database.check_held):
        with pytest.raises(errors.LockLost, match="was released"):
            refused()
    with pytest.raises(errors.LockLost), database.write() as db:
        Meta(db).put("written", "no")
    with database.read() as db:
        assert "yes" == Meta(db).get("written")
    assert not is_held(database, "service")


def test_the_loss_of_a_lease(database: Database) -> None:
    """Whoever holds a lock whose lease another has is told why, once, and writes no more."""
    lock, told = take_lock(database, "service", wait=0.0), list[str]()
    lock.on_lost = told.append
    lock.guard(database)
    with database.engine.begin() as db:
        db.execute(sa.delete(process))
    other = take_lock(database, "service", wait=0.0)
    for _ in range(2):
        with pytest.raises(errors.LockLost), database.write() as db:
            Meta(db).put("written", "no")
        with pytest.raises(errors.LockLost, match="another process has taken it"):
            lock.check()
    assert ["it no longer exists, or another process has taken it"] == told
    lock.release()
    other.check()
    other.release()


def test_a_store_that_comes_back(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a lock is tried the store may be unavailable: only if it is at the end too, that is the error."""
    monkeypatch.setattr(SERVER, "away", True)
    database.engine.dispose()
    with pytest.raises(errors.StoreBusy):
        take_lock(database, "service", wait=0.0)
    back = threading.Timer(1.0, lambda: monkeypatch.setattr(SERVER, "away", False))
    back.start()
    lock = take_lock(database, "service", wait=30.0)
    lock.check()
    lock.release()
