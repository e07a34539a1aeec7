"""The tables and the life of a mail on PostgreSQL, where two processes write at the same moment."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
import sqlalchemy as sa

from redmine_mailbridge.errors import StoreError
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.mailbox import Listed, Location, RawMail
from redmine_mailbridge.store.begun_issues import BegunIssues
from redmine_mailbridge.store.database import Database, upgrade
from redmine_mailbridge.store.issue_copy import IssueCopy
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.queries.messages import MessageQueries
from redmine_mailbridge.store.tables import meta
from tests.old_stores import BEFORE, differences, make_old
from tests.unit.store import test_begun_issues as begun
from tests.unit.store.kept import participants
from tests.unit.store.mails import test_manual_changes as decided

pytestmark = [pytest.mark.real, pytest.mark.newest]


@pytest.fixture
def stores(postgresql_url: str, tmp_path: Path) -> Iterator[tuple[Store, Store]]:
    """One store, as two processes have it open."""
    made = Store.open(postgresql_url, tmp_path / "raw"), Store.open(postgresql_url, tmp_path / "raw")
    yield made
    for store in made:
        store.close()


def test_the_tables_are_those_of_the_migration(stores: tuple[Store, Store]) -> None:
    """Migrating an empty database gives exactly the tables that the code speaks of, and once is enough."""
    assert [] == differences(stores[0].database)


def test_all_migrations_make_these_tables(postgresql_url: str) -> None:
    """So do all migrations, one after the other, which a new store does without."""
    database = Database(postgresql_url)
    with database.write() as db:
        upgrade(db, None)
    assert [] == differences(database)
    database.migrate()
    assert [] == differences(database)
    database.close()


@pytest.mark.parametrize("version", BEFORE)
def test_a_store_of_before_the_first_release(postgresql_url: str, version: str | None) -> None:
    """A store that no released version has made is refused in one line: what it is, where, and what to do."""
    database = Database(postgresql_url)
    make_old(database, version)
    with pytest.raises(StoreError) as caught:
        database.migrate()
    words = str(caught.value)
    assert 1 == len(words.splitlines())
    told = ["before the first release", version or "no version", postgresql_url, "name an empty database"]
    assert [] == [each for each in told if each not in words]
    database.close()


def test_two_processes_move_one_mail(stores: tuple[Store, Store]) -> None:
    """Of two that end one mail at the same moment, each in its way, one does; the other learns where the mail stands,
    and has left nothing on its record.
    """
    archive = MessageQueries(stores[0].database)
    ready = Barrier(2)

    def end(store: Store, number: int, state: State) -> str | None:
        ready.wait()
        try:
            store.finish(number, state, state.value, (f"ended as {state}",))
        except StoreError as error:
            return str(error)
        return None

    with ThreadPoolExecutor(2) as pool:
        for uid in range(20):
            listed = Listed(Location("support", "INBOX", "1", str(uid)), 5)
            (row,) = stores[0].add([RawMail(listed, b"mail %d" % uid)])
            said = list(pool.map(end, stores, [row.id] * 2, [State.REJECTED, State.FAILED]))
            won = (State.REJECTED, State.FAILED)[said.index(None)]
            lost = State.FAILED if won is State.REJECTED else State.REJECTED
            assert f"message {row.id} cannot go to {lost}: it is {won}" in str(said)
            assert (won, [f"ended as {won}"]) == (archive.state(row.id), [one.line for one in archive.steps(row.id)])


@pytest.mark.fault("A17-5")
def test_a_user_without_the_right_to_make_tables(postgresql_url: str) -> None:
    """A database in which the user of the settings may make no tables is refused in one line: what is denied, and what
    to change.
    """
    admin = sa.create_engine(postgresql_url.replace("//redmine@", "//postgres@"), isolation_level="AUTOCOMMIT")
    with admin.connect() as db:
        db.execute(sa.text("CREATE ROLE poor LOGIN"))
        db.execute(sa.text("REVOKE CREATE ON SCHEMA public FROM PUBLIC"))
    admin.dispose()
    database = Database(postgresql_url.replace("//redmine@", "//poor@"))
    with pytest.raises(StoreError) as caught:
        database.migrate()
    database.close()
    words = str(caught.value)
    told = ["permission denied for schema public", "[store] url", "OWNER TO"]
    assert (1, []) == (len(words.splitlines()), [each for each in told if each not in words])


@pytest.mark.fault("A17-5")
def test_a_refusal_shows_nothing_of_what_is_stored(stores: tuple[Store, Store]) -> None:
    """What PostgreSQL says of a row that it refuses stands in one line, without the row's values."""
    row = {"key": "k-of-a-customer", "value": "v"}
    with stores[0].database.write() as db:
        db.execute(sa.insert(meta), row)
    with pytest.raises(StoreError) as caught, stores[0].database.write() as db:
        db.execute(sa.insert(meta), row)
    words = str(caught.value)
    assert (1, True, False) == (len(words.splitlines()), "duplicate key" in words, row["key"] in words)


def test_a_message_that_two_processes_move_at_once(stores: tuple[Store, Store]) -> None:
    """One of two decisions at the same moment is carried out, and the other one is told so; also when undone."""
    for uid in range(5):
        number = decided.in_issue(stores[0], uid, 100 + uid)
        done = decided.at_once(*(_moving(store, number) for store in stores))
        assert [False, True] == sorted(done)
        assert [False, True] == sorted(decided.at_once(*(_undoing(store, number) for store in stores)))


def _moving(store: Store, number: int) -> Callable[[], bool]:
    return lambda: store.manual_changes.move(number, '{"who": "a", "issue": 8}', "a", "#8")


def _undoing(store: Store, number: int) -> Callable[[], bool]:
    change = store.manual_changes.last(number)
    assert change is not None
    return lambda: store.manual_changes.undo(change, "a")


def test_two_updates_begin_one_conversation(stores: tuple[Store, Store]) -> None:
    """An issue that two processes begin at the same moment begins once."""
    barrier = Barrier(2)

    def begin(store: Store) -> bool:
        barrier.wait(10)
        return BegunIssues(store.database, store.clock).begin(begun.beginning(7))

    with ThreadPoolExecutor(2) as pool:
        assert [False, True] == sorted(pool.map(begin, stores))
    assert {begun.KIM} == participants(stores[0], 7)


@pytest.mark.parametrize("case", [
    begun.test_a_message_has_priority, begun.test_what_was_never_read, begun.test_another_requester,
    begun.test_notes_from_before,
])  # fmt: skip
def test_conversations_that_began_in_redmine(
    stores: tuple[Store, Store], case: Callable[[Store, BegunIssues, IssueCopy], None]
) -> None:
    """They are found, changed and mailed as on SQLite."""
    store = stores[0]
    case(store, BegunIssues(store.database, store.clock), IssueCopy(store.database, store.clock))
