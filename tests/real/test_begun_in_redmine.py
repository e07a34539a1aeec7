"""A conversation that begins in Redmine: an issue made by hand, answered by mail, and answered again."""

import email
import email.policy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.product import Product, mail, message_id_of, product
from tests.real.talk import first_lines, got, says, sends_by, turn
from tests.real.test_conversation import breaks, outbox
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox
from tests.servers.processes import next_second
from tests.servers.relay import Relay

pytestmark = pytest.mark.real
FIRST = "The first issue, by which a plain key knows the custom fields of an old Redmine"


@pytest.fixture
def lee(person: Callable[[str], Mailbox]) -> Mailbox:
    """Another customer's mailbox."""
    return person("lee")


@pytest.fixture(params=["admin", "bridge"])
def bridge(  # noqa: PLR0917 - fixtures are named, not placed
    request: pytest.FixtureRequest, tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str, server: Relay
) -> Product:
    """A bridge with either key, whose conversations may begin in Redmine since just now."""
    redmine.admin.call("POST", "/issues.json", {"issue": {"project_id": project, "subject": FIRST}})
    made = product(tmp_path, redmine, mailbox, project, login=request.param)
    sends_by(made, server)
    made.support(answers={"received": False, "notes": "public_notes"})
    made.issue(requester_field="Requester", conversations_from_redmine=True)
    turn(made)
    return made


def field_of(redmine: Redmine, address: str) -> list[dict[str, Any]]:
    """The requester field with this value, for a request."""
    return [{"id": redmine.seed["custom_fields"]["Requester"], "value": address}]


def called(redmine: Redmine, project: str, requester: str, **more: Any) -> int:
    """Anna makes an issue of a telephone call. Return its number."""
    values = {"project_id": project, "subject": "Printer on fire", "description": "Kim is upset about us."}
    values |= {"custom_fields": field_of(redmine, requester), **more}
    return int(redmine.api("anna").call("POST", "/issues.json", {"issue": values})["issue"]["id"])


def notes(redmine: Redmine, number: int) -> list[str]:
    """The texts of an issue's public notes."""
    journals = redmine.admin.issue(number)["journals"]
    return [one["notes"] for one in journals if one["notes"] and not one.get("private_notes")]


def test_a_telephone_call(  # noqa: PLR0917 - fixtures are named, not placed
    bridge: Product, redmine: Redmine, mailbox: Mailbox, kim: Mailbox, server: Relay, project: str
) -> None:
    """An agent makes an issue of a call: its description is not mailed. The first public note is, once, under the
    issue's subject; the customer's reply becomes a note of that issue, and the next note continues the thread.
    """
    number = called(redmine, project, kim.address)
    turn(bridge)
    assert [] == got(kim)
    says(redmine, number, "He always says that.", private_notes=True)
    says(redmine, number, "Please leave the room.")
    turn(bridge)
    turn(bridge)
    (answer,) = got(kim)
    assert ("Printer on fire", None, None) == (answer["Subject"], answer["In-Reply-To"], answer["Cc"])
    assert "Please leave the room." in answer.as_string()
    assert not re.search("upset|always says", answer.as_string())
    reply = mail(
        f"Re: {answer['Subject']}", "We did.\n", sender=f"Kim Client <{kim.address}>", to=mailbox.address,
        In_Reply_To=str(answer["Message-ID"]), References=str(answer["Message-ID"]),
    )  # fmt: skip
    server.deliver(reply, mailbox.address, kim.address)
    turn(bridge)
    assert {FIRST, "Printer on fire"} == {one["subject"] for one in redmine.admin.issues(project)}
    assert "We did." in notes(redmine, number)[-1]
    says(redmine, number, "Good.", login="anna")
    turn(bridge)
    turn(bridge)
    mine = email.message_from_bytes(reply, policy=email.policy.default)
    came = got(kim)
    assert 2 == len(came)
    assert [] == breaks([came[0], mine, came[1]])  # type: ignore[list-item]  # policy's class
    assert ("Re: Printer on fire", message_id_of(reply)) == (came[1]["Subject"], came[1]["In-Reply-To"])
    assert [("answer", kim.address, "sent")] * 2 == outbox(bridge, number)


def test_the_field_is_set_and_changed(
    bridge: Product, redmine: Redmine, kim: Mailbox, lee: Mailbox, project: str
) -> None:
    """Notes from before the field names an address stay; the note with it is mailed. A changed field changes who is
    answered, an empty one ends it, and one that is no address is reported in a private note, once.
    """
    number = called(redmine, project, "")
    says(redmine, number, "For us.")
    turn(bridge)
    says(redmine, number, "To Kim.", custom_fields=field_of(redmine, kim.address))
    turn(bridge)
    says(redmine, number, "To Lee.", custom_fields=field_of(redmine, lee.address))
    turn(bridge)
    says(redmine, number, "To no one.", custom_fields=field_of(redmine, ""))
    turn(bridge)
    says(redmine, number, "To no one either.", custom_fields=field_of(redmine, "lee at client"))
    turn(bridge)
    turn(bridge)
    assert [["To Kim."], ["To Lee."]] == [first_lines(box) for box in (kim, lee)]
    journals = redmine.admin.issue(number)["journals"]
    (private,) = [one["notes"] for one in journals if one["notes"] and one["private_notes"]]
    assert "is not an address that mail can be sent to" in private
    says(redmine, number, "To Lee again.", custom_fields=field_of(redmine, lee.address))
    turn(bridge)
    assert (1, 2) == (len(got(kim)), len(got(lee)))


def test_a_command_begins_it(bridge: Product, redmine: Redmine, kim: Mailbox, lee: Mailbox, project: str) -> None:
    """A manager's note begins a conversation by `/requester`, in an issue without a requester; a developer's begins
    none. Another such command changes who is answered.
    """
    bridge.support(answers={"command_roles": ["manager"]})
    turn(bridge)
    next_second()  # what was written in the second in which commands began to count is history
    number = called(redmine, project, "")
    says(redmine, number, f"/requester {lee.address}\nNot mine to say.", login="bob")
    says(redmine, number, f"/requester {kim.address}\nTo Kim.", login="anna")
    for _ in range(2):
        turn(bridge)
    says(redmine, number, f"/requester {lee.address}\nTo Lee.", login="anna")
    turn(bridge)
    says(redmine, number, "To Lee again.", login="anna")
    turn(bridge)
    assert [["To Kim."], ["To Lee.", "To Lee again."]] == [first_lines(box) for box in (kim, lee)]
    journals = redmine.admin.issue(number)["journals"]
    (private,) = [one["notes"] for one in journals if one["notes"] and one["private_notes"]]
    assert "began no conversation by mail" in private


def test_an_issue_from_before(bridge: Product, redmine: Redmine, kim: Mailbox, project: str) -> None:
    """What was written while it was disabled is not mailed when it is enabled; what comes after is."""
    bridge.issue(conversations_from_redmine=False)
    turn(bridge)
    number = called(redmine, project, kim.address)
    says(redmine, number, "Long ago.")
    turn(bridge)
    bridge.issue(conversations_from_redmine=True)
    turn(bridge)
    assert [] == got(kim)
    says(redmine, number, "Now.")
    turn(bridge)
    assert ["Now."] == first_lines(kim)
