"""Whose is an entry of an issue's history?"""

import pytest

from redmine_mailbridge.model.authorship import Entry, Sides

BRIDGE, CUSTOMER, AGENT = 3, 7, 9
STRANGERS = Sides("kim@client.example", BRIDGE, BRIDGE)
USERS = Sides("kim@client.example", CUSTOMER, BRIDGE)


@pytest.mark.parametrize(
    ("sides", "entry", "expected"),
    [
        (STRANGERS, Entry(BRIDGE, "kim@client.example"), "customer"),
        (STRANGERS, Entry(BRIDGE, "boss@client.example"), "customer"),
        (STRANGERS, Entry(BRIDGE), "bridge"),
        (STRANGERS, Entry(BRIDGE, "kim@client.example", machine=True), "bridge"),
        (USERS, Entry(CUSTOMER, "kim@client.example", machine=True), "bridge"),
        (STRANGERS, Entry(BRIDGE, None, "KIM@client.example"), "bridge"),
        (STRANGERS, Entry(AGENT), "agent"),
        (STRANGERS, Entry(AGENT, "anna@example.com"), "agent"),
        (STRANGERS, Entry(CUSTOMER, None, "Kim@Client.example"), "customer"),
        (USERS, Entry(CUSTOMER), "customer"),
        (USERS, Entry(CUSTOMER, "kim@client.example"), "customer"),
        (USERS, Entry(AGENT, None, "anna@example.com"), "agent"),
        (USERS, Entry(BRIDGE), "bridge"),
        (Sides("", None, BRIDGE), Entry(AGENT, "", ""), "agent"),
    ],
)
def test_whose_an_entry_is(sides: Sides, entry: Entry, expected: str) -> None:
    """The requester and whoever the bridge wrote for are customers, bridge and machines nobody, the rest agents."""
    assert expected == sides.of(entry)
