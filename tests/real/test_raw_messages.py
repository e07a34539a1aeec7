"""Raw messages in a real PostgreSQL: the contract, two processes at once, and the memory that a large one takes."""

import hashlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event

import pytest
import sqlalchemy as sa

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.queries.messages import MessageFilter, MessageQueries
from redmine_mailbridge.store.raw_mails.retention import forget_raw
from redmine_mailbridge.store.raw_mails.table import AT_ONCE
from redmine_mailbridge.store.tables import mail, raw_mail
from tests.unit.store.kept import keep, put
from tests.unit.store.raw_mails import test_contract as contract
from tests.unit.store.raw_mails.test_table import LARGE, letter, rows

pytestmark = [pytest.mark.real, pytest.mark.newest]
MOST = 8 * 1024 * 1024
"""Bytes of memory that storing and reading a message of 50 MB may take, beside the pages that are mapped."""


@pytest.fixture
def place(postgresql_url: str, tmp_path: Path) -> Iterator[contract.Place]:
    """PostgreSQL as the place."""
    made = contract.in_database(postgresql_url, tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def stores(postgresql_url: str, tmp_path: Path) -> Iterator[tuple[Store, Store]]:
    """One store, as two machines without a shared folder have it open."""
    made = tuple(Store.open(postgresql_url, tmp_path / name, raw_in_database=True) for name in ("one", "two"))
    yield made[0], made[1]
    for store in made:
        store.close()


@pytest.mark.parametrize("size", contract.SIZES)
def test_bytes_are_read_as_they_were_kept(place: contract.Place, size: int) -> None:
    """As on SQLite, in all sizes."""
    contract.test_bytes_are_read_as_they_were_kept(place, size)


@pytest.mark.parametrize(
    "case",
    [
        lambda place: contract.test_twice_is_once(place, AT_ONCE + 1),
        lambda place: contract.test_damaged(place, b"two", 3),
        lambda place: contract.test_damaged(place, b"", AT_ONCE + 1),
        contract.test_what_is_not_there,
        contract.test_bytes_are_removed_alone,
    ],
    ids=["twice", "damaged", "damaged_large", "unknown", "removed"],
)
def test_the_contract(place: contract.Place, case: Callable[[contract.Place], None]) -> None:
    """The rest as on SQLite."""
    case(place)


def test_what_one_machine_stores_another_reads(stores: tuple[Store, Store]) -> None:
    """Without a shared folder."""
    (row,) = stores[0].add([letter(LARGE)])
    assert LARGE == bytes(stores[1].raw.read(row.raw or ""))


def test_two_processes_keep_the_same(stores: tuple[Store, Store]) -> None:
    """Two processes that store the same message at the same moment store it once, and both refer to it."""
    ready = Barrier(2)

    def add(store: Store, uid: int) -> str:
        ready.wait(10)
        (row,) = store.add([letter(content, uid)])
        return row.raw or ""

    for turn, size in enumerate([3, 30, 300, AT_ONCE + 1, AT_ONCE + 2, AT_ONCE + 3]):
        content = contract.content_of(size)
        with ThreadPoolExecutor(2) as pool:
            assert {hashlib.sha256(content).hexdigest()} == set(pool.map(add, stores, [2 * turn, 2 * turn + 1]))
        assert turn + 1 == rows(stores[0])[0]
        assert content == bytes(stores[1].raw.read(hashlib.sha256(content).hexdigest()))


@pytest.mark.parametrize("in_database", [True, False], ids=["database", "folder"])
def test_retention_waits_for_a_row_that_is_being_written(
    postgresql_url: str, tmp_path: Path, stores: tuple[Store, Store], in_database: bool
) -> None:
    """A process stores a message again whose bytes another, with the same or other settings, is about to forget: the
    row has its bytes.
    """
    other = Store.open(postgresql_url, tmp_path / "two", raw_in_database=in_database)
    number = keep(stores[0], 1)
    put(stores[0], number, State.DONE)
    stores[0].filed([(number, "Done")])
    (old,) = MessageQueries(stores[0].database).messages(MessageFilter())
    held, waits = Event(), Event()

    def forget() -> int:
        held.wait(10)
        waits.set()
        return forget_raw(other, older_than=9e12)

    with ThreadPoolExecutor(1) as pool:
        forgotten = pool.submit(forget)
        with stores[0].database.write() as db:
            stores[0].raw.hold(db, [old.raw or ""])
            held.set()
            waits.wait(10)
            _wait_for_a_lock(stores[0])
            young = {"uid": "2", "state": State.STORED, "filed_at": None, "id": 1000}
            values = dict(db.execute(sa.select(mail)).one()._mapping) | young
            db.execute(sa.insert(mail), values)
        assert 0 == forgotten.result(10)
    assert b"support 1" == stores[0].raw.read(old.raw or "")
    other.close()


def _wait_for_a_lock(store: Store) -> None:
    """Return when a statement of another connection waits for a lock."""
    waiting = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    for _ in range(10_000):
        with store.database.read() as db:
            if db.execute(waiting).scalar_one():
                return
    raise AssertionError("nothing waits")


MEASURE = """
import mmap, pathlib, sys
from redmine_mailbridge.model.mailbox import Listed, Location, RawMail
from redmine_mailbridge.store.messages import Store
url, folder, inside = sys.argv[1:]
def anonymous(name):
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) * 1024
store = Store.open(url, pathlib.Path(folder), raw_in_database=inside == "1")
def spooled(size, uid):
    path = store.raw.spool / "large"
    with path.open("wb") as file:
        for number in range(size // 64):
            file.write(b"%010d %s\\n" % (number, bytes(52)))
    return RawMail(Listed(Location("a", "b", "1", str(uid)), size), path=path)
store.raw.read(store.add([spooled(2**20 * 2, 1)])[0].raw)
peak, done = [anonymous("RssAnon")], []
import threading
def watch():
    while not done:
        peak.append(anonymous("RssAnon"))
        stop.wait(0.002)
stop = threading.Event()
thread = threading.Thread(target=watch)
thread.start()
(row,) = store.add([spooled(50 * 2**20, 2)])
content = store.raw.read(row.raw)
done.append(True)
thread.join()
assert isinstance(content, mmap.mmap) and len(content) == 50 * 2**20
print(max(peak) - peak[0])
"""


@pytest.mark.parametrize("inside", ["1", "0"], ids=["database", "folder"])
def test_the_memory_of_a_large_message(postgresql_url: str, tmp_path: Path, inside: str) -> None:
    """A message of 50 MB is stored and read with a few parts of it in memory, in the database as in the folder."""
    command = [sys.executable, "-c", MEASURE, postgresql_url, str(tmp_path / "raw"), inside]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    print(f"anonymous memory, {inside=}: {int(done.stdout) / 2**20:.1f} MiB")  # noqa: T201 - shown with pytest -s
    assert int(done.stdout) < MOST


def test_a_store_of_two_places(postgresql_url: str, tmp_path: Path) -> None:
    """Moved to the folder and back, on PostgreSQL."""
    from redmine_mailbridge.store.raw_mails.move import misplaced, move_raw

    inside = Store.open(postgresql_url, tmp_path / "raw", raw_in_database=True)
    outside = Store.open(postgresql_url, tmp_path / "raw")
    inside.add([letter(LARGE, 1)])
    keep(inside, 2)
    for store, messages in ((outside, 0), (inside, 2)):
        assert 2 == misplaced(store)
        assert (2, 0) == (move_raw(store, say=print, report=lambda _: None).messages, misplaced(store))
        with store.database.read() as db:
            assert messages == len(db.execute(sa.select(raw_mail.c.digest)).all())
        assert 2 - messages == len(list((tmp_path / "raw").rglob("*.eml")))
    inside.close()
    outside.close()
