"""What depends on Redmine's database: characters of 4 bytes, and what it holds to be the same address."""

import uuid
from pathlib import Path

import pytest

from tests.product import Product, mail, message_id_of, product
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox

pytestmark = pytest.mark.real


@pytest.fixture
def bridge(tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str) -> Product:
    return product(tmp_path, redmine, mailbox, project)


@pytest.mark.databases
def test_characters_of_4_bytes(bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str) -> None:
    """An emoji in a subject, a text or a note is kept where the database takes it, and named where it does not."""
    first = mail("A smile \U0001f600", "Grüße ☃ \U0001f600\n")
    mailbox.append(first)
    bridge.receive()
    mailbox.append(mail("Re: a smile", "And \U0001f600 again\n", In_Reply_To=message_id_of(first)))
    bridge.receive()
    (row,) = redmine.admin.issues(project)
    issue = redmine.admin.issue(row["id"])
    smile = ":grinning_face:" if redmine.state["database"] == "mariadb-utf8mb3" else "\U0001f600"
    assert f"A smile {smile}" == issue["subject"]
    assert f"Grüße ☃ {smile}" in issue["description"]
    (note,) = redmine.admin.notes(row["id"])
    assert f"And {smile} again" in note


@pytest.mark.fault("M3")
@pytest.mark.databases("mariadb")
def test_an_address_that_only_the_database_takes_for_anothers(
    bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str
) -> None:
    """A mail from rené@ is not written as the user rene@, though the database finds him; one from RENE@ is."""
    domain = f"{uuid.uuid4().hex[:8]}.example"
    user = {"login": f"rene-{domain}", "firstname": "Rene", "lastname": "Real", "mail": f"rene@{domain}",
            "generate_password": True}  # fmt: skip
    redmine.admin.call("POST", "/users.json", {"user": user})
    mailbox.append(mail("as written", sender=f"RENE@{domain}"), mail("forged", sender=f"rené@{domain}"))
    bridge.receive()
    authors = {issue["subject"]: issue["author"]["name"] for issue in redmine.admin.issues(project)}
    assert {"as written": "Rene Real", "forged": "Redmine Admin"} == authors


@pytest.mark.fault("M6")
@pytest.mark.databases("mariadb-utf8mb3")
def test_names_in_characters_of_4_bytes(bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str) -> None:
    """A file and a new user whose names hold an emoji are made under ones that the database takes."""
    bridge.issue(unknown_sender="create")
    domain = f"{uuid.uuid4().hex[:8]}.example"
    sender = f'"Zoe \U0001f600 Smile" <zoe@{domain}>'
    mailbox.append(mail("party", sender=sender, files={"\U0001f600 party.pdf": b"%PDF-1.4"}))
    bridge.receive()
    (row,) = redmine.admin.issues(project)
    assert ["_grinning_face_ party.pdf"] == [file["filename"] for file in redmine.admin.issue(row["id"])["attachments"]]
    (user,) = redmine.admin.get("/users.json", name=f"zoe@{domain}")["users"]
    assert ":grinning_face:" in f"{user['firstname']} {user['lastname']}"
