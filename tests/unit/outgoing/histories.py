"""What the tests of any history of an issue share: words of their own, and who can read a mail."""

import email
import email.policy
import email.utils
import itertools
import re
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any

from hypothesis import HealthCheck

from redmine_mailbridge.wiring import application as app
from tests.helpdesk import HelpDesk

WORD = re.compile(r"\bw[0-9]+w\b")
"""Each text, subject and name of a file is a word of its own."""
CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
_numbers = itertools.count()


def new_word() -> str:
    """A word that no other text has."""
    return f"w{next(_numbers)}w"


def parsed(raw: bytes) -> EmailMessage:
    """A mail."""
    return email.message_from_bytes(raw, policy=email.policy.default)  # type: ignore[return-value]  # policy's class


def people(*fields: object) -> set[str]:
    """Given fields of addresses, return the addresses."""
    return {address for _, address in email.utils.getaddresses([str(one or "") for one in fields]) if address}


@dataclass
class OneIssue:
    """One issue of a help desk, and the bridge."""

    desk: HelpDesk
    made: app.Application

    @property
    def issue(self) -> dict[str, Any]:
        """It, as the API shows it."""
        return self.desk.redmine.issues[1]

    def switch(self, what: str) -> None:
        """Its "project", or the "issue" itself, becomes private, or public again."""
        if what == "project":
            self.desk.redmine.public = not self.desk.redmine.public
        else:
            self.issue["is_private"] = not self.issue["is_private"]
