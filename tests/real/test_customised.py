"""Redmine as teams have it (tests/servers/customised.rb): customised projects, plain keys, strict settings."""

import json
import re
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from redmine_mailbridge.model.mail_state import OPEN, State
from tests import outcomes
from tests.product import Product, box_values, mail, merged, message_id_of, product
from tests.servers.dovecot import Mail
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox

pytestmark = [pytest.mark.real, pytest.mark.customised]


def test_what_the_redmine_of_these_tests_is(redmine: Redmine) -> None:
    """It has customised projects, keys of four roles, many members and projects, and asks for a login."""
    customised = redmine.seed["customised"]
    assert ["admin", "key-adds", "key-notes", "key-sets", "key-own"] == customised["keys"]
    assert 401 == requests.get(f"{redmine.url}/projects.json", timeout=60).status_code
    assert customised["bulk_projects"] < redmine.admin.get("/projects.json", limit=1)["total_count"]
    crowd = redmine.admin.get("/projects/custom-crowd/memberships.json", limit=1)
    assert customised["members"] < crowd["total_count"]
    assert {"attachment_extensions_allowed": "pdf,png"} == redmine.admin.settings(attachment_extensions_allowed="txt")
    assert {"attachment_extensions_allowed": "txt"} == redmine.admin.settings(attachment_extensions_allowed="pdf,png")
    wanted = {"project_id": "custom-without-description", "subject": "words", "description": "that go nowhere"}
    for login in customised["keys"]:
        made = redmine.api(login).call("POST", "/issues.json", {"issue": wanted})["issue"]
        assert None is made["description"]


# ---------------------------------------------------------------------- everything of a mail is somewhere

WORDS = [f"word{number}" for number in range(60)]
LINES = {"priority": "Priority: High", "due_date": "Due date: 2027-01-02"}
OWN_LINES = {
    "without-assigned-to": {"assigned_to": "Assignee: Müßig, Jörg"},
    "without-category": {"category": "Category: Shelf"},
    "without-fixed-version": {"fixed_version": "Target version: First"},
    "without-parent-issue": {"parent": "Parent task: PARENT"},
    "without-start-date": {"start_date": "Start date: 2026-12-01"},
    "without-estimated-hours": {"estimated_hours": "Estimated time: 3"},
    "without-done-ratio": {"done_ratio": "% Done: 40"},
}
"""The line about the field that a project's tracker has not, though it has what the line names."""
PROJECTS = [
    "plain", "without-description", "without-priority", *OWN_LINES, "without-due-date", "without-any",
    "readonly-description", "readonly-due-date", "required-description", "required-due-date", "forbidden",
    "default-status", "default-closed", "falls-back", "limited", "parent", "child", "crowd", "needs-all", "shut",
]  # fmt: skip
KEYS = ["admin", "key-adds", "key-notes", "key-sets", "key-own"]
NO_NOTES, NO_TEXT = "may not add notes there", "accepts no further note of the bridge's own user"
LEFT = {
    **{(project, key): "Need attachment cannot be blank" for project in ("needs-all",) for key in KEYS},
    **{("shut", key): "is closed" for key in KEYS},
    **{(project, "key-adds"): NO_NOTES for project in ("without-description", "without-any", "falls-back")},
    ("readonly-description", "key-adds"): NO_TEXT,
}
"""Where a mail is left for a person, and the words that its reason holds; everywhere else everything of it is there."""


@dataclass(frozen=True, slots=True)
class Found:
    """What of a mail is in Redmine."""

    issue: dict[str, Any]
    lines: Mapping[str, str] = field(default_factory=lambda: LINES)

    @property
    def notes(self) -> str:
        return "\n".join(str(journal.get("notes") or "") for journal in self.issue["journals"])

    @property
    def words(self) -> str:
        return f"{self.issue['subject']}\n{self.issue.get('description') or ''}\n{self.notes}"

    @property
    def missing(self) -> list[str]:
        """What of the mails of these tests is not there."""
        files = {file["filename"] for file in self.issue["attachments"]}
        lines = [line for name, line in self.lines.items() if not self._set(name) and line not in self.words]
        return [*(word for word in WORDS if word not in self.words), *({"report.pdf"} - files), *lines,
                *(name for name in ("tool.exe",) if name not in self.words)]  # fmt: skip

    @property
    def doubled(self) -> list[str]:
        return [word for word in WORDS if len(re.findall(rf"\b{word}\b", self.words)) > 1]

    def _set(self, name: str) -> bool:
        return self.lines[name].partition(": ")[2] in str(self.issue.get(name))


def bridge_between(  # noqa: PLR0917 - servers, then who and where
    folder: Path, redmine: Redmine, dovecot: Mail, key: str, projects: Sequence[str],
    more: Mapping[str, dict[str, Any]] | None = None,
) -> tuple[Product, dict[str, Mailbox]]:  # fmt: skip
    """Given a key and customised projects, return the bridge with that key, and a mailbox for each of them. `more` are
    further keys of a mailbox's issue table.
    """
    boxes = {name: Mailbox(dovecot, f"{name}-{uuid.uuid4().hex[:8]}@{dovecot['domain']}") for name in projects}
    made = product(folder, redmine, next(iter(boxes.values())), "custom-plain", login=key)
    issue = {"allow_override": "all", "keywords_from": "anyone"}
    tables = {
        name: merged(box_values(box, f"custom-{name}"), {"issue": issue | (more or {}).get(name, {})})
        for name, box in boxes.items()
    }
    made.values["mailboxes"] = {}
    made.change({"mailboxes": tables, "receive": {"workers": 2}})
    return made, boxes


def finish(bridge: Product, waiting: Collection[str] = ()) -> None:
    """Make passes until every mailbox is read and every mail is done or left, but for those of these mailboxes: a busy
    SQLite takes time, and so do the logins of many at once.
    """
    for _ in range(8):
        if any(one.error is not None for one in bridge.passes()):
            continue
        left = [row for row in bridge.rows() if row.state in OPEN and row.location.mailbox not in waiting]
        if not left:
            return
        with bridge.application() as made:  # as if the pauses were over
            for row in left:
                made.store.retry(row.id)
    raise AssertionError([(row.location.mailbox, row.reason) for row in bridge.rows() if row.state in OPEN])


def question(
    subject: str, text: str = " ".join(WORDS), lines: Mapping[str, str] = LINES, **more: str
) -> bytes:  # fmt: skip
    """A mail with a text, a file that Redmine takes, one that it refuses, and keyword lines."""
    files = {"report.pdf": b"%PDF-1.4 report", "tool.exe": b"MZ"}
    return mail(subject, "\n".join([text, "", *lines.values(), ""]), files=files, **more)


def furnished(redmine: Redmine) -> dict[str, int]:
    """See to it that there is what lines and settings name. Return the numbers of the parent issue and the version."""
    admin = redmine.admin
    shelf = "/projects/custom-without-category/issue_categories.json"
    if not admin.get(shelf)["issue_categories"]:
        admin.call("POST", shelf, {"issue_category": {"name": "Shelf"}})
    versions = {}
    for project in ("without-fixed-version", "needs-version"):
        path = f"/projects/custom-{project}/versions.json"
        there = admin.get(path)["versions"] or [admin.call("POST", path, {"version": {"name": "First"}})["version"]]
        versions[project] = there[0]["id"]
    project = redmine.seed["customised"]["projects"]["without-parent-issue"]["id"]
    found = admin.issues("custom-without-parent-issue", subject="~The parent")
    wanted = {"project_id": project, "subject": "The parent"}
    parent = found[0] if found else admin.call("POST", "/issues.json", {"issue": wanted})["issue"]
    return {"parent": parent["id"], "version": versions["needs-version"]}


def failing(bridge: Product) -> set[str]:
    """The mailboxes of which `check` says that something fails."""
    found = [json.loads(line) for line in bridge.quick("check", "--try-issues", "--json").stdout.splitlines()]
    names = [one["name"] for one in found if one["ok"] is False]
    return {name.removeprefix("mailbox ").partition(":")[0] for name in names if name.startswith("mailbox ")}


@pytest.mark.fault("M1")
@pytest.mark.parametrize("key", KEYS)
def test_everything_of_a_mail_is_somewhere(tmp_path: Path, redmine: Redmine, dovecot: Mail, key: str) -> None:
    """Whatever a project and a key do not take of a mail, it stands in the issue or in a note on it, once; or the mail
    is left for a person, with a reason that names what is to be changed.
    """
    parent = str(furnished(redmine)["parent"])
    bridge, boxes = bridge_between(tmp_path, redmine, dovecot, key, PROJECTS)
    subject = f"From {key} {uuid.uuid4().hex[:8]}"
    lines = {
        name: LINES | {field: line.replace("PARENT", parent) for field, line in OWN_LINES.get(name, {}).items()}
        for name in PROJECTS
    }
    for name, box in boxes.items():
        box.append(question(f"{subject} {name}", lines=lines[name]))
    waiting = [name for name in PROJECTS if LEFT.get((name, key)) not in {None, NO_NOTES, NO_TEXT}]
    finish(bridge, waiting)
    bridge.receive()
    rows = {row.location.mailbox: row for row in bridge.rows()}
    made: dict[str, list[dict[str, Any]]] = {}
    for row in redmine.admin.issues(subject=f"~{subject}"):
        made.setdefault(row["subject"].removeprefix(f"{subject} "), []).append(row)
    found: dict[str, Any] = {}
    for name in (name for name in PROJECTS if (name, key) not in LEFT):
        (one,) = made.get(name, [])
        there = Found(redmine.admin.issue(one["id"]), lines[name])
        found[name] = (rows[name].state, there.missing, there.doubled)
        outcome(redmine, key, name, outcomes.NOTED if there.notes else outcomes.WHOLE)
    assert {name: (State.DONE, [], []) for name in found} == found
    for name in (name for name in PROJECTS if (name, key) in LEFT):
        words = LEFT[name, key]
        state = State.REJECTED if words in {NO_NOTES, NO_TEXT} else State.STORED
        assert (state, True) == (rows[name].state, words in (rows[name].reason or "")), rows[name]
        assert len(made.get(name, [])) == (words == NO_TEXT)
        outcome(redmine, key, name, outcomes.LEFT)


@pytest.mark.newest
@pytest.mark.parametrize("key", ["admin", "key-sets"])
def test_check_passes_what_gets_through(tmp_path: Path, redmine: Redmine, dovecot: Mail, key: str) -> None:
    """A mailbox whose mails are left for a person is one that `check` fails, and most it passes."""
    bridge, _ = bridge_between(tmp_path, redmine, dovecot, key, PROJECTS)
    foretold = failing(bridge)
    assert set() == {project for project, one in LEFT if one == key} - foretold
    assert len(foretold) < len(PROJECTS) // 2


@pytest.mark.fault("M2")
@pytest.mark.parametrize("key", ["admin", "key-adds", "key-notes"])
def test_long_texts_where_no_text_file_is_taken(tmp_path: Path, redmine: Redmine, dovecot: Mail, key: str) -> None:
    """A text that is longer than a description is whole in further notes, of a reply too; or the mail is left."""
    projects = ["plain", "without-description"]
    bridge, boxes = bridge_between(tmp_path, redmine, dovecot, key, projects)
    bridge.change({"mailboxes": {name: {"issue": {"description_limit": 1000}} for name in projects}})
    text = "\n".join(f"{word} and more of it, so that it is long" for word in WORDS)
    firsts = {name: question(f"Long {name} {uuid.uuid4().hex[:8]}", text) for name in projects}
    for name, first in firsts.items():
        boxes[name].append(first)
    finish(bridge)
    outcomes = {row.location.mailbox: row for row in bridge.rows()}
    if key == "key-adds":
        assert [State.REJECTED] * 2 == [row.state for row in outcomes.values()]
        assert all(NO_NOTES in (row.reason or "") for row in outcomes.values())
        return
    for name, first in firsts.items():
        boxes[name].append(question(f"Re: {name}", text, In_Reply_To=message_id_of(first)))
    finish(bridge)
    for name in projects:
        issue = redmine.admin.issue(outcomes[name].issue or 0)
        assert [] == Found(issue).missing, name
        assert [2] * len(WORDS) == [len(re.findall(rf"\b{word} and", Found(issue).words)) for word in WORDS]
        assert all(len(str(journal.get("notes") or "").encode()) <= 1000 for journal in issue["journals"])


@pytest.mark.parametrize(
    ("login", "priority", "due"),
    [("dieter", "Priorität", "Abgabedatum"), ("jun", "優先度", "期日"), ("rita", "Приоритет", "Срок завершения"),
     ("kiri", "Priority", "Due date"), ("sam", "Priority", "Due date")],
)  # fmt: skip
def test_people_of_other_languages_and_times(  # noqa: PLR0917 - one fixture or column each
    tmp_path: Path, redmine: Redmine, dovecot: Mail, login: str, priority: str, due: str
) -> None:
    """Keyword lines in a language of the settings set what they say, on the day that they name, whoever sends them."""
    bridge, boxes = bridge_between(tmp_path, redmine, dovecot, "admin", ["plain"])
    bridge.change({"redmine": {"keyword_languages": ["de", "ja", "ru"]}})
    user = redmine.seed["users"][login]
    subject = f"Day {uuid.uuid4().hex[:8]}"
    text = f"Please.\n\n{priority}: High\n{due}: 2027-01-02\n"
    boxes["plain"].append(mail(subject, text, sender=f"{login} <{user['mail']}>"))
    finish(bridge)
    (row,) = redmine.admin.issues(subject=f"~{subject}")
    assert (user["id"], "High", "2027-01-02") == (row["author"]["id"], row["priority"]["name"], row["due_date"])
    assert [] == redmine.admin.notes(row["id"])


def outcome(redmine: Redmine, key: str, project: str, words: str) -> None:
    """Note what became of a mail, for the tables of the docs."""
    outcomes.note(outcomes.place(redmine.version, redmine.state["database"]), project, key, words)
