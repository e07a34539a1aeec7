"""Answers from the plan to the server: queued once, sent once, held back and deferred where they must be."""

import datetime as dt
import threading
from dataclasses import replace

import pytest

from redmine_mailbridge.errors import SendingDeferred, SendingRefused
from redmine_mailbridge.mail.message_ids import Signer
from redmine_mailbridge.mail.parse import parse
from redmine_mailbridge.model.mail import Message
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.mailbox import Listed, Location, RawMail
from redmine_mailbridge.model.pending_replies import PendingReplies
from redmine_mailbridge.model.stored_mail import StoredMail
from redmine_mailbridge.outgoing.message import FromIdentity
from redmine_mailbridge.outgoing.outbox_sender import OutboxSender, SendingAccount
from redmine_mailbridge.outgoing.sender_profile import SenderProfile
from redmine_mailbridge.outgoing.templates import Templates
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.outgoing.outbox import Outbox
from redmine_mailbridge.store.queries.messages import MessageQueries
from redmine_mailbridge.store.raw_mails.retention import forget_raw
from redmine_mailbridge.tasks.receive.acknowledgements import AutoReplies
from tests.clocks import Clock
from tests.wire import Wire

SIGNER = Signer(b"a key for the tests only", "test")
EARNED = PendingReplies(("received",), "Printer", "support", proven=True)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def mail(number: int, sender: str = "kim@client.example") -> bytes:
    return f"From: Kim <{sender}>\r\nSubject: Printer\r\nMessage-ID: <{number}@x.example>\r\n\r\nHelp {number}".encode()


def kept(store: Store, number: int, sender: str = "kim@client.example") -> tuple[StoredMail, Message]:
    content = mail(number, sender)
    listed = Listed(Location("support", "INBOX", "1", str(number)), len(content))
    (row,) = store.add([RawMail(listed, content)])
    return row, parse(content)


def answers(*kinds: str) -> AutoReplies:
    sender = FromIdentity("support@example.com", "Support")
    profile = SenderProfile(
        "support", sender, Templates(), "en", frozenset(kinds), SIGNER, "https://redmine.example.com"
    )
    now = dt.datetime(2026, 5, 20, tzinfo=dt.UTC)
    return AutoReplies({"support": profile, "sales": profile}, lambda: now, {"support@example.com"})


def finish(store: Store, number: int, sender: str = "kim@client.example", earned: PendingReplies = EARNED) -> int:
    row, message = kept(store, number, sender)
    queued = answers("received", "refused").to(row, message, earned, issue=number)
    store.done(row.id, "made", issue=number, created=True, answers=queued)
    return row.id


def sending(store: Store, wire: Wire, *, daily: int = 0, minute: int = 0) -> OutboxSender:
    return OutboxSender(
        Outbox(store.database, store.clock),
        {name: SendingAccount(lambda: wire, daily, minute, ("support", "sales")) for name in ("support", "sales")},
        threading.Event(),
    )


def test_an_answer_is_queued_with_the_issue_and_sent_once(store: Store) -> None:
    """The answer to a mail goes out once, with the issue's number and our signed id, and is remembered."""
    mail_id, wire = finish(store, 7), Wire()
    for _ in range(2):
        sending(store, wire).once()
    ((recipient, content),) = wire.taken
    assert "kim@client.example" == recipient
    assert b"[#7] Printer" in content
    (sent,) = Outbox(store.database, store.clock).of_mail(mail_id)
    read = SIGNER.read(sent.message_id)
    assert read is not None
    assert (7, "sent", "250 queued") == (read.issue, sent.state, sent.reason)


def test_the_same_mail_earns_one_answer_whatever_is_repeated(store: Store) -> None:
    """A mail's answer has always the same Message-ID, and the outbox takes it once."""
    row, message = kept(store, 1)
    one = answers("received").to(row, message, EARNED, issue=1)
    two = answers("received").to(row, message, EARNED, issue=1)
    assert [answer.message_id for answer in one] == [answer.message_id for answer in two]
    store.done(row.id, "made", issue=1, answers=(*one, *two))
    assert 1 == len(Outbox(store.database, store.clock).of_mail(row.id))


def test_a_sender_whose_address_is_none_gets_no_answer(store: Store) -> None:
    """An address that no mail can go to costs the answer, never the mail's issue."""
    mail_id = finish(store, 1, "kim..x@client.example")
    assert [] == Outbox(store.database, store.clock).of_mail(mail_id)
    assert State.DONE is MessageQueries(store.database).state(mail_id)


@pytest.mark.parametrize(
    ("reply_to", "why"),
    [
        ("Support@Example.com", "it is one of the bridge's own addresses"),
        ("no-reply@client.example", "it does not accept replies"),
    ],
)
def test_a_reply_to_that_leads_to_ourselves_or_nobody(store: Store, reply_to: str, why: str) -> None:
    """Whatever address a mail asks answers to, none goes to ourselves or to nobody; the record says so."""
    content = mail(1).replace(b"Subject:", f"Reply-To: {reply_to}\r\nSubject:".encode())
    (row,) = store.add([RawMail(Listed(Location("support", "INBOX", "1", "1"), len(content)), content)])
    store.done(
        row.id, "made", issue=1, created=True, answers=answers("received").to(row, parse(content), EARNED, issue=1)
    )
    assert [] == Outbox(store.database, store.clock).of_mail(row.id)
    told = [step.line for step in MessageQueries(store.database).steps(row.id)]
    assert f"no answer: {why} (received to {reply_to})" in told


def test_what_is_switched_off_is_not_sent(store: Store) -> None:
    """A kind that the settings do not name earns nothing, nor does a mailbox without a server."""
    row, message = kept(store, 1)
    assert () == answers("refused").to(row, message, EARNED, issue=1)
    assert () == AutoReplies({}).to(row, message, EARNED, issue=1)


def test_the_limit_against_loops_holds_and_is_told(store: Store) -> None:
    """The eleventh answer to one address in ten minutes stays, and the mail's record says why."""
    ids = [finish(store, number) for number in range(1, 13)]
    wire = Wire()
    sending(store, wire).once()
    assert 10 == len(wire.taken)
    told = [step.line for step in MessageQueries(store.database).steps(ids[-1])]
    assert any("no answer: the limit of 10 to one address in 10 minutes" in line for line in told)


def test_limits_end_with_time_and_do_not_mix_addresses(store: Store, clock: Clock) -> None:
    """Another address is answered meanwhile, and the same one again later."""
    for number in range(1, 12):
        finish(store, number)
    finish(store, 50, "lee@client.example")
    clock.now += 601
    finish(store, 51)
    wire = Wire()
    sending(store, wire).once()
    assert 12 == len(wire.taken)


def test_a_server_that_is_away_gets_it_later(store: Store, clock: Clock) -> None:
    """An outage of SMTP defers with a pause and loses nothing."""
    finish(store, 1)
    wire = Wire()
    wire.fault = ConnectionError("away")
    result = sending(store, wire).once()
    assert ("away", 1) == (result.error, result.waiting)
    wire.fault = None
    assert 0 == sending(store, wire).once().sent
    clock.now += 20
    assert 1 == sending(store, wire).once().sent


def test_a_refusal_for_good_is_not_tried_again(store: Store, clock: Clock) -> None:
    """5xx ends the answer, with the server's words, and the next one goes on."""
    mail_id = finish(store, 1)
    wire = Wire()
    wire.fault = SendingRefused("550 no such user")
    sending(store, wire).once()
    clock.now += 10_000
    wire.fault = None
    assert 0 == sending(store, wire).once().sent
    (row,) = Outbox(store.database, store.clock).of_mail(mail_id)
    assert ("failed", "550 no such user") == (row.state, row.reason)


def test_one_recipient_who_is_put_off_holds_up_no_other(store: Store, clock: Clock) -> None:
    """A 4xx for one mail defers that mail alone, in the server's words; a server that is away defers all."""
    for number in range(1, 4):
        finish(store, number, f"p{number}@client.example")
    wire = Wire()
    wire.fault, wire.fault_for = SendingDeferred("451 greylisted", whole=False), "p1"
    result = sending(store, wire).once()
    assert (2, 0, 1, None) == (result.sent, result.failed, result.waiting, result.error)
    (left,) = Outbox(store.database, store.clock).listed()
    assert ("p1@client.example", 1, "451 greylisted") == (left.recipient, left.tries, left.reason)
    assert "content" not in left.as_json()


def test_after_some_days_a_mail_is_given_up(store: Store, clock: Clock) -> None:
    """What the server puts off again and again is tried for days from the first offer on, and then told."""
    mail_id, wire = finish(store, 1), Wire()
    wire.fault = SendingDeferred("451 greylisted", whole=False)
    sending(store, wire).once()
    clock.now += 2 * 86_400 + 1
    assert 1 == sending(store, wire).once().failed
    (row,) = Outbox(store.database, store.clock).of_mail(mail_id)
    assert ("failed", "given up after 2 days: 451 greylisted") == (row.state, row.reason)
    assert [row.id] == [one.id for one in Outbox(store.database, store.clock).unreported()]


def test_what_is_over_the_daily_limit_waits(store: Store, clock: Clock) -> None:
    """Over the limit nothing is dropped: it goes when its time comes."""
    for number in range(1, 6):
        finish(store, number, f"p{number}@client.example")
    wire = Wire()
    assert 3 == sending(store, wire, daily=3).once().sent
    clock.now += 120
    assert 0 == sending(store, wire, daily=3).once().sent
    clock.now += 86_400
    assert 2 == sending(store, wire, daily=3).once().sent


def test_mailboxes_that_send_by_one_account_share_its_limit(store: Store) -> None:
    """What one of them has sent counts for the other: the provider counts by account."""
    for number in range(1, 5):
        finish(store, number, f"p{number}@client.example")
    content = mail(9, "lee@client.example")
    (row,) = store.add([RawMail(Listed(Location("sales", "INBOX", "1", "9"), len(content)), content)])
    (answer,) = answers("received").to(row, parse(content), EARNED, issue=9)
    store.done(row.id, "made", issue=9, answers=[replace(answer, mailbox="sales")])
    wire = Wire()
    assert (4, 1) == ((result := sending(store, wire, daily=4).once()).sent, result.waiting)
    (waits,) = Outbox(store.database, store.clock).listed()
    assert ("sales", "waits: the sending limit is reached") == (waits.mailbox, waits.reason)


def test_what_was_sent_is_forgotten_with_the_raw_mails(store: Store, clock: Clock) -> None:
    """After the time for which mails are kept, the text of a sent mail goes; what waits to be sent stays."""
    sent, wire = finish(store, 1), Wire()
    sending(store, wire).once()
    waits = finish(store, 2, "other@client.example")
    outbox = Outbox(store.database, store.clock)
    forget_raw(store, older_than=clock.now - 1)
    assert b"" != outbox.of_mail(sent)[0].content
    forget_raw(store, older_than=clock.now + 1)
    assert (b"", "sent") == (outbox.of_mail(sent)[0].content, outbox.of_mail(sent)[0].state)
    assert b"" != outbox.of_mail(waits)[0].content


def test_a_crash_in_mid_sending_sends_it_again_under_the_same_id(store: Store, clock: Clock) -> None:
    """What was claimed and never told as sent comes again after its claim has ended, and not before."""
    finish(store, 1)
    outbox = Outbox(store.database, store.clock)
    (claimed,) = outbox.claim("support", limit=10)
    assert [] == outbox.claim("support", limit=10)
    clock.now += 301
    (again,) = outbox.claim("support", limit=10)
    assert claimed.message_id == again.message_id


def test_one_refusal_a_day_is_enough(store: Store) -> None:
    """A stranger who writes ten times is told once."""
    earned = PendingReplies(("refused",), rejection_reason="replies_only")
    for number in range(1, 11):
        row, message = kept(store, number)
        store.done(row.id, "x", answers=answers("refused").to(row, message, earned, issue=None))
    wire = Wire()
    sending(store, wire).once()
    assert 1 == len(wire.taken)
    assert b"only accepts replies to our own messages" in wire.taken[0][1].replace(b"=\r\n", b"")
