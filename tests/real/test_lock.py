"""One service at a time on one PostgreSQL, whatever becomes of it, of its machine and of its connections."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import sqlalchemy as sa
import tomlkit

from redmine_mailbridge import errors
from redmine_mailbridge.conditions.condition import Condition
from redmine_mailbridge.settings.load import load
from redmine_mailbridge.store.dialects import insert_missing
from redmine_mailbridge.store.lock import Lock
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.meta import Meta
from redmine_mailbridge.store.tables import meta, process
from redmine_mailbridge.wiring.conditions import list_conditions
from tests.product import ANNA, Product, mail, product
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox
from tests.servers.postgresql import PostgreSql
from tests.servers.proxy import Fault, FaultProxy

pytestmark = [pytest.mark.real, pytest.mark.newest]  # the store and the process; nothing of Redmine's version


LEASE = 3.0
SERVES_WITHIN = LEASE + 6.0
"""Seconds, on a busy machine; with the standard settings the goal is 15."""


def until(holds: Callable[[], bool], seconds: float = 60.0) -> bool:
    """Look again and again whether something holds."""
    for _ in range(int(seconds / 0.1)):
        if holds():
            return True
        threading.Event().wait(0.1)
    return holds()


@pytest.fixture
def stores(postgresql_url: str, tmp_path: Path) -> Iterator[tuple[Store, Store]]:
    """One store, as two machines open it."""
    made = tuple(Store.open(postgresql_url, tmp_path / "raw", lease_seconds=LEASE) for _ in range(2))
    yield made
    for store in made:
        store.close()


def end(store: Store) -> None:
    """End the leases of every process, as if their time was over by the database's clock."""
    with store.database.engine.begin() as db:
        db.execute(sa.update(process).values(ends_at=0.0))


@pytest.mark.fault("I7")
def test_nothing_is_written_without_the_lease(stores: tuple[Store, Store]) -> None:
    """Once its lease has ended, the very next transaction of a process that writes is refused, and said so once,
    whether another has the lease by now or not."""
    first, second = stores
    said: list[str] = []
    lock = first.lock("service")
    lock.on_lost = said.append
    lock.guard(first.database)
    first.secret("written")
    end(first)
    with pytest.raises(errors.LockLost):
        first.secret("not written")
    taken = second.lock("service")
    taken.guard(second.database)
    second.secret("by the second")
    for refused in (lambda: first.secret("not written either"), first.database.check_held, lock.check):
        with pytest.raises(errors.LockLost):
            refused()
    assert 1 == len(said)
    assert first.is_locked("service")
    lock.release()
    taken.check()
    taken.release()
    assert not first.is_locked("service")


@pytest.mark.fault("I7")
def test_the_renewal_notices_without_a_write(stores: tuple[Store, Store]) -> None:
    """A lease that is renewed lasts longer than it was taken for; a process whose row has ended notices that too."""
    lock = stores[0].lock("service")
    began = time.monotonic()
    assert until(lambda: time.monotonic() - began > 1.5 * LEASE)
    lock.check()
    end(stores[0])

    def is_lost() -> bool:
        try:
            lock.check()
        except errors.LockLost:
            return True
        return False

    assert until(is_lost, LEASE)
    lock.release()
    stores[0].lock("service").release()


@pytest.mark.fault("I7")
def test_connections_that_are_cut(stores: tuple[Store, Store], postgresql: PostgreSql, postgresql_url: str) -> None:
    """Cut connections and a restart of PostgreSQL do not end a lease: it is renewed over a new connection."""
    lock = stores[0].lock("service")
    lock.guard(stores[0].database)
    for disturb in (lambda: postgresql.cut(postgresql_url), postgresql.restart):
        disturb()
        began = time.monotonic()
        assert until(lambda began=began: time.monotonic() - began > 1.2 * LEASE)
        lock.check()
    stores[0].secret("written")
    with pytest.raises(errors.AlreadyRunning):
        stores[1].lock("service")
    lock.release()


@pytest.mark.fault("I7")
def test_many_begin_at_once(postgresql_url: str, tmp_path: Path) -> None:
    """Of processes that start at the same moment one gets the lease, and the next one as soon as it is given back."""
    stores = [Store.open(postgresql_url, tmp_path / "raw", lease_seconds=LEASE) for _ in range(6)]
    for _ in range(5):
        together, got = threading.Barrier(len(stores)), list[Lock]()

        def take(store: Store, together: threading.Barrier = together, got: list[Lock] = got) -> None:
            together.wait()
            with suppress(errors.AlreadyRunning, errors.StoreBusy):
                got.append(store.lock("service"))

        threads = [threading.Thread(target=take, args=(store,)) for store in stores]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert 1 == len(got)
        got[0].check()
        got[0].release()
    for store in stores:
        store.close()


@pytest.mark.fault("I7")
def test_an_old_holders_transaction_ends_before_a_new_one_begins(stores: tuple[Store, Store]) -> None:
    """Whoever takes a lease that has ended waits for what its old holder is writing: never are two at work."""
    first, second = stores
    lock = first.lock("service")
    lock.guard(first.database)
    order: list[str] = []

    def take() -> None:
        second.lock("service", wait=30).release()
        order.append("taken over")

    with first.database.write():
        end(second)
        taking = threading.Thread(target=take)
        taking.start()
        assert until(lambda: _waiting(second) > 0)
        assert [] == order
        order.append("written")
    taking.join(30)
    lock.release()
    assert ["written", "taken over"] == order


@pytest.mark.fault("I7")
def test_a_holder_that_hangs_in_a_transaction(stores: tuple[Store, Store]) -> None:
    """PostgreSQL ends the transaction of a process that stops in the middle of it, so that another one takes over."""
    first, second = stores
    lock = first.lock("service")
    lock.guard(first.database)

    def hang() -> None:
        with first.database.write() as db:
            insert_missing(db, meta, {"key": "x", "value": "not written"})
            end(second)
            second.lock("service", wait=30).release()

    with pytest.raises(errors.StoreBusy):
        hang()
    lock.release()
    with second.database.read() as db:
        assert Meta(db).get("x") is None


def _waiting(store: Store) -> int:
    """How many of a database's connections wait for a row or a table."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with store.database.read() as db:
        return int(db.exec_driver_sql(query).scalar_one())


@pytest.mark.fault("B12")
def test_a_pool_without_a_free_connection_is_a_busy_store(stores: tuple[Store, Store]) -> None:
    """When all connections are in use, that is said, as of any store that cannot be reached now."""
    store, _ = stores
    store.database.engine.pool._timeout = 0.1  # type: ignore[attr-defined]
    held = [store.database.engine.connect() for _ in range(30)]
    with pytest.raises(errors.StoreBusy, match="all connections"):
        store.secret("x")
    for connection in held:
        connection.close()
    store.secret("x")


@pytest.mark.fault("A44-8")
def test_a_standby_does_not_wait_for_a_database_that_hangs(stores: tuple[Store, Store]) -> None:
    """Looking whether the lease is free ends after some seconds, while the database still does not answer: between two
    looks a standby hears SIGTERM."""
    first, second = stores
    lock = first.lock("service")
    ended = threading.Event()

    def look() -> None:
        with suppress(errors.StoreBusy):
            second.lock("service")
        ended.set()

    with first.database.engine.begin() as db:
        db.execute(sa.text("LOCK TABLE process IN ACCESS EXCLUSIVE MODE"))
        standby = threading.Thread(target=look)
        standby.start()
        in_time = ended.wait(20)
    standby.join()
    lock.release()
    assert in_time


@pytest.mark.fault("A44-13")
def test_what_is_wrong_is_said_while_the_database_hangs(postgresql_url: str, tmp_path: Path) -> None:
    """`health` says that the store does not answer, before a monitoring system ends it after ten seconds."""
    store = Store.open(postgresql_url, tmp_path / "raw")
    file = tmp_path / "settings.toml"
    box = {"address": "d@example.com", "host": "localhost", "password": "p", "issue": {"project": "p"}}
    values = {
        "redmine": {"url": "http://127.0.0.1:9", "api_key": "k"}, "store": {"url": postgresql_url},
        "mailboxes": {"desk": box},
    }  # fmt: skip
    file.write_text(tomlkit.dumps(values), "utf-8")
    ended = threading.Event()
    found: list[Condition] = []

    def look() -> None:
        found.extend(list_conditions(load(file, {})))
        ended.set()

    with store.database.engine.begin() as db:
        db.execute(sa.text("LOCK TABLE health IN ACCESS EXCLUSIVE MODE"))
        looking = threading.Thread(target=look)
        looking.start()
        in_time = ended.wait(9)
    looking.join()
    store.close()
    assert in_time
    assert ["store-unavailable"] == [condition.key for condition in found]


# ------------------------------------------------------------------ two services


@pytest.fixture
def bridge(
    tmp_path: Path, redmine: Redmine, mailbox: Mailbox, *, project: str, redmine_proxy: FaultProxy, postgresql_url: str
) -> Product:
    """The bridge on PostgreSQL, speaking to Redmine through a proxy."""
    made = product(tmp_path, redmine, mailbox, project)
    made.change(
        {
            "store": {"url": postgresql_url, "raw_dir": str(tmp_path / "mails"), "lease_duration": "3s"},
            "redmine": {"url": redmine_proxy.url, "settle": "4s"},
        }
    )
    return made


def subjects(redmine: Redmine, project: str) -> list[str]:
    """The subjects of the project's issues, in order."""
    return sorted(issue["subject"] for issue in redmine.admin.issues(project))


@pytest.mark.fault("I7")
@pytest.mark.parametrize("how", ["killed", "hung", "hung later"])
def test_another_service_takes_over(
    bridge: Product, redmine: Redmine, mailbox: Mailbox, *, project: str, how: str, redmine_proxy: FaultProxy
) -> None:
    """When a service is killed or hangs in the middle of a request to Redmine, one that stands by serves soon, and
    each mail is exactly one issue, also after the one that hung goes on."""
    mailbox.append(*(mail(f"Mail {number}", sender=ANNA) for number in range(3)))
    redmine_proxy.plan(Fault("request" if how == "hung" else "response", "stall", match=b"POST /issues.json"))
    with bridge.service() as first:
        first.wait_for("service.started")
        with bridge.service() as second:
            second.wait_for("service.waiting_for_lock")
            redmine_proxy.wait_fired()
            first.signal(signal.SIGKILL if how == "killed" else signal.SIGSTOP)
            began = time.monotonic()
            second.wait_for("service.started", seconds=30)
            assert time.monotonic() - began < SERVES_WITHIN
            redmine_proxy.release()
            mailbox.deliver(mail("Later", sender=ANNA))
            assert until(lambda: mailbox.count().get("Processed", 0) == 4), second.lines
            if how != "killed":
                first.signal(signal.SIGCONT)
                first.wait_for("service.lock_lost", seconds=30)
                second.signal(signal.SIGTERM)
                assert 0 == second.wait()
                first.wait_for("service.lock_regained", seconds=30)
                mailbox.deliver(mail("By the other", sender=ANNA))
                assert until(lambda: mailbox.count().get("Processed", 0) == 5), first.lines
                first.signal(signal.SIGTERM)
                assert 0 == first.wait()
    later = ["By the other"] * (how != "killed") + ["Later"]
    assert [*later, "Mail 0", "Mail 1", "Mail 2"] == subjects(redmine, project)


@pytest.mark.fault("I7")
@pytest.mark.parametrize("how", ["cut", "restart", "away"])
def test_postgresql_comes_back(
    bridge: Product,
    redmine: Redmine,
    mailbox: Mailbox,
    *,
    project: str,
    how: str,
    redmine_proxy: FaultProxy,
    postgresql: PostgreSql,
    postgresql_url: str,
) -> None:
    """When PostgreSQL cuts its connections, is restarted, or is away for longer than a lease, in the middle of a
    request to Redmine, one of three services goes on, and each mail is exactly one issue."""
    mailbox.append(*(mail(f"Mail {number}", sender=ANNA) for number in range(3)))
    redmine_proxy.plan(Fault("response", "stall", match=b"POST /issues.json"))
    with bridge.service() as first, bridge.service() as second, bridge.service() as third:
        services = (first, second, third)
        assert until(lambda: sum(bool(each.logged("service.waiting_for_lock")) for each in services) == 2)
        redmine_proxy.wait_fired()
        if how == "cut":
            postgresql.cut(postgresql_url)
        else:
            postgresql.restart(away=1.5 * LEASE if how == "away" else 0.0)
        redmine_proxy.release()
        mailbox.deliver(mail("Later", sender=ANNA))
        lines = [each.lines for each in services]
        assert until(lambda: mailbox.count().get("Processed", 0) == 4), lines
        assert (how == "away") == any(each.logged("service.lock_lost") for each in services), lines
        for each in services:
            each.signal(signal.SIGTERM)
        assert [0, 0, 0] == [each.wait() for each in services]
    assert ["Later", "Mail 0", "Mail 1", "Mail 2"] == subjects(redmine, project)
