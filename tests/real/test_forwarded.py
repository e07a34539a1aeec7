"""A customer whom an agent passes on: the customer is the requester, named, answered, and heard."""

import email
import email.policy
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from tests.product import Product, mail, message_id_of, product
from tests.real.talk import got, says, sends_by, turn
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox
from tests.servers.relay import Relay

pytestmark = pytest.mark.real

BOB = "Bob Builder <bob@example.com>"
PASSED = "mx.example.com; dmarc=pass header.from=example.com"
FIRST = "The first issue, by which a plain key knows the custom fields of an old Redmine"
BLOCK = "From: Kim Client <{}>\nSent: Monday, May 4, 2026 9:00 AM\nTo: Bob Builder\nSubject: Printer on fire\n\n{}\n"


@pytest.fixture
def shown(redmine: Redmine) -> Iterator[None]:
    """Bob lets others see his address: a plain key knows nobody else by the address."""
    hides = "u = User.find_by_login('bob').pref; u.hide_mail = {}; u.save!"
    redmine.admin.run(hides.format("false"))
    yield
    redmine.admin.run(hides.format("true"))


@pytest.fixture(params=["admin", "bridge"])
def bridge(  # noqa: PLR0917 - fixtures are named, not placed
    request: pytest.FixtureRequest,
    tmp_path: Path,
    redmine: Redmine,
    mailbox: Mailbox,
    project: str,
    server: Relay,
    shown: None,
) -> Product:
    """A bridge that mails every public note and asks for the original sender, with either key."""
    redmine.admin.call("POST", "/issues.json", {"issue": {"project_id": project, "subject": FIRST}})
    made = product(tmp_path, redmine, mailbox, project, login=request.param)
    sends_by(made, server)
    made.support(
        answers={"received": True, "notes": "public_notes"}, reading={"trusted_authserv_ids": ["mx.example.com"]}
    )
    made.issue(trust="authenticated", forwarded="original", requester_field="Requester")
    turn(made)
    return made


def issues(redmine: Redmine, project: str) -> list[dict[str, Any]]:
    """The issues that mails have created."""
    return [one for one in redmine.admin.issues(project) if one["subject"] != FIRST]


def the_issue(redmine: Redmine, project: str) -> dict[str, Any]:
    """The only issue."""
    (found,) = issues(redmine, project)
    return redmine.admin.issue(found["id"])


def requester(issue: dict[str, Any]) -> str:
    """What the custom field of the requester holds."""
    return next(str(one["value"]) for one in issue["custom_fields"] if one["name"] == "Requester")


def forwards(mailbox: Mailbox, text: str, *, sender: str = BOB, proof: str = PASSED, **more: Any) -> None:
    """Bob forwards a mail."""
    raw = mail("FW: Printer on fire", text, sender=sender, to=mailbox.address, Authentication_Results=proof, **more)
    mailbox.append(raw)


def test_a_whole_conversation(  # noqa: PLR0917 - fixtures are named, not placed
    bridge: Product, redmine: Redmine, mailbox: Mailbox, kim: Mailbox, server: Relay, project: str
) -> None:
    """An agent forwards a customer's mail with a file. The customer is the requester, by name, field and answer; the
    agent is named, and nothing that the agent wrote above it leaves. The customer's reply is a note.
    """
    text = f"He always says that.\n\n{BLOCK.format(kim.address, 'It burns.')}"
    forwards(mailbox, text, files={"photo.bin": b"flames"})
    turn(bridge)
    issue = the_issue(redmine, project)
    assert ("Printer on fire", kim.address) == (issue["subject"], requester(issue))
    named = issue["description"].replace("<code>", "`").replace("</code>", "`")
    assert f"From: `Kim Client <{kim.address}>`" in named
    assert "from a message forwarded by" in issue["description"]
    assert "Bob Builder <bob@example.com>" in issue["description"]
    assert "It burns." in issue["description"]
    assert ["photo.bin"] == [one["filename"] for one in issue["attachments"]]
    assert [] == got(kim)  # who has not written to us is not told that we got something
    says(redmine, issue["id"], "Please leave the room.", "anna")
    turn(bridge)
    (answer,) = got(kim)
    assert ("Re: Printer on fire", None) == (answer["Subject"], answer["Cc"])
    assert "Please leave the room." in answer.as_string()
    assert "He always says that." not in answer.as_string()
    reply = mail(
        str(answer["Subject"]), "We did.\n", sender=f"Kim <{kim.address}>", to=mailbox.address,
        In_Reply_To=str(answer["Message-ID"]),
    )  # fmt: skip
    server.deliver(reply, mailbox.address, kim.address)
    turn(bridge)
    assert "We did." in the_issue(redmine, project)["journals"][-1]["notes"]
    says(redmine, issue["id"], "Good.", "anna")
    turn(bridge)
    last = got(kim)[-1]
    assert message_id_of(reply) == last["In-Reply-To"]
    assert "He always says that." not in last.as_string()
    lines = "\n".join(line for row in bridge.quick_json("messages") for line in row["steps"])
    assert f"{kim.address}, from a forwarded message, is the requester: bob vouches for it (issue.forwarded)" in lines


def test_an_attached_mail(bridge: Product, redmine: Redmine, mailbox: Mailbox, kim: Mailbox, project: str) -> None:
    """A mail forwarded as a file: its writer is the requester, its text stands in the issue, and it stays a file."""
    inner = mail("Printer on fire", "It burns.\n", sender=f"Kim Client <{kim.address}>", to="bob@example.com")
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = BOB, mailbox.address, "Fwd:"
    made["Authentication-Results"] = PASSED
    made.set_content("Can you?\n")
    made.add_attachment(email.message_from_bytes(inner, policy=email.policy.default))
    mailbox.append(made.as_bytes())
    turn(bridge)
    issue = the_issue(redmine, project)
    assert ("Printer on fire", kim.address) == (issue["subject"], requester(issue))
    assert "Can you?" in issue["description"]
    assert "It burns." in issue["description"]
    assert [".eml"] == [one["filename"][-4:] for one in issue["attachments"]]


def test_an_agent_writes_to_a_customer(  # noqa: PLR0917 - fixtures are named, not placed
    bridge: Product, redmine: Redmine, mailbox: Mailbox, kim: Mailbox, server: Relay, project: str
) -> None:
    """An agent writes to a customer with the mailbox in Cc: the customer is the requester, and the answer to that mail
    is a note.
    """
    raw = mail(
        "Your printer", "How is it?\n", sender=BOB, to=kim.address, Cc=mailbox.address, Authentication_Results=PASSED
    )
    mailbox.append(raw)
    turn(bridge)
    issue = the_issue(redmine, project)
    assert kim.address == requester(issue)
    assert [] == got(kim)
    reply = mail(
        "Re: Your printer", "On fire.\n", sender=f"Kim <{kim.address}>", to="bob@example.com", Cc=mailbox.address,
        In_Reply_To=message_id_of(raw),
    )  # fmt: skip
    server.deliver(reply, mailbox.address, kim.address)
    turn(bridge)
    assert "On fire." in the_issue(redmine, project)["journals"][-1]["notes"]
    says(redmine, issue["id"], "Leave the room.", "anna")
    turn(bridge)
    (answer,) = got(kim)
    assert "Leave the room." in answer.as_string()


def test_only_a_proven_agent_passes_somebody_on(  # noqa: PLR0917 - fixtures are named, not placed
    bridge: Product, redmine: Redmine, mailbox: Mailbox, kim: Mailbox, person: Callable[[str], Mailbox], project: str
) -> None:
    """A forged agent, a customer, a user who is no agent, and a rule that forwards all mail name nobody: what they
    forward is theirs, and nobody else is ever mailed.
    """
    text, lee = BLOCK.format(kim.address, "It burns."), person("lee")
    forwards(mailbox, text, proof="mx.example.com; dmarc=none header.from=example.com")
    forwards(mailbox, text, proof="mx.example.com; dmarc=fail header.from=example.com")
    forwards(mailbox, text, sender=f"Lee <{lee.address}>", proof="mx.example.com; dmarc=pass header.from=example.org")
    forwards(
        mailbox, text, sender="Carol <carol@example.org>", proof="mx.example.com; dmarc=pass header.from=example.org"
    )
    forwards(mailbox, text, X_Autoforward="yes")
    turn(bridge)
    found = [redmine.admin.issue(one["id"]) for one in issues(redmine, project)]
    assert kim.address not in {requester(one) for one in found}
    for issue in found:
        says(redmine, issue["id"], "An answer.", "anna")
    turn(bridge)
    assert [] == got(kim)


def test_a_mistake_is_mended_in_the_field(  # noqa: PLR0917 - fixtures are named, not placed
    bridge: Product, redmine: Redmine, mailbox: Mailbox, kim: Mailbox, person: Callable[[str], Mailbox], project: str
) -> None:
    """Somebody sets another requester in the custom field: answers go there, and nowhere else, without what the first
    one wrote. A mail's keyword line sets nothing there.
    """
    bridge.issue(forwarded="forwarder", allow_override="all", keywords_from="anyone")
    lee = person("lee")
    raw = mail(
        "Printer", f"Requester: {lee.address}\nMy colleague's printer burns, the fool's.\n",
        sender=f"Kim <{kim.address}>", to=mailbox.address,
    )  # fmt: skip
    mailbox.append(raw)
    turn(bridge)
    issue = the_issue(redmine, project)
    assert kim.address == requester(issue)
    before = len(got(kim))
    field = next(one["id"] for one in issue["custom_fields"] if one["name"] == "Requester")
    redmine.api("bob").call(
        "PUT", f"/issues/{issue['id']}.json", {"issue": {"custom_fields": [{"id": field, "value": lee.address}]}}
    )
    turn(bridge)
    says(redmine, issue["id"], "Please leave the room.", "anna")
    turn(bridge)
    (answer,) = got(lee)
    assert "Please leave the room." in answer.as_string()
    assert "the fool's" not in answer.as_string()
    assert before == len(got(kim))
    reply = mail("Re: Printer", "We did.\n", sender=lee.address, In_Reply_To=str(answer["Message-ID"]))
    mailbox.append(reply)
    turn(bridge)
    assert "We did." in the_issue(redmine, project)["journals"][-1]["notes"]
