"""Custom fields of the Redmine of customised.rb: required ones, those of other projects, values that it refuses."""

import time
import uuid
from pathlib import Path

import pytest

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.stored_mail import StoredMail
from tests import outcomes
from tests.product import Product, mail
from tests.real.test_customised import Found, bridge_between, failing, finish, furnished, outcome, question
from tests.servers.dovecot import Mail
from tests.servers.fixtures import Redmine

pytestmark = [pytest.mark.real, pytest.mark.customised]

VALUES = {
    "string": "words", "text": "Some words", "link": "https://example.com/", "int": "7", "float": "2.5",
    "date": "2027-01-02", "list": "red", "bool": "yes", "user": "Müßig, Jörg", "version": "First",
    "enumeration": "high",
}  # fmt: skip
"""What the settings say for a required field of each format; a file they cannot say."""


def looked_at(bridge: Product) -> dict[str, StoredMail]:
    """Make passes until Redmine, whose SQLite is busy with eleven writers, has said of each mail what it thinks of it.
    Return the mails by mailbox.
    """
    until = time.monotonic() + 300
    while True:
        bridge.passes()
        rows = bridge.rows()
        busy = [row for row in rows if "internal error (500)" in (row.reason or "")]
        if not busy:
            return {row.location.mailbox: row for row in rows}
        assert time.monotonic() < until, busy
        with bridge.application() as made:  # as if the pauses were over
            for row in busy:
                made.store.retry(row.id)


@pytest.mark.fault("M8")
@pytest.mark.timeout(600)  # eleven mailboxes write at once to a SQLite of Redmine's, a minute on a quiet machine
@pytest.mark.parametrize("key", ["admin", "key-sets"])
def test_required_fields(tmp_path: Path, redmine: Redmine, dovecot: Mail, key: str) -> None:
    """A field of any format that Redmine demands leaves the mail for a person, and `check` foretells it; where the
    settings fill the field, `check` passes and the issue has it.
    """
    formats = redmine.seed["customised"]["formats"]
    values = dict(VALUES)
    if key != "admin":  # no key but an administrator's may ask what the values are called
        high = redmine.admin.run("IssueCustomField.find_by!(name: 'Need enumeration').enumerations.first.id")
        user, version = redmine.seed["users"]["dieter"]["id"], furnished(redmine)["version"]
        values |= {"bool": "1", "user": str(user), "version": str(version), "enumeration": str(high)}
    furnished(redmine)
    tables = {
        f"filled-{format_}": {"project": f"custom-needs-{format_}", "custom_fields": {f"Need {format_}": value}}
        for format_, value in values.items()
    }
    subject = f"Needs {key} {uuid.uuid4().hex[:8]}"
    bridge, boxes = bridge_between(tmp_path, redmine, dovecot, key, list(tables), tables)
    for name, box in boxes.items():
        box.append(question(f"{subject} {name}"))
    finish(bridge)
    assert {State.DONE} == {row.state for row in bridge.rows()}
    made = redmine.admin.issues(subject=f"~{subject}")
    found = {one["subject"].removeprefix(f"{subject} "): Found(redmine.admin.issue(one["id"])) for one in made}
    assert sorted(tables) == sorted(found)
    for name, there in found.items():
        field_of = {one["name"]: one["value"] for one in there.issue["custom_fields"]}
        assert field_of[f"Need {name.removeprefix('filled-')}"], name
        assert ([], []) == (there.missing, there.doubled), name
        outcome(redmine, key, name, outcomes.NOTED if there.notes else outcomes.WHOLE)
    assert set() == failing(bridge)

    (tmp_path / "empty").mkdir()
    empty = [f"needs-{format_}" for format_ in formats]
    bridge, boxes = bridge_between(tmp_path / "empty", redmine, dovecot, key, empty)
    for name, box in boxes.items():
        box.append(question(f"{subject} {name}"))
    rows = looked_at(bridge)
    for name in empty:
        words = f"project custom-{name}: Need {name.removeprefix('needs-')} cannot be blank"
        assert (State.STORED, True) == (rows[name].state, words in (rows[name].reason or "")), rows[name]
        outcome(redmine, key, name, outcomes.LEFT)
    assert set(empty) == failing(bridge)


@pytest.mark.fault("M4")
def test_a_field_of_another_project(tmp_path: Path, redmine: Redmine, dovecot: Mail) -> None:
    """A line of text is no keyword because another project, which shares the tracker, has a field of that name."""
    bridge, boxes = bridge_between(tmp_path, redmine, dovecot, "admin", ["shared", "shared-other"])
    subject = f"Rooms {uuid.uuid4().hex[:8]}"
    for name, box in boxes.items():
        box.append(mail(f"{subject} {name}", "Room: 12\n"))
    finish(bridge)
    issues = {row["subject"].rpartition(" ")[2]: row for row in redmine.admin.issues(subject=f"~{subject}")}
    assert "Room: 12" in issues["shared"]["description"]
    assert "Room: 12" not in issues["shared-other"]["description"]
    assert ["12"] == [field["value"] for field in issues["shared-other"]["custom_fields"]]
    checks = bridge.quick("check", "--try-issues", "--json").output
    assert "Room" not in checks


@pytest.mark.parametrize("key", ["admin", "key-sets"])
def test_values_that_redmine_refuses(tmp_path: Path, redmine: Redmine, dovecot: Mail, key: str) -> None:
    """Keyword lines with values that a field's pattern, length or list does not take stand in the issue."""
    bridge, boxes = bridge_between(tmp_path, redmine, dovecot, key, ["limited"])
    lines = ["Serial: 12345", "Short: longer than it takes", "Colour: blue", "Count: many", "Day: tomorrow"]
    subject = f"Values {uuid.uuid4().hex[:8]}"
    boxes["limited"].append(mail(subject, "\n".join(["Please.", *lines]) + "\n"))
    finish(bridge)
    (row,) = redmine.admin.issues(subject=f"~{subject}")
    words = Found(redmine.admin.issue(row["id"])).words
    assert [] == [line for line in lines if line not in words]


@pytest.mark.fault("A12-23")
def test_lines_over_values_of_the_settings(tmp_path: Path, redmine: Redmine, dovecot: Mail) -> None:
    """A keyword line about a custom field that the settings fill: the field has the line's value where it takes it, and
    then no note says otherwise; else it has the settings', and the line stands in the issue.
    """
    tables = {"limited": {"custom_fields": {"Day": "2027-03-04"}}}
    bridge, boxes = bridge_between(tmp_path, redmine, dovecot, "admin", ["limited"], tables)
    subject = f"Over {uuid.uuid4().hex[:8]}"
    for name, day in (("taken", "2027-01-02"), ("not taken", "02.01.2027")):
        boxes["limited"].append(mail(f"{subject} {name}", f"Please.\n\nDay: {day}\n"))
    finish(bridge)
    rows = redmine.admin.issues(subject=f"~{subject}")
    issues = {one["subject"].removeprefix(f"{subject} "): Found(redmine.admin.issue(one["id"])) for one in rows}
    days = {name: {f["name"]: f["value"] for f in one.issue["custom_fields"]}["Day"] for name, one in issues.items()}
    assert {"taken": "2027-01-02", "not taken": "2027-03-04"} == days
    assert "" == issues["taken"].notes
    assert "Day: 02.01.2027" in issues["not taken"].words
