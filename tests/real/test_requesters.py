"""Who asks, and whom we wrote to: whole conversations through forms, groups and aliases, and in private projects."""

import time
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from tests.product import Product, mail, message_id_of, product
from tests.real.talk import got, says, sends_by, turn
from tests.real.test_conversation import outbox, story, the_issue, writes
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox
from tests.servers.relay import Relay

pytestmark = pytest.mark.real
FORM = "wordpress@www.shop.example"


@pytest.fixture(params=["admin", "bridge"])
def bridge(  # noqa: PLR0917 - fixtures are named, not placed
    request: pytest.FixtureRequest, tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str, server: Relay
) -> Product:
    """A bridge with an administrator's or a plain key, that mails every public note, and has read its mailbox once."""
    made = product(tmp_path, redmine, mailbox, project, login=request.param)
    sends_by(made, server)
    made.support(answers={"received": True, "notes": "public_notes"}, reading={"trusted_authserv_ids": ["mx.example"]})
    made.issue(trust="authenticated")
    turn(made)
    return made


def form(mailbox: Mailbox, customer: Mailbox, *, sender: str = f"The shop <{FORM}>", **more: str) -> bytes:
    """What a form sends for the customer, as our mail server passes it on: it vouches for the form."""
    domain = sender.rpartition("@")[2].rstrip(">")
    passed = f"Authentication-Results: mx.example; dmarc=pass header.from={domain}\r\n"
    named = {"Reply_To": f"Kim Client <{customer.address}>"} | more
    return passed.encode() + mail("Your order", "Where is it?\n", sender=sender, to=mailbox.address, **named)


def reply(to: EmailMessage, customer: Mailbox, mailbox: Mailbox, text: str, **more: str) -> bytes:
    """The customer answers one of our mails."""
    headers = {"In_Reply_To": str(to["Message-ID"]), "References": str(to["Message-ID"])} | more
    return mail(str(to["Subject"]), text, sender=f"Kim Client <{customer.address}>", to=mailbox.address, **headers)


def notes(issue: dict[str, Any]) -> list[str]:
    """The texts of an issue's notes."""
    return [one["notes"] for one in issue["journals"] if one["notes"]]


def test_a_conversation_through_a_form(  # noqa: PLR0917 - fixtures are named, not placed
    bridge: Product, redmine: Redmine, mailbox: Mailbox, customer: Mailbox, server: Relay, project: str
) -> None:
    """Who filled in a form is named in the issue with the form's address, acknowledged and answered; the reply, from
    the person's own address, becomes a note, and the next answer goes there again. The form gets nothing.
    """
    first = form(mailbox, customer)
    mailbox.append(first)
    turn(bridge)
    issue = the_issue(redmine, project)
    assert customer.address in issue["description"]
    assert FORM in issue["description"]
    says(redmine, issue["id"], "It is on its way.")
    turn(bridge)
    received, answer = got(customer)
    assert "auto-replied" == received["Auto-Submitted"]
    assert message_id_of(first) == answer["In-Reply-To"]
    assert f"Kim Client <{customer.address}>" == str(answer["To"])
    writes(server, mailbox, customer, reply(answer, customer, mailbox, "Thank you.\n"))
    turn(bridge)
    assert any("Thank you." in note for note in notes(the_issue(redmine, project)))
    says(redmine, issue["id"], "You are welcome.")
    turn(bridge)
    turn(bridge)
    assert 3 == len(got(customer))
    assert {customer.address} == {to for _, to, _ in outbox(bridge, issue["id"])}
    assert f"named by Reply-To of a mail from {FORM}" in story(bridge, issue["id"])


def test_a_group_that_rewrites_from(  # noqa: PLR0917 - fixtures are named, not placed
    bridge: Product, redmine: Redmine, mailbox: Mailbox, customer: Mailbox, server: Relay, project: str
) -> None:
    """A customer writes to a group that is our own address and rewrites From: the customer is answered, and the reply,
    again through the group, becomes a note.
    """
    group = {"List_Id": f"<{mailbox.address.replace('@', '.')}>", "X_Original_From": customer.address}
    sender = f"'Kim' via Support <{mailbox.address}>"
    mailbox.append(form(mailbox, customer, sender=sender, Reply_To=mailbox.address, **group))
    turn(bridge)
    issue = the_issue(redmine, project)["id"]
    says(redmine, issue, "It is on its way.")
    turn(bridge)
    received, answer = got(customer)
    assert "auto-replied" == received["Auto-Submitted"]
    ids = {"In_Reply_To": str(answer["Message-ID"])}
    again = form(mailbox, customer, sender=sender, Reply_To=mailbox.address, **group, **ids)
    mailbox.append(again.replace(b"Where is it?", b"Thank you."))
    turn(bridge)
    assert any("Thank you." in note for note in notes(the_issue(redmine, project)))


def test_a_forged_reply_to_names_no_participant(  # noqa: PLR0917 - fixtures are named, not placed
    bridge: Product, redmine: Redmine, mailbox: Mailbox, customer: Mailbox, server: Relay, project: str
) -> None:
    """Whoever names the requester of an issue in Reply-To, with its number in the subject, gets no note into it, and no
    mail to the requester but what any proven mail can have us send; nor does one who names an agent write as the agent.
    """
    mailbox.append(form(mailbox, customer))
    turn(bridge)
    issue = the_issue(redmine, project)
    evil = form(mailbox, customer, sender="noreply@evil.example").replace(
        b"Subject: Your order", f"Subject: Re: Your order [#{issue['id']}]".encode()
    )
    bob = form(mailbox, customer, sender="noreply@evil.example", Reply_To="Bob <bob@example.com>")
    mailbox.append(evil)
    mailbox.append(bob)
    turn(bridge)
    assert [] == notes(redmine.admin.issue(issue["id"]))
    others = [redmine.admin.issue(one["id"]) for one in redmine.admin.issues(project) if one["id"] != issue["id"]]
    users = redmine.seed["users"]
    assert 2 == len(others)
    assert users["bob"]["id"] not in {one["author"]["id"] for one in others}
    assert all("evil.example" in one["description"] for one in others)
    assert any("is not proven" in one["description"] for one in others)


def test_answers_come_from_the_alias(  # noqa: PLR0917 - fixtures are named, not placed
    bridge: Product, redmine: Redmine, mailbox: Mailbox, customer: Mailbox, server: Relay, project: str
) -> None:
    """Who writes to an alias is answered from it, and a reply to it arrives in the same issue."""
    alias = f"help-{mailbox.address}"
    bridge.support(aliases=[alias], outgoing={"from_alias": True})
    raw = mail("Printer", "It burns.\n", sender=f"Kim Client <{customer.address}>", to=alias)
    writes(server, mailbox, customer, raw)
    turn(bridge)
    issue = the_issue(redmine, project)["id"]
    says(redmine, issue, "Leave the room.")
    turn(bridge)
    assert [alias, alias] == [str(one["From"]) for one in got(customer)]
    answer = got(customer)[-1]
    writes(server, mailbox, customer, reply(answer, customer, mailbox, "We did.\n").replace(
        f"To: {mailbox.address}".encode(), f"To: {alias}".encode()
    ))  # fmt: skip
    turn(bridge)
    assert any("We did." in note for note in notes(the_issue(redmine, project)))


@pytest.mark.parametrize("private", [True, False])
def test_whom_we_wrote_to_takes_part(  # noqa: PLR0917 - fixtures are named, not placed
    bridge: Product,
    redmine: Redmine,
    mailbox: Mailbox,
    customer: Mailbox,
    server: Relay,
    project: str,
    *,
    private: bool,
) -> None:
    """Somebody who is neither requester nor in Cc, to whom we wrote about an issue, replies: that becomes a note, in a
    private project too. The same reply from another address does not, nor one without our id.
    """
    bridge.change({"rules": [{
        "name": "ask the supplier", "when": {"created": "1s"},
        "then": {"mail": "reminder", "mail_to": [customer.address]},
    }]})  # fmt: skip
    bridge.support(answers={"private_projects": True})
    raw = mail("Printer", "It burns.\n", sender="Lee <lee@client.example>", to=mailbox.address)
    writes(server, mailbox, customer, raw)
    turn(bridge)
    issue = the_issue(redmine, project)["id"]
    until = time.monotonic() + 60
    while not got(customer):
        assert time.monotonic() < until, "the rule is due a second after the issue was made"
        turn(bridge)
    (asked,) = got(customer)
    if private:
        redmine.admin.call("PUT", f"/projects/{project}.json", {"project": {"is_public": False}})
    others = reply(asked, customer, mailbox, "Not mine.\n").replace(customer.address.encode(), b"mallory@evil.example")
    without = mail(f"Re: Printer [#{issue}]", "No id.\n", sender=customer.address, to=mailbox.address)
    writes(server, mailbox, customer, reply(asked, customer, mailbox, "We send one.\n"))
    writes(server, mailbox, customer, others)
    writes(server, mailbox, customer, without)
    turn(bridge)
    found = notes(redmine.admin.issue(issue))
    assert any("We send one." in note for note in found)
    if private:
        assert not any("Not mine." in note or "No id." in note for note in found)
