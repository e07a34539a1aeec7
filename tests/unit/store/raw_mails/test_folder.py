"""Raw bytes on disk: what one bad file and an interrupted fetch leave behind."""

import hashlib
import mmap
import os
import time
from pathlib import Path

import pytest
import structlog

from redmine_mailbridge.errors import RawMissing, StoreError
from redmine_mailbridge.model.mailbox import Listed, Location, RawMail
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.raw_mails.folder import RawFolder
from redmine_mailbridge.store.raw_mails.spool import clear_spool, sweep_spool, temporary_spool

PLACE = Location("desk", "INBOX", "1", "1")


@pytest.fixture
def raws(tmp_path: Path) -> RawFolder:
    """An empty folder of raw mails."""
    return RawFolder(tmp_path / "raw")


def spooled(raws: RawFolder, content: bytes) -> RawMail:
    """Given bytes, return a mail that lies in the spool."""
    path = raws.spool / "large.eml"
    path.write_bytes(content)
    return RawMail(Listed(PLACE, len(content)), path=path)


def test_one_bad_file_is_told_from_a_bad_disk(raws: RawFolder) -> None:
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
def test_a_mail_that_cannot_be_kept_leaves_nothing_in_the_spool(raws: RawFolder) -> None:
    """Whatever hinders the keeping, small or large: its file is removed, and the mail is fetched anew later."""
    for digest in (b"large", b"small"):
        in_the_way = raws.path(hashlib.sha256(digest).hexdigest()).parent
        in_the_way.write_bytes(b"no folder")
    with pytest.raises(StoreError):
        raws.keep(spooled(raws, b"large"))
    with pytest.raises(StoreError):
        raws.keep(RawMail(Listed(PLACE, 5), b"small"))
    assert [] == list(raws.spool.iterdir())


def test_the_spool_is_swept(raws: RawFolder) -> None:
    """What nobody has written to for an hour is removed; what is being written stays."""
    for name, age in (("orphan", 3700), ("young", 60)):
        path = raws.spool / name
        path.write_bytes(b"x")
        os.utime(path, (time.time() - age,) * 2)
    assert 1 == sweep_spool(raws.spool)
    assert ["young"] == [path.name for path in raws.spool.iterdir()]


def test_raw_mails_lie_in_folders_by_the_first_two_characters_of_their_digest(raws: RawFolder) -> None:
    """So that a version finds what another one kept, and no folder holds too many."""
    digest = raws.keep(RawMail(Listed(PLACE, 3), b"one"))
    assert hashlib.sha256(b"one").hexdigest() == digest
    assert b"one" == (raws.root / digest[:2] / f"{digest}.eml").read_bytes()


def test_no_folder(tmp_path: Path) -> None:
    """A folder of bytes that cannot be made is an error that names it and says why."""
    (tmp_path / "raw").write_bytes(b"a file")
    with pytest.raises(StoreError, match=f"^{tmp_path}/raw: File exists$"):
        RawFolder(tmp_path / "raw")


@pytest.mark.parametrize(("size", "kind"), [(256 * 1024 - 1, bytes), (256 * 1024, mmap.mmap)])
def test_large_is_mapped(raws: RawFolder, size: int, kind: type) -> None:
    """A message of 256 KiB or more is mapped, so that its bytes take no memory until they are looked at."""
    content = raws.read(raws.keep(RawMail(Listed(PLACE, size), b"a" * size)))
    assert kind is type(content)
    assert b"a" * size == bytes(content)


def test_private_folders(raws: RawFolder) -> None:
    """Every folder of bytes is its owner's alone."""
    digest = raws.keep(RawMail(Listed(PLACE, 3), b"one"))
    folders = (raws.root, raws.spool, raws.path(digest).parent)
    assert ["0o700"] * 3 == [oct(folder.stat().st_mode & 0o777) for folder in folders]


def test_no_spool(raws: RawFolder) -> None:
    """A spool that cannot be read is an error that names it."""
    raws.spool.rmdir()
    raws.spool.write_bytes(b"a file")
    with pytest.raises(StoreError, match=f"^{raws.spool}: Not a directory$"):
        sweep_spool(raws.spool)


def test_cleared(raws: RawFolder) -> None:
    """At the start of a service the spool is emptied, and stored bytes stay."""
    digest = raws.keep(RawMail(Listed(PLACE, 3), b"one"))
    spooled(raws, b"half")
    clear_spool(raws.spool)
    assert [] == list(raws.spool.iterdir())
    assert b"one" == raws.read(digest)


def test_the_folders_above(tmp_path: Path) -> None:
    """Folders above that of the bytes are made, and those that are there are used."""
    for _ in range(2):
        assert RawFolder(tmp_path / "new" / "raw").spool.is_dir()


def test_not_removable(tmp_path: Path) -> None:
    """A file that cannot be removed is not among those that are gone, and does not stop the others."""
    store = Store.open(f"sqlite:///{tmp_path}/store.db", tmp_path / "raw")
    one, two = (store.raw.here.put(content) for content in (b"one", b"two"))
    store.raw.path(one).unlink()
    store.raw.path(one).mkdir()
    with store.database.write() as db, structlog.testing.capture_logs() as logs:
        assert {two} == store.raw.remove(db, [one, two])
    assert [f"{store.raw.path(one)}: Is a directory"] == [line["reason"] for line in logs]
    store.close()


def test_a_spool_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store without a folder has its temporary files in one that only its user may access; another's is refused."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    spool = temporary_spool()
    assert (tmp_path, 0o700) == (spool.parent, spool.stat().st_mode & 0o777)
    assert spool == temporary_spool()
    spool.chmod(0o750)
    with pytest.raises(StoreError, match=f"^{spool}: is not a folder that only this user may access"):
        temporary_spool()
    spool.rmdir()
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    spool.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="is not a folder"):
        temporary_spool()
    spool.unlink()
    spool.write_text("a file")
    with pytest.raises(StoreError, match=r"is not a folder.*; remove it, or set TMPDIR"):
        temporary_spool()
