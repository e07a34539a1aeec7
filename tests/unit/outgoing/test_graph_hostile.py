"""Sending by Microsoft Graph when the server answers what it must not: a mail waits, no other waits for it."""

import io
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import responses

from redmine_mailbridge.errors import MailboxUnreachable, SendingDeferred, SendingRefused
from redmine_mailbridge.mailboxes.graph.mailbox import GraphMailbox
from redmine_mailbridge.model.mailbox import MailboxConfig, MailProtocol, Security
from redmine_mailbridge.outgoing.graph import GraphTransport
from redmine_mailbridge.outgoing.graph_draft import CHUNK
from redmine_mailbridge.outgoing.outbox_sender import GIVE_UP, OutboxSender, SendingAccount
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.outgoing.adding import NewAnswer
from redmine_mailbridge.store.outgoing.outbox import Outbox
from redmine_mailbridge.store.outgoing.rows import FAILED, SENT
from redmine_mailbridge.util.backoff import LONGEST
from tests.clocks import Clock
from tests.mail_worlds import graph_config
from tests.servers.graph import graph_server
from tests.unit.outgoing.test_graph import KIM, answer

ROOT = "http://127.0.0.1:9/v1.0/users/desk@example.com"
CONFIG = MailboxConfig(
    name="support", host="127.0.0.1", port=9, username="desk@example.com", timeout=20.0,
    protocol=MailProtocol.GRAPH, security=Security.NONE, token=lambda: "token",
)  # fmt: skip


@pytest.fixture
def graph() -> Iterator[responses.RequestsMock]:
    """What Graph answers."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as made:
        yield made


def send(content: bytes, *, again: bool = False) -> str:
    """Send this to one person."""
    with GraphTransport(CONFIG) as made:
        return made.send_message([KIM], content, again=again)


@pytest.mark.fault("A23-2")
@pytest.mark.parametrize(
    ("said", "pause"),
    [
        ("9" * 5000, LONGEST),
        ("99999999", LONGEST),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST),
        ("Mon, 01 Jan 2027 00:00:00 +99999999999999999999", 0.0),
        ("Mon, 01 Jan 2001 00:00:00 GMT", 0.0),
        ("-5", 0.0),
        ("1e400", 0.0),
    ],
)
def test_any_retry_after(graph: responses.RequestsMock, said: str, pause: float) -> None:
    """A pause that no clock can hold is a day; one that cannot be read, or is over, is none."""
    graph.post(f"{ROOT}/sendMail", status=429, headers={"Retry-After": said}, json={"error": {"code": "x"}})
    with pytest.raises(SendingDeferred) as deferred:
        send(answer())
    assert pause == deferred.value.pause


DEEP = b"[" * 200_000


@pytest.mark.fault("A23-3")
@pytest.mark.parametrize(
    "body",
    [
        DEEP, b'{"value": null}', b'{"value": 5}', b'{"value": ["x"]}', b"[]", b"null", b'"x"',
        b'{"value": [{"isDraft": false, "toRecipients": 5}]}',
        b'{"value": [{"isDraft": false, "toRecipients": ["x"]}]}',
        b'{"value": [{"isDraft": false, "toRecipients": [{"emailAddress": "kim"}]}]}',
        b'{"value": [], "@odata.nextLink": "http://["}',
        b'{"value": [], "@odata.nextLink": "http://127.0.0.1:10/v1.0/x"}',
    ],
)  # fmt: skip
def test_a_look_up_that_cannot_be_read(graph: responses.RequestsMock, body: bytes) -> None:
    """As long as Graph does not say whether a mail was sent before, it is not sent again; it waits."""
    graph.get(f"{ROOT}/messages", body=body)
    graph.post(f"{ROOT}/sendMail", status=202)
    with pytest.raises(SendingDeferred):
        send(answer(), again=True)


@pytest.mark.fault("A23-12")
@pytest.mark.parametrize("body", [b"{}", b"", b'{"value": 5}', b'{"id": "x", "value": [{}]}'])
def test_a_mailbox_without_ids(graph: responses.RequestsMock, body: bytes) -> None:
    """A server whose folders lack what Graph's have is one that cannot be read from now, and no fault of the bridge."""
    graph.get(re.compile(re.escape(ROOT)), body=body)
    with pytest.raises(MailboxUnreachable):
        GraphMailbox(CONFIG).connect()


@pytest.mark.fault("A23-3")
@pytest.mark.parametrize("body", [DEEP, b'{"error": 5}', b'{"error": ["x"]}', b"null", b'"x"'])
def test_a_refusal_that_cannot_be_read(graph: responses.RequestsMock, body: bytes) -> None:
    """The mail waits, whatever the text of the failure is."""
    graph.post(f"{ROOT}/sendMail", status=500, body=body)
    with pytest.raises(SendingDeferred, match="500"):
        send(answer())


class Endless(io.RawIOBase):
    """A body without end, which counts what was taken of it; no test takes more than a GB."""

    def __init__(self) -> None:
        self.taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        buffer[:] = b" " * len(buffer)
        self.taken += len(buffer)
        return len(buffer) if self.taken < 1 << 28 else 0


@pytest.mark.fault("A23-4")
@pytest.mark.parametrize("status", [202, 400, 500])
def test_a_body_without_end(graph: responses.RequestsMock, status: int) -> None:
    """Of an answer only so much is read as one of Graph's can be long."""
    body = Endless()
    graph.post(f"{ROOT}/sendMail", status=status, body=io.BufferedReader(body))
    with pytest.raises(SendingDeferred):
        send(answer())
    assert body.taken < 1 << 27


@pytest.mark.fault("A23-5")
@pytest.mark.parametrize(("status", "body"), [(302, b""), (307, b""), (400, b"<html>"), (407, b"<html>"), (405, b"")])
def test_an_answer_that_is_not_graphs(graph: responses.RequestsMock, status: int, body: bytes) -> None:
    """A proxy's page refuses no mail for good, and is not followed: the mail waits."""
    graph.post(f"{ROOT}/sendMail", status=status, body=body, headers={"Location": "http://127.0.0.1:10/"})
    with pytest.raises(SendingDeferred):
        send(answer())
    assert 1 == len(graph.calls)


def upload(graph: responses.RequestsMock, url: object) -> None:
    """Graph makes drafts, and has files put to this address."""
    graph.post(f"{ROOT}/messages", status=201, json={"id": "d", "internetMessageId": "<answer.7@example.com>"})
    graph.post(f"{ROOT}/messages/d/attachments/createUploadSession", status=201, json={"uploadUrl": url})
    graph.post(f"{ROOT}/messages/d/send", status=202)
    graph.delete(f"{ROOT}/messages/d", status=204)


@pytest.mark.fault("A23-6")
def test_a_piece_that_the_server_lacks_at_the_end(graph: responses.RequestsMock) -> None:
    """A piece that the server asks for again at the last one is put again: the mail does not leave with half a file."""
    upload(graph, "http://127.0.0.1:9/up")
    for ranges in (["0-"], [f"{CHUNK}-"], [f"{CHUNK}-"]):
        graph.put("http://127.0.0.1:9/up", status=200, json={"nextExpectedRanges": ranges})
    graph.put("http://127.0.0.1:9/up", status=201)
    send(answer(b"x" * 2 * CHUNK))
    ranges = [str(one.request.headers["Content-Range"]) for one in graph.calls if one.request.method == "PUT"]
    size = 2 * CHUNK
    first, last = f"bytes 0-{CHUNK - 1}/{size}", f"bytes {CHUNK}-{size - 1}/{size}"
    assert [first, first, last, last] == ranges


@pytest.mark.fault("A23-6")
@pytest.mark.parametrize(
    "said", [{"nextExpectedRanges": 5}, {"nextExpectedRanges": ["9" * 5000]}, {"nextExpectedRanges": {"a": 1}}]
)
def test_ranges_that_cannot_be_read(graph: responses.RequestsMock, said: object) -> None:
    """The mail waits, and its draft is gone."""
    upload(graph, "http://127.0.0.1:9/up")
    graph.put("http://127.0.0.1:9/up", status=200, json=said)
    with pytest.raises(SendingDeferred):
        send(answer(b"x" * 2 * CHUNK))
    assert ["DELETE"] == [one.request.method for one in graph.calls][-1:]


@pytest.mark.fault("A23-6")
@pytest.mark.parametrize("url", ["http://[", "https://a\u2100b/", "http://elsewhere.example/up", "nowhere", 5])
def test_an_upload_address_that_cannot_be(graph: responses.RequestsMock, url: object) -> None:
    """The mail waits, and its draft is gone."""
    upload(graph, url)
    with pytest.raises(SendingDeferred):
        send(answer(b"x" * 2 * CHUNK))
    assert ["DELETE"] == [one.request.method for one in graph.calls][-1:]


@pytest.mark.fault("A23-8")
@pytest.mark.parametrize("status", [401, 403, 404])
def test_an_upload_session_that_has_ended(graph: responses.RequestsMock, status: int) -> None:
    """Where the address of an upload is not valid any more, only this mail waits, and its address is not told."""
    upload(graph, "http://127.0.0.1:9/up?authtoken=opaque-word")
    told = {"error": {"code": "unauthenticated", "message": "The token opaque-word has expired."}}
    graph.put(re.compile("http://127.0.0.1:9/up"), status=status, json=told)
    with pytest.raises(SendingDeferred) as deferred:
        send(answer(b"x" * 2 * CHUNK))
    assert (False, False) == (deferred.value.whole, "opaque-word" in str(deferred.value))


@pytest.mark.fault("A23-9")
def test_pages_without_end(graph: responses.RequestsMock) -> None:
    """A look-up that leads on and on ends, and the mail waits."""

    def page(request: Any) -> tuple[int, dict[str, str], str]:
        number = int(request.url.partition("skip=")[2] or 0) + 1
        return 200, {}, f'{{"value": [], "@odata.nextLink": "{ROOT}/messages?skip={number}"}}'

    graph.add_callback(responses.GET, re.compile(f"{re.escape(ROOT)}/messages"), callback=page)
    with pytest.raises(SendingDeferred, match="no end"):
        send(answer(), again=True)
    assert len(graph.calls) < 200


def in_outbox(store: Store, issue: int, content: bytes) -> None:
    """A mail about this issue waits."""
    row = ("support", "answer", "desk@example.com", KIM, f"answer.{issue}@example.com", content)
    Outbox(store.database, store.clock).queue([NewAnswer(*row, lambda _count: None, issue=issue)])


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    made = Store.open(f"sqlite:///{tmp_path / 'db'}", tmp_path / "raw", clock=clock)
    yield made
    made.close()


@pytest.mark.fault("A23-1")
def test_a_mail_that_needs_a_draft_holds_up_no_other(store: Store, clock: Clock) -> None:
    """Without Mail.ReadWrite a large mail waits, and is given up after five days; those behind it go out at once."""
    in_outbox(store, 7, answer(b"x" * 4_000_000))
    in_outbox(store, 8, answer())
    outbox = Outbox(store.database, store.clock)
    with graph_server() as server:
        server.permissions = {"Mail.Send"}
        account = SendingAccount(lambda: GraphTransport(graph_config(server)), 0, 0, ("support",))
        sender = OutboxSender(outbox, {"support": account}, threading.Event())
        result = sender.once()
        assert (1, 1, True) == (result.sent, len(server.delivered), "ErrorAccessDenied" in str(result.error))
        clock.now += GIVE_UP + 1
        sender.once()
    assert {SENT: 1, FAILED: 1} == outbox.counts()


@pytest.mark.fault("A23-7")
def test_a_draft_that_is_refused_is_gone() -> None:
    """A mail that Exchange refuses when its draft is to be sent leaves none in the mailbox."""
    nobody = "kim@nowhere.invalid"
    with graph_server() as server, GraphTransport(graph_config(server)) as made:
        with pytest.raises(SendingRefused):
            made.send_message([nobody], answer(kind="received", to=(nobody,)), again=False)
        assert (0, []) == (len(server.contents("Entwürfe")), server.delivered)
