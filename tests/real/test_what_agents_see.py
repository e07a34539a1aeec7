"""What agents see in Redmine of the mails to customers: when which answer was sent, and that one did not arrive."""

import re
import time

import pytest

from tests.product import Product, mail, message_id_of
from tests.real.talk import says, turn
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox
from tests.servers.proxy import FaultProxy
from tests.servers.relay import Relay

pytestmark = pytest.mark.real

FIELD = "Requester"
"""A text field of these Redmines, for all projects and trackers."""
WHEN = r"\d{4}-\d\d-\d\d \d\d:\d\d"


@pytest.fixture
def bridge(sending: Product, redmine_proxy: FaultProxy) -> Product:
    """A bridge behind a proxy that counts, which mails every public note, and has read its mailbox once."""
    sending.change({"redmine": {"url": redmine_proxy.url}})
    sending.support(answers={"notes": "public_notes", "redmine_users": "mail"})
    turn(sending)
    return sending


def asks(bridge: Product, redmine: Redmine, project: str, server: Relay, sender: str, **fields: str) -> tuple[int, str]:
    """A customer writes. Return the issue, and the Message-ID."""
    raw = mail("Printer on fire", "It burns.\n", sender=f"Kim <{sender}>", to=_address(bridge), **fields)
    server.deliver(raw, _address(bridge), sender)
    turn(bridge)
    return max(one["id"] for one in redmine.admin.issues(project)), message_id_of(raw)


def _address(bridge: Product) -> str:
    return str(bridge.values["mailboxes"]["support"]["address"])


def field(redmine: Redmine, issue: int, name: str = FIELD) -> str:
    """What the issue's field shows."""
    values = {one["name"]: one.get("value") for one in redmine.admin.issue(issue)["custom_fields"]}
    return str(values[name] or "")


def notes(redmine: Redmine, issue: int) -> list[str]:
    """The private notes of the issue."""
    return [one["notes"] for one in redmine.admin.issue(issue)["journals"] if one["private_notes"]]


def puts(proxy: FaultProxy) -> int:
    """How many requests have changed issues so far."""
    return sum(line.startswith("PUT /issues/") for line in proxy.requests)


def test_the_field_comes_with_what_is_written_anyway(  # noqa: PLR0917 - fixtures are named, not placed
    bridge: Product, redmine: Redmine, redmine_proxy: FaultProxy, project: str, customer: Mailbox, server: Relay
) -> None:
    """An answer changes nothing in the issue by itself; the note of the customer's reply sets the field in the same
    request, and Redmine shows both as one entry.
    """
    bridge.issue(last_answer_field=FIELD)
    issue, _ = asks(bridge, redmine, project, server, customer.address, Cc="Lee <lee@example.net>")
    says(redmine, issue, "Please leave the room.")
    before = puts(redmine_proxy)
    for _ in range(3):
        turn(bridge)
    assert (before, "") == (puts(redmine_proxy), field(redmine, issue))
    answer = customer.mails()[-1]
    reply = mail("Re: Printer on fire", "We did.\n", sender=f"Kim <{customer.address}>", to=_address(bridge),
                 In_Reply_To=message_id_of(answer))  # fmt: skip
    server.deliver(reply, _address(bridge), customer.address)
    turn(bridge)
    assert before + 1 == puts(redmine_proxy)
    assert re.fullmatch(rf"{WHEN} to {re.escape(customer.address)}, 1 in Cc", field(redmine, issue))
    entry = redmine.admin.issue(issue)["journals"][-1]
    assert ("We did." in entry["notes"], ["cf"]) == (True, [one["property"] for one in entry["details"]])


def test_the_field_at_once(  # noqa: PLR0917 - fixtures are named, not placed
    bridge: Product, redmine: Redmine, redmine_proxy: FaultProxy, project: str, customer: Mailbox, server: Relay
) -> None:
    """At once is one write more an answer; the bridge's own entry is mailed to nobody, and a pass later nothing is
    written or read again.
    """
    bridge.issue(last_answer_field=FIELD)
    bridge.support(answers={"report": "field_at_once"})
    issue, _ = asks(bridge, redmine, project, server, customer.address)
    says(redmine, issue, "Please leave the room.")
    turn(bridge)
    before = puts(redmine_proxy)
    turn(bridge)
    assert re.fullmatch(rf"{WHEN} to {re.escape(customer.address)}", field(redmine, issue))
    for _ in range(2):
        turn(bridge)
    assert before + 1 == puts(redmine_proxy)
    assert 1 == len(customer.mails())


def test_a_private_note_for_each(
    bridge: Product, redmine: Redmine, project: str, customer: Mailbox, server: Relay
) -> None:
    """With notes, each answer that was handed over has one private note, which Redmine shows as private."""
    bridge.support(answers={"report": "private_note"})
    issue, _ = asks(bridge, redmine, project, server, customer.address)
    for words in ("Please leave the room.", "Is it out?"):
        says(redmine, issue, words)
        for _ in range(3):
            turn(bridge)
    found = notes(redmine, issue)
    assert [True, True] == [customer.address in note and "was sent by mail on" in note for note in found]
    assert 2 == len(customer.mails())


@pytest.mark.parametrize("mode", ["field", "field_at_once"])
def test_a_field_that_takes_no_text(  # noqa: PLR0917 - fixtures are named, not placed
    bridge: Product, redmine: Redmine, redmine_proxy: FaultProxy, project: str, customer: Mailbox, server: Relay,
    mode: str,
) -> None:  # fmt: skip
    """A list takes no such value: with an administrator's key it is not tried; with another, Redmine refuses it once.
    The customer's reply is noted all the same.
    """
    for login in ("admin", "bridge"):
        bridge.change({"redmine": {"api_key": redmine.seed["users"][login]["api_key"]}})
        bridge.issue(last_answer_field="Channel", check_permissions=False)
        bridge.support(answers={"report": mode})
        issue, first = asks(bridge, redmine, project, server, customer.address)
        says(redmine, issue, "Please leave the room.")
        for _ in range(2):
            turn(bridge)
        reply = mail("Re: Printer on fire", f"We did, {login}.\n", sender=f"Kim <{customer.address}>",
                     to=_address(bridge), In_Reply_To=first)  # fmt: skip
        server.deliver(reply, _address(bridge), customer.address)
        turn(bridge)
        assert f"We did, {login}." in redmine.admin.issue(issue)["journals"][-1]["notes"]
        lines = [line for row in bridge.quick_json("messages", "--issue", str(issue)) for line in row["steps"]]
        assert 1 == sum('field "Channel" not written: ' in line for line in lines), lines
        before = puts(redmine_proxy)
        for _ in range(2):
            turn(bridge)
        assert (before, "") == (puts(redmine_proxy), field(redmine, issue, "Channel"))


@pytest.mark.parametrize("who", ["gone", "refused"])
def test_a_bounce_within_a_minute(  # noqa: PLR0917 - fixtures are named, not placed
    bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str, server: Relay, who: str
) -> None:
    """The running service at its defaults: from the agent's note to an address that does not exist, it takes less than
    30 seconds until the mail is handed over, and from there less than a minute until the issue has a private note with
    the server's words and its new status. A delivery report that arrives by mail is as quick as a refusal.
    """
    bridge.issue(bounce_status="In Progress")
    issue, _ = asks(bridge, redmine, project, server, f"{who}@example.net")
    with bridge.service() as service:
        service.wait_for("service.started")
        says(redmine, issue, "An answer.")
        service.wait_for("sending.sent" if who == "gone" else "sending.refused", seconds=90)
        handed_over = time.monotonic()
        while not (found := notes(redmine, issue)):
            assert time.monotonic() - handed_over < 60, service.lines
            time.sleep(0.5)
        took = time.monotonic() - handed_over
    (note,) = found
    print(f"bounce ({who}): the note was there {took:.1f} s after the hand-over")  # noqa: T201 - a measurement
    assert "5.1.1" in note
    assert f"{who}@example.net" in note
    assert "In Progress" == redmine.admin.issue(issue)["status"]["name"]
    assert took < 60


def test_a_closed_issue_is_not_moved(bridge: Product, redmine: Redmine, project: str, server: Relay) -> None:
    """A bounce on a closed issue is noted, and does not open it."""
    bridge.issue(bounce_status="In Progress")
    issue, _ = asks(bridge, redmine, project, server, "gone@example.net")
    says(redmine, issue, "Done.", status_id=redmine.seed["statuses"]["Closed"])
    for _ in range(3):
        turn(bridge)
    assert (1, "Closed") == (len(notes(redmine, issue)), redmine.admin.issue(issue)["status"]["name"])


def test_a_limit_is_named(bridge: Product, redmine: Redmine, project: str, customer: Mailbox, server: Relay) -> None:
    """The eleventh note within ten minutes is not sent, and one private note says so."""
    issue, _ = asks(bridge, redmine, project, server, customer.address)
    for number in range(11):
        says(redmine, issue, f"Note {number}.")
    for _ in range(3):
        turn(bridge)
    (note,) = notes(redmine, issue)
    assert "has not been sent yet: " in note
    assert re.search(rf"not before {WHEN}", note)
    assert 10 == len(customer.mails())
