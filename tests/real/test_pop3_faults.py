"""What a real Dovecot, and a connection that breaks, do to a mailbox over POP3: nothing is lost and nothing doubled."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from redmine_mailbridge import side_effects
from redmine_mailbridge.errors import FolderMissing, MailboxUnreachable
from redmine_mailbridge.mailboxes.factory import open_mailbox
from redmine_mailbridge.mailboxes.pop3.mailbox import Pop3Mailbox
from redmine_mailbridge.model.mailbox import Filing, MailboxConfig, MailProtocol
from tests.mail_worlds import LIMIT, DovecotAccount, config, letter
from tests.servers.dovecot import Mail
from tests.servers.proxy import Fault, FaultProxy

pytestmark = pytest.mark.real


@pytest.fixture
def proxy(dovecot: Mail) -> Iterator[FaultProxy]:
    """A proxy in front of Dovecot's plain POP3 port."""
    with FaultProxy(dovecot["pop3_port"], "line") as found:
        yield found


@pytest.fixture
def settings(account: DovecotAccount, proxy: FaultProxy) -> MailboxConfig:
    """The account through the proxy."""
    return config(account, protocol=MailProtocol.POP3, port=proxy.port, timeout=5.0)


@pytest.fixture
def box(settings: MailboxConfig) -> Iterator[Pop3Mailbox]:
    """A mailbox through the proxy."""
    found = Pop3Mailbox(settings)
    yield found
    found.close()


def test_nothing_is_deleted_before_the_end(box: Pop3Mailbox, account: DovecotAccount) -> None:
    """A deletion takes effect when the connection ends, inside an effect, and takes nothing else with it."""
    account.append(letter(1), letter(2))
    location = box.list_new("INBOX")[0].location
    assert Filing.DELETED is box.delete(location)
    assert 2 == len(account.mails())
    seen: list[tuple[side_effects.SideEffect, side_effects.Moment]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(side_effects, "_watchers", [lambda which, moment: seen.append((which, moment))])
        box.close()
    assert [(side_effects.SideEffect.MOVE, "before"), (side_effects.SideEffect.MOVE, "after")] == seen
    assert [letter(2)] == account.mails()


@pytest.mark.parametrize("where", ["request", "sent"])
def test_cut_at_the_end(box: Pop3Mailbox, account: DovecotAccount, proxy: FaultProxy, where: str) -> None:
    """When the connection breaks at QUIT, the mail is not listed again, and the next connection deletes it."""
    account.append(letter(1), letter(2))
    first, second = box.list_new("INBOX")
    box.delete(first.location)
    proxy.plan(Fault(where, "reset", match=b"QUIT"))  # type: ignore[arg-type]
    box.close()
    proxy.wait_fired()
    assert [second.location] == [mail.location for mail in box.list_new("INBOX")]
    box.close()
    assert [letter(2)] == account.mails()


@pytest.mark.parametrize("after", [0, 10, 300])
def test_cut_while_fetching(
    box: Pop3Mailbox, account: DovecotAccount, proxy: FaultProxy, tmp_path: Path, after: int
) -> None:
    """A connection that breaks inside a mail is an error, never a shorter mail; the second try brings every byte."""
    account.append(letter(1, 512), letter(2, 3 << 20))
    listed = box.list_new("INBOX")
    proxy.plan(Fault("response", "close", match=b"RETR", after=after))
    proxy.plan(Fault("response", "reset", match=b"RETR", skip=1, after=2_000_000))
    for _ in range(2):
        with pytest.raises(MailboxUnreachable):
            list(box.fetch(listed, tmp_path, max_size=LIMIT))
        assert [] == [path for path in tmp_path.iterdir() if path.stat().st_size != len(letter(2, 3 << 20))]
    small, large = box.fetch(listed, tmp_path, max_size=LIMIT)
    assert large.path is not None
    assert (letter(1, 512), letter(2, 3 << 20)) == (small.content, large.path.read_bytes())


def test_a_refused_connection_is_later(box: Pop3Mailbox, proxy: FaultProxy) -> None:
    """A server that takes no connections is unreachable, with the reason, and is used again when it does."""
    proxy.refuse()
    with pytest.raises(MailboxUnreachable, match="refused"):
        box.state("INBOX")
    proxy.accept()
    assert 0 == box.state("INBOX").messages


def test_a_silent_server_is_given_up(settings: MailboxConfig, proxy: FaultProxy) -> None:
    """A server that stops answering is given up after the time-out."""
    proxy.plan(Fault("sent", "stall", match=b"UIDL"))
    with pytest.raises(MailboxUnreachable, match="no answer in time"):
        Pop3Mailbox(dataclasses.replace(settings, timeout=0.5)).state("INBOX")


def test_above_the_limit_little_is_transferred(
    box: Pop3Mailbox, account: DovecotAccount, proxy: FaultProxy, tmp_path: Path
) -> None:
    """Of a mail of 20 MB above the limit little crosses the network, in lines of any length, and the next one comes."""
    lines = b"Subject: lines\r\n\r\n" + (b"x" * 76 + b"\r\n") * 250_000
    one_line = letter(1, 20_000_000)
    account.append(lines, one_line, letter(2))
    listed = box.list_new("INBOX")
    received = proxy.bytes_down
    first, second, third = box.fetch(listed, tmp_path, max_size=10_000_000)
    assert [(lines[: 256 << 10], True), (one_line[: 256 << 10], True)] == [
        (mail.content, mail.truncated) for mail in (first, second)
    ]
    assert letter(2) == third.content
    assert proxy.bytes_down - received < 10_000_000


def test_what_the_store_knows_is_not_listed(settings: MailboxConfig, account: DovecotAccount) -> None:
    """After a restart, mails that lie there and are known are not listed again, whatever was read last."""
    account.append(letter(1), letter(2), letter(3))
    before = open_mailbox(settings)
    second = before.list_new("INBOX")[1]
    before.close()
    again = open_mailbox(settings, lambda uids: {uid for uid in uids if uid != second.location.uid})
    assert [second.location] == [mail.location for mail in again.list_new("INBOX", after="one that was deleted")]
    again.close()
    lost = open_mailbox(settings)
    assert 3 == len(lost.list_new("INBOX", after="one that was deleted"))
    lost.close()


def test_other_folders_are_refused(box: Pop3Mailbox, account: DovecotAccount) -> None:
    """POP3 has one folder: any other is missing, and filing changes nothing."""
    account.append(letter(1))
    location = box.list_new("INBOX")[0].location
    with pytest.raises(FolderMissing, match="POP3"):
        box.ensure_folder("Processed")
    with pytest.raises(FolderMissing, match="POP3"):
        box.file(location, "Processed")
    assert Filing.KEPT is box.mark(location)
    box.close()
    assert [letter(1)] == account.mails()
