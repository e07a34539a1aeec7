"""`check` foretells what a customised Redmine refuses of a mailbox's mail, with administrators' and plain keys."""

from typing import Any

import pytest

from redmine_mailbridge import app
from redmine_mailbridge.checks.redmine import redmine_checks
from redmine_mailbridge.checks.values import Check
from redmine_mailbridge.redmine.directory import Directory
from redmine_mailbridge.settings.models import Settings
from tests.servers.fixtures import Redmine

pytestmark = [pytest.mark.real, pytest.mark.customised]


def found(redmine: Redmine, project: str, login: str = "admin", *, marker: str = "", **issue: Any) -> list[Check]:
    """What `check` finds of Redmine, for one mailbox of this project (of the customised ones) and this key."""
    more = {"rules": issue.pop("rules", []), "senders": issue.pop("senders", {})}
    box = {"address": "desk@example.com", "host": "localhost", "issue": {"project": f"custom-{project}"} | issue} | more
    values = {"url": redmine.url, "api_key": redmine.seed["users"][login]["api_key"], "text_format": "common_mark"}
    values |= {"marker_field": marker} if marker else {}
    settings = Settings.model_validate({"redmine": values, "mailboxes": {"desk": box}})
    client = app.redmine_client(settings.redmine)
    try:
        return [one for one in redmine_checks(settings, client, Directory(client)) if "text format" not in one.name]
    finally:
        client.close()


def failures(checks: list[Check]) -> str:
    """What failed, in one text."""
    return "\n".join(f"{one.name}: {one.words}" for one in checks if one.ok is False)


def issues(redmine: Redmine) -> int:
    """How many issues there are."""
    return int(redmine.admin.get("/issues.json", status_id="*", limit=1)["total_count"])


@pytest.mark.parametrize("login", ["admin", "key-sets"])
def test_a_project_that_takes_all(redmine: Redmine, login: str) -> None:
    """A mailbox whose issues Redmine takes passes, and no issue is made by that."""
    before = issues(redmine)
    assert "" == failures(found(redmine, "plain", login))
    assert before == issues(redmine)


@pytest.mark.fault("M8")
@pytest.mark.parametrize("kind", ["string", "list", "date", "user", "version", "attachment"])
def test_a_required_field_with_a_plain_key(redmine: Redmine, kind: str) -> None:
    """A field that Redmine demands and nothing fills fails, by name and project, for a key that lists no fields too."""
    words = failures(found(redmine, f"needs-{kind}", "key-sets"))
    assert f"Need {kind} cannot be blank" in words
    assert f"custom-needs-{kind}" in words
    assert "issue.custom_fields" in words


@pytest.mark.fault("M8")
@pytest.mark.parametrize("login", ["admin", "key-notes"])
def test_what_a_workflow_demands(redmine: Redmine, login: str) -> None:
    """A due date that the workflow demands fails; with one by the settings the mailbox passes."""
    assert "Due date cannot be blank" in failures(found(redmine, "required-due-date", login))
    assert "Due date" not in failures(found(redmine, "required-due-date", login, due_in="3d"))


@pytest.mark.fault("M8")
@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"Serial": "12"}, "Serial"),
        ({"Long enough": "short"}, "Long enough"),
        ({"Short": "much too long"}, "Short"),
        ({"Colour": "blue"}, "Colour"),
        ({"Count": "many"}, "Count"),
    ],
)
def test_values_that_a_field_does_not_take(redmine: Redmine, fields: dict[str, str], words: str) -> None:
    """A value of the settings that a list, a pattern or a length forbids fails, named; a right one passes."""
    assert words in failures(found(redmine, "limited", "key-sets", custom_fields=fields))
    right = {"Serial": "1234", "Short": "ok", "Colour": "red", "Count": "3"}
    assert "limited" not in failures(found(redmine, "limited", "key-sets", custom_fields=right))


@pytest.mark.fault("M8")
def test_rules_and_domains_too(redmine: Redmine) -> None:
    """A rule or a domain that sends mail where Redmine refuses it fails under its name."""
    rules = [{"name": "dated", "subject": "x", "project": "custom-required-due-date"}]
    senders = {"domains": {"client.example": {"project": "custom-needs-string"}}}
    words = failures(found(redmine, "plain", "key-sets", rules=rules, senders=senders))
    assert 'rule "dated": new issues in custom-required-due-date' in words
    assert "senders.domains.client.example: new issues in custom-needs-string" in words


@pytest.mark.fault("M8")
def test_what_a_tracker_does_not_have(redmine: Redmine) -> None:
    """A date that the tracker has no field for would be dropped in silence: that fails."""
    assert "has no field due_date" in failures(found(redmine, "without-due-date", "key-sets", due_in="3d"))


@pytest.mark.fault("M8")
def test_words_of_mails_are_no_failure(redmine: Redmine) -> None:
    """A field that mails' own words fill may be refused: that is said, and does not fail the mailbox."""
    checks = found(redmine, "limited", "key-sets", custom_fields={"Serial": "{subject}"})
    assert "Serial" not in failures(checks)
    assert any("words of a sample mail" in one.words and "Serial" in one.words for one in checks if one.ok is None)


@pytest.mark.fault("M10")
def test_issues_visible_own(redmine: Redmine) -> None:
    """A key that sees only its own issues fails: replies to agents' issues would become new ones."""
    words = failures(found(redmine, "plain", "key-own"))
    assert "replies to agents' issues could not be found" in words
    assert '"Issues visibility" to "All issues"' in words


@pytest.mark.fault("M15")
def test_watchers_by_default_fail_nothing(redmine: Redmine) -> None:
    """A key without the permission to add watchers is a note, and fails only where the settings ask for watchers."""
    assert "add_issue_watchers" not in failures(found(redmine, "plain", "key-notes"))
    words = failures(found(redmine, "plain", "key-notes", watchers_from_mail=True))
    assert 'the permission "Add watchers"' in words
    assert "issue.watchers_from_mail = false" in words


def test_a_key_that_writes_no_notes(redmine: Redmine) -> None:
    """A key that may add no notes fails with the permission as Redmine's page calls it."""
    assert 'the permission "Add notes"' in failures(found(redmine, "plain", "key-adds"))


def test_the_marker_of_the_first_mail(redmine: Redmine) -> None:
    """With a plain key a marker field that is not seen in an empty project is said; from 5.1 on it is seen there."""
    checks = found(redmine, "forbidden", "key-sets", marker="Mail ID")
    (line,) = [one.words for one in checks if "marker_field" in one.name]
    assert redmine.version.startswith("5.0") is ("mails there bear no marker" in line)
