"""What is asked before a decision, and how little of it for a plain mail."""

from dataclasses import replace

import pytest

from redmine_mailbridge.model.facts import FactRequest
from redmine_mailbridge.policy.fact_request import requested_facts
from tests.unit.policy.world import SIGNER, identity, message, route_of


def asked(row: dict[str, str]) -> FactRequest:
    """What is asked for a row of the tables."""
    return requested_facts(message(row), route_of(row.get("set", ""), row), identity(row))


def test_a_plain_mail_asks_for_sender_and_project_only() -> None:
    """A plain new mail needs nothing that costs a request of its own."""
    assert FactRequest("kim@client.example", projects=("support",), followed=("duplicates",)) == asked({})


def test_our_own_mail_asks_for_nothing() -> None:
    """Mail that is ignored at sight asks for no issue, however many it names."""
    assert FactRequest("redmine@corp.example") == asked({"from": "redmine", "ref": "tag:10 redmine:20"})


def test_every_sign_is_asked_for() -> None:
    """Every issue and Message-ID that a mail names, and the journal, is looked up, in the order in which they count."""
    found = asked({"ref": "signed:10 journal:7 redmine:20 tag:30 marker:11 unknown"})
    assert (10, 11, 20, 30) == found.issues
    assert [7] == [number for number, _stamp in found.journals]
    assert found.message_ids[0] == SIGNER.message_id("answer", 10, "5", "corp.example")
    assert "never-seen@else.example" in found.message_ids


def test_forged_signatures_are_not_even_looked_up() -> None:
    """An id that we did not sign costs nothing."""
    assert () == asked({"ref": "forged:20 bad-marker:20 elsewhere:20"}).issues


def test_many_references_stay_bounded() -> None:
    """A mail with ten thousand references asks for a bounded number of things."""
    found = asked({"ref": " ".join(f"signed:{n}" for n in range(1, 300))})
    assert 50 == len(found.issues)
    assert 200 == len(found.message_ids)


@pytest.mark.fault("V6")
def test_one_of_redmines_ids_is_asked_for() -> None:
    """Of two hundred guessed Message-IDs of Redmine's, the first is looked up."""
    found = asked({"ref": " ".join(f"redmine:{n} journal:{n}" for n in range(1, 100))})
    assert ((1,), ()) == (found.issues, found.journals)
    found = asked({"ref": " ".join(f"journal:{n} redmine:{n}" for n in range(1, 100))})
    assert ((1,), [1]) == (found.issues, [number for number, _stamp in found.journals])


def test_projects_of_subaddress_keyword_rule_domain_and_mailbox() -> None:
    """All projects that the issue may go to are asked for, of the rule that matches only."""
    row = {
        "to": "support+sales@corp.example",
        "text": "Project: wiki",
        "set": 'project_from_subaddress = true; senders.domains."client.example".project = "old"; '
        'rules = [{ name = "a", subject = "zzz", project = "no" }, { name = "b", project = "secret" }]',
    }
    assert ("sales", "wiki", "secret", "old", "support") == asked(row).projects


def test_keyword_lines_are_looked_for_in_the_whole_mail_only_when_nothing_was_written() -> None:
    """What the person wrote counts; a mail that is nothing but a forwarded one is read whole."""
    row = {"set": 'allow_override = "all"'}
    plain = message(row)
    forwarded = replace(plain, body=replace(plain.body, written="", whole="Project: wiki"))
    quoting = replace(plain, body=replace(plain.body, written="As below.", whole="As below.\n\nProject: wiki"))
    route, mailbox = route_of(row["set"], row), identity(row)
    assert ("wiki", "support") == requested_facts(forwarded, route, mailbox).projects
    assert ("support",) == requested_facts(quoting, route, mailbox).projects


def test_people_groups_and_parents() -> None:
    """Recipients that may be users, assignees by address, groups that take turns and parents are asked for."""
    row = {
        "to": "support cora",
        "cc": "anna kim",
        "text": "Parent issue: 20\nAssigned to: ben@corp.example",
        "unknown": "create",
        "set": 'allow_override = "all"; assignee = "round-robin: Helpers"; parent = 10; senders.ticket_user = "Desk"; '
        'bundle_window = "1h"; rules = [{ name = "r", watchers = ["ben", "cleo@corp.example"] }]',
    }
    found = asked(row)
    assert {"cora@client.example", "anna@corp.example", "ben@corp.example", "cleo@corp.example"} == set(found.addresses)
    assert {"ben", "desk", "kim@client.example"} == set(found.logins)
    assert ("helpers",) == found.groups
    assert (10, 20) == found.issues
    assert found.same_subject
    assert found.issue_projects


def test_no_watchers_no_addresses() -> None:
    """Where nobody is to watch, recipients are not looked up."""
    assert () == asked({"cc": "anna", "set": "watchers_from_mail = false"}).addresses


def test_the_first_recipients_mailbox_asks() -> None:
    """What is asked follows the mailbox whose settings will decide."""
    assert ("sales",) == asked({"to": "sales support"}).projects
