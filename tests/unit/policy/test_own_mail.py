"""Mail that no person wrote."""

from dataclasses import replace

import pytest

from redmine_mailbridge.policy.decide import decide
from tests.unit.policy.world import addresses, facts, identity, message, route_of, short


@pytest.mark.parametrize(
    ("reply_to", "outcome"),
    [
        ("", "ignore"),
        ("redmine", "ignore"),
        ("sales", "ignore"),
        ("nobody", "ignore"),
        ("kim", "create support -"),
        ("redmine sales kim", "create support -"),
    ],
)
def test_mail_from_the_address_redmine_sends_from_is_somebodys_when_reply_to_names_somebody_else(
    reply_to: str, outcome: str
) -> None:
    """As the mail of a form or of a group does; neither Redmine nor one of our mailboxes is somebody else."""
    mail = replace(message({"from": "redmine"}), reply_to=addresses(reply_to))
    assert outcome == short(decide(mail, route_of("", {}), identity({}), facts({})))
