"""Mails whose bytes are gone, cannot be read, or do not fit: they stop nobody else, and leave nothing lying about."""

import os
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from redmine_mailbridge.errors import StoreFull
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.mailbox import Listed, RawMail
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.tasks.receive.fetch.fetcher import MailFetcher
from tests.memory_mailbox import MemoryMailbox, MemoryServer
from tests.product import mail, message_id_of
from tests.unit.tasks.fake_redmine import FakeRedmine, open_fake_redmine
from tests.unit.tasks.fetch_settings import fetch_settings

LARGE = b"x" * (2 << 20)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRedmine]:
    """A desk that gives up after three tries."""
    with open_fake_redmine(tmp_path, monkeypatch, max_attempts=3) as made:
        yield made


def subjects(fake: FakeRedmine) -> list[str]:
    """The subjects of the issues, sorted."""
    return sorted(issue["subject"] for issue in fake.issues)


def file_of(fake: FakeRedmine, number: int) -> Path:
    """Given a mail's place in the store, return its file."""
    with fake.application() as made:
        return made.store.raw.path(fake.rows()[number].raw or "")


def make_unreadable(path: Path) -> None:
    """Given a file, have nobody be able to read it, root neither."""
    path.unlink()
    path.mkdir()


@pytest.mark.fault("B4")
def test_one_file_that_cannot_be_read(fake: FakeRedmine) -> None:
    """Mails that wait go on although one of them cannot be read; that one is tried, and set aside with the reason."""
    fake.answers = [(502, ""), (502, ""), (502, "")]
    fake.server.append(mail("Bad block"), mail("Good"), mail("Good too"))
    fake.receive()
    bad = next(number for number, row in enumerate(fake.rows()) if row.subject == "Bad block")
    make_unreadable(file_of(fake, bad))
    fake.server.append(mail("New"))
    for _ in range(4):
        fake.receive()
    assert ["Good", "Good too", "New"] == subjects(fake)
    row = fake.rows()[bad]
    assert State.FAILED is row.state
    assert "failed after 3 attempts" in (row.reason or "")
    assert "cannot be read" in (row.reason or "")


def test_what_was_never_read_holds_no_reply_up(fake: FakeRedmine) -> None:
    """A reply waits for earlier mails that have not been read yet, not for one that could not be."""
    fake.server.append(mail("First"), mail("Unreadable"))
    with fake.application() as made:
        made.shared.breaker.record_failure()  # kept, and not looked at
        made.receivers[0].once()
        with made.store.database.write() as db:
            db.exec_driver_sql("UPDATE mail SET message_id = NULL")
    make_unreadable(file_of(fake, 1))
    fake.receive()
    fake.server.append(mail("Re: First", In_Reply_To="<unknown@example.com>"))
    fake.receive()
    assert ["First", "Re: First"] == subjects(fake)


@pytest.mark.parametrize("how", ["gone", "unreadable"])
def test_old_bytes_that_cannot_be_removed(fake: FakeRedmine, how: str) -> None:
    """Retention goes on behind a file that it cannot remove."""
    from redmine_mailbridge.store.raw_mails.retention import forget_raw

    fake.server.append(mail("One"), mail("Two"))
    fake.receive()
    first = file_of(fake, 0)
    make_unreadable(first)
    if how == "gone":
        first.rmdir()
    with fake.application() as made:
        assert (2 if how == "gone" else 1) == forget_raw(made.store, older_than=made.store.clock() + 10)
        assert 0 == forget_raw(made.store, older_than=made.store.clock() + 10)


class Watching(MemoryMailbox):
    """A mailbox that notes how much lies in the spool as it hands out mails; `full_after` so many the disk is full."""

    def __init__(self, server: MemoryServer, *, full_after: int = 1000) -> None:
        super().__init__(server)
        self.most = 0
        self._full_after = full_after

    def fetch(self, listed: Sequence[Listed], spool: Path, *, max_size: int) -> Iterator[RawMail]:
        for count, raw in enumerate(super().fetch(listed, spool, max_size=max_size)):
            if count == self._full_after:
                if raw.path is not None:
                    raw.path.unlink()
                raise StoreFull("no room for a mail")
            self.most = max(self.most, len(list(spool.iterdir())))
            yield raw


def intake(folder: Path, box: MemoryMailbox) -> MailFetcher:
    """Given a mailbox, return what brings its mail into a new store."""
    store = Store.open(f"sqlite:///{folder}/store.db", folder / "raw")
    return MailFetcher(box, fetch_settings(50 << 20), store, threading.Event())


@pytest.mark.fault("B5")
def test_large_mails_do_not_wait_for_each_other(tmp_path: Path) -> None:
    """Each large mail is kept before the next one is fetched: one file at a time lies in the spool."""
    server = MemoryServer()
    server.append(*(b"Subject: %d\r\n\r\n" % number + LARGE for number in range(4)))
    box = Watching(server)
    kept = [len(batch) for batch in intake(tmp_path, box).new("INBOX")]
    assert ([1, 1, 1, 1], 1) == (kept, box.most)


@pytest.mark.fault("B5")
def test_a_full_disk_leaves_nothing_in_the_spool(tmp_path: Path) -> None:
    """When the disk is full in the middle, what was fetched is kept, and the spool is empty."""
    server = MemoryServer()
    server.append(*(b"Subject: %d\r\n\r\n" % number + LARGE for number in range(4)))
    batches = intake(tmp_path, Watching(server, full_after=2)).new("INBOX")
    assert ["1", "2"] == [row.location.uid for batch in (next(batches), next(batches)) for row in batch]
    with pytest.raises(StoreFull):
        next(batches)
    assert [] == list((tmp_path / "raw" / "spool").iterdir())


@pytest.mark.fault("B5")
def test_the_spool_is_swept_while_it_runs(fake: FakeRedmine) -> None:
    """What was left in the spool is gone after the upkeep that the service does every hour, without a restart."""
    with fake.application() as made:
        orphan = made.store.raw.spool / "orphan.eml"
        orphan.write_bytes(LARGE)
        os.utime(orphan, (time.time() - 7200,) * 2)
        made.upkeep()
        assert not orphan.exists()


def test_ids_are_used(fake: FakeRedmine) -> None:
    """A reply to a mail whose bytes are gone is still known by its id."""
    first = mail("First")
    fake.server.append(first)
    fake.receive()
    file_of(fake, 0).unlink()
    fake.server.append(mail("Re: First", "Thanks.\n", In_Reply_To=message_id_of(first)))
    fake.receive()
    assert (1, 1) == (len(fake.issues), len(fake.issues[0]["journals"]))
