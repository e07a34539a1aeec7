"""Every setting of [mailboxes.NAME.senders], at work: who is let in, as whom, and what users and groups are made."""

import uuid
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
import requests
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.tasks.receive.result import ProcessingResult
from tests.product import ANNA, CAROL, DAVE, STRANGER, Product, mail, product
from tests.real.test_redmine_read import extra_address
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox
from tests.servers.processes import free_port

pytestmark = pytest.mark.real
PASSED = {"Authentication_Results": "mx.example.com; dmarc=pass header.from=example.com"}


@pytest.fixture
def bridge(tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str) -> Product:
    """The bridge with an administrator's key, trusting every From line."""
    return product(tmp_path, redmine, mailbox, project)


@pytest.fixture
def newcomer() -> str:
    """An address that nobody has, of a domain that nobody else has."""
    word = uuid.uuid4().hex[:8]
    return f"Nora.{word}@{word}.example"


@pytest.fixture
def smtp(bridge: Product) -> Iterator[list[dict[str, str]]]:
    """What an SMTP server takes from the bridge, which sends there."""
    taken, port = Sink(), free_port()
    bridge.change({"outgoing": {"host": "127.0.0.1", "port": port, "security": "none", "username": ""}})
    controller = Controller(taken, "127.0.0.1", port)
    controller.start()
    yield taken.mails
    controller.stop()


class Sink:
    """An SMTP server that takes everything."""

    def __init__(self) -> None:
        self.mails: list[dict[str, str]] = []

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        assert isinstance(envelope.content, bytes)
        read = message_from_bytes(envelope.content, policy=default)
        text = read.get_body(("plain",))
        self.mails.append({"to": str(read["To"]), "subject": str(read["Subject"]), "text": text.get_content()})
        return "250 2.0.0 queued"


def outcome_of(bridge: Product, mailbox: Mailbox, raw: bytes) -> ProcessingResult:
    """Given a mail, receive it. Return what became of it."""
    mailbox.append(raw)
    (outcome,) = bridge.receive()
    return outcome


def issue_of(bridge: Product, redmine: Redmine, mailbox: Mailbox, raw: bytes) -> dict[str, Any]:
    """Given a mail, receive it. Return the issue that it led to."""
    outcome = outcome_of(bridge, mailbox, raw)
    assert outcome.issue is not None, outcome.line
    return redmine.admin.issue(outcome.issue)


def user_of(redmine: Redmine, address: str) -> dict[str, Any]:
    """Given an address, return its user, with the names of its groups."""
    in_any_status = {"f[]": "name", "op[name]": "~", "v[name][]": address, "name": address, "status": ""}
    (found,) = redmine.admin.get("/users.json", **in_any_status)["users"]
    user: dict[str, Any] = redmine.admin.get(f"/users/{found['id']}.json", include="groups")["user"]
    return user | {"groups": sorted(group["name"] for group in user.get("groups", ()))}


def send(bridge: Product) -> None:
    """Send what waits in the outbox."""
    with bridge.application() as made:
        made.sending.once()


# ---------------------------------------------------------------------- users that are made


@pytest.mark.parametrize("login", ["local", "address"])
def test_a_user_is_made(bridge: Product, redmine: Redmine, mailbox: Mailbox, newcomer: str, login: str) -> None:
    """A new sender becomes a user with login, names, language and groups as set, who writes the issue."""
    groups = ["Customers", f"Made {newcomer}"[:30]]
    bridge.issue(unknown_sender="create")
    bridge.support(senders={"create": {"login": login, "groups": groups, "language": "de"}})
    issue = issue_of(bridge, redmine, mailbox, mail(sender=f'"Neu, Nora" <{newcomer}>'))
    user = user_of(redmine, newcomer)
    wanted = newcomer.lower() if login == "address" else newcomer.lower().partition("@")[0]
    assert (wanted, "Nora", "Neu", groups) == (user["login"], user["firstname"], user["lastname"], user["groups"])
    assert (user["id"], 1) == (issue["author"]["id"], user["status"])
    refused = requests.put(  # what Redmine refuses a user, it says in that one's language
        f"{redmine.url}/my/account.json",
        json={"user": {"firstname": ""}},
        headers={"X-Redmine-API-Key": redmine.seed["admin"]["api_key"], "X-Redmine-Switch-User": user["login"]},
        timeout=60,
    )
    assert "Vorname" in refused.text


@pytest.mark.fault("N6")
@pytest.mark.parametrize("ticket_user", [None, "anna"])
def test_the_first_unproven_mail_is_written_as_the_second(
    bridge: Product, redmine: Redmine, mailbox: Mailbox, newcomer: str, ticket_user: str | None
) -> None:
    """Where nothing proves who wrote, the account is made all the same, and each mail, the first like the second, is
    written by the bridge's own user, or the ticket_user, and names who it claims to be from.
    """
    bridge.issue(unknown_sender="create", trust="authenticated")
    if ticket_user is not None:
        bridge.support(senders={"ticket_user": ticket_user})
    first, second = (issue_of(bridge, redmine, mailbox, mail(n, "Hello.\n", sender=newcomer)) for n in ("One", "Two"))
    assert 1 == user_of(redmine, newcomer)["status"]
    assert ["Redmine Admin" if ticket_user is None else "Anna Agent"] * 2 == [
        one["author"]["name"] for one in (first, second)
    ]
    assert first["description"] == second["description"]
    assert newcomer.lower() in first["description"].lower()


@pytest.mark.parametrize(("status", "number"), [("registered", 2), ("locked", 3)])
def test_a_user_that_is_not_active_yet(  # noqa: PLR0917 - a column of the table each
    bridge: Product, redmine: Redmine, mailbox: Mailbox, newcomer: str, status: str, number: int
) -> None:
    """A user made registered or locked writes nothing; the bridge's own user does, and names the sender."""
    bridge.issue(unknown_sender="create")
    bridge.support(senders={"create": {"status": status}})
    issue = issue_of(bridge, redmine, mailbox, mail(sender=newcomer))
    assert number == user_of(redmine, newcomer)["status"]
    assert ("Redmine Admin", True) == (issue["author"]["name"], newcomer in issue["description"])


def test_the_registration_notice(
    bridge: Product, redmine: Redmine, mailbox: Mailbox, smtp: list[dict[str, str]], newcomer: str
) -> None:
    """A new user is told by our own notice, in the admin's words where there is a template, once; and not when off."""
    bridge.issue(unknown_sender="create")
    bridge.support(senders={"create": {"notice": "own"}})
    outcome_of(bridge, mailbox, mail("Lies there from before", sender=ANNA))
    outcome_of(bridge, mailbox, mail("First", sender=f"Nora <{newcomer}>"))
    outcome_of(bridge, mailbox, mail("Second", sender=f"Nora <{newcomer}>"))
    send(bridge)
    assert [True] == [newcomer.lower() in one["to"].lower() for one in smtp]
    assert newcomer.lower() in smtp[0]["text"]

    own = bridge.folder / "templates" / "registration" / "en"
    own.mkdir(parents=True)
    (own / "body.txt").write_text("Hello {{ requester.name }}.")
    (own / "subject.txt").write_text("Welcome aboard, {{ login }}")
    bridge.change({"outgoing": {"templates": str(bridge.folder / "templates")}})
    outcome_of(bridge, mailbox, mail("Third", sender=f"second-{newcomer}"))
    send(bridge)
    assert f"Welcome aboard, second-{newcomer.lower()}" == smtp[1]["subject"]

    bridge.support(senders={"create": {"notice": "none"}})
    outcome_of(bridge, mailbox, mail("Fourth", sender=f"third-{newcomer}"))
    send(bridge)
    assert 2 == len(smtp)
    assert 1 == user_of(redmine, f"third-{newcomer}")["status"]


# ---------------------------------------------------------------------- domains


def test_domain_rule(bridge: Product, redmine: Redmine, mailbox: Mailbox, newcomer: str) -> None:
    """A domain's senders go to its project, tracker, category, priority and assignee, with the customer's name."""
    domain = newcomer.partition("@")[2]
    rule = {"project": "sales", "tracker": "Support", "category": "Quotes", "priority": "High", "assignee": "anna"}
    senders = {"customer_field": "Requester", "domains": {domain: rule | {"customer": "Nora Ltd"}}}
    bridge.support(senders=senders)
    issue = issue_of(bridge, redmine, mailbox, mail(sender=newcomer))
    named = [issue[key]["name"] for key in ("project", "tracker", "category", "priority", "assigned_to")]
    assert ["Sales", "Support", "Quotes", "High", "Anna Agent"] == named
    assert ["Nora Ltd"] == [one["value"] for one in issue["custom_fields"] if one["name"] == "Requester"]
    other = issue_of(bridge, redmine, mailbox, mail(sender=f"x@sub.{domain}"))
    assert "Sales" != other["project"]["name"]


def test_group_of_a_domain(bridge: Product, redmine: Redmine, mailbox: Mailbox, newcomer: str) -> None:
    """A domain's users join its group, which is made: one made for the mail, and one that was there before."""
    local, _, domain = newcomer.partition("@")
    there = {"login": f"old-{local}"[:60], "firstname": "Olaf", "lastname": "Old", "mail": f"old@{domain}"}
    redmine.admin.call("POST", "/users.json", {"user": there | {"generate_password": True}})
    bridge.issue(unknown_sender="create")
    bridge.support(senders={"domains": {domain: {"group": f"Client {domain}"}}})
    for address in (newcomer, f"old@{domain}"):
        issue_of(bridge, redmine, mailbox, mail(sender=address))
        assert [f"Client {domain}"] == user_of(redmine, address)["groups"]


# ---------------------------------------------------------------------- who is let in


def test_hold_accept_and_reject(bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str) -> None:
    """A held mail waits in its folder until an admin accepts it, which makes the issue, or rejects it."""
    bridge.issue(unknown_sender="hold")
    mailbox.append(mail("Good"), mail("Bad"))
    held = {outcome.row.subject: outcome for outcome in bridge.receive()}
    assert {State.HELD} == {outcome.state for outcome in held.values()}
    assert 0 == bridge.quick("messages", "accept", str(held["Good"].row.id)).exit_code
    assert 0 == bridge.quick("messages", "reject", str(held["Bad"].row.id)).exit_code
    bridge.receive()
    assert ["Good"] == [issue["subject"] for issue in redmine.admin.issues(project)]
    assert (1, 1, 0) == tuple(mailbox.count()[name] for name in ("Processed", "Failed", "INBOX"))


def test_a_polite_refusal(bridge: Product, mailbox: Mailbox, smtp: list[dict[str, str]]) -> None:
    """A refused sender is told why when answer_refused is on."""
    outcome_of(bridge, mailbox, mail("Lies there from before", sender=ANNA))
    bridge.issue(unknown_sender="refuse", answer_refused=True)
    assert State.REJECTED == outcome_of(bridge, mailbox, mail()).state
    send(bridge)
    assert ["zoe@elsewhere.example"] == [one["to"].rpartition("<")[2].strip(">") for one in smtp]


@pytest.mark.parametrize(
    ("block", "allow", "sender", "state"),
    [
        (["elsewhere.example"], [], STRANGER, State.REJECTED),
        (["zoe@elsewhere.example"], [], STRANGER, State.REJECTED),
        (["/^zoe@else/"], [], STRANGER, State.DONE),
        (["/zoe@else/"], [], STRANGER, State.REJECTED),
        (["X-Bulk: yes"], [], STRANGER, State.REJECTED),
        (["*"], ["elsewhere.example"], STRANGER, State.DONE),
        (["*"], ["elsewhere.example"], CAROL, State.REJECTED),
    ],
)
def test_block_and_allow(  # noqa: PLR0917 - a column of the table each
    bridge: Product, mailbox: Mailbox, block: list[str], allow: list[str], sender: str, state: State
) -> None:
    """Senders are blocked by address, domain, header or expression, unless they are allowed."""
    bridge.support(senders={"block": block, "allow": allow})
    outcome = outcome_of(bridge, mailbox, mail(sender=sender, X_Bulk="yes"))
    assert (state, state is State.REJECTED) == (outcome.state, "blocked by" in outcome.line)


@pytest.mark.parametrize(
    ("sender", "settings", "headers", "state"),
    [
        (DAVE, {"locked": "ignore"}, {}, State.DONE),
        (DAVE, {"locked": "accept"}, {}, State.DONE),
        (STRANGER, {"block": ["*"], "blocked": "ignore"}, {}, State.DONE),
        (ANNA, {"failed_authentication": "hold"}, {"Authentication_Results": "mx.example.com; dmarc=fail"}, State.HELD),
        (ANNA, {"failed_authentication": "refuse"}, {"Authentication_Results": "mx.example.com; dmarc=fail"},
         State.REJECTED),
    ],
)  # fmt: skip
def test_how_it_ends_for_who_is_not_let_in(  # noqa: PLR0917 - a column of the table each
    bridge: Product, mailbox: Mailbox, sender: str, settings: dict[str, Any], headers: dict[str, str], state: State
) -> None:
    """What becomes of locked users', blocked and forged mail is as the settings say; only "accept" makes an issue."""
    bridge.support(senders=settings, reading={"trusted_authserv_ids": ["mx.example.com"]})
    outcome = outcome_of(bridge, mailbox, mail(sender=sender, **headers))
    assert (state, settings.get("locked") == "accept") == (outcome.state, outcome.issue is not None)


@pytest.mark.parametrize(
    ("trust", "senders", "headers", "author"),
    [
        ("authenticated", {}, PASSED, "Anna Agent"),
        ("authenticated", {}, {}, "Redmine Admin"),
        ("internal", {"internal_domains": ["example.com"]}, {}, "Anna Agent"),
        ("internal", {"internal_domains": ["example.org"]}, {}, "Redmine Admin"),
        ("internal", {"internal_domains": ["example.com"], "internal_mark": "X-Inside: yes"}, {}, "Redmine Admin"),
        ("internal", {"internal_domains": ["example.com"], "internal_mark": "X-Inside: yes"}, {"X_Inside": "yes"},
         "Anna Agent"),
        ("any", {}, {"Authentication_Results": "mx.example.com; dmarc=fail"}, "Redmine Admin"),
    ],
)  # fmt: skip
def test_trust(  # noqa: PLR0917 - a column of the table each
    bridge: Product, redmine: Redmine, mailbox: Mailbox, trust: str, senders: dict[str, Any], headers: dict[str, str],
    author: str,
) -> None:  # fmt: skip
    """A mail acts as the user whose address it bears as far as trust allows; else the bridge's user names it."""
    bridge.issue(trust=trust)
    bridge.support(senders=senders, reading={"trusted_authserv_ids": ["mx.example.com"]})
    issue = issue_of(bridge, redmine, mailbox, mail(sender=ANNA, **headers))
    assert (author, author == "Redmine Admin") == (
        issue["author"]["name"],
        "this is not proven" in issue["description"],
    )


def test_ticket_user_and_requester_field(bridge: Product, redmine: Redmine, mailbox: Mailbox) -> None:
    """The ticket user writes for unknown senders, with the requester in the text and in a field of its own."""
    bridge.support(senders={"ticket_user": "bob"})
    bridge.issue(requester_field="Requester")
    issue = issue_of(bridge, redmine, mailbox, mail())
    assert ("Bob Builder", True) == (issue["author"]["name"], "zoe@elsewhere.example" in issue["description"])
    fields = {one["name"]: one["value"] for one in issue["custom_fields"]}
    assert "zoe@elsewhere.example" == fields["Requester"]


@pytest.mark.parametrize("trust", ["any", "authenticated"])
def test_a_further_address_is_never_refused(
    bridge: Product, redmine: Redmine, mailbox: Mailbox, newcomer: str, trust: str
) -> None:
    """Mail from a further address of a user makes an issue: the user's, where Redmine tells whose it is (from 5.1 on);
    else, where no user can be made of a taken address, one of an unknown sender, who is named.
    """
    extra_address(redmine, "anna", newcomer.lower())
    bridge.issue(unknown_sender="create", trust=trust)
    issue = issue_of(bridge, redmine, mailbox, mail(sender=f"Nora Neu <{newcomer}>"))
    if trust == "any" and redmine.version != "5.0":
        assert redmine.seed["users"]["anna"]["id"] == issue["author"]["id"]
    else:
        assert newcomer.lower() in issue["description"].lower()
        assert redmine.seed["users"]["anna"]["id"] != issue["author"]["id"]
