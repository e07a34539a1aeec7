"""A customer whom an agent passes on: what the customer wrote sets nothing, and a blocked one is not answered."""

from dataclasses import replace

import pytest

from redmine_mailbridge.mail.parse import parse
from redmine_mailbridge.model.mail import Address, Authenticity, Forwarded, Message, ReadingOptions
from redmine_mailbridge.model.plan import Plan
from redmine_mailbridge.model.sender_list import ListedSender, SenderListing
from redmine_mailbridge.policy.decide import decide
from redmine_mailbridge.policy.fact_request import requested_facts
from tests.unit.policy.world import facts, identity, message, route_of

ORIGINAL = 'forwarded = "original"'


def attaching(text: str, inner: str) -> Message:
    """A mail of Anna's, who is proven, with a mail of Kim's as a file."""
    raw = (
        "From: Anna <anna@corp.example>\r\nTo: support@corp.example\r\nSubject: Fwd: P\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n"
        f"{text}\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
        f"From: Kim <kim@client.example>\r\nSubject: P\r\n\r\n{inner}\r\n--b--\r\n"
    )
    return replace(parse(raw.encode(), ReadingOptions(forwards=True)), authenticity=Authenticity("passed", "dmarc"))


def planned(mail: Message, settings: str, *listed: ListedSender) -> Plan:
    """The plan for a mail."""
    return decide(mail, route_of(settings, {}), identity({}), replace(facts({}), listed_senders=listed))


@pytest.mark.parametrize(
    ("text", "priority"),
    [pytest.param("", None, marks=pytest.mark.fault("A21-3")), ("Look.", None), ("Priority: Low", 4)],
)
def test_keyword_lines_of_an_attached_mail(text: str, priority: int | None) -> None:
    """Keyword lines of an attached mail set nothing, also if the agent wrote nothing; they stay in the text."""
    plan = planned(attaching(text, "Priority: High\r\nProject: sales"), f'{ORIGINAL}; allow_override = "all"')
    assert ("kim@client.example", "support", priority) == (plan.requester.key, plan.project, plan.fields.priority_id)
    assert "Priority: High\nProject: sales" in plan.text


@pytest.mark.fault("A21-4")
@pytest.mark.parametrize("passes_on", [{"forwards": "kim"}, {"to": "kim", "cc": "support"}])
@pytest.mark.parametrize("by_settings", [True, False])
def test_a_blocked_customer(passes_on: dict[str, str], *, by_settings: bool) -> None:
    """A blocked sender is not answered because an agent forwards the mail to ask about it."""
    mail = message({"from": "anna", "auth": "passed"} | passes_on)
    block = '; senders.block = ["client.example"]' if by_settings else ""
    entry = ListedSender("kim@client.example", SenderListing.BLOCK, "root", 0.0)
    plan = planned(mail, ORIGINAL + block, *() if by_settings else (entry,))
    assert ("anna@corp.example", None) == (plan.requester.key, plan.vouched), plan.steps
    assert any("is not the requester: blocked by" in step for step in plan.steps)
    assert "kim@client.example" == planned(mail, ORIGINAL).requester.key


@pytest.mark.fault("A21-5")
def test_what_is_asked_about_the_customer() -> None:
    """The group that takes turns for the customer's domain, and whether the login of a new account is taken, are asked
    for.
    """
    settings = f'{ORIGINAL}; senders.domains."client.example".assignee = "round-robin: helpers"'
    row = {"from": "anna", "auth": "passed", "forwards": "kim", "unknown": "create"}
    wanted = requested_facts(message(row), route_of(settings, row), identity(row))
    assert ("helpers",) == wanted.groups
    assert "kim@client.example" in wanted.logins


@pytest.mark.fault("A21-8")
@pytest.mark.parametrize("local", ["mailer-daemon", "MAILER-DAEMON"])
def test_a_forwarded_bounce(local: str) -> None:
    """Who forwards a bounce asks: nobody reads mail to a mail server's address."""
    mail = message({"from": "anna", "auth": "passed"})
    bounce = replace(mail, forwarded=Forwarded(Address("Mail Delivery System", f"{local}@mx.example")))
    assert ("Anna@corp.example", None) == ((plan := planned(bounce, ORIGINAL)).requester.address, plan.vouched)
