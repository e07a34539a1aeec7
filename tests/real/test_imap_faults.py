"""What a real Dovecot, and a connection that breaks, do to a mailbox over IMAP: nothing is lost and nothing doubled."""

import dataclasses
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from redmine_mailbridge.errors import FilingRefused, FolderMissing, LoginRefused, MailboxError, MailboxUnreachable
from redmine_mailbridge.mailboxes.imap.mailbox import ImapMailbox
from redmine_mailbridge.model.mailbox import Filing, Security
from tests.mail_worlds import LIMIT, DovecotAccount, config, dovecot_account, letter
from tests.servers.dovecot import Mail
from tests.servers.proxy import Fault, FaultProxy

pytestmark = pytest.mark.real


@pytest.fixture
def box(account: DovecotAccount) -> Iterator[ImapMailbox]:
    """A mailbox straight on Dovecot."""
    found = ImapMailbox(config(account))
    yield found
    found.close()


@pytest.fixture
def through(account: DovecotAccount, imap_proxy: FaultProxy) -> Iterator[ImapMailbox]:
    """A mailbox through the proxy."""
    found = ImapMailbox(config(account, port=imap_proxy.port, timeout=5.0))
    yield found
    found.close()


def without(box: ImapMailbox, *capabilities: str) -> None:
    """Given capabilities, let the mailbox believe that the server has them not."""
    box.session.capabilities -= set(capabilities)


def test_a_refused_connection_is_later(through: ImapMailbox, imap_proxy: FaultProxy) -> None:
    """A server that takes no connections is unreachable, with the reason, and is used again when it does."""
    imap_proxy.refuse()
    with pytest.raises(MailboxUnreachable, match=r"127\.0\.0\.1.*refused"):
        through.state("INBOX")
    imap_proxy.accept()
    assert 0 == through.state("INBOX").messages


def test_a_silent_server_is_given_up(through: ImapMailbox, account: DovecotAccount, imap_proxy: FaultProxy) -> None:
    """A server that stops answering is given up after the time-out."""
    through.config = dataclasses.replace(through.config, timeout=0.5)
    imap_proxy.plan(Fault("sent", "stall", match=b"SELECT"))
    started = time.monotonic()
    with pytest.raises(MailboxUnreachable, match="no answer in time"):
        through.state("INBOX")
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("after", [0, 30, 700])
def test_cut_while_fetching(
    through: ImapMailbox, account: DovecotAccount, imap_proxy: FaultProxy, tmp_path: Path, after: int
) -> None:
    """A connection that breaks inside a fetch is an error, never a shorter mail; the second try brings every byte."""
    mails = [letter(1, 512), letter(2, 512)]
    account.append(*mails)
    listed = through.list_new("INBOX")
    imap_proxy.plan(Fault("response", "close", match=b"BODY.PEEK", after=after))
    with pytest.raises(MailboxUnreachable):
        list(through.fetch(listed, tmp_path, max_size=LIMIT))
    assert mails == [mail.content for mail in through.fetch(listed, tmp_path, max_size=LIMIT)]
    assert not any(r"\Seen" in flags for _, flags, _ in account.contents())


def test_cut_in_a_large_mail(
    through: ImapMailbox, account: DovecotAccount, imap_proxy: FaultProxy, tmp_path: Path
) -> None:
    """A connection that breaks in the third piece of a large mail leaves no file; what came before it stands."""
    account.append(letter(1), letter(2, 4 << 20))
    imap_proxy.plan(Fault("response", "reset", match=b"BODY.PEEK[]<2097152", after=5000))
    come = []
    with pytest.raises(MailboxUnreachable):
        come.extend(through.fetch(through.list_new("INBOX"), tmp_path, max_size=LIMIT))
    assert [] == list(tmp_path.iterdir())
    small, large = through.fetch(through.list_new("INBOX"), tmp_path, max_size=LIMIT)
    assert large.path is not None
    assert (letter(1), letter(2, 4 << 20)) == (small.content, large.path.read_bytes())


def test_a_corrupted_answer_hides_no_mail(
    through: ImapMailbox, account: DovecotAccount, imap_proxy: FaultProxy, tmp_path: Path
) -> None:
    """Answers with other bytes in them end in an error, or in mails from the first on: none is passed over."""
    mails = [letter(1), letter(2), letter(3)]
    account.append(*mails)
    spots = {b"SELECT": (0, 20, 40), b"UID SEARCH": (3, 9, 13), b"RFC822.SIZE": (3, 12, 16), b"PEEK": (3, 10, 16)}
    come = []
    for fault in (Fault("response", "corrupt", match, after) for match, places in spots.items() for after in places):
        through.close()
        imap_proxy.plan(fault)
        try:
            come.append([mail.content for mail in through.fetch(through.list_new("INBOX"), tmp_path, max_size=LIMIT)])
        except MailboxError:
            come.append([])
        assert mails[: len(come[-1])] == come[-1], fault
        imap_proxy.wait_fired(len(come))
    assert mails in come
    assert mails == [mail.content for mail in through.fetch(through.list_new("INBOX"), tmp_path, max_size=LIMIT)]


@pytest.mark.parametrize(
    ("where", "second"), [("request", Filing.MOVED), ("sent", Filing.GONE), ("response", Filing.GONE)]
)
def test_cut_while_moving(
    through: ImapMailbox, account: DovecotAccount, imap_proxy: FaultProxy, where: Any, second: Filing
) -> None:
    """Wherever a connection breaks in a move, asking again ends with the mail in the other folder, once."""
    account.append(letter(1), letter(2))
    through.ensure_folder("Processed")
    location = through.list_new("INBOX")[0].location
    imap_proxy.plan(Fault(where, "reset", match=b"UID MOVE", after=0))
    with pytest.raises(MailboxUnreachable):
        through.file(location, "Processed")
    imap_proxy.wait_fired()
    settled(account, "Processed", 0 if second is Filing.MOVED else 1)
    assert second is through.file(location, "Processed")
    assert [letter(1)] == account.mails("Processed")
    assert [letter(2)] == account.mails()


DOUBLED = pytest.mark.fault("C5")


@pytest.mark.parametrize(
    ("where", "command"),
    [
        ("request", b"UID COPY"),
        pytest.param("response", b"UID COPY", marks=DOUBLED),
        pytest.param("request", b"UID STORE", marks=DOUBLED),
        pytest.param("response", b"UID STORE", marks=DOUBLED),
        pytest.param("request", b"UID EXPUNGE", marks=DOUBLED),
        ("response", b"UID EXPUNGE"),
    ],
)
def test_cut_while_copying(
    through: ImapMailbox, account: DovecotAccount, imap_proxy: FaultProxy, where: Any, command: bytes
) -> None:
    """Without MOVE, wherever a connection breaks, asking again ends with the mail in the other folder, once."""
    account.append(letter(1), letter(2))
    through.ensure_folder("Processed")
    location = through.list_new("INBOX")[0].location
    imap_proxy.plan(Fault(where, "reset", match=command, after=0))
    for _ in range(3):
        without(through, "MOVE")
        try:
            through.file(location, "Processed")
        except MailboxUnreachable:
            imap_proxy.wait_fired()
            settled(account, "Processed", 0 if (where, command) == ("request", b"UID COPY") else 1)
    assert [letter(1)] == account.mails("Processed")
    assert [letter(2)] == account.mails()


def settled(account: DovecotAccount, folder: str, count: int) -> None:
    """Wait until the server has done what it was still doing: so many mails lie in the folder."""
    end = time.monotonic() + 20
    while len(account.mails(folder)) != count:
        assert time.monotonic() < end, f"{folder} does not come to hold {count} mails"


def test_the_folder_goes_away(box: ImapMailbox, account: DovecotAccount) -> None:
    """A folder that is deleted while it is open is missing, with the server's words and what was perhaps meant."""
    account.create("Support")
    assert 0 == box.state("Support").messages
    with account.imap() as imap:
        imap.delete("Support")
    account.create("Suport")
    with pytest.raises(FolderMissing, match=r"'Support' \(did you mean 'Suport'\?\): .*doesn't exist"):
        box.list_new("Support")
    assert 0 == box.state("INBOX").messages


def test_the_validity_changes(box: ImapMailbox, account: DovecotAccount, tmp_path: Path) -> None:
    """After a folder was made anew its old locations name nothing, although the same UID is there again."""
    account.create("Support")
    account.append(letter(1), folder="Support")
    old = box.list_new("Support")
    with account.imap() as imap:
        imap.delete("Support")
        imap.create("Support")
    account.append(letter(2), folder="Support")
    renew_validity(box, old[0].location.uid_validity)
    assert old[0].location.uid == box.list_new("Support")[0].location.uid
    assert [] == list(box.fetch(old, tmp_path, max_size=LIMIT))
    assert Filing.GONE is box.file(old[0].location, "INBOX")
    assert [letter(2)] == account.mails("Support")


def renew_validity(box: ImapMailbox, old: str) -> None:
    """See that the folder that was made anew has another validity than before."""
    assert old != box.state("Support").uid_validity


@pytest.mark.parametrize("hidden", [(), ("MOVE",)])
def test_over_quota(dovecot: Mail, hidden: tuple[str, ...]) -> None:
    """A folder that is full refuses the copy with the server's words; the mail stays where it is, unmarked."""
    account = dovecot_account(dovecot, small=True)
    box = ImapMailbox(config(account))
    account.append(letter(1, 40_000))
    box.ensure_folder("Processed")
    without(box, *hidden)
    location = box.list_new("INBOX")[0].location
    if hidden:
        with pytest.raises(FilingRefused, match="OVERQUOTA"):
            box.file(location, "Processed")
        assert [set()] == [flags & {r"\Deleted", r"\Seen"} for _, flags, _ in account.contents()]
    else:  # a move needs no room of its own on Dovecot
        assert Filing.MOVED is box.file(location, "Processed")
    box.close()


def test_a_read_only_folder(box: ImapMailbox, account: DovecotAccount, tmp_path: Path) -> None:
    """A folder that cannot be changed says so, is read all the same, and refuses moves with a clear line."""
    account.append(letter(1))
    account.create("Processed")
    account.directory.joinpath("cur").chmod(0o555)
    assert box.state("INBOX").read_only
    listed = box.list_new("INBOX")
    assert [letter(1)] == [mail.content for mail in box.fetch(listed, tmp_path, max_size=LIMIT)]
    with pytest.raises(FilingRefused, match=r"read-only: \[READ-ONLY\]"):
        box.file(listed[0].location, "Processed")
    assert ([letter(1)], []) == (account.mails(), account.mails("Processed"))


@pytest.mark.parametrize("hidden", [(), ("MOVE",), ("MOVE", "UIDPLUS")])
def test_other_peoples_deleted_mails_survive(
    box: ImapMailbox, account: DovecotAccount, imap_proxy: FaultProxy, hidden: tuple[str, ...]
) -> None:
    """A mail that somebody else has marked as deleted is still there after a move, whatever the server can do."""
    account.append(letter(1), letter(2))
    account.change(("STORE", "2", "+FLAGS", r"(\Deleted)"))
    box.ensure_folder("Processed")
    without(box, *hidden)
    first = box.list_new("INBOX")[0].location
    assert Filing.MOVED is box.file(first, "Processed")
    assert letter(2) in account.mails()
    assert [letter(1)] == account.mails("Processed")
    assert Filing.GONE is box.file(first, "Processed")
    assert [letter(1)] == account.mails("Processed")
    assert () == tuple(mail for mail in box.list_new("INBOX") if mail.location == first)


def test_no_plain_expunge_and_no_reading_mark(account: DovecotAccount, imap_proxy: FaultProxy, tmp_path: Path) -> None:
    """Over a whole life of mails the client sends neither EXPUNGE without a UID nor BODY without PEEK."""
    box = ImapMailbox(config(account, port=imap_proxy.port))
    account.append(letter(1), letter(2), letter(3, 2 << 20), letter(4))
    box.ensure_folder("Processed")
    first, second, third, fourth = box.list_new("INBOX")
    list(box.fetch([first, second, third, fourth], tmp_path, max_size=LIMIT))
    box.file(first.location, "Processed")
    box.delete(second.location)
    box.mark(third.location)
    without(box, "MOVE")
    box.file(fourth.location, "Processed")
    box.close()
    commands = [line.split(" ", 1)[-1] for line in imap_proxy.requests]
    assert [] == [line for line in commands if line.startswith("EXPUNGE") or "BODY[" in line or "RFC822 " in line]
    assert 2 == len([line for line in commands if line.startswith("UID EXPUNGE")])


def test_the_cost_does_not_grow_with_the_folder(account: DovecotAccount, imap_proxy: FaultProxy) -> None:
    """Listing one new mail takes the same commands and bytes in a folder of 4,097 mails as in one of two."""
    box = ImapMailbox(config(account, port=imap_proxy.port))
    account.append(letter(1))
    small = cost(box, account, imap_proxy)
    for _ in range(11):
        account.change(("COPY", "1:*", "INBOX"))
    large = cost(box, account, imap_proxy)
    assert box.state("INBOX").messages > 4000
    assert (small[0], True) == (large[0], abs(small[1] - large[1]) < 100)
    box.close()


def cost(box: ImapMailbox, account: DovecotAccount, proxy: FaultProxy) -> tuple[int, int]:
    """Return how many commands and bytes it takes to list the one new mail."""
    after = str((box.state("INBOX").uid_next or 1) - 1)
    account.append(letter(2))
    commands, received = len(proxy.requests), proxy.bytes_down
    assert 1 == len(box.list_new("INBOX", after=after, limit=50))
    return len(proxy.requests) - commands, proxy.bytes_down - received


def test_a_limited_first_listing_is_bounded(account: DovecotAccount, imap_proxy: FaultProxy) -> None:
    """The first listing of a full folder, with a limit, does not name all its mails."""
    account.append(letter(1))
    for _ in range(12):
        account.change(("COPY", "1:*", "INBOX"))
    box = ImapMailbox(config(account, port=imap_proxy.port))
    received = box.state("INBOX") and imap_proxy.bytes_down
    assert 20 == len(box.list_new("INBOX", limit=20))
    assert imap_proxy.bytes_down - received < 10_000
    box.close()


def test_kept_mails_cost_nothing_after_a_restart(account: DovecotAccount, imap_proxy: FaultProxy) -> None:
    """A folder in which handled mails are kept is listed from the beginning without naming them."""
    account.append(letter(1))
    for _ in range(12):
        account.change(("COPY", "1:*", "INBOX"))
    account.change(("STORE", "1:*", "+FLAGS.SILENT", "($MailbridgeDone)"))
    account.append(letter(2))
    box = ImapMailbox(config(account, port=imap_proxy.port))
    received = box.state("INBOX") and imap_proxy.bytes_down
    assert [len(letter(2))] == [mail.size for mail in box.list_new("INBOX")]
    assert imap_proxy.bytes_down - received < 2000
    box.close()


def test_above_the_limit_little_is_transferred(account: DovecotAccount, imap_proxy: FaultProxy, tmp_path: Path) -> None:
    """Of a mail of 30 MB above the limit only a quarter of a megabyte crosses the network."""
    account.append(letter(1, 30_000_000))
    box = ImapMailbox(config(account, port=imap_proxy.port))
    listed = box.list_new("INBOX")
    received = imap_proxy.bytes_down
    (mail,) = box.fetch(listed, tmp_path, max_size=10_000_000)
    assert (True, len(letter(1, 30_000_000))) == (mail.truncated, mail.listed.size)
    assert imap_proxy.bytes_down - received < 300_000
    box.close()


def test_filing_between_two_fetched_mails(box: ImapMailbox, account: DovecotAccount, tmp_path: Path) -> None:
    """A mail may be filed while the others are still being fetched, and leaving a fetch early harms nothing."""
    account.append(*(letter(number, 600_000) for number in range(12)))
    box.ensure_folder("Processed")
    session = box.session
    listed = box.list_new("INBOX")
    for mail in box.fetch(listed, tmp_path, max_size=LIMIT):
        assert Filing.MOVED is box.file(mail.listed.location, "Processed")
        if mail.listed == listed[9]:
            break
    assert (2, 10) == (box.state("INBOX").messages, box.state("Processed").messages)
    assert session is box.session


def test_a_certificate_nobody_signed(account: DovecotAccount, dovecot: Mail) -> None:
    """A certificate that is not trusted ends the connection before the login, and the text says why."""
    box = ImapMailbox(config(account, port=dovecot["imaps_port"], security=Security.TLS))
    with pytest.raises(MailboxUnreachable, match=r"certificate is not accepted: .*(self-signed|unable to get)"):
        box.connect()


def test_starttls(account: DovecotAccount, dovecot: Mail) -> None:
    """STARTTLS protects the connection before the login, and checks the certificate too."""
    trusted = ImapMailbox(config(account, security=Security.STARTTLS, ca_file=Path(dovecot["ca_file"])))
    assert 0 == trusted.state("INBOX").messages
    trusted.close()
    with pytest.raises(MailboxUnreachable, match="certificate is not accepted"):
        ImapMailbox(config(account, security=Security.STARTTLS)).connect()


def test_a_wrong_password(account: DovecotAccount) -> None:
    """A refused login says so with the server's words and without the password."""
    box = ImapMailbox(config(account, password="wrong horse"))
    with pytest.raises(LoginRefused, match="Authentication failed") as refused:
        box.connect()
    assert "wrong horse" not in str(refused.value)
    assert "wrong horse" not in repr(box.config)


def test_a_broken_idle_is_an_error(through: ImapMailbox, imap_proxy: FaultProxy) -> None:
    """A connection that breaks while waiting is unreachable, and the next call connects anew."""
    through.list_new("INBOX")
    thread = threading.Timer(0.3, imap_proxy.refuse)
    thread.start()
    with pytest.raises(MailboxUnreachable):
        through.wait("INBOX", 30)
    thread.join()
    imap_proxy.accept()
    assert 0 == through.state("INBOX").messages
