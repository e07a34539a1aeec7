"""What a pass asks of the server: each mail is listed and named as often as is needed, and not once more."""

import datetime as dt
import os
import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from redmine_mailbridge.mailboxes.delivered.mailbox import DeliveredMailbox
from redmine_mailbridge.model.mailbox import Listed
from redmine_mailbridge.model.stored_mail import Cursor
from redmine_mailbridge.settings.first_sync import StartSettings
from redmine_mailbridge.settings.mailbox import MailboxSettings
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.tasks.receive.fetch.fetch_each import CHUNK
from redmine_mailbridge.tasks.receive.fetch.fetcher import MailFetcher, StartUndecided, TooManyNewMails
from tests.mail_worlds import SpoolServer, letter, spool_config
from tests.memory_mailbox import MemoryMailbox, MemoryServer
from tests.unit.tasks.fetch_settings import fetch_settings

LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


class Counting(MemoryMailbox):
    """Counts how often it lists mails, and how often it is asked for Message-IDs."""

    listed = named = 0

    def list_new(self, folder: str, *, after: str | None = None, limit: int | None = None) -> tuple[Listed, ...]:
        self.listed += 1
        return super().list_new(folder, after=after, limit=limit)

    def message_ids(self, listed: Sequence[Listed]) -> dict[str, str]:
        self.named += 1
        return super().message_ids(listed)


class Unordered(MemoryMailbox):
    """A maildrop: what is new is not told by the number."""

    in_order = False

    def list_new(self, folder: str, *, after: str | None = None, limit: int | None = None) -> tuple[Listed, ...]:
        return super().list_new(folder, limit=limit)


class Timeless(MemoryMailbox):
    """A server that does not say when a mail came."""

    def list_new(self, folder: str, *, after: str | None = None, limit: int | None = None) -> tuple[Listed, ...]:
        listed = super().list_new(folder, after=after, limit=limit)
        return tuple(replace(one, received_at=None) for one in listed)


def letters(count: int) -> list[bytes]:
    return [f"Subject: {number}\r\nMessage-ID: <{number}@x.example>\r\n\r\n".encode() for number in range(count)]


def fetcher(mailbox: MemoryMailbox, store: Store, *, files_at_the_end: bool = False, **start: Any) -> MailFetcher:
    given = StartSettings.model_validate({"start_from": "all", "max_new_mails": 0} | start)
    reading = fetch_settings(1 << 20, start=given, files_at_the_end=files_at_the_end)
    return MailFetcher(mailbox, reading, store, threading.Event())


def uids(made: MailFetcher) -> list[str]:
    return [row.location.uid for batch in made.new("INBOX") for row in batch]


@pytest.mark.parametrize(("count", "words"), [(1, "INBOX contains 1 mail, and"), (2, "INBOX contains 2 mails, and")])
def test_the_question_says_how_many_mails_lie_there(store: Store, count: int, words: str) -> None:
    server = MemoryServer()
    server.append(*letters(count))
    with pytest.raises(StartUndecided) as error:
        uids(fetcher(MemoryMailbox(server), store, start_from=None))
    assert str(error.value).startswith(words)
    assert 'or start_from = "now"' in str(error.value)


def test_where_no_time_of_receipt_is_known_the_question_leaves_one_answer(store: Store) -> None:
    """What lies there and what comes cannot be told apart: it is moved away, or all of it is imported."""
    server = MemoryServer()
    server.append(*letters(2))
    with pytest.raises(StartUndecided) as error:
        uids(fetcher(Timeless(server), store, start_from=None))
    assert 'start_from = "all"' in str(error.value)
    assert 'start_from = "now"' not in str(error.value)
    assert "first move away the mail that is not to be imported" in str(error.value)


@pytest.mark.parametrize("files_at_the_end", [False, True])
def test_one_pass_reads_all_chunks(store: Store, files_at_the_end: bool) -> None:
    """Also where nothing is filed before the end, so that the mails of the last chunk are still listed."""
    server = MemoryServer()
    server.append(*letters(2 * CHUNK + 1))
    made = fetcher(MemoryMailbox(server), store, files_at_the_end=files_at_the_end)
    assert 2 * CHUNK + 1 == len(uids(made))


@pytest.mark.parametrize("left", [1, 30])
def test_mails_that_are_left_lying_are_passed_by_at_once(store: Store, left: int) -> None:
    """However many there are behind the last one that is taken."""
    server = MemoryServer()
    server.append(*letters(1 + left))
    for uid in range(2, 2 + left):
        server.folders["INBOX"].mails[uid].received_at = LONG_AGO
    mailbox = Counting(server)
    assert ["1"] == uids(fetcher(mailbox, store, start_from="2026-01-10"))
    assert 4 == mailbox.listed, "at first, all of them, those behind the first one, and those behind all"
    cursor = store.cursor("memory", "INBOX")
    assert cursor is not None
    assert str(1 + left) == cursor.uid


def test_the_names_of_too_many_mails_are_asked_for_once(store: Store) -> None:
    """Each pass says that they are too many; the server is asked again when there are more."""
    server = MemoryServer()
    mailbox = Counting(server)
    made = fetcher(mailbox, store, max_new_mails=2)
    assert [] == uids(made)
    server.append(*letters(3))
    for asked, new in ((1, "3 new"), (1, "3 new"), (2, "4 new")):
        if asked == 2:
            server.append(b"Message-ID: <more@x.example>\r\n\r\n")
        with pytest.raises(TooManyNewMails, match=new):
            uids(made)
        assert asked == mailbox.named


def test_a_maildrop_whose_mails_were_left_lying_before_that_was_noted(store: Store) -> None:
    """What lay there at the beginning stays, and is noted: it stays also when the settings say otherwise later."""
    server = MemoryServer()
    server.append(*letters(2))
    for kept in server.folders["INBOX"].mails.values():
        kept.received_at = LONG_AGO
    assert [] == uids(fetcher(Unordered(server), store, start_from="2026-01-10", files_at_the_end=True))
    with store.database.write() as db:
        db.exec_driver_sql("DELETE FROM left_lying")
    server.append(b"Subject: new\r\n\r\n")
    made = fetcher(Unordered(server), store, start_from="2026-01-10", files_at_the_end=True)
    assert ["3"] == uids(made)
    assert {"1", "2"} == store.left("memory", "INBOX")


def test_what_a_maildrop_left_lying_is_not_judged_again(store: Store) -> None:
    """A mail whose time of receipt the server reports otherwise later stays where it was left."""
    server = MemoryServer()
    server.append(*letters(2))
    server.folders["INBOX"].mails[1].received_at = LONG_AGO
    taken = uids(fetcher(Unordered(server), store, start_from="2026-01-10", files_at_the_end=True))
    assert ["2"] == taken
    server.remove(2)
    server.folders["INBOX"].mails[1].received_at = dt.datetime.now(dt.UTC)
    assert [] == uids(fetcher(Unordered(server), store, start_from="2026-01-10", files_at_the_end=True))
    assert {"1"} == store.left("memory", "INBOX")


@pytest.mark.parametrize(("later", "expected"), [(0.5, {"4"}), (1, {"3", "4"}), (3600, {"3", "4"})])
def test_a_number_that_another_mail_has_after_a_restore(store: Store, later: float, expected: set[str]) -> None:
    """The folder was put back from a backup that lacked the last mail, and its number was given again: it is told by
    the time of receipt, in seconds, with the mails before it still there.
    """
    server = MemoryServer()
    server.append(*letters(3))
    assert 3 == len(uids(fetcher(MemoryMailbox(server), store)))
    received_at = server.folders["INBOX"].mails[3].received_at
    server.remove(3)
    server.folders["INBOX"].uid_next = 3
    server.append(b"Subject: in its place\r\n\r\n", b"Subject: new\r\n\r\n")
    server.folders["INBOX"].mails[3].received_at = received_at + dt.timedelta(seconds=later)
    assert expected == {"3", "4"} & set(uids(fetcher(MemoryMailbox(server), store)))


@pytest.mark.fault("A43-2")
@pytest.mark.parametrize("begun", [True, False])
def test_what_was_delivered_is_new_however_old_it_is(store: Store, tmp_path: Path, begun: bool) -> None:
    """A mailbox that was read by IMAP from a day on, and is one of `deliver` now, takes also what was delivered before
    that day: its mail server has forgotten that mail.
    """
    spool = SpoolServer(tmp_path)
    if begun:
        store.begin_folder("support", "INBOX", Cursor("77", "5"), until=None, left=(), taken_from=time.time())
    spool.append(letter(1), letter(2))
    for path in spool.new.iterdir():
        os.utime(path, (LONG_AGO.timestamp(),) * 2)
    given = {"address": "support@example.com", "protocol": "deliver", "host": "localhost", "security": "none"}
    box = MailboxSettings.model_validate(given | {"issue": {"project": "p"}})

    def known(uids: Sequence[str]) -> Collection[str]:
        return store.known("support", None, uids, uid_validity="deliver")

    mailbox = DeliveredMailbox(spool_config(spool.spool), known)
    made = MailFetcher(mailbox, fetch_settings(1 << 20, start=box), store, threading.Event())
    assert sorted(path.name for path in spool.new.iterdir()) == uids(made)
    assert [] == uids(made)
