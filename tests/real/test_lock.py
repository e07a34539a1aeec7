"""One service at a time on one PostgreSQL, whatever becomes of the connection that holds the lock."""

import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from redmine_mailbridge import errors
from redmine_mailbridge.store.messages import Store
from tests.product import ANNA, Product, mail, product
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox
from tests.servers.postgresql import PostgreSql
from tests.servers.proxy import Fault, FaultProxy

pytestmark = [pytest.mark.real, pytest.mark.newest]  # the store and the process; nothing of Redmine's version


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
    made = Store.open(postgresql_url, tmp_path / "raw"), Store.open(postgresql_url, tmp_path / "raw")
    yield made
    for store in made:
        store.close()


@pytest.mark.fault("I7")
def test_nothing_is_written_without_the_lock(
    stores: tuple[Store, Store], postgresql: PostgreSql, postgresql_url: str
) -> None:
    """Once the lock's connection is cut the very next transaction that writes is refused, and said so once, whether
    another has the lock by now or not."""
    first, second = stores
    said: list[str] = []
    lock = first.lock("service")
    lock.on_lost = said.append
    lock.guard(first.database)
    first.secret("written")
    assert 1 == postgresql.cut_holders(postgresql_url)
    with pytest.raises(errors.LockLost):
        first.secret("not written")
    taken = second.lock("service")
    taken.guard(second.database)
    second.secret("by the second")
    with pytest.raises(errors.LockLost):
        first.secret("not written either")
    with pytest.raises(errors.LockLost):
        lock.check()
    assert 1 == len(said)
    assert first.is_locked("service")
    lock.release()
    taken.check()
    taken.release()
    assert not first.is_locked("service")


@pytest.mark.fault("I7")
def test_the_watch_notices_without_a_write(
    stores: tuple[Store, Store], postgresql: PostgreSql, postgresql_url: str
) -> None:
    """Looking after the lock says that it stands, and that it is gone, with the connection's words."""
    lock = stores[0].lock("service")
    lock.check()
    postgresql.cut_holders(postgresql_url)
    with pytest.raises(errors.LockLost, match="the connection that held it is gone"):
        lock.check()
    lock.release()
    stores[0].lock("service").release()


@pytest.mark.fault("I7")
def test_an_old_holders_transaction_ends_before_a_new_one_begins(
    stores: tuple[Store, Store], postgresql: PostgreSql, postgresql_url: str
) -> None:
    """Whoever takes a lost lock over waits for what the old holder is writing just then: never are two at work."""
    first, second = stores
    lock = first.lock("service")
    lock.guard(first.database)
    order: list[str] = []

    def take() -> None:
        second.lock("service", wait=30).release()
        order.append("taken over")

    with first.database.write():
        postgresql.cut_holders(postgresql_url)
        taking = threading.Thread(target=take)
        taking.start()
        assert until(lambda: _waiting(second) > 0)
        assert [] == order
        order.append("written")
    taking.join(30)
    lock.release()
    assert ["written", "taken over"] == order


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


# ------------------------------------------------------------------ two services


@pytest.fixture
def bridge(
    tmp_path: Path, redmine: Redmine, mailbox: Mailbox, *, project: str, redmine_proxy: FaultProxy, postgresql_url: str
) -> Product:
    """The bridge on PostgreSQL, speaking to Redmine through a proxy."""
    made = product(tmp_path, redmine, mailbox, project)
    made.change(
        {"store": {"url": postgresql_url, "raw_dir": str(tmp_path / "mails")}, "redmine": {"url": redmine_proxy.url}}
    )
    return made


def subjects(redmine: Redmine, project: str) -> list[str]:
    """The subjects of the project's issues, in order."""
    return sorted(issue["subject"] for issue in redmine.admin.issues(project))


@pytest.mark.fault("I7")
@pytest.mark.parametrize("how", ["cut", "restart"])
def test_a_lost_lock_stops_the_work(
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
    """When PostgreSQL is restarted, or cuts the lock's connection, in the middle of a request to Redmine, the service
    stops and says so, one of the two goes on under the lock, and each mail is exactly one issue."""
    mailbox.append(*(mail(f"Mail {number}", sender=ANNA) for number in range(3)))
    redmine_proxy.plan(Fault("response", "stall", match=b"POST /issues.json"))
    with bridge.service("--wait", "100") as first:
        first.wait_for("service.started")
        redmine_proxy.wait_fired()
        with bridge.service("--wait", "100") as second:
            second.wait_for("service.waiting_for_lock")  # before that, it would end as its store is away
            if how == "restart":
                postgresql.restart()
            else:
                postgresql.cut_holders(postgresql_url)
            first.wait_for("service.lock_lost", seconds=30)
            redmine_proxy.release()
            mailbox.deliver(mail("Later", sender=ANNA))
            assert until(lambda: mailbox.count().get("Processed", 0) == 4), (first.lines, second.lines)
            went_on = [bool(first.logged("service.lock_regained")), bool(second.logged("service.started"))]
            assert [False, True] == sorted(went_on)
            worker, other = (first, second) if went_on[0] else (second, first)
            worker.signal(signal.SIGTERM)
            assert 0 == worker.wait()
            mailbox.deliver(mail("By the other", sender=ANNA))
            assert until(lambda: mailbox.count().get("Processed", 0) == 5), (first.lines, second.lines)
            other.signal(signal.SIGTERM)
            assert 0 == other.wait()
    assert ["By the other", "Later", "Mail 0", "Mail 1", "Mail 2"] == subjects(redmine, project)
