"""A project of a thousand members among two thousand projects: what a mail costs before it is an issue."""

from pathlib import Path
from typing import Any

import pytest

from redmine_mailbridge.redmine.client import Client
from tests.product import Product, mail, product
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox

pytestmark = [pytest.mark.real, pytest.mark.customised]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The requests that are made, in order: method and path."""
    seen: list[str] = []
    once = Client._once

    def counted(self: Client, request: Any) -> Any:
        seen.append(f"{request.method} {request.path}")
        return once(self, request)

    monkeypatch.setattr(Client, "_once", counted)
    return seen


def crowd(folder: Path, redmine: Redmine, mailbox: Mailbox, login: str) -> Product:
    """The bridge to the project of a thousand members."""
    return product(folder, redmine, mailbox, "custom-crowd", login=login)


@pytest.mark.fault("M12")
@pytest.mark.parametrize("login", ["admin", "key-sets"])
def test_before_the_first_mail(
    tmp_path: Path, redmine: Redmine, mailbox: Mailbox, asked: list[str], login: str
) -> None:
    """Five requests at most come before the one that makes the first issue; the second mail needs two."""
    bridge = crowd(tmp_path, redmine, mailbox, login)
    mailbox.append(mail("First"))
    with bridge.application() as made:
        made.receivers[0].once()
        before = asked.index("post /issues.json")
        assert before <= 5, asked
        mailbox.append(mail("Second"))
        asked.clear()
        made.receivers[0].once()
        assert asked.index("post /issues.json") <= 2, asked


@pytest.mark.fault("M12")
def test_an_assignee_by_login(tmp_path: Path, redmine: Redmine, mailbox: Mailbox, asked: list[str]) -> None:
    """An assignee of the settings is asked for alone, and not the thousand among whom it is."""
    bridge = crowd(tmp_path, redmine, mailbox, "admin")
    bridge.issue(assignee="member0900")
    mailbox.append(mail("For one of many"))
    (outcome,) = bridge.receive()
    issue = redmine.admin.issue(outcome.issue or 0)
    assert "0900" in issue["assigned_to"]["name"]
    assert not [path for path in asked if "memberships" in path], asked
    assert len(asked) <= 12, asked
