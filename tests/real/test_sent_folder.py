"""Copies of sent mail on a real Dovecot: in the folder marked \\Sent, as read, once."""

from pathlib import Path

import pytest

from redmine_mailbridge.errors import FolderMissing
from redmine_mailbridge.mailboxes.imap.sent import SentFolder
from redmine_mailbridge.model.mailbox import MailboxConfig, Security
from tests.helpdesk import Post, post
from tests.product import mail, product
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox

pytestmark = [pytest.mark.real, pytest.mark.newest]


def config_of(mailbox: Mailbox) -> MailboxConfig:
    """How the account is reached."""
    return MailboxConfig(
        name="support", host="127.0.0.1", port=mailbox.server["imap_port"], username=mailbox.address,
        security=Security.NONE, password=mailbox.password,
    )  # fmt: skip


def test_a_copy_lies_there_once_and_as_read(mailbox: Mailbox) -> None:
    """The folder is found by its mark; a second try finds the copy, whose bytes and time are those of the mail."""
    mailbox.create("Sent")
    content = mail("Größe", message_id="<answer.7@example.com>").replace(b"\n", b"\r\n")
    with SentFolder(config_of(mailbox)) as folder:
        assert "Sent" == folder.name()
        assert [True, False] == [folder.save("answer.7@example.com", content, 1_790_000_000.0) for _ in range(2)]
    ((_, flags, raw),) = mailbox.contents("Sent")
    assert (content, True) == (raw, r"\Seen" in flags)


def test_a_folder_of_the_settings(mailbox: Mailbox) -> None:
    """Where none is marked, or another is wanted, the settings name it; one that does not exist is named."""
    mailbox.create("Archive")
    mailbox.create("Archive/Sent mail")
    with SentFolder(config_of(mailbox), "Archive/Sent mail") as folder:
        assert folder.save("1@example.com", b"Message-ID: <1@example.com>\r\n\r\nx\r\n", 1.0)
    assert 1 == len(mailbox.contents("Archive/Sent mail"))
    with pytest.raises(FolderMissing, match=r"set outgoing\.sent_folder"), SentFolder(config_of(mailbox)) as folder:
        folder.name()
    with pytest.raises(FolderMissing, match="Sennt"), SentFolder(config_of(mailbox), "Sennt") as folder:
        folder.name()


def test_a_whole_conversation(redmine: Redmine, mailbox: Mailbox, project: str, tmp_path: Path) -> None:
    """The acknowledgement of a customer's mail leaves by SMTP and lies in Sent; the next pass makes no second copy, and
    reads none of it.
    """
    mailbox.create("Sent")
    with post() as server:
        bridge = product(tmp_path, redmine, mailbox, project)
        bridge.support(start_from="all", answers={"received": True}, issue={"trust": "any"})
        out = {"host": "127.0.0.1", "port": server.port, "security": "none", "username": "", "save_sent": True}
        bridge.change({"outgoing": out})
        bridge.quick("receive", "--once")  # the first synchronisation
        mailbox.deliver(mail("A question"))
        for _ in range(2):
            result = bridge.quick("receive", "--once")
            assert 0 == result.exit_code, result.output
        assert "copies: in Sent" in " ".join(bridge.quick("check", "--mailbox", "support").output.split())
    check_copies(server, mailbox)
    assert 1 == len(redmine.admin.issues(project))


def check_copies(server: Post, mailbox: Mailbox) -> None:
    """What left lies in Sent, byte by byte."""
    (sent,) = (content for _, content in server.taken)
    ((_, flags, raw),) = mailbox.contents("Sent")
    assert (sent.rstrip(), True) == (raw.rstrip(), r"\Seen" in flags)
