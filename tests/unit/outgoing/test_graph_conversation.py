"""A whole conversation whose answers leave by Microsoft Graph, with the application's own tokens."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.helpdesk import BOB, HelpDesk, writes
from tests.servers.graph import GraphServer, graph_server

KIM = "kim@client.example"


@pytest.fixture
def graph() -> Iterator[GraphServer]:
    """A new account."""
    with graph_server() as made:
        yield made


@pytest.fixture
def values(graph: GraphServer) -> dict[str, Any]:
    """Answers go out by that account; its token endpoint gives the tokens."""
    endpoint = f"http://127.0.0.1:{graph.port}/tenant/oauth2/v2.0/token"
    return {
        "oauth": {
            "ms": {
                "token_endpoint": endpoint, "client_id": "bridge", "client_secret": "secret",
                "grant": "client_credentials", "scopes": ["https://graph.microsoft.com/.default"],
            },
        },
        "outgoing": {
            "transport": "graph", "host": "127.0.0.1", "port": graph.port, "security": "none", "oauth": "ms",
            "username": graph.user,
        },
    }  # fmt: skip


def test_a_conversation(desk: HelpDesk, graph: GraphServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The customer is told that the mail came, has the agent's answer in the same thread, and answers it; a token that
    ends in the middle is renewed. Everything is said once, and nothing goes out by SMTP.
    """
    monkeypatch.setattr("redmine_mailbridge.oauth.token_manager.YOUNG", 0.0)
    desk.mail(writes(KIM))
    desk.turn()
    desk.redmine.writes(1, BOB, "We look at it.")
    graph.end_token()
    desk.turn()
    told, answered = (one.parsed for one in graph.delivered)
    assert [KIM, KIM] == [told["To"].addresses[0].addr_spec, answered["To"].addresses[0].addr_spec]
    assert ("auto-replied", None) == (told["Auto-Submitted"], answered["Auto-Submitted"])
    assert "We look at it." in answered.get_body(("plain",)).get_content()
    desk.mail(writes(KIM, text="It is out now.", In_Reply_To=answered["Message-ID"]))
    desk.turn()
    assert 1 == len(desk.redmine.issues)
    assert 3 == len(graph.delivered)
    assert [] == desk.post.taken


def test_check(desk: HelpDesk, graph: GraphServer) -> None:
    """`check` says from which mailbox, and what is wrong in Graph's words, and sends nothing."""
    good = desk.command("check", "--mailbox", "desk").output
    assert "Microsoft Graph (127.0.0.1), from desk@example.com" in good
    graph.refuse_at("/sendMail", 404, "MailboxNotEnabledForRESTAPI", "The mailbox is hosted on-premise.")
    bad = " ".join(desk.command("check", "--mailbox", "desk").output.split())
    assert "MailboxNotEnabledForRESTAPI" in bad
    assert "Exchange Online licence" in bad
    assert [] == graph.delivered


def test_check_of_copies_that_are_not_made(desk: HelpDesk) -> None:
    """`check` says that a mailbox that is read over POP3 has no copies of what is sent by SMTP."""
    box = {"protocol": "pop3", "after_success": "delete"}
    out = {"transport": "smtp", "host": "127.0.0.1", "port": desk.post.port, "security": "none", "username": ""}
    desk.values["outgoing"] = out | {"save_sent": True}
    desk.change({"mailboxes": {"desk": box}})
    said = " ".join(desk.command("check", "--mailbox", "desk").output.split())
    assert "the bridge saves none: this mailbox is not read over IMAP" in said
