"""Public projects that give users who are no members other rights than the role "Non member" has: by the built-in group
"Non member users", whose roles stand in place of that one.
"""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from redmine_mailbridge.model.mail_state import State
from tests.product import CAROL, mail, message_id_of, product
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox

pytestmark = pytest.mark.real

GIVE = """
role = Role.create!(name: '%s', permissions: %%i[%s], issues_visibility: 'all')
member = Member.new(project: Project.find('%s'), principal: GroupNonMember.first)
member.roles = [role]
member.save!
"""
TAKE = "Role.non_member.remove_permission!(:add_issues, :add_issue_notes)"
GIVE_BACK = "Role.non_member.add_permission!(:add_issues, :add_issue_notes)"


@pytest.fixture
def project(redmine: Redmine) -> Iterator[str]:
    """A public project in which everybody may make issues and add notes, in a Redmine where they may nowhere else."""
    made = redmine.fresh_project()
    redmine.admin.run(GIVE % (f"Open {made}", "view_issues add_issues add_issue_notes", made) + TAKE)
    try:
        yield made
    finally:
        redmine.admin.run(GIVE_BACK)


def outcomes(made: Any) -> list[tuple[State, str]]:
    """The state of each mail, and its reason."""
    return [(row.state, row.reason or "") for row in made.rows()]


@pytest.mark.fault("A12-21")
def test_a_project_that_is_open_to_all(tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str) -> None:
    """A user who is no member, and a stranger who is made one, write their issues and notes in their own names."""
    bridge = product(tmp_path, redmine, mailbox, project)
    bridge.issue(unknown_sender="create")
    first, stranger = mail("Of Carol", sender=CAROL), f"Nora New <nora-{uuid.uuid4().hex[:8]}@elsewhere.example>"
    mailbox.append(first, mail("Of Nora", sender=stranger))
    bridge.receive()
    mailbox.append(mail("Re: Of Carol", "And more.", sender=CAROL, In_Reply_To=message_id_of(first)))
    bridge.receive()

    assert [State.DONE] * 3 == [state for state, _ in outcomes(bridge)], outcomes(bridge)
    issues = {one["subject"]: redmine.admin.issue(one["id"]) for one in redmine.admin.issues(project)}
    assert {"Of Carol": "Carol Customer", "Of Nora": "Nora New"} == {
        subject: one["author"]["name"] for subject, one in issues.items()
    }
    (note,) = [one for one in issues["Of Carol"]["journals"] if one["notes"]]
    assert "Carol Customer" == note["user"]["name"]


@pytest.mark.fault("A12-21")
def test_a_plain_key_that_is_no_member(tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str) -> None:
    """A key whose user is no member of the open project has what it needs there, and `check` says so."""
    bridge = product(tmp_path, redmine, mailbox, project, login="carol")
    bridge.issue(unknown_sender="accept", watchers_from_mail=False, custom_fields={})
    assert "add_issues" not in bridge.quick("check", "--try-issues").output
    assert "Add issues" not in bridge.quick("check", "--try-issues").output
    mailbox.append(mail("Of somebody"))
    bridge.receive()
    assert [State.DONE] == [state for state, _ in outcomes(bridge)], outcomes(bridge)
    assert ["Of somebody"] == [one["subject"] for one in redmine.admin.issues(project)]


def test_a_project_that_is_closed_to_others(tmp_path: Path, redmine: Redmine, mailbox: Mailbox) -> None:
    """Where a public project lets non-members only read, their mail is refused in these words."""
    project = redmine.fresh_project()
    redmine.admin.run(GIVE % (f"Closed {project}", "view_issues", project))
    bridge = product(tmp_path, redmine, mailbox, project)
    mailbox.append(mail("Of Carol", sender=CAROL))
    bridge.receive()
    assert [(State.REJECTED, f"carol may not add issues in {project}")] == outcomes(bridge)
