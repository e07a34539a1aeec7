"""Whose mail it is: the rule of the sender's domain."""

import pytest

from redmine_mailbridge.model.mail import Address
from redmine_mailbridge.policy.sender import Sender, domain_rule, login_for
from tests.unit.policy.world import plan_of, route_of, short

DOMAINS = (
    'senders.domains."client.example".project = "exact"; senders.domains."*.client.example".project = "below"; '
    'senders.domains."*.eu.client.example".project = "further below"; '
    'senders.domains."*.a-much-longer-name.example".project = "another"'
)


@pytest.mark.parametrize(
    ("address", "domain", "project"),
    [
        ("kim@client.example", "client.example", "exact"),
        ("kim@sales.client.example", "client.example", "below"),
        ("kim@sales.eu.client.example", "eu.client.example", "further below"),
        ("kim@www.a-much-longer-name.example", "a-much-longer-name.example", "another"),
    ],
)
def test_the_closest_rule_that_fits_the_domain_holds(address: str, domain: str, project: str) -> None:
    found = domain_rule(Sender(Address("", address)), route_of(DOMAINS, {}))
    assert found is not None
    assert (domain, project) == (found[0], found[1].project)


@pytest.mark.parametrize(
    ("address", "forged"), [("kim@else.example", False), ("kim@client.example", True), ("", False)]
)
def test_no_rule_holds_for_another_domain_or_a_forged_sender(address: str, forged: bool) -> None:
    assert domain_rule(Sender(Address("", address), forged=forged), route_of(DOMAINS, {})) is None


def test_a_login_has_the_sixty_characters_that_redmine_takes() -> None:
    address = Address("", f"{'a' * 59}bc+d@client.example")
    assert "a" * 59 + "b" == login_for(address, "local") == login_for(address, "address")
    assert "a_d" == login_for(Address("", "a+d@client.example"), "local")
    assert "user" == login_for(Address("", "@client.example"), "local")


@pytest.mark.parametrize(
    ("settings", "lines"),
    [
        ('senders.allow = ["kim@client.example"]', []),
        ('senders.block = ["else.example"]', []),
        (
            'senders.block = ["client.example"]; senders.allow = ["kim@client.example"]',
            ["the sender is blocked by client.example, but allowed by kim@client.example"],
        ),
    ],
)
def test_that_an_exception_lets_a_blocked_sender_in_is_said_of_a_blocked_one_only(
    settings: str, lines: list[str]
) -> None:
    plan = plan_of({"from": "kim", "set": settings})
    assert ("create support -", lines) == (short(plan), [line for line in plan.steps if "allowed by" in line])
