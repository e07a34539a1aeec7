"""Commands at the top of agents' notes, as whole conversations: a customer writes, agents answer, and who gets what."""

import email
import email.policy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.product import ANNA, Product, mail, product
from tests.real.talk import asked, first_lines, got, sends_by, turn
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox
from tests.servers.relay import Relay

pytestmark = pytest.mark.real

PASSED = "mx.example.com; dmarc=pass header.from=example.com"


@pytest.fixture
def boss(person: Callable[[str], Mailbox]) -> Mailbox:
    """The mailbox of the customer's boss."""
    return person("boss")


@pytest.fixture
def bridge(sending: Product) -> Product:
    """A bridge whose managers (Anna) may change recipients; developers (Bob) may not."""
    sending.support(
        answers={"notes": "public_notes", "command_roles": ["manager"]},
        reading={"trusted_authserv_ids": ["mx.example.com"]},
    )
    sending.issue(trust="authenticated", agent_replies="mail")
    turn(sending)
    return sending


def says(bridge: Product, redmine: Redmine, issue: int, text: str, who: str = "anna") -> None:
    """An agent writes a note in Redmine, and all that follows from it happens."""
    redmine.api(who).call("PUT", f"/issues/{issue}.json", {"issue": {"notes": text}})
    turn(bridge)
    turn(bridge)


def lines_in(box: Mailbox) -> list[str]:
    """The first lines of what lies in a mailbox; a command is in none of it."""
    mails = [message.as_string() for message in got(box)]
    assert not [text for text in mails for word in ("/cc", "/uncc", "/requester", "/private") if word in text]
    return first_lines(box)


def entries(redmine: Redmine, issue: int, *, private: bool) -> list[str]:
    """The notes on an issue."""
    journals: list[dict[str, Any]] = redmine.admin.issue(issue)["journals"]
    return [entry["notes"] for entry in journals if entry["notes"] and entry["private_notes"] == private]


def test_a_conversation(  # noqa: PLR0917 - fixtures are named, not placed
    bridge: Product, redmine: Redmine, mailbox: Mailbox, kim: Mailbox, boss: Mailbox, project: str
) -> None:
    """The boss is added, gets copies, answers, and is removed; no mail holds a command, and the history shows each."""
    issue = asked(bridge, redmine, mailbox, kim, project)
    says(bridge, redmine, issue, f"/cc The Boss <{boss.address}>\n\nWhich printer?")
    assert (["Which printer?"], ["Which printer?"]) == (lines_in(kim), lines_in(boss))
    reply = email.message_from_bytes(boss.mails()[0])["Message-ID"]
    mailbox.append(mail("Re: Printer", "The big one.\n", sender=boss.address, In_Reply_To=reply))
    turn(bridge)
    assert [issue] == [found["id"] for found in redmine.admin.issues(project)]
    assert any("The big one." in note for note in entries(redmine, issue, private=False))
    says(bridge, redmine, issue, "Switch it on.")
    says(bridge, redmine, issue, f"/uncc {boss.address}\nDoes it print?")
    says(bridge, redmine, issue, "And now?")
    assert ["Which printer?", "Switch it on."] == lines_in(boss)
    assert ["Which printer?", "Switch it on.", "Does it print?", "And now?"] == lines_in(kim)
    story = bridge.quick("messages", str(bridge.rows()[0].id)).output
    assert f"commands: /cc {boss.address}" in story
    assert f"commands: /uncc {boss.address}" in story


def test_another_requester(  # noqa: PLR0917 - fixtures are named, not placed
    bridge: Product, redmine: Redmine, mailbox: Mailbox, kim: Mailbox, boss: Mailbox, project: str
) -> None:
    """From `/requester` on the boss is answered, and Kim is not; the boss's reply reaches the issue."""
    issue = asked(bridge, redmine, mailbox, kim, project)
    says(bridge, redmine, issue, f"/requester {boss.address}\nWhich printer?")
    says(bridge, redmine, issue, "Which room?")
    assert ([], ["Which printer?", "Which room?"]) == (lines_in(kim), lines_in(boss))
    reply = email.message_from_bytes(boss.mails()[1])["Message-ID"]
    mailbox.append(mail("Re: Printer", "The big one.\n", sender=boss.address, In_Reply_To=reply))
    turn(bridge)
    assert any("The big one." in note for note in entries(redmine, issue, private=False))


def test_who_may_not(  # noqa: PLR0917 - fixtures are named, not placed
    bridge: Product, redmine: Redmine, mailbox: Mailbox, kim: Mailbox, boss: Mailbox, project: str
) -> None:
    """Bob's role may not: nobody is added, a note to others alone is not mailed, and private notes say so, once each. A
    customer's mail holds no commands at all.
    """
    issue = asked(bridge, redmine, mailbox, kim, project)
    says(bridge, redmine, issue, f"/cc {boss.address}\nWhich printer?", "bob")
    says(bridge, redmine, issue, f"/to {boss.address}\nPlease repair it.", "bob")
    says(bridge, redmine, issue, f"/requestor {boss.address}\nWhich room?")
    assert (["Which printer?"], []) == (lines_in(kim), lines_in(boss))
    told = entries(redmine, issue, private=True)
    assert ["were not carried out", "was not mailed", "was not mailed"] == [
        next(words for words in ("were not carried out", "was not mailed") if words in note) for note in told
    ]
    reply = email.message_from_bytes(kim.mails()[0])["Message-ID"]
    text = f"/cc {boss.address}\n/private\nThe big one.\n"
    mailbox.append(mail("Re: Printer", text, sender=kim.address, In_Reply_To=reply))
    turn(bridge)
    says(bridge, redmine, issue, "Switch it on.", "bob")
    assert [] == lines_in(boss)
    assert any("The big one." in note for note in entries(redmine, issue, private=False))


@pytest.mark.parametrize("login", ["admin", "bridge"])
def test_private_notes(  # noqa: PLR0917 - fixtures are named, not placed
    tmp_path: Path, redmine: Redmine, mailbox: Mailbox, kim: Mailbox, project: str, server: Relay, login: str
) -> None:
    """`/private` in Redmine holds a note back, and the note is private afterwards; `/nomail` only holds it back."""
    made = product(tmp_path, redmine, mailbox, project, login=login)
    sends_by(made, server)
    made.support(answers={"notes": "public_notes"})
    turn(made)
    issue = asked(made, redmine, mailbox, kim, project)
    says(made, redmine, issue, "/private\nHe never pays.", "bob")
    says(made, redmine, issue, "/nomail\nFor the record.", "bob")
    assert [] == lines_in(kim)
    hidden = entries(redmine, issue, private=True)
    assert "/nomail\nFor the record." in [note.replace("\r", "") for note in entries(redmine, issue, private=False)]
    if any("He never pays." in note for note in hidden):
        assert 1 == len(hidden)
    else:
        assert "begins with /private and was not mailed, but it is public" in hidden[0]


def test_an_agents_mail(  # noqa: PLR0917 - fixtures are named, not placed
    bridge: Product, redmine: Redmine, mailbox: Mailbox, kim: Mailbox, boss: Mailbox, project: str
) -> None:
    """A proven agent's mail may begin with commands: they count as in a note that is written in Redmine."""
    issue = asked(bridge, redmine, mailbox, kim, project)
    made = re.sub(r"\D", "", redmine.admin.issue(issue)["created_on"])
    notification = f"<redmine.issue-{issue}.{made}.5@redmine.example.com>"
    headers = {"Authentication_Results": PASSED, "In_Reply_To": notification}
    subject = f"Re: [Support - Bug #{issue}] (New) Printer"
    text = f"/cc The_Boss <{boss.address}>\n\nWhich printer?\n"
    mailbox.append(mail(subject, text, sender=ANNA, to=mailbox.address, **headers))
    turn(bridge)
    turn(bridge)
    assert (["Which printer?"], ["Which printer?"]) == (lines_in(kim), lines_in(boss))
