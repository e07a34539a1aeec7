"""A mail that a real Dovecot cannot hand out (its file cannot be read): IMAP hangs up at it, POP3 refuses it.

The others come, it is not lost, and `messages retry` fetches it when it can be had, wherever it lies by then.
"""

import datetime as dt
from pathlib import Path

import pytest
import time_machine

from tests.product import ANNA, Product, mail, product
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox

pytestmark = pytest.mark.real


@pytest.fixture
def bridge(tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str) -> Product:
    """The bridge between that mailbox and a project."""
    return product(tmp_path, redmine, mailbox, project)


def file_of(mailbox: Mailbox, subject: str) -> Path:
    """Given a subject, return the file in which Dovecot keeps that mail, in whatever folder it lies."""
    user, _, domain = mailbox.address.partition("@")
    maildir = Path(mailbox.server["ca_file"]).parent / "mail" / domain / user / "Maildir"
    wanted = f"Subject: {subject}\n".encode()
    (found,) = [
        path
        for path in maildir.rglob("*")
        if path.parent.name in {"cur", "new"} and wanted in path.read_bytes().replace(b"\r", b"")
    ]
    return found


def subjects(redmine: Redmine, project: str) -> list[str]:
    """The subjects of the project's issues, sorted."""
    return sorted(issue["subject"] for issue in redmine.admin.issues(project))


def passes(bridge: Product, hours: float = 0.0) -> list[str | None]:
    """Make a pass so many hours from now, as a new process. Return what ended it."""
    with time_machine.travel(dt.datetime.now(dt.UTC) + dt.timedelta(hours=hours)):
        return [result.error for result in bridge.passes()]


@pytest.mark.fault("B10", "I8")
def test_over_imap(bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str) -> None:
    """Dovecot drops the connection at one of six mails: the others are issues after a few passes; the mail waits, is
    set aside when it fails again and again while others come, and comes by `messages retry`, out of the failure folder.
    """
    mailbox.append(*(mail(f"Mail {number}", sender=ANNA) for number in range(6)))
    stuck = file_of(mailbox, "Mail 2")
    stuck.chmod(0)
    tries = 0
    while len(subjects(redmine, project)) < 5 and tries < 20:
        tries += 1
        passes(bridge)
    assert tries <= 5
    assert {"INBOX": 1, "Failed": 0, "Processed": 5} == mailbox.count()
    for hours in range(1, 4):
        mailbox.append(mail(f"Hour {hours}", sender=ANNA))
        assert [None] == passes(bridge, hours)
    passes(bridge, 4)
    (aside,) = bridge.command_json("messages", "--state", "failed")
    assert "could not be fetched in 3 attempts, while others could" in aside["reason"]
    assert {"INBOX": 0, "Failed": 1, "Processed": 8} == mailbox.count()

    file_of(mailbox, "Mail 2").chmod(0o600)
    said = bridge.command("messages", "retry", str(aside["id"]))
    assert (0, True) == (said.returncode, "will be retried" in said.stdout)
    assert [None] == passes(bridge)
    assert "Mail 2" in subjects(redmine, project)
    assert {"INBOX": 0, "Failed": 0, "Processed": 9} == mailbox.count()


@pytest.mark.fault("I3", "I8")
def test_over_pop3(bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str) -> None:
    """POP3 refuses one mail while others come: it is set aside, is not deleted although what fails is, and comes by
    `messages retry` under the same number.
    """
    bridge.support(protocol="pop3", port=mailbox.server["pop3_port"], after_failure="delete")
    mailbox.append(*(mail(f"Mail {number}", sender=ANNA) for number in range(3)))
    file_of(mailbox, "Mail 1").chmod(0)
    assert [None] == passes(bridge)
    assert [None] == passes(bridge)
    (aside,) = bridge.command_json("messages", "--state", "failed")
    assert ["Mail 0", "Mail 2"] == subjects(redmine, project)
    file_of(mailbox, "Mail 1").chmod(0o600)
    assert 1 == len(mailbox.mails())

    assert 0 == bridge.command("messages", "retry", str(aside["id"])).returncode
    assert [None] == passes(bridge)
    assert ["Mail 0", "Mail 1", "Mail 2"] == subjects(redmine, project)
    assert [] == mailbox.mails()
    assert 3 == len(bridge.rows())
