"""What one mail meets in a real Redmine holds up no other: its user is locked while the bridge still knows him."""

import uuid
from pathlib import Path

import pytest

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.store.queries.messages import MessageFilter
from redmine_mailbridge.tasks.service.service import receive_once
from tests.product import STRANGER, Product, mail, product
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox

pytestmark = pytest.mark.real


@pytest.fixture
def bridge(tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str) -> Product:
    """The bridge with an administrator's key, trusting every From line."""
    return product(tmp_path, redmine, mailbox, project)


def member(redmine: Redmine, project: str) -> tuple[int, str]:
    """Given a project, make a user who may add issues there. Return id and From line."""
    name = f"lock-{uuid.uuid4().hex[:8]}"
    values = {"login": name, "firstname": "Lock", "lastname": name, "mail": f"{name}@example.com"}
    user = redmine.admin.call("POST", "/users.json", {"user": values | {"generate_password": True}})["user"]
    membership = {"user_id": user["id"], "role_ids": [redmine.seed["roles"]["Developer"]]}
    redmine.admin.call("POST", f"/projects/{project}/memberships.json", {"membership": membership})
    return int(user["id"]), f"Lock {name} <{name}@example.com>"


@pytest.mark.fault("B7")
def test_a_user_is_locked_meanwhile(bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str) -> None:
    """A user who is locked while his mail comes gets what a locked user gets; the others' mail goes on meanwhile."""
    user, sender = member(redmine, project)
    mailbox.append(mail("While he is active", sender=sender))
    with bridge.application() as made:
        receive_once(made.receivers)
        redmine.admin.call("PUT", f"/users/{user}.json", {"user": {"status": 3}})
        for number in range(3):
            if number == 0:
                mailbox.append(mail("After that", sender=sender))
            mailbox.append(mail(f"Stranger {number}", sender=STRANGER))
            receive_once(made.receivers)
            for row in made.message_queries.messages(MessageFilter()):
                if row.state in {State.STORED, State.WRITE_PENDING}:
                    made.store.retry(row.id)
        (row,) = [row for row in made.message_queries.messages(MessageFilter()) if row.subject == "After that"]
    expected = ["Stranger 0", "Stranger 1", "Stranger 2", "While he is active"]
    assert expected == sorted(issue["subject"] for issue in redmine.admin.issues(project))
    assert State.REJECTED is row.state
    assert "locked" in (row.reason or "")
