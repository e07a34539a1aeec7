"""The product between a small Redmine and a mail server that misbehaves on purpose: real adapters, real bytes."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import time_machine

from redmine_mailbridge.mailboxes import factory
from redmine_mailbridge.model.stored_mail import StoredMail
from redmine_mailbridge.settings.models import Settings
from tests.product import mail
from tests.servers.odd import OddServer
from tests.servers.odd_pop3 import OddPop3
from tests.unit.tasks.fake_redmine import URL, FakeRedmine, open_fake_redmine


@contextmanager
def misbehaving_server(
    folder: Path, monkeypatch: pytest.MonkeyPatch, server: OddServer, receive: dict[str, Any] | None = None, **box: Any
) -> Iterator[FakeRedmine]:
    """Given a folder, a server, keys of [receive] and keys of the mailbox, return the fake Redmine of a bridge that
    reads there.
    """
    values = {
        "address": "desk@example.com", "start_from": "all",
        "host": "127.0.0.1", "port": server.port, "security": "none",
        "password": "hunter22", "timeout": "5s", "protocol": "pop3" if isinstance(server, OddPop3) else "imap",
        "issue": {"project": "desk"},
    }  # fmt: skip
    with open_fake_redmine(folder, monkeypatch) as fake:
        monkeypatch.setattr("redmine_mailbridge.wiring.mailboxes.open_mailbox", factory.open_mailbox)
        fake.settings = Settings.model_validate(
            {
                "redmine": {"url": URL, "api_key": "key", "text_format": "common_mark", "settle": "0s"},
                "store": {"url": f"sqlite:///{folder}/bridge.db"},
                "receive": receive or {},
                "mailboxes": {"desk": values | box},
            }
        )
        yield fake


def letter(subject: str, size: int = 0) -> bytes:
    """Given a subject and about how many bytes of text, return a mail with the line ends of the network."""
    text = "How does it work?\n" + ("x" * 69 + "\n") * (size // 70)
    return mail(subject, text).replace(b"\n", b"\r\n")


def one_pass(fake: FakeRedmine) -> str | None:
    """Make one pass as a new process would. Return the line that ended it early, None when it went through."""
    with fake.application() as made:
        return made.receivers[0].once().error


def later(fake: FakeRedmine, hours: float) -> str | None:
    """Make a pass so many hours from now."""
    with time_machine.travel(dt.datetime.now(dt.UTC) + dt.timedelta(hours=hours)):
        return one_pass(fake)


def row_of(fake: FakeRedmine, subject: str) -> StoredMail:
    """The one mail of this subject in the store."""
    (found,) = [row for row in fake.rows() if row.subject == subject]
    return found


def subjects(fake: FakeRedmine) -> list[str]:
    """The subjects of the issues, sorted."""
    return sorted(issue["subject"] for issue in fake.issues)
