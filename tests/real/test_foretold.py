"""`check` foretells what a customised Redmine refuses of a mailbox's mail, with administrators' and plain keys."""

from typing import Any

import pytest

from redmine_mailbridge.checks.redmine import redmine_checks
from redmine_mailbridge.checks.result import Check
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.wiring.redmine import redmine_client
from tests.servers.fixtures import Redmine

pytestmark = [pytest.mark.real, pytest.mark.customised]


def found(redmine: Redmine, project: str, login: str = "admin", *, marker: str = "", **issue: Any) -> list[Check]:
    """What `check` finds of Redmine, for one mailbox of this project (of the customised ones) and this key."""
    more = {"rules": issue.pop("rules", []), "senders": issue.pop("senders", {})}
    timed = issue.pop("timed", [])
    box = {"address": "desk@example.com", "host": "localhost", "issue": {"project": f"custom-{project}"} | issue} | more
    values = {"url": redmine.url, "api_key": redmine.seed["users"][login]["api_key"], "text_format": "common_mark"}
    values |= {"marker_field": marker} if marker else {}
    settings = Settings.model_validate({"redmine": values, "mailboxes": {"desk": box}, "rules": timed})
    client = redmine_client(settings.redmine)
    try:
        return [
            one
            for one in redmine_checks(settings, client, MetadataCache(client), try_issues=True)
            if "text format" not in one.name
        ]
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
    assert any("text of a sample message" in one.words and "Serial" in one.words for one in checks if one.ok is None)


@pytest.mark.fault("M10")
def test_issues_visible_own(redmine: Redmine) -> None:
    """A key that sees only its own issues fails: replies to agents' issues would become new ones."""
    words = failures(found(redmine, "plain", "key-own"))
    assert "replies to agents' issues would not be matched" in words
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
    assert redmine.version.startswith("5.0") is ("messages there get no marker" in line)


# ---------------------------------------------------------------------- what a tracker and its workflow do not let be


def made(redmine: Redmine, project: str, login: str = "admin", **values: Any) -> int:
    """Make an issue as this user; then change it, as the administrator, to these values. Return its number."""
    first = {"project_id": f"custom-{project}", "subject": "Sample", "description": "An ordinary text of an issue."}
    number = int(redmine.api(login).call("POST", "/issues.json", {"issue": first})["issue"]["id"])
    if values:
        redmine.admin.call("PUT", f"/issues/{number}.json", {"issue": values})
    return number


@pytest.mark.fault("A12-6")
@pytest.mark.parametrize("login", ["admin", "key-sets", "key-adds"])
def test_a_tracker_without_a_text(redmine: Redmine, login: str) -> None:
    """A tracker without a description is said, by name, with where a mail's text goes and what to change; it fails
    nothing, and nothing is said of one that has it.
    """
    checks = found(redmine, "without-description", login)
    (words,) = [one.words for one in checks if "no field description" in one.words]
    assert "the tracker Without description has" in words
    assert ("a file" if login == "key-adds" else "as a note") in words
    assert "Enable Description for this tracker" in words
    assert "field description" not in failures(checks)
    assert not [one for one in found(redmine, "plain", login) if "field description" in one.words]


@pytest.mark.fault("A12-6")
def test_a_priority_that_a_tracker_does_not_have(redmine: Redmine) -> None:
    """In Redmines after 5.0 a tracker may have no priority: one of the settings is dropped, and fails; 5.0 sets it."""
    fails = not redmine.version.startswith("5.0")
    for more in ({"priority": "High"}, {"priority_by_importance": {"high": "High"}}):
        assert fails is ("has no field priority" in failures(found(redmine, "without-priority", "key-sets", **more)))


@pytest.mark.fault("A12-6")
@pytest.mark.parametrize("login", ["admin", "key-sets"])
def test_reopening_that_a_workflow_forbids(redmine: Redmine, login: str) -> None:
    """A reply that is to reopen what the workflow keeps closed fails, by tracker and statuses, with where to allow it;
    nothing is written for that, and a workflow that lets it passes.
    """
    for project in ("plain", "stays-closed"):
        made(redmine, project, login, status_id=redmine.seed["statuses"]["Closed"])
    before = issues(redmine)
    words = failures(found(redmine, "stays-closed", login, closed_reply="reopen"))
    assert "the tracker Stays closed does not let the bridge's user take an issue from Closed to New" in words
    assert 'closed_reply = "reopen"' in words
    assert "Administration, Workflow" in words
    assert "workflow" not in failures(found(redmine, "plain", login, closed_reply="reopen"))
    assert "workflow" not in failures(found(redmine, "stays-closed", login))
    assert before == issues(redmine)


@pytest.mark.fault("A12-6")
def test_a_status_that_no_issue_has(redmine: Redmine) -> None:
    """What a workflow lets be done with a status that no issue has yet is said not to be known, until one has it."""
    asked: dict[str, Any] = {"reply_status": {"Feedback": "In Progress"}}
    checks = found(redmine, "stays-closed", "key-sets", **asked)
    assert any("from Feedback to In Progress (issue.reply_status) is known once" in one.words for one in checks)
    assert "workflow" not in failures(checks)
    number = made(redmine, "stays-closed", status_id=redmine.seed["statuses"]["Feedback"])
    try:
        checks = found(redmine, "stays-closed", "key-sets", **asked)
        assert not [one for one in checks if "Feedback" in one.words]
    finally:
        redmine.admin.call("DELETE", f"/issues/{number}.json")


@pytest.mark.fault("A12-6")
def test_a_rule_of_time_that_a_workflow_forbids(redmine: Redmine) -> None:
    """A rule of time whose status the workflow forbids fails under its name."""
    made(redmine, "stays-closed", status_id=redmine.seed["statuses"]["Closed"])
    rule = {
        "name": "revive",
        "when": {"statuses": ["Closed"], "projects": ["custom-stays-closed"], "closed": True, "silent": "3d"},
        "then": {"status": "In Progress"},
    }
    words = failures(found(redmine, "stays-closed", timed=[rule]))
    assert 'rule "revive": issues of custom-stays-closed' in words
    assert "from Closed to In Progress (then.status)" in words


@pytest.mark.fault("A12-6")
def test_who_may_reopen(redmine: Redmine) -> None:
    """A key that may not edit issues fails where replies are to reopen, to the first open status too."""
    assert 'the permission "Edit issues"' in failures(found(redmine, "plain", "key-notes", closed_reply="reopen"))
    assert "Edit issues" not in failures(found(redmine, "plain", "key-notes"))


@pytest.mark.fault("A12-6")
def test_a_field_that_the_key_does_not_see(redmine: Redmine) -> None:
    """A requester_field that only another role sees fails for a plain key, by name, project and tracker; for an
    administrator's it passes.
    """
    made(redmine, "role-field")
    words = failures(found(redmine, "role-field", "key-sets", requester_field="Requester mail"))
    assert 'the bridge\'s user does not see the custom field "Requester mail"' in words
    assert "custom-role-field" in words
    assert "the tracker Narrow" in words
    assert "Requester mail" not in failures(found(redmine, "role-field", requester_field="Requester mail"))


@pytest.mark.fault("A12-6")
def test_a_field_of_no_issue_yet(redmine: Redmine) -> None:
    """Whether a plain key sees a field is said not to be known where no issue tells."""
    for one in redmine.admin.issues("custom-needs-string", status_id="*"):  # others' tests make some
        redmine.admin.call("DELETE", f"/issues/{one['id']}.json")
    checks = found(redmine, "needs-string", "key-sets", custom_fields={"Need string": "this"})
    (words,) = [one.words for one in checks if "may see and set the custom field" in one.words]
    assert '"Need string" for issues of the tracker Needs string' in words
    assert "Need string" not in failures(checks)


@pytest.mark.fault("A12-6")
def test_notes_for_some_trackers(redmine: Redmine) -> None:
    """A role that may add notes to some trackers only is told by no list of Redmine: that is said, with the role and
    the tracker, until the bridge's own user has written a note there.
    """
    number = made(redmine, "by-tracker", "nora")
    redmine.api("nora").call("PUT", f"/issues/{number}.json", {"issue": {"notes": "Redmine drops it"}})
    assert [] == redmine.admin.notes(number)
    (words,) = [one.words for one in found(redmine, "by-tracker", "nora") if "may add notes" in one.words]
    assert "issues of the tracker By tracker" in words
    assert "the role Key elsewhere-add_issue_notes has" in words

    number = made(redmine, "plain", "key-sets")
    redmine.api("key-sets").call("PUT", f"/issues/{number}.json", {"issue": {"notes": "It takes it"}})
    assert not [one for one in found(redmine, "plain", "key-sets") if "may add notes" in one.words]


@pytest.mark.fault("A12-6")
@pytest.mark.parametrize("login", ["admin", "key-sets"])
def test_a_group_that_is_assigned_nothing(redmine: Redmine, login: str) -> None:
    """A group as assignee, where Redmine assigns issues to users only, fails, with its name and the setting."""
    group = redmine.admin.call("POST", "/groups.json", {"group": {"name": f"Desk of {login}"}})["group"]
    role = redmine.seed["roles"]["Key sets"]
    member = {"membership": {"user_id": group["id"], "role_ids": [role]}}
    redmine.admin.call("POST", "/projects/custom-plain/memberships.json", member)
    before = redmine.admin.settings(issue_group_assignment="0")
    try:
        words = failures(found(redmine, "plain", login, assignee=group["name"]))
        assert f'Redmine does not assign new issues to "{group["name"]}"' in words
        assert "Allow issue assignment to groups" in words
        redmine.admin.settings(issue_group_assignment="1")
        assert "assign" not in failures(found(redmine, "plain", login, assignee=group["name"]))
    finally:
        redmine.admin.settings(**before)
        redmine.admin.call("DELETE", f"/groups/{group['id']}.json")
