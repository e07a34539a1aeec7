"""The contract of mailboxes, on a server in memory and on a real Dovecot over IMAP and POP3."""

import dataclasses
import datetime as dt
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from redmine_mailbridge import side_effects
from redmine_mailbridge.errors import FolderMissing
from redmine_mailbridge.mailboxes.contract import Mailbox
from redmine_mailbridge.model.mailbox import Filing, Listed
from tests.mail_worlds import LIMIT, World, graph_world, imap_world, letter, memory_world, pop3_world, spool_world
from tests.servers.dovecot import Mail
from tests.servers.graph import graph_server

BY_SERVER = {r"\Recent", "$HasAttachment", "$HasNoAttachment"}
"""Flags that the server sets by itself."""


class MailboxContract:
    """What every kind of mailbox does; the kinds are below."""

    @pytest.fixture
    def box(self, world: World) -> Iterator[Mailbox]:
        """A mailbox of each kind, empty."""
        found = world.another()
        yield found
        found.close()

    def test_an_empty_folder_lists_nothing(self, box: Mailbox) -> None:
        """An empty folder has a state and no mails."""
        assert 0 == box.state("INBOX").messages
        assert () == box.list_new("INBOX")

    def test_mails_are_listed_oldest_first_with_true_sizes(self, world: World, box: Mailbox) -> None:
        """What is listed names every mail once, lowest UID first, with its size in bytes."""
        world.server.append(letter(1), letter(2, 4096), letter(3))
        listed = box.list_new("INBOX")
        assert [len(letter(1)), len(letter(2, 4096)), len(letter(3))] == [mail.size for mail in listed]
        uids = [world.number(mail.location.uid) for mail in listed]
        assert sorted(set(uids)) == uids

    def test_only_what_is_above_the_known_is_listed(self, world: World, box: Mailbox) -> None:
        """A listing above the last known UID names the new mails, and nothing when there are none."""
        world.server.append(letter(1), letter(2))
        last = box.list_new("INBOX")[-1].location.uid
        assert () == box.list_new("INBOX", after=last)
        world.server.append(letter(3))
        assert [len(letter(3))] == [mail.size for mail in box.list_new("INBOX", after=last)]

    def test_news_told_in_passing_is_not_lost(self, world: World, box: Mailbox, tmp_path: Path) -> None:
        """A mail that comes while others are fetched, searched for or removed is in the next listing."""
        world.server.append(letter(1), letter(2))
        first, second = box.list_new("INBOX")
        last = second
        acts: list[Callable[[], object]] = [
            lambda: list(box.fetch([second], tmp_path, max_size=LIMIT)),
            lambda: box.find("INBOX", "letter-1@example.com"),
            lambda: box.delete(first.location),
            lambda: box.mark(second.location),
        ]
        for number, act in enumerate(acts):
            world.server.append(letter(number, 16 * number))
            act()
            (last,) = box.list_new("INBOX", after=last.location.uid, limit=10)
            assert len(letter(number, 16 * number)) == last.size

    def test_a_limit_takes_the_oldest(self, world: World, box: Mailbox) -> None:
        """With a limit, the oldest are listed, so that the rest come with the next listing."""
        world.server.append(*(letter(number) for number in range(5)))
        first = box.list_new("INBOX", limit=2)
        rest = box.list_new("INBOX", after=first[-1].location.uid, limit=10)
        assert (2, 3) == (len(first), len(rest))
        assert world.number(first[-1].location.uid) < world.number(rest[0].location.uid)

    def test_bytes_come_as_they_are_and_in_order(self, world: World, box: Mailbox, tmp_path: Path) -> None:
        """Every byte comes as it was delivered: 8-bit bytes, NUL-free junk, lone quotes and braces, an empty mail."""
        mails = [letter(1), b'Subject: \xff\xfe {12}\r\n\r\n) " \\ {3}\r\n', letter(2, 300_000), b"\r\n", letter(3)]
        world.server.append(*mails)
        fetched = list(box.fetch(box.list_new("INBOX"), tmp_path, max_size=LIMIT))
        assert mails == [mail.content for mail in fetched]
        assert [False] * 5 == [mail.truncated for mail in fetched]

    def test_fetching_marks_nothing(self, world: World, box: Mailbox, tmp_path: Path) -> None:
        """A mail that was fetched is as unseen as before."""
        world.server.append(letter(1))
        list(box.fetch(box.list_new("INBOX"), tmp_path, max_size=LIMIT))
        assert [frozenset()] == [flags - BY_SERVER for _, flags, _ in world.server.contents()]

    def test_a_large_mail_comes_as_a_file(self, world: World, box: Mailbox, tmp_path: Path) -> None:
        """A mail of several megabytes lies in a new file in the spool, byte for byte; small ones come in memory."""
        mails = [letter(1), letter(2, 5 << 20), letter(3)]
        world.server.append(*mails)
        small, large, after = box.fetch(box.list_new("INBOX"), tmp_path, max_size=LIMIT)
        assert (mails[0], mails[2]) == (small.content, after.content)
        assert large.path is not None
        assert large.path.parent == tmp_path
        assert mails[1] == large.path.read_bytes()

    def test_above_the_limit_only_the_beginning_comes(self, world: World, box: Mailbox, tmp_path: Path) -> None:
        """Of a mail above the limit only the first 256 KiB come, its true size is known, and no file is left."""
        world.server.append(letter(1, 2 << 20), letter(2))
        large, small = box.fetch(box.list_new("INBOX"), tmp_path, max_size=1 << 20)
        assert (letter(1, 2 << 20)[: 256 << 10], True) == (large.content, large.truncated)
        assert len(letter(1, 2 << 20)) == large.listed.size
        assert (letter(2), False) == (small.content, small.truncated)
        assert [] == list(tmp_path.iterdir())

    def test_a_vanished_mail_is_left_out(self, world: World, box: Mailbox, tmp_path: Path) -> None:
        """A mail that is removed between listing and fetching is left out, small or large, and the others come."""
        world.server.append(letter(1), letter(2), letter(3, 2 << 20), letter(4))
        listed = box.list_new("INBOX")
        world.server.remove(world.number(listed[1].location.uid))
        world.server.remove(world.number(listed[2].location.uid))
        assert [letter(1), letter(4)] == [mail.content for mail in box.fetch(listed, tmp_path, max_size=LIMIT)]
        assert [] == list(tmp_path.iterdir())

    def test_filing_where_it_lies_keeps_it(self, world: World, box: Mailbox) -> None:
        """A mail that is to be moved to the folder in which it lies stays there, under its UID."""
        world.server.append(letter(1))
        location = box.list_new("INBOX")[0].location
        assert Filing.KEPT is box.file(location, "inbox")
        assert location == box.list_new("INBOX")[0].location

    def test_a_mail_of_another_validity_is_gone(self, world: World, box: Mailbox, tmp_path: Path) -> None:
        """A location under another validity names nothing: it is not fetched, not moved, not removed."""
        world.server.append(letter(1))
        listed = box.list_new("INBOX")[0]
        other = Listed(dataclasses.replace(listed.location, uid_validity="12345"), listed.size)
        assert [] == list(box.fetch([other], tmp_path, max_size=LIMIT))
        assert (Filing.GONE, Filing.GONE) == (box.delete(other.location), box.mark(other.location))
        box.close()
        assert 1 == len(world.server.contents())

    def test_deleting_removes_one(self, world: World, box: Mailbox) -> None:
        """A deleted mail is gone, the others stay, and deleting it again says so."""
        world.server.append(letter(1), letter(2))
        location = box.list_new("INBOX")[0].location
        assert (Filing.DELETED, Filing.GONE) == (box.delete(location), box.delete(location))
        assert [location] != [mail.location for mail in box.list_new("INBOX")]
        box.close()
        assert [letter(2)] == [raw for _, _, raw in world.server.contents()]

    def test_the_inbox_is_not_emptied(self, box: Mailbox) -> None:
        """The server does not remove by itself what lies in the inbox."""
        assert not box.empties("INBOX")

    def test_a_missing_folder_is_named(self, world: World, box: Mailbox) -> None:
        """Opening, or filing to, a folder that does not exist says so with its name, and changes nothing."""
        world.server.append(letter(1))
        with pytest.raises(FolderMissing, match="Nowhere"):
            box.state("Nowhere")
        with pytest.raises(FolderMissing, match="Nowhere"):
            box.file(box.list_new("INBOX")[0].location, "Nowhere")
        assert 1 == len(world.server.contents())

    def test_a_name_that_cannot_be_is_refused(self, box: Mailbox) -> None:
        """A name with a NUL byte cannot be made, and the mailbox goes on."""
        with pytest.raises(FolderMissing):
            box.ensure_folder("a\0b")
        assert 0 == box.state("INBOX").messages

    def test_a_message_id_is_found_exactly(self, world: World, box: Mailbox) -> None:
        """A search by Message-ID finds the mails with exactly that one, and not those with a longer one."""
        world.server.append(
            letter(1),
            letter(11),
            b"Message-ID:\r\n <letter-1@example.com>\r\nSubject: folded\r\n\r\n",
            b"Subject: mentions it\r\nReferences: <letter-1@example.com>\r\n\r\n",
        )
        one, _, folded, _ = (mail.location.uid for mail in box.list_new("INBOX"))
        assert (one, folded) == box.find("INBOX", "letter-1@example.com")
        assert () == box.find("INBOX", "letter-1")
        assert () == box.find("INBOX", 'odd"quote\\@example.com')

    def test_message_ids_are_told_on_one_line(self, world: World, box: Mailbox) -> None:
        """Of the mails of a folder the Message-ID fields are told; one that has none, or is gone, is left out."""
        world.server.append(
            letter(1),
            b"Message-ID:\r\n <folded@example.com>\r\nSubject: x\r\n\r\n",
            b"Subject: none\r\n\r\n",
            letter(2),
        )
        listed = box.list_new("INBOX")
        world.server.remove(world.number(listed[3].location.uid))
        told = box.message_ids(listed)
        assert {listed[0].location.uid, listed[1].location.uid} == told.keys() - {listed[3].location.uid}
        assert "<letter-1@example.com>" == told[listed[0].location.uid]
        assert "<folded@example.com>" == told[listed[1].location.uid]
        other = Listed(dataclasses.replace(listed[0].location, uid_validity="12345"), 1)
        assert {} == box.message_ids([other])
        assert {} == box.message_ids([])

    def test_a_mail_that_came_before_the_wait_ends_it(self, world: World, box: Mailbox) -> None:
        """A mail that came between the listing and the wait is not waited for."""
        box.list_new("INBOX")
        world.server.append(letter(1))
        started = time.monotonic()
        assert box.wait("INBOX", 60)
        assert time.monotonic() - started < 20

    def test_a_wait_can_be_interrupted(self, box: Mailbox) -> None:
        """Another thread ends a wait, also one that has not begun yet, and the mailbox goes on."""
        box.list_new("INBOX")
        started = time.monotonic()
        box.interrupt()
        assert not box.wait("INBOX", 60)
        thread = threading.Timer(0.2, box.interrupt)
        thread.start()
        assert not box.wait("INBOX", 60)
        assert time.monotonic() - started < 20
        thread.join()
        assert () == box.list_new("INBOX")

    def test_a_wait_ends_with_its_time(self, box: Mailbox) -> None:
        """A wait in which nothing comes ends with False when its time is over."""
        box.list_new("INBOX")
        assert not box.wait("INBOX", 0.3)

    def test_a_closed_mailbox_opens_again(self, world: World, box: Mailbox) -> None:
        """After `close` the mailbox connects anew by itself; closing twice is no error."""
        world.server.append(letter(1))
        assert 1 == len(box.list_new("INBOX"))
        box.close()
        box.close()
        assert 1 == len(box.list_new("INBOX"))


class FolderContract(MailboxContract):
    """What a mailbox does besides when its server has folders and keywords, and speaks up when a mail comes."""

    def test_a_moved_mail_is_there_and_not_here(self, world: World, box: Mailbox) -> None:
        """A filed mail lies in the other folder, unseen, byte for byte, and the others stay."""
        world.server.append(letter(1), letter(2))
        box.ensure_folder("Processed")
        first = box.list_new("INBOX")[0]
        assert Filing.MOVED is box.file(first.location, "Processed")
        assert [letter(2)] == [raw for _, _, raw in world.server.contents()]
        assert [(frozenset(), letter(1))] == [(f - BY_SERVER, raw) for _, f, raw in world.server.contents("Processed")]

    def test_when_a_mail_came(self, world: World, box: Mailbox) -> None:
        """A listing says when the server received a mail, with its zone."""
        world.server.append(letter(1))
        (mail,) = box.list_new("INBOX")
        assert mail.received_at is not None
        assert mail.received_at.tzinfo is not None
        assert abs((dt.datetime.now(dt.UTC) - mail.received_at).total_seconds()) < 600

    def test_a_mail_of_another_validity_is_not_moved(self, world: World, box: Mailbox) -> None:
        """A location under another validity is not moved."""
        world.server.append(letter(1))
        box.ensure_folder("Processed")
        location = dataclasses.replace(box.list_new("INBOX")[0].location, uid_validity="12345")
        assert Filing.GONE is box.file(location, "Processed")
        assert 1 == len(world.server.contents())

    def test_filing_twice_says_gone(self, world: World, box: Mailbox) -> None:
        """A mail that is not there any more is GONE, and what was filed is there once."""
        world.server.append(letter(1))
        box.ensure_folder("Processed")
        location = box.list_new("INBOX")[0].location
        assert (Filing.MOVED, Filing.GONE) == (box.file(location, "Processed"), box.file(location, "Processed"))
        assert 1 == len(world.server.contents("Processed"))

    def test_a_moved_mail_is_known_again(self, world: World, box: Mailbox, tmp_path: Path) -> None:
        """A mail that was moved is found in its new folder as it was once listed, and comes from there; no other is."""
        world.server.append(letter(1), letter(2, 4096))
        box.ensure_folder("Processed")
        first, second = box.list_new("INBOX")
        assert Filing.MOVED is box.file(second.location, "Processed")
        places = box.alike(second, "Processed")
        mails = [Listed(place, second.size, second.received_at) for place in places]
        assert [letter(2, 4096)] == [mail.content for mail in box.fetch(mails, tmp_path, max_size=LIMIT)]
        other = dataclasses.replace(second, received_at=dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
        assert ((), ()) == (
            box.alike(other, "Processed"),
            box.alike(dataclasses.replace(other, received_at=None), "INBOX"),
        )
        with pytest.raises(FolderMissing, match="Nowhere"):
            box.alike(first, "Nowhere")

    def test_filing_for_the_first_time_or_again(self, world: World, box: Mailbox) -> None:
        """Whether it is said that nobody has tried before or not, a mail is moved, once."""
        world.server.append(letter(1), letter(2))
        box.ensure_folder("Processed")
        first, second = box.list_new("INBOX")
        assert Filing.MOVED is box.file(first.location, "Processed", first=True)
        assert Filing.MOVED is box.file(second.location, "Processed", first=False)
        assert [letter(1), letter(2)] == [raw for _, _, raw in world.server.contents("Processed")]

    def test_a_marked_mail_stays_and_is_listed_no_more(self, world: World, box: Mailbox) -> None:
        """A mail that is kept carries the keyword, stays unseen, and a listing from the beginning leaves it out."""
        world.server.append(letter(1), letter(2))
        first, second = box.list_new("INBOX")
        assert Filing.KEPT is box.mark(first.location)
        assert [second.location] == [mail.location for mail in box.list_new("INBOX")]
        assert {"$MailbridgeDone"} == world.server.contents()[0][1] - BY_SERVER

    def test_folders_are_made_once(self, box: Mailbox) -> None:
        """A missing folder is made, and then it is there; INBOX is always there."""
        assert (True, False) == (box.ensure_folder("Processed"), box.ensure_folder("Processed"))
        assert not box.ensure_folder("INBOX")
        assert "Processed" in box.folders()

    @pytest.mark.parametrize(
        "folder",
        [
            "Erledigt/Größe",
            "処理済み",
            'a "quoted" one',
            "back\\slash",
            "[bracket",
            "R&D",
            "50% * of it",
            "inbox/errors",
        ],
    )
    def test_folders_of_any_name(self, world: World, box: Mailbox, folder: str) -> None:
        """A folder's name may be in any script and hold quotes, backslashes, brackets, ampersands and wildcards."""
        world.server.append(letter(1))
        assert box.ensure_folder(folder)
        assert not box.ensure_folder(folder)
        assert folder.replace("inbox/", "INBOX/") in box.folders()
        assert Filing.MOVED is box.file(box.list_new("INBOX")[0].location, folder)
        moved = box.list_new(folder)
        assert [folder] == [mail.location.folder for mail in moved]

    def test_waiting_ends_with_a_new_mail(self, world: World, box: Mailbox) -> None:
        """A wait ends with True when a mail comes, long before its time is over."""
        box.list_new("INBOX")
        thread = threading.Timer(0.2, world.server.append, args=(letter(1),))
        thread.start()
        started = time.monotonic()
        assert box.wait("INBOX", 60)
        assert time.monotonic() - started < 20
        thread.join()

    def test_every_change_is_inside_an_effect(
        self, world: World, box: Mailbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Making a folder and filing a mail are announced before and after, so that the crash suite finds them."""
        seen: list[tuple[side_effects.SideEffect, side_effects.Moment]] = []
        world.server.append(letter(1))
        monkeypatch.setattr(side_effects, "_watchers", [lambda which, moment: seen.append((which, moment))])
        box.ensure_folder("Processed")
        box.file(box.list_new("INBOX")[0].location, "Processed")
        made, moved = side_effects.SideEffect.MAKE_FOLDER, side_effects.SideEffect.MOVE
        assert [(made, "before"), (made, "after"), (moved, "before"), (moved, "after")] == seen


class TestMemory(FolderContract):
    """The server in memory."""

    @pytest.fixture
    def world(self) -> World:
        """A new server."""
        return memory_world()


class TestGraph(FolderContract):
    """Graph as its documentation describes it, in this process."""

    @pytest.fixture
    def world(self) -> Iterator[World]:
        """A new account."""
        with graph_server() as server:
            yield graph_world(server)


class TestDelivered(MailboxContract):
    """The spool of `deliver`: the claims that need neither keywords nor folders of any name."""

    @pytest.fixture
    def world(self, tmp_path: Path) -> World:
        """A new spool."""
        return spool_world(tmp_path.with_name(f"{tmp_path.name}-spool"))

    test_waiting_ends_with_a_new_mail = FolderContract.test_waiting_ends_with_a_new_mail
    test_a_moved_mail_is_there_and_not_here = FolderContract.test_a_moved_mail_is_there_and_not_here
    test_when_a_mail_came = FolderContract.test_when_a_mail_came
    test_a_mail_of_another_validity_is_not_moved = FolderContract.test_a_mail_of_another_validity_is_not_moved
    test_filing_twice_says_gone = FolderContract.test_filing_twice_says_gone
    test_filing_for_the_first_time_or_again = FolderContract.test_filing_for_the_first_time_or_again
    test_folders_are_made_once = FolderContract.test_folders_are_made_once
    test_every_change_is_inside_an_effect = FolderContract.test_every_change_is_inside_an_effect


@pytest.mark.real
class TestPop3(MailboxContract):
    """Dovecot over POP3 with TLS: the claims that need neither folders nor a server that speaks up."""

    @pytest.fixture
    def world(self, dovecot: Mail) -> World:
        """A new account."""
        return pop3_world(dovecot)


@pytest.mark.real
class TestImap(FolderContract):
    """Dovecot over IMAP with TLS."""

    @pytest.fixture
    def world(self, dovecot: Mail) -> World:
        """A new account."""
        return imap_world(dovecot)
