"""One mail through the whole bridge, with a store and a mailbox of its own."""

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handler.world import World
from redmine_mailbridge.tasks.receive.result import ProcessingResult
from tests.product import Product, merged
from tests.servers.mail import Mailbox


@dataclass(frozen=True)
class Result:
    """What became of the mail, which issues are there now that were not before, and the lines of its record."""

    outcome: ProcessingResult
    new_issues: tuple[int, ...]
    steps: tuple[str, ...] = ()


@dataclass
class Bridge:
    """A bridge into this world that keeps what it knows in the folder."""

    world: World
    folder: Path

    def run(self, raw: bytes, box: dict[str, Any], redmine: dict[str, Any]) -> Result:
        """Given a mail's bytes and settings, put it into a mailbox, make one pass, and return what became of it."""
        server = self.world.state["dovecot"]
        mailbox = Mailbox(server, f"case-{uuid.uuid4().hex[:12]}@{server['domain']}")
        mailbox.append(raw)
        seed = self.world.state["redmine"]
        values = {
            "redmine": {
                "url": seed["url"],
                "api_key": self.world.key,
                "text_format": seed["text_format"],
                "settle": "1s",
                **redmine,
            },
            "store": {"url": f"sqlite:///{self.folder}/mailbridge.db"},
            "mailboxes": {
                "support": merged(
                    {
                        "host": "127.0.0.1",
                        "port": server["imap_port"],
                        "security": "none",
                        "username": mailbox.address,
                        "password": mailbox.password,
                    },
                    box,
                )
            },
        }
        self.folder.mkdir()
        before = {issue["id"] for issue in self.world.api.issues()}
        product = Product(self.folder, values)
        (outcome,) = product.receive()
        after = {issue["id"] for issue in self.world.api.issues()}
        with product.application() as made:
            steps = tuple(step.line for step in made.archive.steps(outcome.row.id))
        return Result(outcome, tuple(sorted(after - before)), steps)
