"""Whose is an entry of an issue's history?"""

import pytest

from redmine_mailbridge.model.authorship import JournalAuthorship, Participants

BRIDGE, CUSTOMER, AGENT = 3, 7, 9
STRANGERS = Participants("kim@client.example", BRIDGE, BRIDGE)
USERS = Participants("kim@client.example", CUSTOMER, BRIDGE)


@pytest.mark.parametrize(
    ("sides", "entry", "expected"),
    [
        (STRANGERS, JournalAuthorship(BRIDGE, "kim@client.example"), "customer"),
        (STRANGERS, JournalAuthorship(BRIDGE, "boss@client.example"), "customer"),
        (STRANGERS, JournalAuthorship(BRIDGE), "bridge"),
        (STRANGERS, JournalAuthorship(BRIDGE, "kim@client.example", neutral=True), "bridge"),
        (USERS, JournalAuthorship(CUSTOMER, "kim@client.example", neutral=True), "bridge"),
        (STRANGERS, JournalAuthorship(BRIDGE, None, "KIM@client.example"), "bridge"),
        (STRANGERS, JournalAuthorship(AGENT), "agent"),
        (STRANGERS, JournalAuthorship(AGENT, "anna@example.com"), "agent"),
        (STRANGERS, JournalAuthorship(CUSTOMER, None, "Kim@Client.example"), "customer"),
        (USERS, JournalAuthorship(CUSTOMER), "customer"),
        (USERS, JournalAuthorship(CUSTOMER, "kim@client.example"), "customer"),
        (USERS, JournalAuthorship(AGENT, None, "anna@example.com"), "agent"),
        (USERS, JournalAuthorship(BRIDGE), "bridge"),
        (Participants("", None, BRIDGE), JournalAuthorship(AGENT, "", ""), "agent"),
    ],
)
def test_whose_an_entry_is(sides: Participants, entry: JournalAuthorship, expected: str) -> None:
    """The requester and whoever the bridge wrote for are customers, bridge and machines nobody, the rest agents."""
    assert expected == sides.side_of(entry)
