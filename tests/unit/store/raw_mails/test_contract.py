"""What the folder and the database both do with the bytes of messages. tests/real runs the same on PostgreSQL."""

import hashlib
import mmap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from redmine_mailbridge.errors import RawMissing, StoreBusy
from redmine_mailbridge.model.mailbox import Listed, Location, RawMail
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.raw_mails.contract import RawPlace
from redmine_mailbridge.store.raw_mails.spool import MAPPED_FROM
from redmine_mailbridge.store.raw_mails.table import AT_ONCE, PART
from redmine_mailbridge.store.tables import raw_mail, raw_mail_part

LISTED = Listed(Location("desk", "INBOX", "1", "1"), 3)
SIZES = (0, 1, PART - 1, PART, PART + 1, AT_ONCE, AT_ONCE + 1, 3 * AT_ONCE + 5)


@dataclass
class Place:
    """A place, its store, and what replaces stored bytes behind its back."""

    store: Store
    raws: RawPlace
    damage: Callable[[str, bytes], None]


def in_folder(url: str, folder: Path) -> Place:
    """A store whose raw messages are in a folder."""
    store = Store.open(url, folder / "raw")
    return Place(store, store.raw.here, lambda digest, content: void(store.raw.path(digest).write_bytes(content)))


def in_database(url: str, folder: Path) -> Place:
    """A store whose raw messages are in the database."""
    store = Store.open(url, folder / "raw", raw_in_database=True)

    def damage(digest: str, content: bytes) -> None:
        number = sa.select(raw_mail.c.id).where(raw_mail.c.digest == digest).scalar_subquery()
        with store.database.write() as db:
            db.execute(sa.update(raw_mail_part).where(raw_mail_part.c.raw_mail_id == number).values(content=content))

    return Place(store, store.raw.here, damage)


def void(_: object) -> None:
    """Nothing of it."""


@pytest.fixture(params=[in_folder, in_database])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Each place, empty."""
    made: Place = request.param(f"sqlite:///{tmp_path}/store.db", tmp_path)
    yield made
    made.store.close()


def content_of(size: int) -> bytes:
    """So many bytes, no two parts of which are the same."""
    return b"".join(b"%07d\n" % number for number in range(size // 8 + 1))[:size]


def spooled(place: Place, content: bytes) -> RawMail:
    """Given bytes, return a mail that is in the spool."""
    path = place.store.raw.spool / "large.eml"
    path.write_bytes(content)
    return RawMail(LISTED, path=path)


def remove(place: Place, *digests: str) -> set[str]:
    """Remove bytes, as retention does."""
    with place.store.database.write() as db:
        return place.raws.remove(db, digests)


@pytest.mark.parametrize("size", SIZES)
def test_bytes_are_read_as_they_were_kept(place: Place, size: int) -> None:
    """Bytes of any size, from memory or from the spool, are found by their SHA-256; a large message is mapped, so that
    its bytes take no memory until they are looked at, and the spool is empty afterwards.
    """
    content = content_of(size)
    digest = hashlib.sha256(content).hexdigest()
    for in_spool in (False, True, False):
        assert digest == place.raws.keep(spooled(place, content) if in_spool else RawMail(LISTED, content))
        found = place.raws.read(digest)
        assert content == bytes(found)
        assert size == MAPPED_FROM or (size > MAPPED_FROM) == isinstance(found, mmap.mmap)
        assert place.raws.whole(digest)
        assert [] == list(place.store.raw.spool.iterdir())
        remove(place, digest)
        assert not place.raws.whole(digest)


@pytest.mark.parametrize("size", [3, AT_ONCE + 1])
def test_twice_is_once(place: Place, size: int) -> None:
    """Bytes that are kept again stay as they are."""
    digests = {place.raws.put(content_of(size)) for _ in range(2)}
    (digest,) = digests
    remove(place, digest)
    with pytest.raises(RawMissing, match="missing in the store"):
        place.raws.read(digest)


def test_what_is_not_there(place: Place) -> None:
    """Unknown bytes are missing, and removing them is no error: a crash may have come between."""
    unknown = "0" * 64
    assert not place.raws.whole(unknown)
    with pytest.raises(RawMissing, match="missing in the store"):
        place.raws.read(unknown)
    assert {unknown} == remove(place, unknown)


@pytest.mark.parametrize("size", [3, AT_ONCE + 1])
@pytest.mark.parametrize("damaged", [b"two", b"three", b""])
def test_damaged(place: Place, damaged: bytes, size: int) -> None:
    """Other bytes than those that were stored are not read, nor taken for whole; the same message kept again replaces
    them.
    """
    content = content_of(size)
    digest = place.raws.put(content)
    place.damage(digest, damaged)
    assert not place.raws.whole(digest)
    with pytest.raises(RawMissing, match="are damaged in the store"):
        place.raws.read(digest)
    assert digest == place.raws.put(content)
    assert content == bytes(place.raws.read(digest))


def test_bytes_are_removed_alone(place: Place) -> None:
    """Those of other messages stay."""
    one, two = (place.raws.put(content) for content in (b"one", b"two"))
    for _ in range(2):
        assert {one} == remove(place, one)
        assert (False, True) == (place.raws.whole(one), place.raws.whole(two))


def test_bytes_that_go_before_their_row_exists(tmp_path: Path) -> None:
    """A row never refers to bytes in the database that another process has removed since they were stored."""
    place = in_database(f"sqlite:///{tmp_path}/store.db", tmp_path)
    one, two = (place.raws.put(content) for content in (b"one", b"two"))
    remove(place, two)
    with place.store.database.write() as db:
        place.raws.hold(db, [one, one])
        with pytest.raises(StoreBusy, match="another process has just removed"):
            place.raws.hold(db, [one, two])
    place.store.close()
