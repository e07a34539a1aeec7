"""Further customisations of the Redmine of customised.rb, and some that come and go: each mail gets through
whole, or waits with a reason, and goes on by itself when the customisation is undone.
"""

import uuid
from pathlib import Path
from typing import Any

import pytest

from redmine_mailbridge.model.mail_state import OPEN, State
from redmine_mailbridge.model.stored_mail import StoredMail
from tests.product import Product, box_values, mail, merged, message_id_of, product
from tests.real.test_customised import Found
from tests.servers.dovecot import Mail
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox

pytestmark = [pytest.mark.real, pytest.mark.customised]

DIETER = "Dieter <dieter@example.com>"
"""A reporter, whose Redmine is German."""
TEXT = "A text that is long enough for the plugin."


class Boxes:
    """The bridge with one key, and a mailbox for each customised project, with keys of its issue table."""

    def __init__(
        self, folder: Path, redmine: Redmine, dovecot: Mail, key: str, boxes: dict[str, dict[str, Any]]
    ) -> None:
        self.redmine = redmine
        self.subject = f"More {uuid.uuid4().hex[:8]}"
        self.boxes = {name: Mailbox(dovecot, f"{name}-{uuid.uuid4().hex[:8]}@{dovecot['domain']}") for name in boxes}
        self.bridge: Product = product(folder, redmine, next(iter(self.boxes.values())), "custom-plain", login=key)
        tables = {
            name: merged(
                box_values(self.boxes[name], f"custom-{name}"),
                {"issue": {"allow_override": "all", "keywords_from": "anyone", **issue}},
            )
            for name, issue in boxes.items()
        }
        self.bridge.values["mailboxes"] = {}
        self.bridge.change({"mailboxes": tables})

    def mail(self, name: str, text: str = TEXT, sender: str = DIETER, **more: Any) -> bytes:
        """Put a mail into a mailbox. Return it."""
        raw = mail(more.pop("subject", f"{self.subject} {name}"), text, sender=sender, **more)
        self.boxes[name].append(raw)
        return raw

    def receive(self, passes: int = 1) -> dict[str, StoredMail]:
        """Make passes, with the pauses over before each. Return the newest mail of each mailbox."""
        for _ in range(passes):
            with self.bridge.application() as made:
                for row in self.bridge.rows():
                    if row.state in OPEN:
                        made.store.retry(row.id)
            self.bridge.receive()
        return {row.location.mailbox: row for row in self.bridge.rows()}

    def issues(self) -> list[dict[str, Any]]:
        """The issues of these mails, oldest first, with their history."""
        return [self.redmine.admin.issue(one["id"]) for one in self.redmine.admin.issues(subject=f"~{self.subject}")]


@pytest.mark.fault("A12-1")
def test_a_short_mail_stops_no_mailbox(tmp_path: Path, redmine: Redmine, dovecot: Mail) -> None:
    """A plugin wants long descriptions: a short mail is refused for that, by its project and field, and the mail after
    it becomes an issue; `check` finds nothing wrong with the settings.
    """
    desk = Boxes(tmp_path, redmine, dovecot, "admin", {"wordy": {}})
    assert "too short" not in desk.bridge.quick("check", "--try-issues").output
    desk.mail("wordy", "Hi")
    first = desk.receive()["wordy"]
    desk.mail("wordy", subject=f"{desk.subject} long")
    last = desk.receive()["wordy"]
    assert (State.REJECTED, State.DONE) == (first.state, last.state)
    assert "Beschreibung" in (first.reason or "")
    assert "custom-wordy" in (first.reason or "")
    assert [f"{desk.subject} long"] == [one["subject"] for one in desk.issues()]


@pytest.mark.fault("A12-2")
def test_a_role_for_some_trackers(tmp_path: Path, redmine: Redmine, dovecot: Mail) -> None:
    """Who may add issues of other trackers only is refused in these words, as who may add none is; where permissions
    are not checked the bridge's own user writes.
    """
    desk = Boxes(tmp_path, redmine, dovecot, "admin", {"by-tracker": {}})
    desk.mail("by-tracker", sender="Tara <tara@example.com>")
    refused = desk.receive()["by-tracker"]
    assert (State.REJECTED, "tara may not add issues in custom-by-tracker") == (refused.state, refused.reason)

    (tmp_path / "unchecked").mkdir()
    desk = Boxes(tmp_path / "unchecked", redmine, dovecot, "admin", {"by-tracker": {"check_permissions": False}})
    desk.mail("by-tracker", sender="Tara <tara@example.com>")
    desk.mail("by-tracker", sender="Nora <nora@example.com>", subject=f"{desk.subject} notes")
    desk.receive()
    of_nora, of_tara = sorted(desk.issues(), key=lambda one: str(one["subject"]), reverse=True)
    assert ["Elsewhere, Nora", "Admin, Redmine"] == [one["author"]["name"] for one in (of_nora, of_tara)]
    assert "tara@example.com" in of_tara["description"]
    assert [State.DONE] * 2 == [row.state for row in desk.bridge.rows()]


@pytest.mark.fault("A12-2")
@pytest.mark.parametrize("checked", [True, False], ids=["checked", "not checked"])
def test_a_role_for_notes_of_some_trackers(tmp_path: Path, redmine: Redmine, dovecot: Mail, *, checked: bool) -> None:
    """Redmine drops a note of who may add notes to other trackers only, with 204: the mail is refused in the words of
    one who may add none; where permissions are not checked the bridge's own user writes it, once, in the same pass.
    """
    desk = Boxes(tmp_path, redmine, dovecot, "admin", {"by-tracker": {"check_permissions": checked}})
    desk.bridge.change({"redmine": {"settle": "0s"}})
    nora = "Nora <nora@example.com>"
    first = desk.mail("by-tracker", sender=nora)
    desk.receive()
    answer = {"sender": nora, "In_Reply_To": message_id_of(first)}
    desk.mail("by-tracker", "What I forgot", subject=f"Re: {desk.subject}", **answer)
    reply = desk.receive()["by-tracker"]
    (issue,) = desk.issues()
    assert "Elsewhere, Nora" == issue["author"]["name"]
    if checked:
        assert (State.REJECTED, True) == (reply.state, "nora may see it but not add notes" in (reply.reason or ""))
        assert [] == issue["journals"]
        return
    assert State.DONE is reply.state
    assert ["Admin, Redmine"] == [entry["user"]["name"] for entry in issue["journals"]]
    assert 1 == Found(issue).notes.count("What I forgot")
    assert "nora@example.com" in Found(issue).notes


@pytest.mark.fault("A12-3")
@pytest.mark.parametrize("key", ["admin", "key-notes"])
def test_what_is_to_be_private_is_never_public(tmp_path: Path, redmine: Redmine, dovecot: Mail, key: str) -> None:
    """An issue that is private by the settings is so from its first moment: where its sender may not make it so, the
    bridge's own user writes it; where that one may not either, the mailbox waits, and goes on by itself.
    """
    desk = Boxes(tmp_path, redmine, dovecot, key, {"plain": {"private": True}})
    desk.mail("plain")
    row = desk.receive()["plain"]
    if key == "key-notes":
        assert (State.STORED, []) == (row.state, desk.issues())
        assert "lacks the permission set_issues_private in project custom-plain" in (row.reason or "")
        role = "role = Role.find_by!(name: 'Key notes'); role.%s!(:set_own_issues_private); role.name"
        redmine.admin.run(role % "add_permission")
        try:
            assert State.DONE is desk.receive()["plain"].state
        finally:
            redmine.admin.run(role % "remove_permission")
    (issue,) = desk.issues()
    assert (True, []) == (issue["is_private"], issue["journals"])
    assert "dieter@example.com" in issue["description"]


@pytest.mark.fault("A12-4")
def test_no_text_where_one_is_a_must(tmp_path: Path, redmine: Redmine, dovecot: Mail) -> None:
    """A mail that says all in its subject becomes an issue too where the workflow wants a description."""
    desk = Boxes(tmp_path, redmine, dovecot, "admin", {"required-description": {}})
    desk.mail("required-description", "")
    assert State.DONE is desk.receive()["required-description"].state
    assert ["(no text)"] == [one["description"] for one in desk.issues()]


HELD: dict[str, dict[str, Any]] = {
    "role-field": {"requester_field": "Requester mail"},
    "multiple": {},
    "categories": {},
    "stays-closed": {"closed_reply": "reopen"},
}
LINES = (
    "Multi user: Jörg Müßig\nMulti version: Multi One, Multi Two\nMulti enumeration: high\nMulti attachment: report.pdf"
)


@pytest.mark.parametrize("key", ["admin", "key-sets"])
def test_what_gets_through(tmp_path: Path, redmine: Redmine, dovecot: Mail, key: str) -> None:
    """Fields of one role, fields of several values, a category whose assignee has left, and issues that stay closed
    cost no word and no file of a mail, and double none.
    """
    desk = Boxes(tmp_path, redmine, dovecot, key, HELD)
    desk.mail("role-field")
    desk.mail("multiple", f"{LINES}\n\n{TEXT}", files={"report.pdf": b"%PDF-1.4"})
    desk.mail("categories", f"Category: Printers\n\n{TEXT}")
    first = desk.mail("stays-closed")
    rows = desk.receive(2)
    closed = redmine.seed["statuses"]["Closed"]
    redmine.admin.call("PUT", f"/issues/{rows['stays-closed'].issue}.json", {"issue": {"status_id": closed}})
    desk.mail("stays-closed", "Once more", subject=f"Re: {desk.subject}", In_Reply_To=message_id_of(first))
    desk.receive(2)
    assert {State.DONE} == {row.state for row in desk.bridge.rows()}
    issues = {one["subject"].rpartition(" ")[2]: Found(one) for one in desk.issues()}
    assert HELD.keys() == issues.keys()
    assert {1} == {found.words.count(TEXT) for found in issues.values()}
    assert [1] == [issues["stays-closed"].words.count("Once more")]
    assert "Printers" == issues["categories"].issue.get("category", {}).get("name")
    assert "Category:" not in issues["categories"].words
    assert ["report.pdf"] == [file["filename"] for file in issues["multiple"].issue["attachments"]]
    of_fields = issues["multiple"]
    taken = {one["name"] for one in of_fields.issue["custom_fields"] if one["value"]}
    missing = [
        line for line in LINES.splitlines() if line not in of_fields.words and line.partition(":")[0] not in taken
    ]
    assert [] == missing


@pytest.mark.parametrize("key", ["admin", "key-sets"])
def test_what_waits_and_goes_on(tmp_path: Path, redmine: Redmine, dovecot: Mail, key: str) -> None:
    """A version that is a must and was closed, and REST that is switched off: `check` says so, mail waits with
    the reason, and goes on by itself.
    """
    desk = Boxes(tmp_path, redmine, dovecot, key, {"closed-versions": {"version": "Only one"}})
    assert "Target version cannot be blank" in desk.bridge.quick("check", "--try-issues").output
    desk.mail("closed-versions")
    row = desk.receive()["closed-versions"]
    assert State.STORED is row.state
    assert "project custom-closed-versions: Target version cannot be blank" in (row.reason or "")
    number = redmine.admin.get("/projects/custom-closed-versions/versions.json")["versions"][0]["id"]
    redmine.admin.call("PUT", f"/versions/{number}.json", {"version": {"status": "open"}})
    try:
        redmine.admin.run("Setting.rest_api_enabled = '0'")
        try:
            assert State.STORED is desk.receive(1)["closed-versions"].state
        finally:
            redmine.admin.run("Setting.rest_api_enabled = '1'")
        assert State.DONE is desk.receive()["closed-versions"].state
    finally:
        redmine.admin.call("PUT", f"/versions/{number}.json", {"version": {"status": "closed"}})
    assert ["Only one"] == [one["fixed_version"]["name"] for one in desk.issues()]
