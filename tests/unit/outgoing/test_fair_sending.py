"""What waits in the outbox leaves in a fair order, agents' words first, and no mail holds up another."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from redmine_mailbridge.errors import SendingDeferred
from redmine_mailbridge.outgoing.outbox_sender import OutboxSender, SendingAccount
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.outgoing.adding import NewAnswer
from redmine_mailbridge.store.outgoing.outbox import Outbox
from tests.clocks import Clock
from tests.helpdesk import BOB, HelpDesk, Post, writes
from tests.outbox import mails_about
from tests.wire import Wire

DAY = 86_400
MAIL = b"From: support@example.com\r\nTo: x@client.example\r\nSubject: x\r\n\r\nx\r\n"


@pytest.fixture
def clock() -> Clock:
    return Clock()


def queued(store: Store, *people: str, kind: str = "answer", issue: int = 1, key: str = "") -> None:
    """A mail to these people waits to be sent."""
    outbox = Outbox(store.database, store.clock)
    message_id = f"{kind}.{issue}.{key or '-'.join(people)[:60]}@example.com"
    outbox.queue(
        [
            NewAnswer("support", kind, "support@example.com", one, message_id, MAIL, lambda _count: None, issue)
            for one in people
        ]
    )


def sending(store: Store, wire: Any, **line: Any) -> OutboxSender:
    outbox = Outbox(store.database, store.clock)
    return OutboxSender(
        outbox,
        {"support": SendingAccount(lambda: wire, line.pop("daily", 0), 0, ("support",), **line)},
        threading.Event(),
    )


def states(store: Store, issue: int = 1) -> dict[str, str]:
    return {row.recipient: row.state for row in mails_about(store, issue)}


@pytest.mark.fault("O7")
def test_six_hundred_in_cc_hold_up_nobody(desk: HelpDesk) -> None:
    """One mail with 600 addresses in Cc: the answer goes to the requester and as many as may be in Cc, a private note
    says how many are left out, the next customer's answer leaves with the first of them, and the bytes of the mail are
    in the store once.
    """
    many = ", ".join(f"c{number}@client.example" for number in range(600))
    desk.mail(writes("kim@client.example", Cc=many))
    desk.mail(writes("lee@client.example"))
    desk.turn()
    desk.post.taken.clear()
    first = next(number for number, one in desk.redmine.issues.items() if "kim@client.example" in one["description"])
    for number in (first, 3 - first):
        desk.redmine.writes(number, BOB, "We look at it.")
    with desk.application() as made:
        desk.turn(made)
        told = [to for to, _ in desk.post.taken]
        assert told.index("lee@client.example") <= 2
        assert 22 == len(told)
        import sqlalchemy as sa

        with made.store.database.read() as db:
            assert (
                21
                == db.execute(
                    sa.text("SELECT count(*) FROM outbox WHERE kind = 'answer' AND issue = :i"), {"i": first}
                ).scalar()
            )
            query = "SELECT count(DISTINCT content_hash) FROM outbox WHERE kind = 'answer' AND issue = :i"
            assert 1 == db.execute(sa.text(query), {"i": first}).scalar()
        desk.turn(made)
    note = desk.redmine.issues[first]["journals"][-1]
    assert (True, True) == (note["private_notes"], "and 560 more" in note["notes"])


@pytest.mark.fault("V12")
def test_acknowledgements_do_not_use_up_the_day(desk: HelpDesk) -> None:
    """Under a daily limit of ten, twenty mails of strangers leave an agent's answer its way out."""
    desk.change({"outgoing": {"daily_limit": 10}})
    for number in range(20):
        desk.mail(writes(f"p{number}@client.example"))
    desk.turn()
    assert 5 == len(desk.post.taken)
    desk.post.taken.clear()
    desk.redmine.writes(1, BOB, "We look at it.")
    desk.turn()
    assert 1 == len(desk.post.taken)
    assert b"We look at it." in desk.post.taken[0][1]


@pytest.mark.fault("V12", "O7")
def test_agents_words_leave_first_and_issues_take_turns(store: Store) -> None:
    """Whatever was queued before, what agents wrote leaves first; of two issues with many recipients one of each."""
    queued(store, *(f"ack{number}@client.example" for number in range(5)), kind="received")
    queued(store, *(f"a{number}@client.example" for number in range(4)), issue=2)
    queued(store, "b0@client.example", "b1@client.example", issue=3)
    wire = Wire()
    sending(store, wire).once()
    assert ["a0", "b0", "a1", "b1", "a2", "a3", "ack0"] == [to.partition("@")[0] for to, _ in wire.taken[:7]]


class Hanging(Wire):
    """A server that ends the connection at some mails, as one that says 421 does."""

    def __init__(self, *at: str) -> None:
        super().__init__()
        self.at = at
        self.offered: list[str] = []

    def send(self, sender: str, recipient: str, content: bytes) -> str:
        self.offered.append(recipient)
        if recipient.startswith(self.at):
            raise SendingDeferred("421 4.3.2 closing", whole=False, ended=True)
        return super().send(sender, recipient, content)


@pytest.mark.fault("O8")
@pytest.mark.parametrize("said", ["hang up", "421 4.3.2 closing"])
def test_a_mail_at_which_the_server_hangs_up_holds_up_no_other(desk: HelpDesk, said: str) -> None:
    """The first mail waits, tried; those behind it are sent in the same pass."""
    desk.post.answers["p0"] = said
    for number in range(4):
        desk.mail(writes(f"p{number}@client.example"))
    desk.turn()
    assert {f"p{number}@client.example" for number in range(1, 4)} == {to for to, _ in desk.post.taken}
    with desk.application() as made:
        (row,) = Outbox(made.store.database, made.store.clock).listed()
    assert ("p0@client.example", 1) == (row.recipient, row.tries)


def test_many_mails_at_which_the_server_hangs_up_take_turns_with_the_others(store: Store, clock: Clock) -> None:
    """More such mails than a pass bears: those behind them were not offered, and have their turn in the next pass."""
    for number in range(8):
        queued(store, f"evil{number}@client.example", issue=number + 1)
    queued(store, "good@client.example", issue=50)
    wire = Hanging("evil")
    result = sending(store, wire).once()
    assert (5, "421 4.3.2 closing") == (len(wire.offered), result.error)
    clock.now += 6
    sending(store, wire).once()
    assert ["good@client.example"] == [to for to, _ in wire.taken]


@pytest.mark.fault("O8")
def test_what_was_never_offered_is_never_given_up(store: Store, clock: Clock) -> None:
    """A server that is away for a week gives nothing up: neither what it never heard of, nor, at once, what it puts off
    when it is back.
    """
    queued(store, "p1@client.example", "p2@client.example")
    wire = Wire()
    for _ in range(8):
        wire.fault = ConnectionError("away")
        sending(store, wire).once()
        clock.now += DAY
    wire.fault, wire.fault_for = SendingDeferred("451 greylisted", whole=False), "p1"
    sending(store, wire).once()
    assert {"p1@client.example": "queued", "p2@client.example": "sent"} == states(store)


@pytest.mark.fault("O16")
def test_giving_up_counts_from_the_first_offer(store: Store, clock: Clock) -> None:
    """After six days of standing still the first 4xx is not the last; five days of them are."""
    queued(store, "p1@client.example")
    clock.now += 6 * DAY
    wire = Wire()
    wire.fault = SendingDeferred("451 greylisted", whole=False)
    sending(store, wire).once()
    assert {"p1@client.example": "queued"} == states(store)
    clock.now += 5 * DAY + 1
    sending(store, wire).once()
    assert {"p1@client.example": "failed"} == states(store)


@pytest.mark.fault("O18")
@pytest.mark.parametrize(
    "said",
    ["554 5.7.1 <p0@client.example>: Relay access denied", "550 5.7.1 Unable to relay", "554 relay denied",
     "530 5.7.0 Authentication required", "550 5.7.1 Client was not authenticated"],
)  # fmt: skip
def test_a_server_that_does_not_relay_loses_no_answer(desk: HelpDesk, said: str) -> None:
    """What the server says of how we send is the configuration's: the mail waits, the result says so, and when that is
    mended it leaves.
    """
    desk.post.answers["p0"] = said
    desk.mail(writes("p0@client.example"))
    with desk.application() as made:
        desk.turn(made)
        outbox = Outbox(made.store.database, made.store.clock)
        ((row,), result) = (outbox.listed(), made.sending.last)
        assert result is not None
        assert ("queued", True) == (row.state, "until that is mended" in str(result.error))
        desk.post.answers.clear()
        outbox.later(row, None, counts=False)
        time_passes(made, row.id)
        made.sending.once()
    assert ["p0@client.example"] == [to for to, _ in desk.post.taken]


def time_passes(made: Any, row: int) -> None:
    """The mail's next try has come."""
    import sqlalchemy as sa

    with made.store.database.write() as db:
        db.execute(sa.text("UPDATE outbox SET next_try_at = 0 WHERE id = :id"), {"id": row})


@pytest.mark.fault("O18")
def test_queue_retry_sends_what_failed_again(desk: HelpDesk) -> None:
    """A mail that was refused for good goes out when an admin has it tried again; one that was not refused does not."""
    desk.post.answers["p0"] = "550 5.1.1 no such user"
    desk.mail(writes("p0@client.example"))
    desk.mail(writes("p1@client.example"))
    desk.turn()
    desk.post.answers.clear()
    desk.post.taken.clear()
    done = desk.command("queue", "retry", "--all")
    assert 0 == done.exit_code, done.output
    assert "received to p0@client.example" in done.output
    desk.turn()
    assert ["p0@client.example"] == [to for to, _ in desk.post.taken]
    again = desk.command("queue", "retry", "1")
    assert (1, True) == (again.exit_code, "no failed message with this number" in again.output)


@pytest.mark.fault("O13")
def test_aggregate_sends_nothing_while_all_is_stopped(desk: HelpDesk) -> None:
    """While an admin has stopped everything, no command sends what waits."""
    desk.post.answers["p0"] = "451 4.7.1 later"
    desk.mail(writes("p0@client.example"))
    desk.turn()
    desk.post.answers.clear()
    with desk.application() as made:
        time_passes(made, 1)
        made.tasks.book.stop()
    done = desk.command("aggregate")
    assert (0, []) == (done.exit_code, desk.post.taken), done.output
    with desk.application() as made:
        made.tasks.book.start()
        made.sending.once()
    assert ["p0@client.example"] == [to for to, _ in desk.post.taken]


def test_an_address_beyond_ascii_needs_a_server_that_takes_it(tmp_path: Path) -> None:
    """With SMTPUTF8 (RFC 6531) mail goes to büro@…; without, it is refused for good, in words; the next one goes."""
    from aiosmtpd.controller import Controller

    from redmine_mailbridge.errors import SendingRefused
    from redmine_mailbridge.outgoing.smtp import SmtpTransport
    from redmine_mailbridge.outgoing.smtp_config import SmtpConfig
    from tests.servers.processes import free_port

    for able in (True, False):
        made = Post()
        made.port = free_port()
        controller = Controller(made, "127.0.0.1", made.port, enable_SMTPUTF8=able)
        controller.start()
        try:
            with SmtpTransport(SmtpConfig("127.0.0.1", made.port, "none", timeout=10.0)) as transport:
                began = time.monotonic()
                if able:
                    transport.send("support@example.com", "büro@xn--mller-kva.example", MAIL)
                else:
                    with pytest.raises(SendingRefused, match="SMTPUTF8"):
                        transport.send("support@example.com", "büro@xn--mller-kva.example", MAIL)
                transport.send("support@example.com", "kim@client.example", MAIL)
                assert time.monotonic() - began < 10
        finally:
            controller.stop()
        wanted = ["büro@xn--mller-kva.example", "kim@client.example"]
        assert wanted[0 if able else 1 :] == [to for to, _ in made.taken]
