"""Whose mail it is: the rule of the sender's domain."""

import pytest

from redmine_mailbridge.model.mail import Address
from redmine_mailbridge.policy.sender import Sender, domain_rule
from tests.unit.policy.world import route_of

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
