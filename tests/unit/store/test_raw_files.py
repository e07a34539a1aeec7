"""Raw bytes on disk: what one bad file and an interrupted fetch leave behind."""

import hashlib
import mmap
import os
import time
from pathlib import Path

import pytest

from redmine_mailbridge.errors import RawMissing, StoreError
from redmine_mailbridge.model.mailbox import Listed, Location, RawMail
from redmine_mailbridge.store.raw_files import RawStore

PLACE = Location("desk", "INBOX", "1", "1")


@pytest.fixture
def raws(tmp_path: Path) -> RawStore:
    """An empty folder of raw mails."""
    return RawStore(tmp_path / "raw")


def spooled(raws: RawStore, content: bytes) -> RawMail:
    """Given bytes, return a mail that lies in the spool."""
    path = raws.spool / "large.eml"
    path.write_bytes(content)
    return RawMail(Listed(PLACE, len(content)), path=path)


def test_one_bad_file_is_told_from_a_bad_disk(raws: RawStore) -> None:
    """A file that cannot be read is one mail's trouble; a folder that is not there is everybody's."""
    from redmine_mailbridge.errors import RawUnreadable

    good, bad = (raws.keep(RawMail(Listed(PLACE, 3), content)) for content in (b"one", b"two"))
    raws.path(bad).unlink()
    raws.path(bad).mkdir()
    with pytest.raises(RawUnreadable, match="cannot be read"):
        raws.read(bad)
    raws.path(bad).rmdir()
    with pytest.raises(RawMissing, match="missing in the store"):
        raws.read(bad)
    assert b"one" == raws.read(good)
    raws.root.rename(raws.root.with_name("elsewhere"))
    with pytest.raises(StoreError) as away:
        raws.read(good)
    assert not isinstance(away.value, RawUnreadable)


@pytest.mark.fault("B5")
def test_a_mail_that_cannot_be_kept_leaves_nothing_in_the_spool(raws: RawStore) -> None:
    """Whatever hinders the keeping, small or large: its file is removed, and the mail is fetched anew later."""
    for digest in (b"large", b"small"):
        in_the_way = raws.path(hashlib.sha256(digest).hexdigest()).parent
        in_the_way.write_bytes(b"no folder")
    with pytest.raises(StoreError):
        raws.keep(spooled(raws, b"large"))
    with pytest.raises(StoreError):
        raws.keep(RawMail(Listed(PLACE, 5), b"small"))
    assert [] == list(raws.spool.iterdir())


def test_the_spool_is_swept(raws: RawStore) -> None:
    """What nobody has written to for an hour is removed; what is being written stays."""
    for name, age in (("orphan", 3700), ("young", 60)):
        path = raws.spool / name
        path.write_bytes(b"x")
        os.utime(path, (time.time() - age,) * 2)
    assert 1 == raws.sweep_spool()
    assert ["young"] == [path.name for path in raws.spool.iterdir()]


def test_raw_mails_lie_in_folders_by_the_first_two_characters_of_their_digest(raws: RawStore) -> None:
    """So that a version finds what another one kept, and no folder holds too many."""
    digest = raws.keep(RawMail(Listed(PLACE, 3), b"one"))
    assert hashlib.sha256(b"one").hexdigest() == digest
    assert b"one" == (raws.root / digest[:2] / f"{digest}.eml").read_bytes()


def test_no_folder(tmp_path: Path) -> None:
    """A folder of bytes that cannot be made is an error that names it and says why."""
    (tmp_path / "raw").write_bytes(b"a file")
    with pytest.raises(StoreError, match=f"^{tmp_path}/raw: File exists$"):
        RawStore(tmp_path / "raw")


@pytest.mark.parametrize(("size", "kind"), [(256 * 1024 - 1, bytes), (256 * 1024, mmap.mmap)])
def test_large_is_mapped(raws: RawStore, size: int, kind: type) -> None:
    """A message of 256 KiB or more is mapped, so that its bytes take no memory until they are looked at."""
    content = raws.read(raws.keep(RawMail(Listed(PLACE, size), b"a" * size)))
    assert kind is type(content)
    assert b"a" * size == bytes(content)


def test_private_folders(raws: RawStore) -> None:
    """Every folder of bytes is its owner's alone."""
    digest = raws.keep(RawMail(Listed(PLACE, 3), b"one"))
    folders = (raws.root, raws.spool, raws.path(digest).parent)
    assert ["0o700"] * 3 == [oct(folder.stat().st_mode & 0o777) for folder in folders]


def test_no_spool(raws: RawStore) -> None:
    """A spool that cannot be read is an error that names it."""
    raws.spool.rmdir()
    raws.spool.write_bytes(b"a file")
    with pytest.raises(StoreError, match=f"^{raws.spool}: Not a directory$"):
        raws.sweep_spool()


def test_cleared(raws: RawStore) -> None:
    """At the start of a service the spool is emptied, and stored bytes stay."""
    digest = raws.keep(RawMail(Listed(PLACE, 3), b"one"))
    spooled(raws, b"half")
    raws.clear_spool()
    assert [] == list(raws.spool.iterdir())
    assert b"one" == raws.read(digest)


def test_removed(raws: RawStore) -> None:
    """Bytes are removed alone, and removing what is not there any more is no error: a crash may have come between."""
    one, two = (raws.keep(RawMail(Listed(PLACE, 3), content)) for content in (b"one", b"two"))
    for _ in range(2):
        raws.remove(one)
        assert (False, True) == (raws.whole(one), raws.whole(two))


def test_the_folders_above(tmp_path: Path) -> None:
    """Folders above that of the bytes are made, and those that are there are used."""
    for _ in range(2):
        assert RawStore(tmp_path / "new" / "raw").spool.is_dir()


@pytest.mark.parametrize("damaged", [b"two", b"three", b"four", b"five", b""])
def test_damaged(raws: RawStore, damaged: bytes) -> None:
    """Other bytes than those that were stored are not read, nor taken for whole."""
    digest = raws.keep(RawMail(Listed(PLACE, 3), b"one"))
    raws.path(digest).write_bytes(damaged)
    assert not raws.whole(digest)
    with pytest.raises(RawMissing, match="are damaged in the store"):
        raws.read(digest)


def test_not_removable(raws: RawStore) -> None:
    """What cannot be removed is an error that names the file."""
    digest = raws.keep(RawMail(Listed(PLACE, 3), b"one"))
    raws.path(digest).unlink()
    raws.path(digest).mkdir()
    with pytest.raises(StoreError, match=f"^{raws.path(digest)}: "):
        raws.remove(digest)
