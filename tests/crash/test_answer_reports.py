"""The bridge dies around what it writes into an issue about mails; whoever comes after it writes each once."""

import email
from collections.abc import Iterator

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from redmine_mailbridge.side_effects import SideEffect
from tests.crash.letters import letter
from tests.crash.test_boundaries import boundaries, update, world
from tests.crash.world import World
from tests.servers.processes import free_port

__all__ = ["world"]
pytestmark = [pytest.mark.crash, pytest.mark.newest]

FIELD_WRITES = boundaries(SideEffect.WRITE_FIELD, SideEffect.RECORD_SENT)
NOTE_WRITES = boundaries(SideEffect.RECORD_SENT)
NOTES = boundaries(SideEffect.RECORD_INTENT, SideEffect.ADD_NOTE, SideEffect.RECORD_SENT)


class Choosy:
    """An SMTP server that keeps the Message-IDs of what it takes; it takes nothing for those who are `gone`."""

    def __init__(self) -> None:
        self.message_ids: list[str] = []
        self.gone = False

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.gone:
            return "550 5.1.1 no such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - likewise
        assert isinstance(envelope.content, bytes)
        self.message_ids.append(str(email.message_from_bytes(envelope.content)["Message-ID"]))
        return "250 2.0.0 queued"


@pytest.fixture
def smtp() -> Iterator[tuple[int, Choosy]]:
    """An SMTP server's port, and what it has taken."""
    choosy, port = Choosy(), free_port()
    controller = Controller(choosy, "127.0.0.1", port)
    controller.start()
    yield port, choosy
    controller.stop()


def answered(world: World, smtp: tuple[int, Choosy], *, report: str, issue: str = "") -> int:
    """A customer has written, an agent has answered, and the mail was offered. Return the issue."""
    world.write_settings(settle="0s")
    world.deliver([letter()])
    world.finish()
    world.send_by(smtp[0], f'notes = "public_notes", redmine_users = "mail", report = "{report}"')
    world.issue_extra = issue
    world.write_settings()
    update(world)
    (row,) = world.rows()
    number = row.created_issue or 0
    world.redmine.api("bob").call("PUT", f"/issues/{number}.json", {"issue": {"notes": "We look at it."}})
    update(world)
    world.send_answers()
    return number


def test_the_field_is_written_once_although_the_update_died(world: World, smtp: tuple[int, Choosy]) -> None:
    """Ended at each boundary in turn, the step writes the field, and Redmine's history has that change once."""
    number = answered(world, smtp, report="field_at_once", issue='last_answer_field = "Requester"')
    died = [update(world, (*boundary, 1), "reports") for boundary in FIELD_WRITES]
    assert any(died[:2])
    for _ in range(2):
        update(world, station="reports")
    issue = world.redmine.admin.issue(number)
    (value,) = (one["value"] for one in issue["custom_fields"] if one["name"] == "Requester")
    assert " to " in value
    changes = [one for entry in issue["journals"] for one in entry["details"] if one["property"] == "cf"]
    assert 1 == len(changes)
    assert 1 == len(set(smtp[1].message_ids))


def test_the_note_about_an_answer_is_written_once_although_the_update_died(
    world: World, smtp: tuple[int, Choosy]
) -> None:
    """Ended at each boundary, from the mark of the sent mail to the note in Redmine, there is one note in the end."""
    number = answered(world, smtp, report="private_note")
    for boundary in NOTE_WRITES:
        update(world, (*boundary, 1), "reports")
    update(world, station="reports")
    for boundary in NOTES:
        update(world, (*boundary, 1))
    for _ in range(2):
        update(world, station="reports")
        update(world)
    notes = [entry["notes"] for entry in world.redmine.admin.issue(number)["journals"] if entry["private_notes"]]
    assert 1 == len(notes), notes
    assert "was sent by mail on" in notes[0]


def test_a_bounce_moves_an_issue_once_although_the_update_died(world: World, smtp: tuple[int, Choosy]) -> None:
    """Ended at each boundary around the note about a refused mail, there is one note and one change of the status."""
    smtp[1].gone = True
    number = answered(world, smtp, report="field", issue='bounce_status = "In Progress"')
    for boundary in NOTES:
        update(world, (*boundary, 1))
    for _ in range(2):
        update(world)
    issue = world.redmine.admin.issue(number)
    moves = [one for entry in issue["journals"] for one in entry["details"] if one["name"] == "status_id"]
    told = [entry for entry in issue["journals"] if "was not delivered" in (entry["notes"] or "")]
    assert (1, 1, "In Progress") == (len(moves), len(told), issue["status"]["name"])
    assert told[0]["private_notes"]
