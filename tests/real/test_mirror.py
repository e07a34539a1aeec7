"""The copy of Redmine's issues, of a real Redmine: what it holds and what it costs."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from redmine_mailbridge.store.issue_copy import IssueCopy
from redmine_mailbridge.tasks.update.issue_sync import IssueSync
from redmine_mailbridge.wiring import application as app
from tests.product import CAROL, STRANGER, Product, mail, message_id_of, product
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox

pytestmark = pytest.mark.real

OVERLAP = 300.0
"""Seconds for which the list reaches back."""


@pytest.fixture
def bridge(tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str) -> Product:
    return product(tmp_path, redmine, mailbox, project)


@pytest.fixture
def application(bridge: Product) -> Iterator[app.Application]:
    with bridge.application() as made:
        yield made


class Later:
    """A clock that can be put forward, so that nobody has to wait."""

    ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


def test_the_copy(redmine: Redmine, mailbox: Mailbox, bridge: Product, application: app.Application) -> None:
    """Customers, agents and status changes of a real issue stand in the copy; a quiet refresh is one request."""
    admin, clock = redmine.admin, Later()
    issues = IssueCopy(application.store.database, clock)
    mirror = IssueSync(issues, application.client, application.metadata)

    def asked() -> int:
        before = application.client.requests
        mirror.refresh()
        return application.client.requests - before

    first = mail("Printer on fire", sender=STRANGER)
    mailbox.append(first, mail("A user's", sender=CAROL))
    stranger, carol = (outcome.issue for outcome in sorted(bridge.receive(), key=lambda one: one.row.id))
    assert stranger is not None
    assert carol is not None
    redmine.api("bob").call("PUT", f"/issues/{stranger}.json", {"issue": {"notes": "Is it out?", "status_id": 2}})
    hidden = {"issue": {"notes": "For us", "private_notes": True}}
    redmine.api("anna").call("PUT", f"/issues/{stranger}.json", hidden)
    mailbox.append(mail("Re: Printer on fire", sender=STRANGER, In_Reply_To=message_id_of(first)))
    bridge.receive()
    admin.call("PUT", f"/issues/{carol}.json", {"issue": {"status_id": 5}})
    mirror.refresh()

    rows = {row.id: row for row in issues.issues()}
    assert {stranger: ("zoe@elsewhere.example", "Zoe Stranger"), carol: ("carol@example.org", "Carol Customer")} == {
        number: (row.requester, row.requester_name) for number, row in rows.items()
    }
    assert [False, True] == [rows[stranger].closed, rows[carol].closed]
    assert None is not rows[carol].closed_on
    history = issues.journals([stranger])
    assert [("agent", False), ("agent", True), ("customer", False)] == [(one.side, one.private) for one in history]
    assert ("New", "In Progress") == (history[0].status_from, history[0].status_to)
    assert [None, None] == [one.mail_id for one in history[:2]]
    assert None is not history[2].mail_id

    clock.ahead = OVERLAP + 1000
    mirror.refresh()
    assert [1, 1] == [asked(), asked()]
    before = admin.issue(stranger)["updated_on"]
    while admin.issue(stranger)["updated_on"] == before:  # our clock is ahead; Redmine's second must really turn
        redmine.api("bob").call("PUT", f"/issues/{stranger}.json", {"issue": {"notes": "Done."}})
    assert (2, len(admin.issue(stranger)["journals"])) == (asked(), len(issues.journals([stranger])))
    admin.call("DELETE", f"/issues/{carol}.json")
    assert None is mirror.reread(carol)
    assert [stranger] == [row.id for row in issues.issues()]
