"""Raw messages that are moved between the folder and the database: read throughout, never lost, never left behind."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from redmine_mailbridge import side_effects
from redmine_mailbridge.errors import RawMissing
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.mailbox import Listed, Location, RawMail
from redmine_mailbridge.side_effects import SideEffect, watch
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.raw_mails.move import misplaced, move_raw
from redmine_mailbridge.store.raw_mails.retention import forget_raw
from redmine_mailbridge.store.raw_mails.table import AT_ONCE
from tests.crash.dying import Died, dying
from tests.unit.store.kept import keep, put
from tests.unit.store.raw_mails.test_contract import content_of
from tests.unit.store.raw_mails.test_table import letter, rows

BOTH = pytest.mark.parametrize("in_database", [True, False], ids=["to_database", "to_folder"])
LARGE = content_of(2 * AT_ONCE + 1)


class Two:
    """A store as it was, with six messages, and as it is with the new settings."""

    def __init__(self, folder: Path, *, in_database: bool) -> None:
        self.folder, self.url = folder / "raw", f"sqlite:///{folder}/store.db"
        self.before = Store.open(self.url, self.folder, raw_in_database=not in_database)
        for uid in range(5):
            keep(self.before, uid)
        self.before.add([letter(LARGE, 9)])
        self.after = Store.open(self.url, self.folder, raw_in_database=in_database)
        self.contents = {*(b"support %d" % uid for uid in range(5)), LARGE}
        self.digests = [raw for raw in self._raws() if raw is not None]

    def _raws(self) -> list[str | None]:
        from redmine_mailbridge.store.queries.messages import MessageFilter, MessageQueries

        return [row.raw for row in MessageQueries(self.before.database).messages(MessageFilter())]

    def read(self) -> set[bytes]:
        """What either reads now, the same."""
        both = [{bytes(store.raw.read(digest)) for digest in self.digests} for store in (self.before, self.after)]
        assert both[0] == both[1]
        return both[0]

    def files(self) -> int:
        """How many files there are."""
        return len(list(self.folder.rglob("*.eml")))

    def move(self) -> tuple[int, int, int]:
        """Move. Return how many were moved, already there, and not movable."""
        moved = move_raw(self.after, say=self.said.append, report=lambda _: None)
        return moved.messages, moved.there, moved.faults

    @property
    def said(self) -> list[str]:
        """The lines about what could not be moved."""
        return self.__dict__.setdefault("lines", [])


@pytest.fixture
def two(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Two]:
    """One direction, as the test's parameter says."""
    made = Two(tmp_path, in_database=request.getfixturevalue("in_database"))
    yield made
    made.before.close()
    made.after.close()


@BOTH
def test_moved(two: Two, in_database: bool) -> None:
    """All are moved, and read before, while and afterwards by services with old and new settings; twice is once."""
    assert (two.contents, 6) == (two.read(), misplaced(two.after))
    assert (6, 0, 0) == two.move()
    assert (two.contents, 0, 6) == (two.read(), misplaced(two.after), misplaced(two.before))
    assert ((0, 6) if in_database else (6, 0)) == (two.files(), rows(two.after)[0])
    assert (0, 6, 0) == two.move()
    assert two.contents == two.read()


@BOTH
@pytest.mark.parametrize("effect", [SideEffect.KEEP_RAW, SideEffect.MOVE_RAW, SideEffect.REMOVE_RAW])
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("number", [1, 4])
def test_interrupted(two: Two, in_database: bool, effect: SideEffect, moment: str, number: int) -> None:
    """Killed at any moment, each message is in at least one place, and the next move completes it."""
    with pytest.raises(Died), dying(effect, moment, number):  # type: ignore[arg-type]
        two.move()
    assert two.contents == two.read()
    done, there, faults = two.move()
    assert (6, 0) == (done + there, faults)
    assert two.contents == two.read()
    assert ((0, 6) if in_database else (6, 0)) == (two.files(), rows(two.after)[0])


@BOTH
def test_new_ones_while_moving(two: Two, in_database: bool) -> None:
    """A service with the old settings stores a message while the move runs: a second move takes it."""
    assert (6, 0, 0) == two.move()
    keep(two.before, 20)
    assert 1 == misplaced(two.after)
    assert (1, 6, 0) == two.move()
    assert ((0, 7) if in_database else (7, 0)) == (two.files(), rows(two.after)[0])


@BOTH
def test_forgotten_while_moving(two: Two, in_database: bool) -> None:
    """Retention forgets a message that is being moved: it is then in neither place."""
    del in_database
    numbers = list(range(1, 7))
    for mail_id in numbers:
        put(two.before, mail_id, State.DONE)
    two.before.filed([(mail_id, "Done") for mail_id in numbers])
    forgotten = []

    def forget(which: SideEffect, moment: str) -> None:
        if (which, moment) == (SideEffect.MOVE_RAW, "before") and not forgotten:
            forgotten.append(True)
            forget_raw(two.before, older_than=9e12)

    watch(forget)
    try:
        two.move()
    finally:
        side_effects._watchers.remove(forget)
    assert (0, 0) == (two.files(), rows(two.after)[0])
    assert [] == two.said


@BOTH
def test_damaged(two: Two, in_database: bool) -> None:
    """A message that is nowhere whole is reported and left as it is; the others are moved."""
    digest = two.digests[2]
    if in_database:
        two.before.raw.path(digest).write_bytes(b"damaged")
    else:
        with two.before.database.write() as db:
            two.before.raw.table.remove(db, [digest])
    assert (5, 0, 1) == two.move()
    assert [digest] == [digest for line in two.said if digest in line]
    with pytest.raises(RawMissing):
        two.after.raw.read(digest)


@BOTH
def test_removed_from_both(two: Two, in_database: bool) -> None:
    """Retention removes bytes that an interrupted move left in both places."""
    del in_database
    with pytest.raises(Died), dying(SideEffect.MOVE_RAW, "before", 3):
        two.move()
    for mail_id in range(1, 7):
        put(two.after, mail_id, State.DONE)
    two.after.filed([(mail_id, "Done") for mail_id in range(1, 7)])
    assert 6 == forget_raw(two.after, older_than=9e12)
    assert (0, 0) == (two.files(), rows(two.after)[0])


def test_kept_where_the_settings_say(tmp_path: Path) -> None:
    """A message whose bytes are in the other place is not kept twice in different forms: it is read from either, and
    is whole.
    """
    two = Two(tmp_path, in_database=True)
    place = Location("support", "INBOX", "1", "30")
    (row,) = two.after.add([RawMail(Listed(place, 9), b"support 1")])
    assert two.after.raw.whole(row.raw or "")
    assert (6, 0, 0) == two.move()
    assert two.contents == two.read()


def test_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store without a folder has its messages in the database, and nothing to move."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    store = Store.open(f"sqlite:///{tmp_path}/store.db", None)
    (row,) = store.add([letter(LARGE)])
    assert LARGE == bytes(store.raw.read(row.raw or ""))
    assert (tmp_path, 0) == (store.raw.spool.parent, misplaced(store))
    assert 0 == move_raw(store, say=print, report=print).messages
    with pytest.raises(ValueError, match="in the database"):
        store.raw.path(row.raw or "")
    store.close()
