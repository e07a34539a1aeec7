"""Agents answer by mail: proven replies reach the customer as if written in Redmine, everything else stays private."""

import re
from typing import Any

import pytest

from tests.product import ANNA, Product, mail
from tests.real.talk import asked, got, text_of, turn
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox

pytestmark = pytest.mark.real

PASSED = "mx.example.com; dmarc=pass header.from=example.com"
STYLES = {
    "thunderbird": "Please switch it on.\n\nOn 5/20/26 10:00, Redmine wrote:\n> Kim: Printer\n> SECRET-QUOTE\n"
    "-- \nAnna Agent\n",
    "outlook": "Please switch it on.\n\n________________________________\nFrom: Redmine <redmine@example.com>\n"
    "Sent: Wednesday, May 20, 2026 10:00\nTo: Anna Agent\nSubject: [Support - Bug #1] Printer\n\nSECRET-QUOTE\n",
    "gmail": "Please switch it on.\n\nOn Wed, May 20, 2026 at 10:00 AM Redmine <redmine@example.com> wrote:\n\n"
    "> Kim: Printer\n> SECRET-QUOTE\n",
}


@pytest.fixture
def anna(dovecot: Any) -> Mailbox:
    """The mailbox of the address of Anna's account."""
    return Mailbox(dovecot, "anna@example.com")


@pytest.fixture
def bridge(sending: Product) -> Product:
    """A bridge by which agents answer customers."""
    sending.support(answers={"notes": "public_notes"}, reading={"trusted_authserv_ids": ["mx.example.com"]})
    sending.issue(trust="authenticated", agent_replies="mail")
    turn(sending)
    return sending


def reply(redmine: Redmine, mailbox: Mailbox, issue: int, text: str, *, proof: str = PASSED, **more: Any) -> None:
    """Anna replies to Redmine's notification about the issue."""
    made = re.sub(r"\D", "", redmine.admin.issue(issue)["created_on"])
    notification = f"<redmine.issue-{issue}.{made}.5@redmine.example.com>"
    headers = {"In_Reply_To": notification, "Authentication_Results": proof} | more
    subject = f"Re: [Support - Bug #{issue}] (New) Printer"
    mailbox.append(mail(subject, text, sender=ANNA, to=mailbox.address, **headers))


def newest(redmine: Redmine, issue: int) -> dict[str, Any]:
    """The newest note."""
    return [entry for entry in redmine.admin.issue(issue)["journals"] if entry["notes"]][-1]  # type: ignore[no-any-return]


@pytest.mark.parametrize("style", STYLES)
def test_a_proven_reply_reaches_the_customer(  # noqa: PLR0917 - fixtures are named, not placed
    bridge: Product, redmine: Redmine, mailbox: Mailbox, kim: Mailbox, project: str, style: str
) -> None:
    """The customer gets the agent's words and file, once, in the thread and in the agent's name; the customer's reply
    is a note. Neither quote nor signature of the agent's mail leaves.
    """
    issue = asked(bridge, redmine, mailbox, kim, project)
    reply(redmine, mailbox, issue, STYLES[style], files={"manual.bin": b"press the button"})
    turn(bridge)
    turn(bridge)
    note = newest(redmine, issue)
    assert (False, "Anna Agent") == (note.get("private_notes", False), note["user"]["name"])
    (answer,) = got(kim)
    assert "Please switch it on." in text_of(answer)
    assert "SECRET-QUOTE" not in str(answer)
    assert ["manual.bin"] == [part.get_filename() for part in answer.iter_attachments()]
    assert mailbox.address in answer["From"]

    mailbox.append(
        mail("Re: Printer", "It prints.\n", sender=kim.address, to=mailbox.address, In_Reply_To=answer["Message-ID"])
    )
    turn(bridge)
    assert [issue] == [found["id"] for found in redmine.admin.issues(project)]
    assert "It prints." in newest(redmine, issue)["notes"]
    assert 1 == len(got(kim))


def test_what_is_withheld(  # noqa: PLR0917 - fixtures are named, not placed
    bridge: Product, redmine: Redmine, mailbox: Mailbox, kim: Mailbox, anna: Mailbox, project: str
) -> None:
    """A reply that nothing proves is private, and the account's own address is told, whatever Reply-To says."""
    redmine.admin.call(
        "PUT", f"/issues/{asked(bridge, redmine, mailbox, kim, project)}.json", {"issue": {"watcher_user_ids": []}}
    )
    (issue,) = [int(found["id"]) for found in redmine.admin.issues(project)]
    redmine.admin.call(
        "PUT", f"/issues/{issue}.json", {"issue": {"assigned_to_id": redmine.seed["users"]["anna"]["id"]}}
    )
    before = len(got(anna))
    reply(redmine, mailbox, issue, "SECRET-WORD\n", proof="mx.example.com; dmarc=none", Reply_To=kim.address)
    turn(bridge)
    turn(bridge)
    note = newest(redmine, issue)
    assert (True, True) == (note["private_notes"], "SECRET-WORD" in note["notes"])
    assert [] == got(kim)
    (notice,) = got(anna)[before:]
    assert f"#{issue}" in notice["Subject"]
    assert "was not sent to the customer" in text_of(notice)
    assert "SECRET-WORD" not in str(notice)


def test_private_by_command(  # noqa: PLR0917 - fixtures are named, not placed
    bridge: Product, redmine: Redmine, mailbox: Mailbox, kim: Mailbox, anna: Mailbox, project: str
) -> None:
    """`/private` in the first line makes a private note, without a word to anybody."""
    issue, before = asked(bridge, redmine, mailbox, kim, project), len(got(anna))
    reply(redmine, mailbox, issue, "/private\n\nHe never switches it on.\n")
    turn(bridge)
    turn(bridge)
    note = newest(redmine, issue)
    assert (True, "He never switches it on.") == (note["private_notes"], note["notes"].strip())
    assert ([], before) == (got(kim), len(got(anna)))
    reply(redmine, mailbox, issue, "Is it on?\n")
    turn(bridge)
    (answer,) = got(kim)
    assert "Is it on?" in text_of(answer)
    assert "never switches" not in str(answer)


def test_a_long_reply(bridge: Product, redmine: Redmine, mailbox: Mailbox, kim: Mailbox, project: str) -> None:
    """A reply that is longer than a note may be is one mail: its beginning as text, and all of it in a file."""
    bridge.issue(trust="authenticated", agent_replies="mail", description_limit=400)
    issue = asked(bridge, redmine, mailbox, kim, project)
    words = "\n\n".join(f"Step {number}: press the button, and wait for the light." for number in range(30))
    reply(redmine, mailbox, issue, f"{words}\n\nThat is all.\n")
    turn(bridge)
    turn(bridge)
    (answer,) = got(kim)
    assert "Step 0: press" in text_of(answer)
    assert ("[…]" in text_of(answer), "That is all." in text_of(answer)) == (True, False)
    ((name, content),) = [(part.get_filename(), part.get_content()) for part in answer.iter_attachments()]
    assert "mail-text.txt" == name
    assert content.count("press the button") == 30
    assert content.rstrip().endswith("That is all.")
