"""A whole conversation of a customer and an agent on a real Redmine, read and sent by Microsoft Graph."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from redmine_mailbridge.tasks.update.update import Updater
from tests.product import CAROL, Product, mail, product
from tests.servers.fixtures import Redmine
from tests.servers.graph import GraphServer, graph_server
from tests.servers.mail import Mailbox

pytestmark = pytest.mark.real


@pytest.fixture
def server() -> Iterator[GraphServer]:
    """A new account."""
    with graph_server() as made:
        yield made


@pytest.fixture
def bridge(server: GraphServer, redmine: Redmine, mailbox: Mailbox, project: str, tmp_path: Path) -> Product:
    """The bridge between that account and a project, with the application's own tokens."""
    made = product(tmp_path, redmine, mailbox, project)
    box = made.values["mailboxes"]["support"]
    del box["password"]
    made.change({
        "oauth": {
            "ms": {
                "token_endpoint": f"http://127.0.0.1:{server.port}/tenant/oauth2/v2.0/token", "client_id": "bridge",
                "client_secret": "secret", "grant": "client_credentials", "scopes": ["scope/.default"],
            },
        },
        "outgoing": {"transport": "graph", "host": "127.0.0.1", "port": server.port, "security": "none"},
        "mailboxes": {
            "support": {
                "protocol": "graph", "address": server.user, "port": server.port, "oauth": "ms",
                "answers": {"received": True, "notes": "public_notes", "redmine_users": "mail"},
            },
        },
    })  # fmt: skip
    return made


def turn(bridge: Product) -> None:
    """Receive, mail what agents wrote, send: each as a process of its own would."""
    with bridge.application() as application:
        assert [None] == [receiver.once().error for receiver in application.receivers]
        Updater(application.tasks.steps).once(threading.Event())
        assert application.sending.once().error is None


def test_a_conversation(bridge: Product, server: GraphServer, redmine: Redmine, project: str) -> None:
    """The customer's mail becomes an issue and is acknowledged, the agent's note reaches the customer in the
    same thread, and the customer's answer to it is a note on the same issue; each once.
    """
    turn(bridge)
    server.append(mail("The printer", sender=CAROL, to=server.user, message_id="<question@example.org>"))
    turn(bridge)
    (issue,) = redmine.admin.issues(project)
    redmine.api("bob").call("PUT", f"/issues/{issue['id']}.json", {"issue": {"notes": "We look at it."}})
    turn(bridge)
    turn(bridge)
    told, answered = (one.parsed for one in server.delivered)
    assert ("auto-replied", None) == (told["Auto-Submitted"], answered["Auto-Submitted"])
    assert "We look at it." in answered.get_body(("plain",)).get_content()
    assert "<question@example.org>" in answered["References"]
    text = "It works again.\n"
    server.append(mail("Re: The printer", text, sender=CAROL, to=server.user, In_Reply_To=answered["Message-ID"]))
    turn(bridge)
    notes = [one["notes"] for one in redmine.admin.issue(issue["id"])["journals"] if one["notes"]]
    assert ["We look at it.", "It works again."] == [note.strip() for note in notes]
    assert 1 == len(redmine.admin.issues(project))
    assert 2 == len(server.delivered)
