"""What `check` says of a Redmine that a real one is hard to be made into: REST off, required fields, odd filters."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import responses
from requests import PreparedRequest

from redmine_mailbridge.checks.conversations import conversations
from redmine_mailbridge.checks.field_uses import same_field_checks
from redmine_mailbridge.checks.names import unresolved
from redmine_mailbridge.checks.redmine import redmine_checks
from redmine_mailbridge.checks.result import Check
from redmine_mailbridge.redmine.client import Client, Connection
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.wiring.redmine import redmine_client

URL = "https://redmine.example.com"
SEEN = "2026-11-20T08:00:00Z"
ADMIN = {"id": 1, "login": "admin", "firstname": "A", "lastname": "B", "admin": True, "mail": "a@example.com"}
PROJECT = {
    "id": 7,
    "identifier": "desk",
    "name": "Desk",
    "status": 1,
    "is_public": True,
    "trackers": [{"id": 1, "name": "Support"}, {"id": 2, "name": "Bug"}],
    "enabled_modules": [{"id": 1, "name": "issue_tracking"}],
    "issue_custom_fields": [{"id": 5, "name": "Customer"}],
}
FIELD = {
    "id": 5, "name": "Customer", "customized_type": "issue", "field_format": "string", "is_required": False,
    "is_filter": True, "default_value": "", "trackers": [{"id": 1, "name": "Support"}, {"id": 2, "name": "Bug"}],
}  # fmt: skip


MAY = ["view_issues", "add_issues", "add_issue_notes", "set_notes_private", "view_private_notes"]


def refuses(request: PreparedRequest) -> tuple[int, dict[str, str], str]:
    """A new issue without a subject: what else is wrong with it is said too."""
    values = json.loads(request.body or "{}")["issue"]
    errors = ["Subject cannot be blank"] if not values["subject"] else ["Subject is too long"]
    given = {one["id"] for one in values.get("custom_fields", ())}
    fields = requests.get(f"{URL}/custom_fields.json", timeout=5).json()["custom_fields"]
    tracker = values.get("tracker_id", 1)
    for one in fields:
        there = tracker in {each["id"] for each in one["trackers"]}
        if there and one["is_required"] and not one["default_value"] and one["id"] not in given:
            errors.append(f"{one['name']} cannot be blank")
    return 422, {}, json.dumps({"errors": errors})


def settings(**issue: Any) -> Settings:
    """Settings of one mailbox."""
    box = {"address": "desk@example.com", "host": "localhost", "issue": {"project": "desk"} | issue}
    return Settings.model_validate(
        {"redmine": {"url": URL, "api_key": "k", "text_format": "common_mark"}, "mailboxes": {"desk": box}}
    )


@pytest.fixture
def redmine() -> Iterator[responses.RequestsMock]:
    """A Redmine with one project, whose answers a test may replace."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        answers = {
            "/users/current.json": {"user": ADMIN},
            "/projects/desk.json": {"project": PROJECT},
            "/projects/desk/versions.json": {"versions": []},
            "/projects/desk/memberships.json": {"memberships": [], "total_count": 0},
            "/issue_statuses.json": {"issue_statuses": [{"id": 1, "name": "New", "is_closed": False}]},
            "/enumerations/issue_priorities.json": {"issue_priorities": [{"id": 4, "name": "Normal"}]},
            "/custom_fields.json": {"custom_fields": [FIELD]},
            "/users.json": {"users": [], "total_count": 0},
            "/trackers.json": {"trackers": [{"id": n, "name": "T", "default_status": {"id": 1}} for n in (1, 2)]},
            "/issues.json": {"issues": [], "total_count": 0},
            "/roles/1.json": {"role": {"id": 1, "name": "Non member", "permissions": []}},
            "/roles/3.json": {"role": {"id": 3, "name": "Agent", "permissions": MAY, "issues_visibility": "all"}},
        }
        mock.add_callback(responses.POST, f"{URL}/issues.json", refuses)
        for path, value in answers.items():
            mock.get(URL + path, json=value)
        mock.get(f"{URL}/help/wiki_syntax/detailed", status=404)
        yield mock


def found(wanted: Settings) -> list[Check]:
    """What is found of Redmine."""
    client = redmine_client(wanted.redmine)
    return list(redmine_checks(wanted, client, MetadataCache(client), try_issues=True))


def failures(wanted: Settings) -> list[str]:
    """The words of the failed checks."""
    return [check.words for check in found(wanted) if check.ok is False]


def test_rest_switched_off(redmine: responses.RequestsMock) -> None:
    """A REST API that is switched off is told with the place where it is switched on, and nothing more is asked."""
    redmine.replace(responses.GET, f"{URL}/users/current.json", status=403, body="")
    (line,) = failures(settings())

    assert "enable it (Administration, Settings, API" in line
    assert 1 == len(redmine.calls)


@pytest.mark.parametrize(
    ("notes", "last", "told"),
    [
        pytest.param("public_notes", SEEN, True, marks=pytest.mark.fault("N1")),
        ("public_notes", None, False),
        ("never", SEEN, False),
    ],
)
def test_the_key_of_a_person(redmine: responses.RequestsMock, notes: str, last: str | None, told: bool) -> None:
    """Where notes are mailed and somebody works with the account whose key the bridge has, that is said: what this
    person answers counts as the bridge's own, and would go to nobody.
    """
    me = {"user": ADMIN | {"last_login_on": last, "memberships": []}}
    redmine.replace(responses.GET, f"{URL}/users/current.json", json=me)
    box = {"address": "d@example.com", "host": "localhost", "issue": {"project": "desk"}, "answers": {"notes": notes}}
    values = {"redmine": {"url": URL, "api_key": "k", "text_format": "common_mark"}, "mailboxes": {"desk": box}}
    lines = [one.words for one in found(Settings.model_validate(values)) if "someone logs in as admin" in one.words]
    assert told == bool(lines)


@pytest.mark.fault("A32-1")
@pytest.mark.parametrize(("agent_replies", "named"), [("note", False), ("private", True)])
def test_the_permission_for_agents_replies(redmine: responses.RequestsMock, agent_replies: str, named: bool) -> None:
    """An agent's reply that does not reach its issue becomes a private one, which the bridge's user must be able to
    create.
    """
    member = {"project": {"id": 7, "name": "Desk"}, "roles": [{"id": 3, "name": "Agent"}]}
    me = {"user": ADMIN | {"admin": False, "memberships": [member]}}
    redmine.replace(responses.GET, f"{URL}/users/current.json", json=me)
    lines = [check for check in found(settings(agent_replies=agent_replies)) if "Set issues public" in check.words]
    assert [None] * named == [check.ok for check in lines]


@pytest.mark.fault("N1")
def test_a_reminder_for_anybody(redmine: responses.RequestsMock) -> None:
    """A rule that reminds customers, whether or not anything reached them, is pointed out."""
    del redmine  # answers
    rules = [
        {"name": "anybody", "when": {"silent": "3d"}, "then": {"mail": "reminder"}},
        {"name": "whose turn", "when": {"silent": "3d", "waiting_for": "customer"}, "then": {"mail": "reminder"}},
        {"name": "the team", "when": {"silent": "3d"}, "then": {"mail": "reminder", "mail_to": ["assignee"]}},
    ]
    box = {"address": "d@example.com", "host": "localhost", "issue": {"project": "desk"}}
    values = {"redmine": {"url": URL, "api_key": "k", "text_format": "common_mark"}, "mailboxes": {"desk": box}}
    lines = found(Settings.model_validate(values | {"rules": rules}))
    assert ['rule "anybody"'] == [one.name for one in lines if "reminds customers" in one.words]


def test_login_page(redmine: responses.RequestsMock) -> None:
    """A login page in front of Redmine is told as one."""
    redmine.replace(
        responses.GET, f"{URL}/users/current.json", status=302, headers={"Location": "https://sso.example.com/login"}
    )

    assert "a login page in front of Redmine responds" in failures(settings())[0]


def required(**more: Any) -> dict[str, Any]:
    """The list of custom fields with one that is required."""
    return {"custom_fields": [FIELD | {"is_required": True} | more]}


def test_required_field(redmine: responses.RequestsMock) -> None:
    """A required custom field without a default, which nothing fills, would refuse every mail: that fails."""
    redmine.replace(responses.GET, f"{URL}/custom_fields.json", json=required())
    (line,) = failures(settings())

    assert "Customer cannot be blank" in line
    assert "issue.custom_fields" in line


@pytest.mark.parametrize(
    ("fields", "issue"),
    [
        (required(default_value="none"), {}),
        (required(), {"custom_fields": {"customer": "{sender.domain}"}}),
        (required(), {"requester_field": "Customer"}),
        (required(trackers=[{"id": 2, "name": "Bug"}]), {"tracker": "Support"}),
    ],
)
def test_required_field_that_is_filled(
    redmine: responses.RequestsMock, fields: dict[str, Any], issue: dict[str, Any]
) -> None:
    """A required field with a default, filled by the settings, or of another tracker, is no problem."""
    redmine.replace(responses.GET, f"{URL}/custom_fields.json", json=fields)

    assert [] == failures(settings(**issue))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"is_filter": False}, 'not "used as a filter"'),
        ({"field_format": "date"}, "its format is date, not text"),
        ({"trackers": [{"id": 1, "name": "Support"}]}, "not enabled for the trackers bug of project desk"),
    ],
)
def test_marker_field(redmine: responses.RequestsMock, change: dict[str, Any], words: str) -> None:
    """A marker field that cannot be searched for in every issue fails."""
    redmine.replace(responses.GET, f"{URL}/custom_fields.json", json={"custom_fields": [FIELD | change]})
    wanted = settings()
    marked = wanted.model_copy(update={"redmine": wanted.redmine.model_copy(update={"marker_field": "Customer"})})

    assert words in "\n".join(failures(marked))


@pytest.mark.parametrize(
    ("title", "ok"),
    [
        ("RedmineWikiFormatting (CommonMark Markdown (GitHub Flavored))", True),
        ("RedmineWikiFormatting (Textile)", False),
        ("RedmineWikiFormatting (Markdown)", False),
        ("Anmelden", True),
    ],
)
def test_text_format(redmine: responses.RequestsMock, title: str, ok: bool | None) -> None:
    """The help page's title tells the text formatting; where it does not, nothing is claimed."""
    redmine.replace(responses.GET, f"{URL}/help/wiki_syntax/detailed", body=f"<html><title>{title}</title>")

    assert ok is next(check.ok for check in found(settings()) if check.name == "redmine: text format")


@pytest.mark.fault("N4")
@pytest.mark.parametrize(("title", "ok"), [("Wiki formatting (Textile)", True), ("Anmelden", False)])
def test_a_text_format_that_nobody_says(redmine: responses.RequestsMock, title: str, ok: bool) -> None:
    """Where the settings do not say it, Redmine is asked; where it does not tell either, the check fails."""
    redmine.replace(responses.GET, f"{URL}/help/wiki_syntax/detailed", body=f"<html><title>{title}</title>")
    unset = settings()
    unset = unset.model_copy(update={"redmine": unset.redmine.model_copy(update={"text_format": None})})

    assert ok is next(check.ok for check in found(unset) if check.name == "redmine: text format")


def test_overloaded_while_asked(redmine: responses.RequestsMock) -> None:
    """A Redmine that stops answering in the middle of a check ends it as a failure, not as a crash."""
    redmine.replace(responses.GET, f"{URL}/projects/desk.json", status=503)

    assert "(503)" in failures(settings())[-1]


def test_names_at_the_start(redmine: responses.RequestsMock) -> None:
    """At the start the unknown names are lines that say where they stand."""
    client = redmine_client(settings().redmine)
    lines = unresolved(settings(tracker="Bgu"), MetadataCache(client))

    assert ['mailbox desk: tracker "Bgu" does not exist in project desk, did you mean "Bug"?'] == lines


def test_field_of_another_tracker(redmine: responses.RequestsMock) -> None:
    """A custom field that the issue's tracker does not have would be dropped silently: that fails."""
    fields = {"custom_fields": [FIELD | {"trackers": [{"id": 2, "name": "Bug"}]}]}
    redmine.replace(responses.GET, f"{URL}/custom_fields.json", json=fields)
    wanted = {"custom_fields": {"Customer": "x"}}

    assert ['custom field "Customer" is not enabled for the tracker support: Redmine drops it silently'] == failures(
        settings(**wanted)
    )
    assert [] == failures(settings(**wanted, tracker="Bug"))


def test_overrides(redmine: responses.RequestsMock) -> None:
    """A name in allow_override that no keyword line can have fails, with what was probably meant."""
    assert [] == failures(settings(allow_override="Priority, start date, customer, all"))
    assert ['no field in Redmine is called "prioritty", did you mean "priority"?'] == failures(
        settings(allow_override=["prioritty", "status"])
    )


@pytest.mark.fault("M15")
def test_a_marker_that_a_plain_key_does_not_see(redmine: responses.RequestsMock) -> None:
    """With a plain key a marker field that is not seen in an empty project is said: its first mail bears none."""
    member = {"project": {"id": 7}, "roles": [{"id": 3, "name": "Agent"}]}
    plain = ADMIN | {"admin": False, "memberships": [member]}
    redmine.replace(responses.GET, f"{URL}/users/current.json", json={"user": plain})
    redmine.replace(responses.GET, f"{URL}/projects/desk.json", json={"project": PROJECT | {"issue_custom_fields": []}})
    wanted = settings()
    marked = wanted.model_copy(update={"redmine": wanted.redmine.model_copy(update={"marker_field": "Customer"})})
    (line,) = [check.words for check in found(marked) if "marker_field" in check.name]

    assert "messages there get no marker" in line


@pytest.mark.parametrize(
    "old", [pytest.param(True, id="5.0", marks=pytest.mark.fault("A12-10")), pytest.param(False, id="later")]
)
def test_fields_for_all_projects_with_a_plain_key(redmine: responses.RequestsMock, *, old: bool) -> None:
    """Redmine 5.0 names with a project only the fields that are not for all: a plain key learns those from issues, also
    where the project names others. Later ones name each, and no issue is asked.
    """
    redmine.replace(responses.GET, f"{URL}/users/current.json", json={"user": ADMIN | {"admin": False}})
    fields = ["description", *([] if old else ["priority_id"])]
    trackers = [{"id": 1, "name": "Support", "enabled_standard_fields": fields}]
    redmine.upsert(responses.GET, f"{URL}/trackers.json", json={"trackers": trackers})
    shown = [{"id": 5, "name": "Customer", "value": ""}, {"id": 9, "name": "Everywhere", "value": ""}]
    issues = {"issues": [{"id": 1}, {"id": 2, "custom_fields": shown}], "total_count": 2}
    asked = redmine.upsert(responses.GET, f"{URL}/issues.json", json=issues)
    project = MetadataCache(Client(Connection(URL, "k"))).project("desk")
    assert project is not None
    assert ({"customer": 5} | ({"everywhere": 9} if old else {})) == dict(project.custom_fields)
    assert old is bool(asked.call_count)


@pytest.mark.fault("N13")
@pytest.mark.parametrize(
    ("answer", "advice"),
    [
        ({"status": 401, "json": {}}, "Copy the key again: sign in to Redmine as the bridge's user, My account"),
        ({"status": 404, "body": "<html>not here</html>"}, "Check the path in [redmine] url"),
        ({"status": 404, "json": {"status": 404, "error": "Not Found"}}, "Check the path in [redmine] url"),
        (
            {"status": 400, "body": "<html>400 The plain HTTP request was sent to HTTPS port</html>"},
            "If the server speaks HTTPS on this port, write https:// in [redmine] url.",
        ),
        (
            {"body": requests.exceptions.SSLError("[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)")},
            "The server speaks plain HTTP on this port: check scheme and port of [redmine] url",
        ),
    ],
)
def test_what_to_change_when_redmine_is_not_reached(
    redmine: responses.RequestsMock, answer: dict[str, Any], advice: str
) -> None:
    """A wrong key, a wrong path, https to plain http and the reverse each get a line that says what to change."""
    redmine.replace(responses.GET, f"{URL}/users/current.json", **answer)
    (words,) = failures(settings())

    assert words.splitlines()[1].startswith(advice)


@pytest.mark.fault("N13")
def test_a_hint_keeps_the_case_of_redmine(redmine: responses.RequestsMock) -> None:
    """An unknown tracker or status gets the near name as Redmine shows it."""
    trackers = [{"id": 1, "name": "Support Request"}]
    redmine.replace(responses.GET, f"{URL}/projects/desk.json", json={"project": PROJECT | {"trackers": trackers}})
    lines = " ".join(failures(settings(tracker="Suport request", status="Nwe")))

    assert 'did you mean "Support Request"?' in lines
    assert 'did you mean "New"?' in lines


def beginning(*projects: str, sends: bool = True, by_command: bool = False) -> Settings:
    """Settings of a mailbox for each project, whose conversations may begin in Redmine, by a field or by a command."""
    issue = {"conversations_from_redmine": True} | ({} if by_command else {"requester_field": "Customer"})
    boxes = {
        f"box{number}": {
            "address": f"desk{number}@example.com", "host": "localhost", "issue": issue | {"project": project},
            "answers": {"notes": "public_notes", "command_roles": ["Support"] if by_command else []},
        }
        for number, project in enumerate(projects)
    }  # fmt: skip
    outgoing = {"host": "localhost", "security": "none"} if sends else {}
    redmine = {"url": URL, "api_key": "k", "text_format": "common_mark"}
    return Settings.model_validate({"redmine": redmine, "mailboxes": boxes, "outgoing": outgoing})


@pytest.mark.parametrize(
    ("wanted", "lines"),
    [
        (beginning("desk"), [(True, 'issues of project desk begin one when the field "Customer" names an address')]),
        (beginning("desk", by_command=True), [(True, "begin one when a note begins with /requester or /to; their")]),
        (beginning("desk", sends=False), [(False, "set host in [outgoing], or outgoing.host of this mailbox")]),
        (beginning("nowhere"), []),
        (
            beginning("desk", "7"),
            [(True, "issues of project desk"), (False, "already; set it to false in one")],
        ),
    ],
    ids=["one", "by command", "not sent", "no project", "two"],
)
def test_conversations_from_redmine(
    redmine: responses.RequestsMock, wanted: Settings, lines: list[tuple[bool, str]]
) -> None:
    """A mailbox whose conversations begin in Redmine says what begins one; one that cannot send, and a second one for
    the same project, fail.
    """
    redmine.add(responses.GET, f"{URL}/projects/nowhere.json", status=404)
    redmine.add(responses.GET, f"{URL}/projects/7.json", json={"project": PROJECT})
    redmine.add(responses.GET, f"{URL}/projects.json", json={"projects": [PROJECT], "total_count": 1})
    made = conversations(wanted, MetadataCache(redmine_client(wanted.redmine)))
    assert [(ok, True) for ok, _ in lines] == [
        (check.ok, words in check.words) for check, (_, words) in zip(made, lines, strict=True)
    ]


@pytest.mark.parametrize(
    ("requester_field", "words"),
    [
        ("5", '"5" is the custom field "Customer" of redmine.marker_field'),
        ("6", ""),
        ("Requester", ""),
    ],
)
def test_one_field_by_name_and_by_number(redmine: responses.RequestsMock, requester_field: str, words: str) -> None:
    """Two settings that name one custom field, one of them by its number, fail with both keys; others do not."""
    values = settings(requester_field=requester_field)
    marked = values.model_copy(update={"redmine": values.redmine.model_copy(update={"marker_field": "Customer"})})
    lines = list(same_field_checks(marked, MetadataCache(redmine_client(marked.redmine))))
    assert [("mailbox desk: issue.requester_field", False)] * bool(words) == [(line.name, line.ok) for line in lines]
    assert all(words in line.words for line in lines)
