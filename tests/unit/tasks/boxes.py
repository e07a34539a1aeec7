"""Several mailboxes in memory, each account on a server of its own, the product, and a small Redmine behind it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.stored_mail import StoredMail
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.tasks.receive.result import ProcessingResult
from tests.memory_mailbox import MemoryMailbox, MemoryServer
from tests.unit.tasks.fake_redmine import URL, FakeRedmine, open_fake_redmine


@dataclass(slots=True)
class Boxes:
    """`values` are the tables of the mailboxes by name; the account is what `host` and `username` say."""

    fake: FakeRedmine
    folder: Path
    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    servers: dict[tuple[str, str], MemoryServer] = field(default_factory=dict)

    def server(self, host: str, username: str = "") -> MemoryServer:
        """Given a host and an account on it, return the account's server."""
        return self.servers.setdefault((host, username or f"{host}@example.com"), MemoryServer())

    def add(self, name: str, *, host: str = "", **keys: Any) -> MemoryServer:
        """Given a name, the server's (the name, when it is left out) and further keys, add a mailbox. Return the
        server.
        """
        host = host or name
        issue = {"project": "desk"} | keys.pop("issue", {})
        base = {"address": f"{name}@example.com", "host": host, "username": f"{host}@example.com", "issue": issue}
        base |= {"start_from": "all"}
        self.values[name] = base | keys
        self.load()
        return self.server(host, self.values[name]["username"])

    def change(self, name: str, **keys: Any) -> None:
        """Given a mailbox and keys, set them."""
        self.values[name] |= keys
        self.load()

    def rename(self, old: str, new: str) -> None:
        """Given a mailbox, write its table under another name."""
        self.values[new] = self.values.pop(old)
        self.load()

    def remove(self, name: str) -> None:
        """Given a mailbox, take it out of the settings."""
        del self.values[name]
        self.load()

    def load(self) -> None:
        """Read the settings."""
        self.fake.settings = Settings.model_validate(
            {
                "redmine": {"url": URL, "api_key": "key", "text_format": "common_mark", "settle": "0s"},
                "store": {"url": f"sqlite:///{self.folder}/bridge.db"},
                "receive": {"max_attempts": 3},
                "mailboxes": self.values,
            }
        )

    def receive(self, *names: str, hurry: bool = True) -> list[ProcessingResult]:
        """Make one pass over the mailboxes (those named, one after the other), as a new process would.

        With `hurry` as if all pauses were over. Fail when something ends a pass early.
        """
        outcomes: list[ProcessingResult] = []
        with self.fake.application() as made:
            if hurry:
                with made.store.database.write() as db:
                    db.exec_driver_sql("UPDATE mail SET next_try_at = 0, next_file_at = 0")
            by_name = {receiver.mailbox.name: receiver for receiver in made.receivers}
            for name in names or by_name:
                assert by_name[name].once(outcomes.append).error is None
        return outcomes

    def rows(self) -> list[StoredMail]:
        """What the store holds, oldest first."""
        return self.fake.rows()

    def subjects(self) -> list[str]:
        """The subjects of the issues, sorted."""
        return sorted(issue["subject"] for issue in self.fake.issues)

    def states(self) -> list[State]:
        """Where the mails stand, oldest first."""
        return [row.state for row in self.rows()]


@contextmanager
def open_boxes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Boxes]:
    """Given a folder, return the product without a mailbox yet."""
    with open_fake_redmine(folder, monkeypatch) as fake:
        boxes = Boxes(fake, folder)
        monkeypatch.setattr(
            "redmine_mailbridge.wiring.mailboxes.open_mailbox",
            lambda config, **_known: MemoryMailbox(boxes.server(config.host, config.username), config.name),
        )
        yield boxes
