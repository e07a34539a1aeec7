"""Which notes of agents a customer hears of: not those whose mail never arrived."""

from email import message_from_bytes
from typing import Any

import pytest

from redmine_mailbridge.store.note_decisions import NoteDecisions
from tests.helpdesk import ANNA, BOB, BRIDGE, HelpDesk, writes

KIM, BOSS = "kim@client.example", "boss@client.example"


@pytest.fixture
def values() -> dict[str, Any]:
    """It tells nobody anything by itself."""
    return {"mailboxes": {"desk": {"answers": {"received": False, "received_reply": False, "closed": False}}}}


@pytest.fixture
def desk(desk: HelpDesk) -> HelpDesk:
    """Kim has written, with her boss in Cc, and Anna has it in hand."""
    desk.mail(writes(KIM, Cc=BOSS))
    desk.turn()
    desk.redmine.issues[1]["assigned_to"] = {"id": ANNA, "name": "Anna Agent"}
    return desk


def told(desk: HelpDesk, issue: int = 1) -> frozenset[int]:
    """The notes that count as told to the customer."""
    with desk.application() as made:
        return NoteDecisions(made.store.database, made.store.clock).mailed_notes([issue])


def returned(raw: bytes, recipient: str) -> bytes:
    """The report that a mail did not arrive, for good (RFC 3464)."""
    own_id = message_from_bytes(raw)["Message-ID"]
    return (
        "From: MAILER-DAEMON@relay.example\r\nTo: desk@example.com\r\nSubject: Undelivered Mail Returned to Sender\r\n"
        f"Message-ID: <report-{recipient}>\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\n\r\nIt could not be delivered.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        "Reporting-MTA: dns; relay.example\r\n\r\n"
        f"Final-Recipient: rfc822; {recipient}\r\nAction: failed\r\nStatus: 5.1.1\r\n"
        f"Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
        f"Message-ID: {own_id}\r\nSubject: x\r\n\r\nx\r\n--b--\r\n"
    ).encode()


@pytest.mark.fault("N1")
@pytest.mark.parametrize("how", ["refused", "returned"])
def test_a_note_whose_mail_never_arrived_is_not_told(desk: HelpDesk, how: str) -> None:
    """A note whose mail to the customer the server refused, or a report says never arrived, does not count as told: no
    rule waits for the customer's answer to it. A private note tells the agents, in the server's words, and so does the
    record. One that did not reach somebody in Cc counts.
    """
    first = desk.redmine.writes(1, BOB, "We look at it.")
    if how == "refused":
        desk.post.answers["kim"] = "550 5.1.1 no such user"
    desk.turn()
    if how == "returned":
        assert {first} == told(desk)
        desk.mail(returned(desk.post.taken[0][1], KIM))
    for _ in range(2):
        desk.turn()
    assert frozenset() == told(desk)
    notes = [one["notes"] for one in desk.redmine.issues[1]["journals"] if one["user"]["id"] == BRIDGE]
    assert any("5.1.1" in one for one in notes)
    assert ("not sent: answer to kim" if how == "refused" else "bounced: answer to kim") in desk.story()

    desk.post.answers = {"boss": "550 5.1.1 no such user"}
    second = desk.redmine.writes(1, BOB, "Still looking.")
    desk.turn()
    assert {second} == told(desk)


@pytest.mark.fault("A16-2")
@pytest.mark.parametrize("how", ["refused", "returned"])
def test_a_note_that_never_arrived_at_a_domain_beyond_ascii_is_not_told(desk: HelpDesk, how: str) -> None:
    """Mail goes to the ASCII form of a customer's domain, whose own mail bears the domain in its own script: a note
    that the server refused, or that was returned from there in either form, does not count as told.
    """
    there = "lee@m\u00fcller.example"
    desk.mail(writes(there, Cc=BOSS, proven=False))
    desk.turn()
    desk.redmine.issues[2]["assigned_to"] = {"id": ANNA, "name": "Anna Agent"}
    first = desk.redmine.writes(2, BOB, "We look at it.")
    if how == "refused":
        desk.post.answers["lee"] = "550 5.1.1 no such user"
    desk.turn()
    if how == "returned":
        assert {first} == told(desk, 2)
        desk.mail(returned(desk.post.taken[0][1], there))
        desk.turn()
    assert frozenset() == told(desk, 2)
    assert ("not sent: answer to lee" if how == "refused" else "bounced: answer to lee") in desk.story()
