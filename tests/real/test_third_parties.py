"""Agents write to a supplier from the customer's issue: neither side reads the other, whoever answers whom."""

from collections.abc import Callable
from email.message import EmailMessage
from typing import Any

import pytest

from tests.product import Product, mail
from tests.real.talk import got, says, text_of, turn, uploaded
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox

pytestmark = pytest.mark.real


@pytest.fixture
def sue(person: Callable[[str], Mailbox]) -> Mailbox:
    """A supplier's mailbox."""
    return person("sue")


@pytest.fixture
def bridge(sending: Product) -> Product:
    """A bridge by which agents answer customers and write to suppliers."""
    sending.support(
        answers={"notes": "public_notes", "received_reply": True, "third_parties": True, "command_roles": ["developer"]}
    )
    turn(sending)
    return sending


def note_with(redmine: Redmine, issue: int, word: str) -> dict[str, Any]:
    """The note with a word."""
    (note,) = [one for one in redmine.admin.issue(issue)["journals"] if word in (one.get("notes") or "")]
    return note  # type: ignore[no-any-return]


def replies(message: EmailMessage) -> dict[str, str]:
    """The header fields of a reply to a mail."""
    known = f"{message['References'] or ''} {message['Message-ID']}".strip()
    return {"In_Reply_To": str(message["Message-ID"]), "References": known}


def test_a_conversation_of_three(  # noqa: PLR0917 - fixtures are named, not placed
    bridge: Product, redmine: Redmine, mailbox: Mailbox, kim: Mailbox, sue: Mailbox, project: str
) -> None:
    """The customer asks; the agent asks the supplier, with a file; the supplier replies to all, with a file, and once
    more with nothing but the tag in the subject; the agent answers the customer, who puts the supplier in Cc. The
    supplier gets the agent's private note alone, the customer nothing of it.
    """
    us = mailbox.address
    mailbox.append(mail("Broken pump", "KIMS-WORDS\n", sender=f"Kim Client <{kim.address}>", to=us))
    turn(bridge)
    (issue,) = [int(one["id"]) for one in redmine.admin.issues(project)]
    plan = uploaded(redmine, "plan.txt", b"step 1")
    says(redmine, issue, f"/to {sue.address}\n\nASKED-SUE for a pump", private_notes=True, uploads=[plan])
    says(redmine, issue, "TEAM-ONLY", private_notes=True)
    turn(bridge)
    (question,) = got(sue)
    assert ["plan.txt"] == [part.get_filename() for part in question.iter_attachments()]
    assert "ASKED-SUE" in text_of(question)
    for secret in ("KIMS-WORDS", "Broken pump", "Kim Client", kim.address, "TEAM-ONLY", "/to"):
        assert secret not in question.as_string()
    assert [] == got(kim)

    reply = mail(
        f"Re: {question['Subject']}", "SUES-PRICE is 7 EUR\n\n> ASKED-SUE\n", sender=sue.address, to=us, Cc=kim.address,
        files={"price.txt": b"7 EUR"}, **replies(question),
    )  # fmt: skip
    mailbox.append(reply)
    mailbox.append(mail(f"News about [#{issue}]", "SUES-DATE is May\n", sender=sue.address, to=us))
    turn(bridge)
    for word in ("SUES-PRICE", "SUES-DATE"):
        assert note_with(redmine, issue, word)["private_notes"]
    assert "price.txt" in note_with(redmine, issue, "SUES-PRICE")["notes"]
    assert ["plan.txt"] == [one["filename"] for one in redmine.admin.issue(issue)["attachments"]]
    assert ([], 1) == (got(kim), len(got(sue)))

    says(redmine, issue, "ANSWER-ONE to the customer")
    turn(bridge)
    (answer,) = got(kim)
    assert "> KIMS-WORDS" in text_of(answer)
    mailbox.append(
        mail(f"Re: {answer['Subject']}", "KIMS-REPLY\n", sender=kim.address, to=us, Cc=sue.address, **replies(answer))
    )
    turn(bridge)
    assert not note_with(redmine, issue, "KIMS-REPLY").get("private_notes", False)
    says(redmine, issue, "ANSWER-TWO to the customer")
    says(redmine, issue, f"/to {sue.address}\nSECOND-QUESTION", private_notes=True)
    turn(bridge)
    turn(bridge)
    for message in got(kim):
        for secret in ("SUES-", "ASKED-SUE", "SECOND-QUESTION", "TEAM-ONLY", sue.address, "third_party"):
            assert secret not in message.as_string()
    assert 3 == len(got(kim))  # two answers, and one acknowledgement of the reply
    first, second = got(sue)
    assert (first["Message-ID"], first["Message-ID"]) == (second["In-Reply-To"], second["References"])
    for secret in ("KIMS-", "ANSWER-", kim.address, "TEAM-ONLY", "ASKED-SUE"):
        assert secret not in second.as_string()


def test_what_is_not_mailed(  # noqa: PLR0917 - fixtures are named, not placed
    bridge: Product, redmine: Redmine, mailbox: Mailbox, kim: Mailbox, sue: Mailbox, project: str
) -> None:
    """A public note, and one that names the customer, goes to no one, and a private note says why; a reply to a closed
    issue is a private note on it; the delivery report of a mail to a supplier is one too.
    """
    bridge.issue(closed_reply="new")
    mailbox.append(mail("Broken pump", "KIMS-WORDS\n", sender=kim.address, to=mailbox.address))
    turn(bridge)
    (issue,) = [int(one["id"]) for one in redmine.admin.issues(project)]
    says(redmine, issue, f"/to {sue.address}\nIN-PUBLIC")
    says(redmine, issue, f"/to {sue.address}, {kim.address}\nTO-BOTH", private_notes=True)
    turn(bridge)
    turn(bridge)
    assert ([], []) == (got(kim), got(sue))
    for words in ("only a private note is", "it names the customer"):
        assert note_with(redmine, issue, words)["private_notes"]

    says(redmine, issue, f"/to {sue.address}\nASKED-SUE", private_notes=True)
    turn(bridge)
    (question,) = got(sue)
    redmine.admin.call("PUT", f"/issues/{issue}.json", {"issue": {"status_id": redmine.seed["statuses"]["Closed"]}})
    mailbox.append(mail("Re: x", "SUES-WORDS\n", sender=sue.address, to=mailbox.address, **replies(question)))
    turn(bridge)
    assert note_with(redmine, issue, "SUES-WORDS")["private_notes"]
    assert [issue] == [int(one["id"]) for one in redmine.admin.issues(project)]
