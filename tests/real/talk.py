"""What customers, agents and the bridge do in the tests of conversations on real servers."""

import email
import email.policy
from email.message import EmailMessage
from typing import Any

import requests

from tests.product import Product, mail
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox
from tests.servers.relay import Relay


def sends_by(bridge: Product, server: Relay) -> None:
    """The bridge sends by this server, without a login."""
    bridge.change({"outgoing": {"host": "127.0.0.1", "port": server.port, "security": "none", "username": ""}})


def turn(bridge: Product) -> None:
    """Receive, update, send: once each."""
    done = bridge.quick("receive", "--once")
    assert 0 == done.exit_code, done.output


def asked(bridge: Product, redmine: Redmine, mailbox: Mailbox, kim: Mailbox, project: str) -> int:
    """Kim asks. Return the issue."""
    mailbox.append(mail("Printer", "It does not print.\n", sender=f"Kim Client <{kim.address}>", to=mailbox.address))
    turn(bridge)
    (issue,) = redmine.admin.issues(project)
    return int(issue["id"])


def says(redmine: Redmine, issue: int, text: str, login: str = "bob", **more: Any) -> None:
    """An agent writes a note in Redmine."""
    redmine.api(login).call("PUT", f"/issues/{issue}.json", {"issue": {"notes": text, **more}})


def uploaded(redmine: Redmine, name: str, content: bytes, content_type: str = "text/plain") -> dict[str, str]:
    """A file that Bob's note can have."""
    answer = requests.post(
        f"{redmine.url}/uploads.json", params={"filename": name}, data=content, timeout=60,
        headers={"X-Redmine-API-Key": redmine.api("bob").key, "Content-Type": "application/octet-stream"},
    ).json()  # fmt: skip
    return {"token": answer["upload"]["token"], "filename": name, "content_type": content_type}


def got(box: Mailbox) -> list[EmailMessage]:
    """What lies in a mailbox."""
    return [email.message_from_bytes(raw, policy=email.policy.default) for raw in box.mails()]  # type: ignore[misc]  # policy's class


def text_of(message: EmailMessage, kind: str = "plain") -> str:
    """Its text."""
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content())


def first_lines(box: Mailbox) -> list[str]:
    """The first line of each mail in a mailbox."""
    return [text_of(message).splitlines()[0] for message in got(box)]
