"""Raw messages in the database: written in parts, found only when complete, and removed when no row needs them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from redmine_mailbridge.errors import RawMissing
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.mailbox import Listed, Location, RawMail
from redmine_mailbridge.side_effects import SideEffect
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.queries.messages import MessageFilter, MessageQueries
from redmine_mailbridge.store.raw_mails.retention import forget_raw
from redmine_mailbridge.store.raw_mails.spool import ORPHANED_AFTER
from redmine_mailbridge.store.raw_mails.table import AT_ONCE, PART
from redmine_mailbridge.store.tables import raw_mail, raw_mail_part
from tests.clocks import Clock
from tests.crash.dying import Died, dying
from tests.unit.store.kept import keep, put
from tests.unit.store.raw_mails.test_contract import content_of

LARGE = content_of(3 * AT_ONCE)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def inside(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    """A store with its raw messages in the database."""
    store = Store.open(f"sqlite:///{tmp_path}/store.db", tmp_path / "raw", raw_in_database=True, clock=clock)
    yield store
    store.close()


def rows(store: Store) -> tuple[int, int]:
    """How many messages and parts there are, complete or not."""
    with store.database.read() as db:
        counts = (db.execute(sa.select(sa.func.count()).select_from(table)) for table in (raw_mail, raw_mail_part))
        one, two = (count.scalar_one() for count in counts)
    return one, two


def letter(content: bytes, uid: int = 1) -> RawMail:
    """A fetched message with these bytes."""
    return RawMail(Listed(Location("support", "INBOX", "1", str(uid)), len(content)), content)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_one_that_was_interrupted(inside: Store, clock: Clock, moment: str, number: int) -> None:
    """A message that was interrupted between its parts is not found, is fetched and kept again, and what was written
    of it goes after an hour; parts that are being written stay.
    """
    with pytest.raises(Died), dying(SideEffect.KEEP_PART, moment, number):  # type: ignore[arg-type]
        inside.add([letter(LARGE)])
    complete = (moment, number) == ("after", 3)
    written = number - (moment == "before")
    assert (bool(written), written * AT_ONCE // PART) == rows(inside)
    assert [] == MessageQueries(inside.database).messages(MessageFilter())
    (row,) = inside.add([letter(LARGE)])
    assert LARGE == bytes(inside.raw.read(row.raw or ""))
    clock.now += ORPHANED_AFTER
    assert 0 == inside.raw.sweep()
    clock.now += 1
    assert (written > 0 and not complete) == inside.raw.sweep()
    assert (1, len(LARGE) // PART) == rows(inside)
    assert LARGE == bytes(inside.raw.read(row.raw or ""))


@pytest.mark.parametrize("size", [3, len(LARGE)])
def test_one_whose_row_was_never_written(inside: Store, clock: Clock, size: int) -> None:
    """Bytes whose row was not written, since the process ended, are used if the message comes again, and go with the
    next upkeep after an hour if not.
    """
    for uid in (1, 2):
        with pytest.raises(Died), dying(SideEffect.KEEP_ROW, "before", 1):
            inside.add([letter(content_of(size + uid), uid)])
    before = rows(inside)
    (row,) = inside.add([letter(content_of(size + 1), 1)])
    assert before == rows(inside)
    clock.now += ORPHANED_AFTER
    assert 0 == forget_raw(inside, older_than=clock.now)
    clock.now += 1
    assert 1 == forget_raw(inside, older_than=0)
    assert 1 == rows(inside)[0]
    assert content_of(size + 1) == bytes(inside.raw.read(row.raw or ""))


def test_a_part_is_missing(inside: Store) -> None:
    """A message without its last part, or with parts of another, is damaged."""
    digest = inside.raw.keep(letter(LARGE))
    with inside.database.write() as db:
        db.execute(sa.delete(raw_mail_part).where(raw_mail_part.c.number == len(LARGE) // PART - 1))
    assert not inside.raw.whole(digest)
    with pytest.raises(RawMissing, match="damaged"):
        inside.raw.read(digest)


def test_parts_are_small(inside: Store) -> None:
    """No row holds more than a part, so that neither side needs memory for a whole message."""
    inside.raw.keep(letter(LARGE + b"x"))
    with inside.database.read() as db:
        sizes = list(db.execute(sa.select(sa.func.length(raw_mail_part.c.content))).scalars())
    assert [1, *[PART] * (len(LARGE) // PART)] == sorted(sizes)


def test_retention(inside: Store, clock: Clock) -> None:
    """Mails that are done lose their bytes, with all parts, in as many transactions as the number and the sizes need;
    those that another message needs stay.
    """
    numbers = [keep(inside, uid) for uid in range(60)]
    (large,) = inside.add([letter(LARGE, 100)])
    (twin,) = inside.add([letter(b"support 0", 101)])
    for mail_id in [*numbers, large.id]:
        put(inside, mail_id, State.DONE)
    inside.filed([(mail_id, "Done") for mail_id in [*numbers, large.id]])
    assert 60 == forget_raw(inside, older_than=clock.now + 1)
    assert (1, 1) == rows(inside)
    found = MessageQueries(inside.database).messages(MessageFilter(limit=100))
    assert {numbers[0], twin.id} == {row.id for row in found if row.raw is not None}
    assert b"support 0" == inside.raw.read(twin.raw or "")


def test_sizes_of_a_transaction() -> None:
    """A batch of retention ends with 50 messages or 64 MiB."""
    from redmine_mailbridge.store.raw_mails import retention

    batches = retention._batches({f"{number:03}": 1 for number in range(120)})
    assert [50, 50, 20] == [len(batch) for batch in batches]
    large = retention._batches({f"{number:03}": 40 * 1024 * 1024 for number in range(5)})
    assert [2, 2, 1] == [len(batch) for batch in large]


def test_statements_of_a_plain_mail(inside: Store, statements: Callable[[Store], list[str]]) -> None:
    """Beside those of a folder: two that write the bytes, in one transaction, and one that holds them."""
    seen = statements(inside)
    keep(inside, 1)
    about = [line.split("raw_mail", 1)[0].split()[0] for line in seen if "raw_mail" in line]
    assert ["INSERT", "INSERT", "SELECT"] == about


@pytest.fixture
def statements() -> Callable[[Store], list[str]]:
    """Records the statements of a store."""

    def record(store: Store) -> list[str]:
        seen: list[str] = []
        sa.event.listen(store.database.engine, "before_cursor_execute", lambda *given: seen.append(given[2]))
        return seen

    return record
