"""What a person decides about one mail."""

from dataclasses import replace

import pytest

from redmine_mailbridge.model.facts import FactRequest
from redmine_mailbridge.model.plan import Plan
from redmine_mailbridge.policy.manual import ManualDecision, by_hand
from tests.unit.policy.world import facts, identity, message, route_of, short


def _plan(wish: ManualDecision, row: dict[str, str], settings: str = "") -> Plan:
    return by_hand(message(row), route_of(settings, row), identity(row), facts(row), wish)


@pytest.mark.parametrize(
    ("wish", "row", "outcome"),
    [
        (ManualDecision("eve"), {"from": "stranger", "unknown": "refuse"}, "create support -"),
        (ManualDecision("eve", project="sales"), {"from": "stranger", "unknown": "refuse"}, "create sales -"),
        (ManualDecision("eve"), {"from": "kim", "ref": "tag:10"}, "note 10 -"),
        (ManualDecision("eve", issue=20), {"from": "stranger", "unknown": "refuse"}, "note 20 -"),
        (ManualDecision("eve", issue=20), {"from": "kim", "ref": "tag:10"}, "note 20 -"),
        (ManualDecision("eve", issue=4000), {"from": "kim"}, "hold"),
        (ManualDecision("eve", issue=40), {"from": "kim"}, "hold"),
        (ManualDecision("eve"), {"from": "kim", "to": "sales"}, "create sales -"),
    ],
)
def test_a_mail_goes_where_the_person_says_whoever_wrote_it(
    wish: ManualDecision, row: dict[str, str], outcome: str
) -> None:
    """Without a place, where it belongs by itself; an issue that is not there, or whose project is closed, holds it."""
    assert outcome == short(_plan(wish, row))


def test_what_holds_a_mail_that_was_to_go_to_an_issue_is_said() -> None:
    row = {"from": "kim"}
    assert "#4000 does not exist, or this key may not see it" == _plan(ManualDecision("eve", issue=4000), row).reason
    assert "#40 is in a project that is closed or archived" == _plan(ManualDecision("eve", issue=40), row).reason
    assert "filed to #10 by eve" == _plan(ManualDecision("eve", issue=10), row).reason
    assert "imported by eve; project support from the mailbox" == _plan(ManualDecision("eve"), row).reason


@pytest.mark.fault("N12")
def test_a_wrong_project_of_an_import_is_blamed_on_who_named_it() -> None:
    """The mail is held with what was typed and by whom; the settings of its mailbox are not found unfit."""
    plan = _plan(ManualDecision("eve", project="suport"), {"from": "kim"})
    assert "hold" == plan.action.value
    assert (
        "project suport, named by eve for this import, does not exist or is not visible to the API key" in plan.reason
    )
    assert ((), False) == (plan.unfit, "the mailbox" in plan.reason)


def test_a_mail_gets_the_subject_that_the_person_gives_it() -> None:
    assert "Toner" == _plan(ManualDecision("eve", subject="Toner"), {"from": "kim"}).fields.subject
    assert "Printer is on fire" == _plan(ManualDecision("eve"), {"from": "kim"}).fields.subject


def test_a_project_that_the_person_names_outweighs_the_senders_domain_and_the_rules() -> None:
    settings = (
        'senders.domains."client.example".project = "sales"; rules = [{name = "r", subject = "/./", project = "sales"}]'
    )
    assert "create sales -" == short(_plan(ManualDecision("eve"), {"from": "kim"}, settings))
    assert "create support -" == short(_plan(ManualDecision("eve", project="support"), {"from": "kim"}, settings))


@pytest.mark.parametrize(
    "wish", [ManualDecision("eve"), ManualDecision("eve", 7), ManualDecision("eve", None, "sales", 'Über "Toner"')]
)
def test_a_decision_is_read_from_what_was_kept_of_it(wish: ManualDecision) -> None:
    assert wish == ManualDecision.read(str(wish))


def test_a_decision_wants_its_issue_and_its_project_looked_up_first() -> None:
    needs = FactRequest("kim@client.example", issues=(3,), projects=("support",))
    assert needs == ManualDecision("eve").request(needs)
    assert replace(needs, issues=(7, 3)) == ManualDecision("eve", issue=7).request(needs)
    assert replace(needs, projects=("sales", "support")) == ManualDecision("eve", project="sales").request(needs)
