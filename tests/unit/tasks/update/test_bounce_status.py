"""The status that an issue gets with the note that mail to its requester was not delivered."""

import threading
import time
from typing import Any

import pytest

from redmine_mailbridge.store.outgoing.outbox import Outbox
from redmine_mailbridge.store.outgoing.rows import SENT
from redmine_mailbridge.tasks.update.update import Updater
from tests.helpdesk import ANNA, BOB, BRIDGE, HelpDesk, new_mails, writes

KIM = "kim@client.example"
NEW, BUSY, CLOSED = 1, 2, 5


@pytest.fixture
def values() -> dict[str, Any]:
    """Notes and closing are mailed; undelivered mail moves the issue."""
    answers = {"received": False, "received_reply": False}
    return {"mailboxes": {"desk": {"answers": answers, "issue": {"bounce_status": "In Progress"}}}}


@pytest.fixture
def desk(desk: HelpDesk) -> HelpDesk:
    """Kim has written, with Lee in Cc."""
    desk.mail(writes(f"Kim <{KIM}>", Cc="lee@client.example"))
    desk.turn()
    return desk


def status(desk: HelpDesk, issue: int = 1) -> int:
    return int(desk.redmine.issues[issue]["status"]["id"])


def moves(desk: HelpDesk) -> int:
    """How often the bridge has changed the status."""
    entries = desk.redmine.issues[1]["journals"]
    details = [one for entry in entries if entry["user"]["id"] == BRIDGE for one in entry["details"]]
    return sum(one["name"] == "status_id" for one in details)


def told(desk: HelpDesk) -> int:
    """How many private notes say that a mail was not delivered."""
    return sum("was not delivered" in one["notes"] for one in desk.redmine.issues[1]["journals"])


def refuse(desk: HelpDesk, who: str = "kim", words: str = "550 5.1.1 No such user") -> None:
    """An agent answers, and the server refuses one recipient."""
    desk.post.answers[who] = words
    desk.redmine.writes(1, BOB, "We look at it.")
    for _ in range(3):
        desk.turn()


def test_refused_at_once(desk: HelpDesk) -> None:
    """A refusal moves the issue, in the request that writes the note: once, whatever is run again. Nothing about it is
    mailed to a customer.
    """
    refuse(desk)
    assert (BUSY, 1, 1) == (status(desk), moves(desk), told(desk))
    assert ["lee@client.example"] == [to for to, _ in new_mails(desk)]
    assert 1 == desk.story().count("the issue has the status for undelivered mail")
    desk.redmine.writes(1, ANNA, "I called.", private=True, status=NEW)
    for _ in range(2):
        desk.turn()
    assert (NEW, 1) == (status(desk), moves(desk))  # not moved again


def test_a_report_of_failure(desk: HelpDesk) -> None:
    """A mail that was handed over and comes back moves the issue too, with the words of the report."""
    desk.redmine.writes(1, BOB, "We look at it.")
    desk.turn()
    with desk.application() as made:
        outbox = Outbox(made.store.database, made.store.clock)
        (row,) = (row for row in outbox.newest(states=[SENT]) if row.recipient == KIM)
    desk.mail(report(row.message_id))
    for _ in range(2):
        desk.turn()
    assert (BUSY, 1, 1) == (status(desk), moves(desk), told(desk))
    note = desk.redmine.issues[1]["journals"][-1]["notes"]
    assert "5.1.1" in note
    assert "`" in note.partition("5.1.1")[0].splitlines()[0]


def test_a_report_that_is_itself_a_note(desk: HelpDesk) -> None:
    """Where reports become private notes, the issue is moved all the same."""
    desk.change({"mailboxes": {"desk": {"issue": {"automatic_reply": "private_note"}}}})
    test_a_report_of_failure(desk)


@pytest.mark.fault("A37-12")
def test_a_report_about_somebody_else(desk: HelpDesk) -> None:
    """Where reports become private notes, one about a copy, which moves nothing, is not noted once more."""
    desk.change({"mailboxes": {"desk": {"issue": {"automatic_reply": "private_note"}}}})
    desk.redmine.writes(1, BOB, "We look at it.")
    desk.turn()
    with desk.application() as made:
        outbox = Outbox(made.store.database, made.store.clock)
        (row,) = (row for row in outbox.newest(states=[SENT]) if row.recipient == "lee@client.example")
    desk.mail(report(row.message_id, "lee@client.example"))
    for _ in range(2):
        desk.turn()
    assert 1 == sum("It failed." in one["notes"] for one in desk.redmine.issues[1]["journals"])
    assert (NEW, 0) == (status(desk), told(desk))
    assert "bounced: answer to lee@client.example" in desk.story()


def test_a_closed_issue_stays_closed(desk: HelpDesk) -> None:
    """A closed issue has the note, and keeps its status."""
    desk.post.answers["kim"] = "550 5.1.1 No such user"
    desk.redmine.writes(1, BOB, "Done.", status=CLOSED)
    for _ in range(3):
        desk.turn()
    assert (CLOSED, 1, 0) == (status(desk), told(desk), moves(desk))


def test_somebody_in_cc_moves_nothing(desk: HelpDesk) -> None:
    """A copy that does not arrive is noted; whether the requester has it decides about the status."""
    refuse(desk, "lee")
    assert (NEW, 1) == (status(desk), told(desk))


def test_mail_that_must_not_be_read_moves_nothing(desk: HelpDesk) -> None:
    """An answer that is withheld, since its issue became private, is no failure of its delivery."""
    desk.redmine.writes(1, BOB, "We look at it.")
    with desk.application() as made:
        Updater(made.tasks.steps).once(threading.Event())
        desk.redmine.issues[1]["is_private"] = True
        made.sending.once()
    desk.redmine.issues[1]["is_private"] = False
    desk.turn()
    assert (NEW, 2) == (status(desk), told(desk))


@pytest.mark.parametrize("name", ["Closed", "No such status"])
def test_a_status_that_is_not_set(desk: HelpDesk, name: str) -> None:
    """A closed status would be announced to the customer, and an unknown one cannot be set: the note is written."""
    desk.change({"mailboxes": {"desk": {"issue": {"bounce_status": name}}}})
    refuse(desk)
    assert (NEW, 1) == (status(desk), told(desk))


def test_a_workflow_that_does_not_permit_it(desk: HelpDesk) -> None:
    """Redmine drops the status silently: the note is there, and the record says what was dropped."""
    desk.redmine.ignores = {"status_id"}
    refuse(desk)
    assert (NEW, 1) == (status(desk), told(desk))
    assert "requested status 2, has New (1)" in desk.story()
    assert "the issue has the status for undelivered mail" not in desk.story()


def test_redmine_rejects_the_status(desk: HelpDesk) -> None:
    """Where Redmine rejects the change as a whole, the note is written without it."""
    answer = desk.redmine._noted

    def noted(number: int, values: dict[str, Any], user: int) -> Any:
        return {"errors": ["Category cannot be blank"]} if "status_id" in values else answer(number, values, user)

    desk.redmine._noted = noted  # type: ignore[method-assign]
    refuse(desk)
    assert (NEW, 1) == (status(desk), told(desk))


def test_a_rule_and_a_bounce_do_not_move_an_issue_to_and_fro(desk: HelpDesk) -> None:
    """A rule moves the issue back and reminds the customer, whose address does not exist: the reminder that does not
    arrive moves nothing, so that each acts once.
    """
    when, then = {"statuses": ["In Progress"], "in_status": "1s"}, {"status": "New", "mail": "reminder"}
    desk.change({"rules": [{"name": "back", "when": when, "then": then}]})
    refuse(desk)
    end = time.monotonic() + 60
    while told(desk) < 2:
        assert time.monotonic() < end, desk.story()
        desk.turn()
    for _ in range(2):
        desk.turn()
    assert (NEW, 2, 2) == (status(desk), moves(desk), told(desk))


def report(about: str, who: str = KIM) -> bytes:
    """A report of permanent failure about a mail of ours (RFC 3464)."""
    return "\r\n".join(
        [
            "From: MAILER-DAEMON@mx.example.com", "To: desk@example.com", "Subject: Undelivered", "Message-ID: <r@mx>",
            "Auto-Submitted: auto-replied", "MIME-Version: 1.0",
            'Content-Type: multipart/report; report-type=delivery-status; boundary="b"', "",
            "--b", "Content-Type: text/plain", "", "It failed.", "",
            "--b", "Content-Type: message/delivery-status", "", "Reporting-MTA: dns; mx.example.com", "",
            f"Final-Recipient: rfc822; {who}", "Action: failed", "Status: 5.1.1",
            "Diagnostic-Code: smtp; 550 5.1.1 <b>No *such* {{user}}</b>", "",
            "--b", "Content-Type: text/rfc822-headers", "", f"Message-ID: <{about}>", "", "--b--", "",
        ]
    ).encode()  # fmt: skip
