"""What the service reads of the spool, and what it leaves alone there."""

import contextlib
import dataclasses
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from redmine_mailbridge.errors import FolderMissing, MailboxUnreachable, MailUnreadable
from redmine_mailbridge.mailboxes.delivered import drop
from redmine_mailbridge.mailboxes.delivered.drop import folder_of
from redmine_mailbridge.mailboxes.delivered.folders import ABANDONED_AFTER
from redmine_mailbridge.mailboxes.delivered.mailbox import DeliveredMailbox
from redmine_mailbridge.mailboxes.delivered.preparation import prepare
from redmine_mailbridge.model.mailbox import Filing
from tests.mail_worlds import LIMIT, SpoolServer, letter, spool_config

NOBODY = 65534
NAME = f"{1:020d}.1.{'0' * 16}"


@pytest.fixture
def server(tmp_path: Path) -> SpoolServer:
    """A spool with one mailbox."""
    return SpoolServer(tmp_path / "spool")


def opened(server: SpoolServer, *known: str) -> DeliveredMailbox:
    """The mailbox, of a service that knows these UIDs."""
    return DeliveredMailbox(spool_config(server.spool), lambda uids: set(uids) & set(known))


def test_what_is_no_mail_is_left_alone(server: SpoolServer, tmp_path: Path) -> None:
    """Links, second names of a file, folders, pipes and files with other names are neither listed nor fetched nor
    removed, and hold nothing up.
    """
    secret = tmp_path / "secret"
    secret.write_bytes(b"Subject: a file of another user\n\n")
    names = [NAME[:-1] + digit for digit in "abcd"]
    (server.new / names[0]).symlink_to(secret)
    (server.new / names[1]).hardlink_to(secret)
    (server.new / names[2]).mkdir()
    os.mkfifo(server.new / names[3])
    for name in ("readme", ".hidden", f"{NAME}.eml", "cur", "1.2.host:2,S"):
        (server.new / name).write_bytes(letter(9))
    server.append(letter(1))
    box = opened(server)
    (mail,) = box.list_new("INBOX")
    assert 1 == box.state("INBOX").messages
    foreign = [dataclasses.replace(mail, location=dataclasses.replace(mail.location, uid=name)) for name in names]
    assert [letter(1)] == [raw.content for raw in box.fetch([*foreign, mail], tmp_path, max_size=LIMIT)]
    assert {Filing.GONE} == {box.delete(one.location) for one in foreign}
    assert {Filing.GONE} == {box.file(one.location, "Failed") for one in foreign if box.ensure_folder("Failed") or True}
    assert 10 == len(list(server.new.iterdir()))


@pytest.mark.parametrize("uid", ["../../secret", "/etc/passwd", "", ".", "..", f"../tmp/{NAME}", f"{NAME}\n", "a\0b"])
def test_a_uid_leads_nowhere_else(server: SpoolServer, tmp_path: Path, uid: str) -> None:
    """A UID that is not the name of a mail, from wherever, names nothing."""
    server.append(letter(1))
    box = opened(server)
    (mail,) = box.list_new("INBOX")
    location = dataclasses.replace(mail.location, uid=uid)
    assert [] == list(box.fetch([dataclasses.replace(mail, location=location)], tmp_path, max_size=LIMIT))
    assert (Filing.GONE, Filing.GONE) == (box.delete(location), box.mark(location))
    assert () == box.alike(dataclasses.replace(mail, location=location), "INBOX")


@pytest.mark.parametrize("folder", ["", "..", ".Failed", "tmp", "new", "cur", "a/b", "a\0b"])
def test_folders_lie_within_the_spool(server: SpoolServer, folder: str) -> None:
    """A folder that would lie elsewhere, or be that of new mails, is refused."""
    box = opened(server)
    with pytest.raises(FolderMissing):
        box.ensure_folder(folder)
    with pytest.raises(FolderMissing):
        box.state(folder)


def test_a_link_in_place_of_a_folder(server: SpoolServer, tmp_path: Path) -> None:
    """A link in place of `new` is not followed."""
    server.new.rmdir()
    (tmp_path / "elsewhere").mkdir()
    server.new.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(MailboxUnreachable, match="not a folder"):
        opened(server).connect()


def test_known_mails_are_not_listed_again(server: SpoolServer) -> None:
    """A mail that the store holds is not listed, nor waited for once it was seen."""
    server.append(letter(1), letter(2))
    first, second = opened(server).list_new("INBOX")
    box = opened(server, first.location.uid)
    assert [second.location] == [mail.location for mail in box.list_new("INBOX")]
    assert not box.wait("INBOX", 0.0)


def test_a_clock_set_back_loses_nothing(server: SpoolServer) -> None:
    """A mail with an earlier name than the last one that was read is new nevertheless."""
    server.append(letter(1))
    (first,) = opened(server).list_new("INBOX")
    (server.new / NAME).write_bytes(letter(2))
    box = opened(server, first.location.uid)
    assert [NAME] == [mail.location.uid for mail in box.list_new("INBOX", after=first.location.uid)]


def test_a_time_that_cannot_be(server: SpoolServer) -> None:
    """A file whose time lies beyond the calendar holds no other mail up."""
    server.append(letter(1), letter(2))
    (path, _) = sorted(server.new.iterdir())
    try:
        os.utime(path, (1e12, 1e12))
    except OSError:
        pytest.skip("this file system has no such times")
    if path.stat().st_mtime != 1e12:
        pytest.skip("this file system has no such times, and takes its latest one")  # ext4
    listed = opened(server).list_new("INBOX")
    assert (2, None) == (len(listed), listed[0].received_at)


@contextlib.contextmanager
def as_nobody(path: Path) -> Iterator[None]:
    """Given a path within the test's folder, act as a user without root's rights, who owns what lies below it."""
    if os.geteuid() != 0:
        yield
        return
    above = [(one, one.stat().st_mode & 0o7777) for one in path.parents if one != Path("/")]
    for one, mode in above:
        one.chmod(mode | 0o011)
    for one in (path, *path.rglob("*")):
        os.chown(one, NOBODY, NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        for one, mode in above:
            one.chmod(mode)


@pytest.mark.fault("A43-1")
def test_mails_that_cannot_be_read_hold_no_others_up(server: SpoolServer, tmp_path: Path) -> None:
    """Whoever may deliver can leave files that the service may not read, with names before and after those of the
    mails: the mails come first, and only then the error.
    """
    hidden = [f"{number:020d}.1.{'0' * 16}" for number in range(60)] + [f"{'9' * 20}.1.{'f' * 16}"]
    for name in hidden:
        (server.new / name).write_bytes(letter(9))
        (server.new / name).chmod(0)
    server.append(letter(1), letter(2))
    with as_nobody(server.spool):
        box = opened(server)
        listed = box.list_new("INBOX", limit=50)
        fetched = box.fetch(listed, tmp_path, max_size=LIMIT)
        assert [letter(1), letter(2)] == [next(fetched).content, next(fetched).content]
        with pytest.raises(MailUnreadable, match="Permission denied"):
            next(fetched)


def test_a_filed_mail_keeps_its_name(server: SpoolServer, tmp_path: Path) -> None:
    """A mail that was moved is found in its folder by its name, and comes from there."""
    server.append(letter(1), letter(2))
    box = opened(server)
    first, second = box.list_new("INBOX")
    assert box.ensure_folder("Failed")
    assert Filing.MOVED is box.file(second.location, "Failed")
    (place,) = box.alike(second, "Failed")
    assert () == box.alike(first, "Failed")
    moved = dataclasses.replace(second, location=place)
    assert [letter(2)] == [raw.content for raw in box.fetch([moved], tmp_path, max_size=LIMIT)]
    assert ("INBOX", "Failed") == box.folders()


def test_what_dead_processes_left_is_removed(server: SpoolServer) -> None:
    """Only the service removes a half mail, and only one that nobody has written to for a day and a half."""
    tmp = server.new.with_name("tmp")
    old, young = tmp / "old", tmp / "young"
    old.write_bytes(b"Subj")
    young.write_bytes(b"Subj")
    os.utime(old, (time.time() - ABANDONED_AFTER - 60,) * 2)
    DeliveredMailbox(spool_config(server.spool)).connect()
    assert old.exists()
    opened(server).connect()
    assert (False, True) == (old.exists(), young.exists())


def test_a_missing_spool_is_named(tmp_path: Path) -> None:
    """Without the folder of the mailbox the error names it and says what creates it; nothing is created."""
    box = DeliveredMailbox(spool_config(tmp_path / "spool"))
    with pytest.raises(MailboxUnreachable, match=r"support@example\.com.*the service creates it"):
        box.connect()
    assert not (tmp_path / "spool").exists()


def test_a_spool_that_cannot_be_made(tmp_path: Path) -> None:
    """If the service cannot prepare the spool, the mailbox is unreachable, with the reason."""
    (tmp_path / "spool").write_bytes(b"a file")
    box = DeliveredMailbox(spool_config(tmp_path / "spool", prepare=lambda: prepare(tmp_path / "spool", {})))
    with pytest.raises(MailboxUnreachable, match="File exists"):
        box.connect()


def test_after_a_cut_nothing_begins(server: SpoolServer) -> None:
    """When the service ends, a wait ends and no other pass begins."""
    box = opened(server)
    box.list_new("INBOX")
    box.cut()
    assert not box.wait("INBOX", 60)
    with pytest.raises(MailboxUnreachable):
        box.connect()


@pytest.mark.fault("A43-8")
@pytest.mark.skipif(os.geteuid() != 0, reason="is what root does")
def test_what_root_makes_belongs_to_the_service(tmp_path: Path) -> None:
    """A command that root runs, as it may with PostgreSQL, leaves no folder that the service could not use."""
    spool = tmp_path / "spool"
    spool.mkdir()
    os.chown(spool, NOBODY, NOBODY)
    assert opened(SpoolServer(spool)).ensure_folder("Failed")
    folders = [path for path in spool.rglob("*") if path.is_dir()]
    assert 4 == len(folders)
    assert {(NOBODY, NOBODY)} == {(path.stat().st_uid, path.stat().st_gid) for path in folders}


@pytest.mark.parametrize(
    ("address", "folder"),
    [
        ("Support@Example.com", "support@example.com"),
        (".a@example.com", "%2Ea@example.com"),
        ("a/b@example.com", "a%2Fb@example.com"),
        ("grüße@example.com", "gr%C3%BC%C3%9Fe@example.com"),
        ("50%2F@example.com", "50%252f@example.com"),
    ],
)
def test_the_folder_of_an_address(address: str, folder: str) -> None:
    """An address has a folder of its own, whatever letters it has."""
    assert folder == folder_of(address)


def test_the_index_is_written_once(tmp_path: Path) -> None:
    """The index is written when it changes, readable for all, and what it says is read."""
    index: dict[str, dict[str, object]] = {"a": {"folder": "a@b", "addresses": ["a@b"], "max_size": 9}}
    umask = os.umask(0o077)
    try:
        prepare(tmp_path / "spool", index)
        path = tmp_path / "spool" / drop.INDEX
        before = path.stat()
        prepare(tmp_path / "spool", index)
        assert before.st_ino == path.stat().st_ino
        assert (0o644, index) == (before.st_mode & 0o777, drop.read_index(str(tmp_path / "spool")))
        prepare(tmp_path / "spool", index | {"c": {"folder": None, "addresses": ["c@d"], "max_size": 9}})
        assert {"a", "c"} == drop.read_index(str(tmp_path / "spool")).keys()
        assert {"a@b", drop.INDEX} == {one.name for one in (tmp_path / "spool").iterdir()}
    finally:
        os.umask(umask)
