"""What proves who wrote a mail."""

from dataclasses import replace

import pytest

from redmine_mailbridge.mail.message_ids import Signer
from redmine_mailbridge.model.facts import KnownMail
from redmine_mailbridge.policy.decide import decide
from tests.unit.policy.world import PEOPLE, facts, identity, message, plan_of, route_of


@pytest.mark.parametrize(
    ("row", "is_proven"),
    [
        ({"from": "kim", "auth": "passed"}, True),
        ({"from": "kim", "auth": "unknown"}, False),
        ({"from": "kim", "auth": "failed"}, False),
        ({"from": "kim", "auth": "failed", "trust": "any"}, False),
        ({"from": "nobody", "auth": "passed"}, False),
        ({"from": "nobody", "trust": "any"}, False),
        ({"from": "kim", "from_all": "kim, cora", "auth": "passed"}, False),
    ],
)
def test_a_sender_is_proven_by_a_passed_check_of_one_address(row: dict[str, str], is_proven: bool) -> None:
    """Not by a failed one, whatever is trusted, and not when From names nobody or two."""
    assert is_proven is plan_of(row).proven


@pytest.mark.parametrize(
    ("sent_to", "from_all", "is_proven"),
    [
        ("kim@client.example", "kim", True),
        ("kim@client.example", "kim, cora", False),
        ("kim@client.example support@corp.example", "kim", True),
        ("kim@client.example cora@client.example", "kim", False),
        ("cora@client.example", "kim", False),
    ],
)
def test_an_answer_proves_its_sender_when_the_mail_it_answers_went_to_that_address_alone(
    sent_to: str, from_all: str, is_proven: bool
) -> None:
    row = {"from": "kim", "from_all": from_all, "ref": "signed:10"}
    mail = message(row)
    known = KnownMail(mail.in_reply_to[0], 10, "support@corp.example", "out", frozenset(sent_to.split()))
    world = replace(facts(row), known={known.message_id: known})
    assert is_proven is decide(mail, route_of("", row), identity(row), world).proven
    forged = message({**row, "auth": "failed"})
    assert not decide(forged, route_of("", row), identity(row), world).proven
    assert not decide(mail, route_of("", row), replace(identity(row), signer=None), world).proven
    assert not decide(
        mail, route_of("", row), replace(identity(row), signer=Signer(b"a key of somebody else", "test")), world
    ).proven
    assert PEOPLE["kim"] == mail.sender
