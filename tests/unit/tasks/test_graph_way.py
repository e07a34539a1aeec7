"""The whole way of a mail whose mailbox is behind Microsoft Graph."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from redmine_mailbridge import app
from redmine_mailbridge.mailboxes.base import MailboxConfig
from redmine_mailbridge.mailboxes.graph import GraphMailbox
from redmine_mailbridge.mailboxes.pop3 import Known
from tests.mail_worlds import graph_config
from tests.product import mail
from tests.servers.graph import GraphServer, graph_server
from tests.unit.tasks.desk import Desk, open_desk


@pytest.fixture
def server() -> Iterator[GraphServer]:
    """A new account."""
    with graph_server() as made:
        yield made


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: GraphServer) -> Iterator[Desk]:
    """The product between that account and a small Redmine."""
    with open_desk(tmp_path, monkeypatch) as made:

        def opened(config: MailboxConfig, known: Known) -> GraphMailbox:
            return GraphMailbox(graph_config(server, name=config.name), known)

        monkeypatch.setattr(app, "open_mailbox", opened)
        yield made


def test_from_arrival_to_the_folder(desk: Desk, server: GraphServer) -> None:
    """Mail becomes issues and is moved, each once, also when every pass is another process."""
    server.append(mail("One"), mail("Two"))
    assert ["Processed", "Processed"] == [outcome.filed for outcome in desk.receive()]
    server.append(mail("Three"))
    assert ["Processed"] == [outcome.filed for outcome in desk.receive()]
    assert [] == desk.receive()
    assert ["One", "Three", "Two"] == sorted(issue["subject"] for issue in desk.issues)
    assert (0, 3) == (len(server.contents()), len(server.contents("Processed")))
    assert not any(r"\Seen" in flags for _, flags, _ in server.contents("Processed"))


def test_throttled_while_filing(desk: Desk, server: GraphServer) -> None:
    """When Graph throttles the filing, the pass says so; the next one files, and makes no second issue."""
    server.append(mail("Once"))
    server.refuse_at("/move", 429, "ApplicationThrottled", "Too many requests.", Retry_After="3")
    with desk.application() as made:
        result = made.receivers[0].once()
    assert "Too many requests. (retry after 3 seconds)" in str(result.error)
    assert 1 == len(server.contents())
    assert [] == desk.receive()
    assert (1, 1) == (len(desk.issues), len(server.contents("Processed")))
