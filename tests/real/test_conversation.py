"""A customer without an account and an agent talk: mail on one side, Redmine on the other, mail servers between."""

import contextlib
import email
import email.policy
import re
import uuid
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from redmine_mailbridge.store.tables import answer
from redmine_mailbridge.tasks.service.service import receive_once
from tests.outbox import mails_about
from tests.product import Product, mail, message_id_of, product
from tests.real.talk import got, says, sends_by, turn
from tests.servers.dovecot import Mail
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox
from tests.servers.relay import Relay

pytestmark = pytest.mark.real


@pytest.fixture
def bridge(sending: Product) -> Product:
    """A bridge that mails every public note, and has read its mailbox once."""
    sending.support(answers={"received": True, "notes": "public_notes"})
    sending.issue(closed_reply="reopen", reply_status={"Closed": "In Progress"})
    turn(sending)
    return sending


def outbox(bridge: Product, issue: int) -> list[tuple[str, str, str]]:
    """Kind, recipient and state of what went out about an issue."""
    with bridge.application() as made:
        return [(row.kind, row.recipient, row.state) for row in mails_about(made.store, issue)]


def story(bridge: Product, issue: int) -> str:
    """What the record of an issue's mails says."""
    return "\n".join(line for row in bridge.quick_json("messages", "--issue", str(issue)) for line in row["steps"])


def writes(server: Relay, mailbox: Mailbox, customer: Mailbox, raw: bytes) -> None:
    """The customer sends a mail to the bridge's mailbox."""
    server.deliver(raw, mailbox.address, customer.address)


def asks(server: Relay, mailbox: Mailbox, customer: Mailbox, subject: str = "Printer on fire", **more: Any) -> bytes:
    """The customer writes anew. Return the mail."""
    raw = mail(subject, "It burns.\n", sender=f"Kim Client <{customer.address}>", to=mailbox.address, **more)
    writes(server, mailbox, customer, raw)
    return raw


def the_issue(redmine: Redmine, project: str) -> dict[str, Any]:
    (found,) = redmine.admin.issues(project)
    return redmine.admin.issue(found["id"])


def breaks(mails: list[EmailMessage]) -> list[str]:
    """Where mail programs would not show these as one conversation: each but the first must answer one before it, and
    name the first in References; the subjects are the same without "Re:" and a tag.
    """
    ids = [str(one["Message-ID"]) for one in mails]
    topics = [re.sub(r"^(?:Re: |\[[^\]]*\] )*", "", str(one["Subject"])) for one in mails]
    found = []
    for number, one in enumerate(mails[1:], 1):
        if str(one["In-Reply-To"]) not in ids[:number]:
            found.append(f"{number} answers {one['In-Reply-To']}, not one of {ids[:number]}")
        if ids[0] not in str(one["References"]).split():
            found.append(f"{number} does not name {ids[0]}: {one['References']}")
        if topics[number] != topics[0]:
            found.append(f"{number} is about {topics[number]!r}, not {topics[0]!r}")
    return found


def test_a_whole_conversation(  # noqa: PLR0917 - fixtures are named, not placed
    bridge: Product, redmine: Redmine, mailbox: Mailbox, customer: Mailbox, server: Relay, project: str
) -> None:
    """A customer without an account writes and is told so; an agent answers in Redmine, the customer's program shows
    one thread; the customer's reply becomes a note and reopens, as reply_status says; the next answer goes on in the
    same thread.
    """
    first = asks(server, mailbox, customer)
    turn(bridge)
    issue = the_issue(redmine, project)["id"]
    bold = "*room*" if redmine.text_format == "textile" else "**room**"
    says(redmine, issue, f"Please leave the {bold}.", status_id=5)
    says(redmine, issue, "He always says that.", private_notes=True)
    turn(bridge)
    received, answer = got(customer)
    assert ("auto-replied", None) == (received["Auto-Submitted"], answer["Auto-Submitted"])
    body = answer.get_body(("plain",))
    assert body is not None
    assert "Please leave the *room*." in body.get_content()
    assert "> It burns." in body.get_content()
    assert "He always says that." not in answer.as_string()

    reply = mail(
        str(answer["Subject"]), "We did.\n\nOn 2026-05-20, Support wrote:\n> Please leave the room.\n",
        sender=f"Kim Client <{customer.address}>", to=mailbox.address, In_Reply_To=str(answer["Message-ID"]),
        References=f"{answer['References']} {answer['Message-ID']}",
    )  # fmt: skip
    writes(server, mailbox, customer, reply)
    turn(bridge)
    now = the_issue(redmine, project)
    assert "We did." in now["journals"][-1]["notes"] or "We did." in now["journals"][-2]["notes"]
    assert "In Progress" == now["status"]["name"]

    says(redmine, issue, "Good.")
    turn(bridge)
    turn(bridge)
    mine = [email.message_from_bytes(raw, policy=email.policy.default) for raw in (first, reply)]
    came = got(customer)
    assert 3 == len(came)
    conversation = [mine[0], came[0], came[1], mine[1], came[2]]
    assert [] == breaks(conversation)  # type: ignore[arg-type]  # policy's class
    assert message_id_of(reply) == came[2]["In-Reply-To"]
    kinds = [("received", "sent"), ("answer", "sent"), ("answer", "sent")]
    assert kinds == [(kind, state) for kind, _, state in outbox(bridge, issue)]
    assert f"mailed to {customer.address}" in story(bridge, issue)


def test_history_is_not_mailed(  # noqa: PLR0917 - fixtures are named, not placed
    bridge: Product, redmine: Redmine, mailbox: Mailbox, customer: Mailbox, server: Relay, project: str
) -> None:
    """What agents wrote before answers were switched on stays in Redmine; what comes after goes out, each once."""
    bridge.support(answers={"received": False, "notes": "never"})
    asks(server, mailbox, customer)
    turn(bridge)
    issue = the_issue(redmine, project)["id"]
    says(redmine, issue, "Long ago.")
    turn(bridge)
    bridge.support(answers={"notes": "public_notes"})
    turn(bridge)
    assert [] == got(customer)
    says(redmine, issue, "Just now.")
    turn(bridge)
    turn(bridge)
    (answer,) = got(customer)
    assert "Just now." in answer.as_string()


def test_marked_notes(  # noqa: PLR0917 - fixtures are named, not placed
    bridge: Product, redmine: Redmine, mailbox: Mailbox, customer: Mailbox, server: Relay, project: str
) -> None:
    """With a marker, only notes that begin with it go out, without it."""
    bridge.support(answers={"received": False, "notes": "marked", "marker": "To customer"})
    asks(server, mailbox, customer)
    turn(bridge)
    issue = the_issue(redmine, project)["id"]
    says(redmine, issue, "Among us.")
    says(redmine, issue, "to customer: please wait")
    says(redmine, issue, "To customers we say nothing")
    turn(bridge)
    (answer,) = got(customer)
    body = answer.get_body(("plain",))
    assert body is not None
    assert body.get_content().lstrip().startswith("please wait")
    assert "does not start with To customer" in story(bridge, issue)


def test_a_private_project(
    bridge: Product, redmine: Redmine, mailbox: Mailbox, customer: Mailbox, server: Relay
) -> None:
    """Nothing leaves a private project, unless the settings say so."""
    hidden = redmine.fresh_project(public=False)
    bridge.issue(project=hidden)
    bridge.support(answers={"received": False})
    asks(server, mailbox, customer)
    turn(bridge)
    issue = the_issue(redmine, hidden)["id"]
    says(redmine, issue, "One.")
    turn(bridge)
    assert [] == got(customer)
    assert "answers.private_projects" in story(bridge, issue)
    bridge.support(answers={"private_projects": True})
    says(redmine, issue, "Two.")
    turn(bridge)
    (answer,) = got(customer)
    body = answer.get_body(("plain",))
    assert body is not None
    assert "Two." == body.get_content().splitlines()[0]


def test_people_whom_redmine_mails_itself(  # noqa: PLR0917 - fixtures are named, not placed
    bridge: Product, redmine: Redmine, mailbox: Mailbox, customer: Mailbox, server: Relay, project: str
) -> None:
    """A customer with an account, who is the issue's author, is left to Redmine; somebody in Cc without one is not."""
    bridge.support(answers={"received": False})
    raw = mail("A user's", "x\n", sender="Carol Customer <carol@example.org>", to=mailbox.address, Cc=customer.address)
    writes(server, mailbox, customer, raw)
    turn(bridge)
    issue = the_issue(redmine, project)["id"]
    says(redmine, issue, "Hello both.")
    turn(bridge)
    assert [("answer", customer.address, "sent")] == outbox(bridge, issue)
    assert "Redmine mails carol@example.org itself" in story(bridge, issue)
    bridge.support(answers={"redmine_users": "mail"})
    says(redmine, issue, "Hello again.")
    turn(bridge)
    assert {"carol@example.org", customer.address} == {recipient for _, recipient, _ in outbox(bridge, issue)[1:]}


def test_notes_that_mails_made_are_not_mailed(  # noqa: PLR0917 - fixtures are named, not placed
    bridge: Product, redmine: Redmine, mailbox: Mailbox, customer: Mailbox, server: Relay, project: str
) -> None:
    """An agent who answers by mail to the bridge is on the thread already: that note does not go out once more."""
    bridge.support(answers={"received": False})
    first = asks(server, mailbox, customer)
    turn(bridge)
    issue = the_issue(redmine, project)["id"]
    by_mail = mail("Re: x", "By mail.\n", sender="Bob Builder <bob@example.com>", In_Reply_To=message_id_of(first))
    writes(server, mailbox, customer, by_mail)
    turn(bridge)
    turn(bridge)
    assert [] == outbox(bridge, issue)


def test_files(  # noqa: PLR0917 - fixtures are named, not placed
    bridge: Product, redmine: Redmine, mailbox: Mailbox, customer: Mailbox, server: Relay, project: str
) -> None:
    """The files of a note go along up to the limit; what is over is named."""
    bridge.support(answers={"received": False, "max_attachments": "1KB"})
    asks(server, mailbox, customer)
    turn(bridge)
    issue = the_issue(redmine, project)["id"]
    import requests

    uploads = []
    for name, content in (("plan ä.txt", b"the plan"), ("big.bin", b"x" * 5000)):
        token = requests.post(
            f"{redmine.url}/uploads.json", params={"filename": name}, data=content, timeout=30,
            headers={"X-Redmine-API-Key": redmine.api("bob").key, "Content-Type": "application/octet-stream"},
        ).json()["upload"]["token"]  # fmt: skip
        uploads.append({"token": token, "filename": name, "content_type": "text/plain"})
    says(redmine, issue, "See the plan.", uploads=uploads)
    turn(bridge)
    (answer,) = got(customer)
    (file,) = list(answer.iter_attachments())
    assert ("plan ä.txt", "the plan") == (file.get_filename(), str(file.get_content()).strip())  # type: ignore[attr-defined]  # EmailMessage's
    body = answer.get_body(("plain",))
    assert body is not None
    assert "big.bin (5KB)" in body.get_content()


def test_closing(  # noqa: PLR0917 - fixtures are named, not placed
    bridge: Product, redmine: Redmine, mailbox: Mailbox, customer: Mailbox, server: Relay, project: str
) -> None:
    """Where closing is told, one mail says so, with the note that closed it, as the agent's words; a closing without a
    word is told too, marked as a machine's.
    """
    bridge.support(answers={"received": False, "closed": True})
    asks(server, mailbox, customer)
    turn(bridge)
    issue = the_issue(redmine, project)["id"]
    says(redmine, issue, "A new printer stands there.", status_id=5)
    turn(bridge)
    turn(bridge)
    (told,) = got(customer)
    assert None is told["Auto-Submitted"]
    body = told.get_body(("plain",))
    assert body is not None
    assert "A new printer stands there." in body.get_content()
    assert f"We have closed your request #{issue}" in body.get_content()
    says(redmine, issue, "", status_id=2)
    says(redmine, issue, "", status_id=5)
    turn(bridge)
    assert [None, "auto-generated"] == [one["Auto-Submitted"] for one in got(customer)]


def test_decided_once(  # noqa: PLR0917 - fixtures are named, not placed
    bridge: Product, redmine: Redmine, mailbox: Mailbox, customer: Mailbox, server: Relay, project: str
) -> None:
    """What was decided about a note is remembered with its reason."""
    asks(server, mailbox, customer)
    turn(bridge)
    issue = the_issue(redmine, project)["id"]
    says(redmine, issue, "Once.")
    turn(bridge)
    turn(bridge)
    with bridge.application() as made, made.store.database.read() as db:
        one = db.execute(sa.select(answer.c.line).where(answer.c.issue == issue)).one()
    assert f"by Bob Builder: mailed to {customer.address}" in one.line


def test_mail_that_does_not_arrive(
    bridge: Product, redmine: Redmine, mailbox: Mailbox, server: Relay, project: str
) -> None:
    """A mail that bounces, or is refused at once, is told by one private note; one that is only late is not."""
    bridge.support(answers={"received": False})
    for local in ("gone", "late", "refused"):
        raw = mail(f"From {local}", "x\n", sender=f"{local.title()} <{local}@example.net>", to=mailbox.address)
        server.deliver(raw, mailbox.address, f"{local}@example.net")
    turn(bridge)
    issues = {one["subject"].removeprefix("From "): one["id"] for one in redmine.admin.issues(project)}
    for number in issues.values():
        says(redmine, number, "An answer.", status_id=5)
    for _ in range(3):
        turn(bridge)
    states = {local: [state for _, _, state in outbox(bridge, number)] for local, number in issues.items()}
    assert {"gone": ["bounced"], "late": ["sent"], "refused": ["failed"]} == states
    told = {
        local: [
            (journal["private_notes"], journal["notes"].splitlines()[0])
            for journal in redmine.admin.issue(number)["journals"]
            if "not delivered" in journal["notes"]
        ]
        for local, number in issues.items()
    }
    assert [] == told["late"]
    for local, words in (("gone", "5.1.1"), ("refused", "550 5.1.1 no such user here")):
        ((private, line),) = told[local]
        assert private
        assert f"{local}@example.net" in line
        assert words in line
    assert "bounced: answer to gone@example.net: 5.1.1" in story(bridge, issues["gone"])
    assert all(redmine.admin.issue(number)["status"]["is_closed"] for number in issues.values())
    assert {"NOTIFY=FAILURE,DELAY", "RET=HDRS"} == set(server.asked)


def test_an_out_of_office_changes_nothing(  # noqa: PLR0917 - fixtures are named, not placed
    bridge: Product, redmine: Redmine, mailbox: Mailbox, customer: Mailbox, server: Relay, project: str
) -> None:
    """An out-of-office reply to an agent's answer on a closed issue reopens nothing, and gets no answer."""
    asks(server, mailbox, customer)
    turn(bridge)
    issue = the_issue(redmine, project)["id"]
    says(redmine, issue, "Done.", status_id=5)
    turn(bridge)
    answer = got(customer)[-1]
    away = mail(
        "Out of office: Re: Printer on fire", "I am away.\n", sender=f"Kim <{customer.address}>", to=mailbox.address,
        In_Reply_To=str(answer["Message-ID"]), Auto_Submitted="auto-replied",
    )  # fmt: skip
    writes(server, mailbox, customer, away)
    turn(bridge)
    turn(bridge)
    assert the_issue(redmine, project)["status"]["is_closed"]
    assert 2 == len(got(customer))


@pytest.mark.newest
def test_two_bridges_that_answer_each_other(tmp_path: Path, dovecot: Mail, redmine: Redmine, server: Relay) -> None:
    """Two bridges whose automatic answers go to each other, with every mark against loops taken off on the way, stop
    within the limit of ten in ten minutes.
    """
    boxes = [Mailbox(dovecot, f"loop-{uuid.uuid4().hex[:12]}@{dovecot['domain']}") for _ in range(2)]
    server.strip = ("Auto-Submitted", "X-Auto-Response-Suppress", "Precedence", "X-Mailbridge-Loop")
    counts = []
    with contextlib.ExitStack() as stack:
        bridges = []
        for number, box in enumerate(boxes):
            folder = tmp_path / str(number)
            folder.mkdir()
            made = product(folder, redmine, box, redmine.fresh_project())
            sends_by(made, server)
            made.support(answers={"received": True, "received_reply": True, "notes": "public_notes"})
            turn(made)
            bridges.append(stack.enter_context(made.application()))
        one, other = boxes
        server.deliver(mail("Hello", "x\n", sender=one.address, to=other.address), other.address, one.address)
        for _ in range(16):
            for application in bridges:
                receive_once(application.receivers)
                application.sending.once()
            counts.append(len(server.taken))
            if counts[-3:] == [counts[-1]] * 3:
                break
    assert [counts[-1]] * 3 == counts[-3:], counts
    assert counts[-1] <= 20, counts
    assert counts[-1] >= 10, "the loop was not even tried"
