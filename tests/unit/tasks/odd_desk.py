"""The product between a small Redmine and a mail server that misbehaves on purpose: real adapters, real bytes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from redmine_mailbridge.mailboxes import factory
from redmine_mailbridge.model.stored_mail import MailRow
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.wiring import application as app
from tests.product import mail
from tests.servers.odd import OddServer
from tests.servers.odd_pop3 import OddPop3
from tests.unit.tasks.desk import URL, Desk, open_desk


@contextmanager
def odd_desk(
    folder: Path, monkeypatch: pytest.MonkeyPatch, server: OddServer, receive: dict[str, Any] | None = None, **box: Any
) -> Iterator[Desk]:
    """Given a folder, a server, keys of [receive] and keys of the mailbox, return the desk that reads from there."""
    values = {
        "address": "desk@example.com", "start_from": "all",
        "host": "127.0.0.1", "port": server.port, "security": "none",
        "password": "hunter22", "timeout": "5s", "protocol": "pop3" if isinstance(server, OddPop3) else "imap",
        "issue": {"project": "desk"},
    }  # fmt: skip
    with open_desk(folder, monkeypatch) as desk:
        monkeypatch.setattr(app, "open_mailbox", factory.open_mailbox)
        desk.settings = Settings.model_validate(
            {
                "redmine": {"url": URL, "api_key": "key", "text_format": "common_mark", "settle": "0s"},
                "store": {"url": f"sqlite:///{folder}/bridge.db"},
                "receive": receive or {},
                "mailboxes": {"desk": values | box},
            }
        )
        yield desk


def letter(subject: str, size: int = 0) -> bytes:
    """Given a subject and about how many bytes of text, return a mail with the line ends of the network."""
    text = "How does it work?\n" + ("x" * 69 + "\n") * (size // 70)
    return mail(subject, text).replace(b"\n", b"\r\n")


def one_pass(desk: Desk) -> str | None:
    """Make one pass as a new process would. Return the line that ended it early, None when it went through."""
    with desk.application() as made:
        return made.receivers[0].once().error


def row_of(desk: Desk, subject: str) -> MailRow:
    """The one mail of this subject in the store."""
    (found,) = [row for row in desk.rows() if row.subject == subject]
    return found


def subjects(desk: Desk) -> list[str]:
    """The subjects of the issues, sorted."""
    return sorted(issue["subject"] for issue in desk.issues)
