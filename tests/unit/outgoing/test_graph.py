"""Mail that leaves by Microsoft Graph: once, to whom it is for, as it was written, whatever Graph answers."""

import datetime as dt
import email
import threading
from collections.abc import Iterator
from email import policy
from typing import Any

import pytest

from redmine_mailbridge.errors import SendingDeferred, SendingRefused
from redmine_mailbridge.model.mail import Address
from redmine_mailbridge.outgoing.envelope import addressed_to, recipients_of
from redmine_mailbridge.outgoing.graph import GraphTransport
from redmine_mailbridge.outgoing.graph_draft import CHUNK
from redmine_mailbridge.outgoing.message import FromIdentity, OutgoingFile, OutgoingMessage
from redmine_mailbridge.outgoing.outbox_sender import OutboxSender, SendingAccount
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.outgoing.adding import NewAnswer
from redmine_mailbridge.store.outgoing.outbox import CLAIM_SECONDS, Outbox
from tests.clocks import Clock
from tests.mail_worlds import graph_config
from tests.servers.graph import GraphServer, graph_server

NOW = dt.datetime(2026, 11, 28, 10, 0, tzinfo=dt.UTC)
KIM, LEE, SAM = "kim@client.example", "lee@client.example", "sam@client.example"


@pytest.fixture
def server() -> Iterator[GraphServer]:
    """A new account."""
    with graph_server() as made:
        yield made


@pytest.fixture
def transport(server: GraphServer) -> Iterator[GraphTransport]:
    """The way to it."""
    with GraphTransport(graph_config(server)) as made:
        yield made


def answer(*files: bytes, kind: str = "answer", to: tuple[str, ...] = (KIM,), cc: tuple[str, ...] = ()) -> bytes:
    """A mail as the bridge composes it, with files of these contents."""
    first, *others = (Address("Grün, Kim" if one == KIM else "", one) for one in to)
    return OutgoingMessage(
        kind, FromIdentity("desk@example.com", "Example desk"), first, "[support #7] Größe", "Grüße\n",
        "answer.7@example.com", html="<p>Grüße</p>", in_reply_to="theirs@client.example", loop_value="instance-1",
        other_recipients=tuple(others), cc=tuple(Address("", one) for one in cc), thread_topic="Größe",
        files=tuple(OutgoingFile(f"größe {n}.bin", "application/x-test", one) for n, one in enumerate(files)),
    ).as_bytes(NOW)  # fmt: skip


def files_of(parsed: Any) -> list[tuple[str, bytes]]:
    """Given a message, return its files."""
    return [(part.get_filename(), part.get_payload(decode=True)) for part in parsed.iter_attachments()]


def test_it_arrives_as_it_was_written(server: GraphServer, transport: GraphTransport) -> None:
    """An agent's answer arrives with its Message-ID, its thread and its words, in one request, and is in Sent Items."""
    assert "accepted by Microsoft Graph" == transport.send_message([KIM], answer(b"a file"), again=False)
    (one,) = server.delivered
    found = {name: one.parsed[name] for name in ("Message-ID", "In-Reply-To", "Thread-Topic", "Auto-Submitted")}
    expected = {"Message-ID": "<answer.7@example.com>", "In-Reply-To": "<theirs@client.example>"}
    assert expected | {"Thread-Topic": "Größe", "Auto-Submitted": None} == found
    assert ((KIM,), [("größe 0.bin", b"a file")]) == (one.recipients, files_of(one.parsed))
    assert [("POST", "/v1.0/users/desk@example.com/sendMail")] == server.asked
    assert 1 == len(server.contents("Gesendete Elemente"))


def test_an_automatic_mail_keeps_its_marks(server: GraphServer, transport: GraphTransport) -> None:
    """What tells machines not to reply, which Exchange drops from a MIME message, arrives."""
    transport.send_message([KIM], answer(kind="received"), again=False)
    (one,) = server.delivered
    marks = {name: one.parsed[name] for name in ("Auto-Submitted", "X-Mailbridge-Loop", "X-Auto-Response-Suppress")}
    assert {
        "Auto-Submitted": "auto-replied", "X-Mailbridge-Loop": "instance-1", "X-Auto-Response-Suppress": "All",
    } == marks  # fmt: skip
    assert ("<answer.7@example.com>", 0) == (one.parsed["Message-ID"], len(server.contents("Entwürfe")))


def test_an_automatic_mail_without_the_permission_for_drafts(server: GraphServer, transport: GraphTransport) -> None:
    """With Mail.Send alone it goes out all the same; a large one waits for the permission."""
    server.permissions = {"Mail.Send"}
    transport.send_message([KIM], answer(kind="received"), again=True)
    assert 1 == len(server.delivered)
    with pytest.raises(SendingDeferred, match="ErrorAccessDenied"):
        transport.send_message([KIM], answer(b"x" * 4_000_000), again=False)


def test_large_files(server: GraphServer, transport: GraphTransport) -> None:
    """Files above what one request holds arrive whole and in order, over upload sessions in pieces."""
    contents = [b"small", bytes(range(256)) * 30_000, b"y" * 2_500_000, b"z" * CHUNK * 2]
    transport.send_message([KIM], answer(*contents), again=False)
    (one,) = server.delivered
    assert sorted(contents) == sorted(content for _, content in files_of(one.parsed))
    assert {f"größe {n}.bin" for n in range(4)} == {name for name, _ in files_of(one.parsed)}
    assert ("Größe", "<theirs@client.example>") == (one.parsed["Thread-Topic"], one.parsed["In-Reply-To"])
    assert 5 == len([1 for method, _ in server.asked if method == "PUT"])
    assert 0 == len(server.contents("Entwürfe"))


def test_an_upload_that_breaks_leaves_no_draft(server: GraphServer, transport: GraphTransport) -> None:
    """When a piece's answer is lost, the mail waits, and the next try sends it whole, once."""
    content = answer(b"x" * 8_000_000)
    server.lose("authtoken=opaque")
    with pytest.raises(SendingDeferred, match="cannot connect") as deferred:
        transport.send_message([KIM], content, again=False)
    assert (False, 300.0) == (deferred.value.whole, deferred.value.pause)
    assert (0, 0) == (len(server.delivered), len(server.contents("Entwürfe")))
    transport.send_message([KIM], content, again=True)
    assert ([(KIM,)], 0) == ([one.recipients for one in server.delivered], len(server.contents("Entwürfe")))


def test_a_draft_with_another_message_id_gets_ours(server: GraphServer, transport: GraphTransport) -> None:
    """Where Exchange gives a draft a Message-ID of its own, ours is set again, so that the thread holds."""
    server.replaces_message_ids = True
    transport.send_message([KIM], answer(kind="closed"), again=False)
    assert ["<answer.7@example.com>"] == [one.parsed["Message-ID"] for one in server.delivered]


@pytest.mark.parametrize(("kind", "way"), [("answer", "/sendMail"), ("received", "/send"), ("received", "/messages")])
def test_a_lost_answer(server: GraphServer, transport: GraphTransport, kind: str, way: str) -> None:
    """A mail whose answer was lost is looked for before it is sent again: it goes out once, and no draft stays."""
    server.lose(way)
    with pytest.raises(SendingDeferred) as deferred:
        transport.send_message([KIM], answer(kind=kind), again=False)
    assert (False, True, 300.0) == (deferred.value.whole, deferred.value.ended, deferred.value.pause)
    transport.send_message([KIM], answer(kind=kind), again=True)
    assert ([(KIM,)], 0) == ([one.recipients for one in server.delivered], len(server.contents("Entwürfe")))


def test_a_token_that_ends(server: GraphServer) -> None:
    """A token that has ended is renewed, and the mail goes out at the same try, once."""
    server.end_token()
    given, told = iter(["old-token", "old-token", server.token]), list[str]()
    with GraphTransport(graph_config(server, token=lambda: next(given), token_refused=told.append)) as made:
        made.send_message([KIM], answer(), again=False)
    assert (1, ["old-token"]) == (len(server.delivered), told)


def test_throttled(server: GraphServer, transport: GraphTransport) -> None:
    """A 429 puts off all, for as long as Retry-After says, in seconds or as a date."""
    server.refuse(429, "ApplicationThrottled", "Too many requests.", Retry_After="47")
    with pytest.raises(SendingDeferred, match="Too many requests") as deferred:
        transport.send_message([KIM], answer(), again=False)
    assert (True, 47.0) == (deferred.value.whole, deferred.value.pause)
    server.refuse(503, "serviceNotAvailable", "Later.", Retry_After="Wed, 21 Oct 2065 07:28:00 GMT")
    with pytest.raises(SendingDeferred, match="Later"):
        transport.send_message([KIM], answer(), again=False)
    assert [] == server.delivered


@pytest.mark.parametrize(
    ("status", "code", "configuration"),
    [
        (403, "ErrorSendAsDenied", True),
        (404, "ErrorInvalidUser", True),
        (400, "ErrorMessageSizeExceeded", None),
        (400, "ErrorInvalidRecipients", None),
    ],
)
def test_refused(
    server: GraphServer, transport: GraphTransport, status: int, code: str, *, configuration: bool | None
) -> None:
    """What is wrong with the mailbox puts a mail off; what is wrong with the mail ends it, in Graph's words."""
    server.refuse(status, code, "Not this.")
    with pytest.raises(SendingRefused if configuration is None else SendingDeferred, match=f"{code}: Not this") as why:
        transport.send_message([KIM], answer(), again=False)
    if isinstance(why.value, SendingDeferred):
        assert (False, True) == (why.value.whole, why.value.configuration)


def test_a_mailbox_without_graph(server: GraphServer, transport: GraphTransport) -> None:
    """A mailbox without a licence, or on another server, puts off all."""
    server.refuse(404, "MailboxNotEnabledForRESTAPI", "The mailbox is either inactive or hosted on-premise.")
    with pytest.raises(SendingDeferred, match="MailboxNotEnabledForRESTAPI") as deferred:
        transport.send_message([KIM], answer(), again=False)
    assert deferred.value.whole


def test_check_sends_nothing(server: GraphServer, transport: GraphTransport) -> None:
    """Whether mail can be sent is found out without sending; what lacks is said."""
    assert "" == transport.check()
    server.permissions = {"Mail.Send"}
    assert "without Mail.ReadWrite" in transport.check()
    server.permissions = {"Mail.ReadWrite"}
    with pytest.raises(SendingDeferred, match="ErrorAccessDenied"):
        transport.check()
    assert ([], 0) == (server.delivered, len(server.contents("Entwürfe")))


# ---------------------------------------------------------------------- to whom


def test_a_header_for_some_of_its_people() -> None:
    """Who is not to have a mail now does not stand in its header; the others stay as they were written."""
    whole = answer(to=(KIM, LEE), cc=(SAM,))
    assert whole == addressed_to(whole, [SAM.upper(), KIM, LEE])
    some = addressed_to(whole, [KIM, SAM])
    parsed = email.message_from_bytes(some, policy=policy.default)
    assert (["Grün, Kim"], [KIM]) == (
        [one.display_name for one in parsed["To"].addresses], [one.addr_spec for one in parsed["To"].addresses]
    )  # fmt: skip
    assert {"To": 1, "Cc": 1} == {name: len(people) for name, people in recipients_of(some).items()}
    assert whole.partition(b"\r\n\r\n")[2] == some.partition(b"\r\n\r\n")[2]
    assert None is email.message_from_bytes(addressed_to(whole, [SAM]), policy=policy.default)["To"]
    assert {"Bcc": ["new@client.example"]} == recipients_of(addressed_to(whole, ["new@client.example"]))


@pytest.fixture
def clock() -> Clock:
    return Clock()


def queued(store: Store, content: bytes, *people: str) -> None:
    """A mail to these people waits to be sent."""
    outbox = Outbox(store.database, store.clock)
    row = ("support", "answer", "desk@example.com")
    outbox.queue(
        [NewAnswer(*row, one, "answer.7@example.com", content, lambda _count: None, issue=7) for one in people]
    )


def sender(store: Store, server: GraphServer, **more: Any) -> OutboxSender:
    """What empties the outbox by Graph."""
    account = SendingAccount(lambda: GraphTransport(graph_config(server)), more.pop("daily", 0), 0, ("support",))
    return OutboxSender(Outbox(store.database, store.clock), {"support": account}, threading.Event(), **more)


def sent_to(server: GraphServer) -> list[tuple[str, ...]]:
    """To whom each message went."""
    return [one.recipients for one in server.delivered]


def test_a_mail_to_several_goes_out_once(store: Store, server: GraphServer) -> None:
    """Its recipients are each other's to see, and nobody has it twice."""
    queued(store, answer(to=(KIM, LEE), cc=(SAM,)), KIM, LEE, SAM)
    assert 3 == sender(store, server).once().sent
    assert [(KIM, LEE, SAM)] == sent_to(server)


def test_who_may_not_have_it_is_not_in_it(store: Store, server: GraphServer) -> None:
    """One from whom the mail is withheld is neither sent it nor named in it."""
    queued(store, answer(to=(KIM, LEE), cc=(SAM,)), KIM, LEE, SAM)
    result = sender(store, server, asking=lambda: lambda mail: "private" if mail.recipient == SAM else "").once()
    assert (2, 1, [(KIM, LEE)]) == (result.sent, result.failed, sent_to(server))
    assert SAM.encode() not in server.delivered[0].raw


def test_what_a_limit_holds_back_follows(store: Store, server: GraphServer, clock: Clock) -> None:
    """Who is over the limit has the mail later, and those who had it do not have it twice."""
    queued(store, answer(to=(KIM, LEE)), KIM, LEE)
    assert 1 == sender(store, server, daily=1).once().sent
    clock.now += 2 * 86_400
    assert 1 == sender(store, server, daily=1).once().sent
    assert [(KIM,), (LEE,)] == sent_to(server)


def test_one_bad_address_harms_no_other(store: Store, server: GraphServer) -> None:
    """Where Graph refuses a mail because of one of its people, the others have it."""
    queued(store, answer(to=(KIM, "lee@nowhere.invalid"), cc=(SAM,)), KIM, "lee@nowhere.invalid", SAM)
    result = sender(store, server).once()
    assert (2, 1, [(KIM,), (SAM,)]) == (result.sent, result.failed, sent_to(server))


def test_a_process_that_died_with_the_answer(store: Store, server: GraphServer, clock: Clock) -> None:
    """What was sent before a process died is found, for each of its people, and the rest is sent."""
    queued(store, answer(to=(KIM, LEE)), KIM, LEE)
    outbox = Outbox(store.database, store.clock)
    assert 2 == len(outbox.claim("support", limit=50))
    with GraphTransport(graph_config(server)) as made:
        made.send_message([KIM], answer(to=(KIM, LEE)), again=False)
    clock.now += CLAIM_SECONDS + 1
    assert (2, [(KIM,), (LEE,)]) == (sender(store, server).once().sent, sent_to(server))


def test_a_pause_that_graph_asks_for(store: Store, server: GraphServer, clock: Clock) -> None:
    """Nothing is offered before Retry-After is over."""
    queued(store, answer(), KIM)
    server.refuse(429, "ApplicationThrottled", "Too many requests.", Retry_After="600")
    assert "Too many requests" in str(sender(store, server).once().error)
    clock.now += 590
    assert 0 == sender(store, server).once().sent
    clock.now += 20
    assert (1, [(KIM,)]) == (sender(store, server).once().sent, sent_to(server))
