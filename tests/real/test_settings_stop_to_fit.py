"""A mailbox whose settings stop to fit a real Redmine: its mail waits where it lies, and goes on by itself."""

import threading
from pathlib import Path

import pytest

from redmine_mailbridge.tasks.service.service import receive_once
from tests.product import Product, mail, product
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox

pytestmark = pytest.mark.real


def waiting(bridge: Product, mailbox: Mailbox) -> str:
    """Make a pass, after which the one mail waits in its folder. Return why."""
    mailbox.append(mail("Waits"))
    (outcome,) = bridge.receive()
    assert ("stored", 1) == (outcome.state.value, len(mailbox.contents()))
    return outcome.line


def membership(redmine: Redmine, project: str, login: str) -> int:
    """The number of somebody's membership."""
    found = redmine.admin.get(f"/projects/{project}/memberships.json")["memberships"]
    return next(int(one["id"]) for one in found if one["user"]["id"] == redmine.seed["users"][login]["id"])


@pytest.mark.fault("N14", "M14")
@pytest.mark.parametrize("login", ["admin", "bridge"])
def test_an_archived_project(tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str, login: str) -> None:
    """While the project is archived mail waits; when it is not any more, the mail becomes an issue."""
    bridge = product(tmp_path, redmine, mailbox, project, login=login)
    redmine.admin.call("PUT", f"/projects/{project}/archive.json")
    assert project in waiting(bridge, mailbox)

    redmine.admin.call("PUT", f"/projects/{project}/unarchive.json")
    bridge.receive()
    assert ["Waits"] == [issue["subject"] for issue in redmine.admin.issues(project)]


@pytest.mark.fault("N14", "M14")
def test_a_membership_that_ends(tmp_path: Path, redmine: Redmine, mailbox: Mailbox) -> None:
    """While the bridge's user is no member of a private project any more, mail waits; it goes on when it is again."""
    project = redmine.fresh_project(public=False)
    bridge = product(tmp_path, redmine, mailbox, project, login="bridge")
    redmine.admin.call("DELETE", f"/memberships/{membership(redmine, project, 'bridge')}.json")
    assert "does not exist or is not visible" in waiting(bridge, mailbox)

    user, role = redmine.seed["users"]["bridge"]["id"], redmine.seed["roles"]["Bridge"]
    redmine.admin.call(
        "POST", f"/projects/{project}/memberships.json", {"membership": {"user_id": user, "role_ids": [role]}}
    )
    bridge.receive()
    assert ["Waits"] == [issue["subject"] for issue in redmine.admin.issues(project)]


@pytest.mark.fault("M7")
def test_a_tracker_that_the_project_has_no_more(
    tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str
) -> None:
    """A mail is not filed under another tracker when that of the settings is taken out of the project meanwhile."""
    bridge = product(tmp_path, redmine, mailbox, project)
    bridge.issue(tracker="Support")
    trackers = redmine.seed["trackers"]
    others = [number for name, number in trackers.items() if name != "Support"]
    redmine.admin.call("PUT", f"/projects/{project}.json", {"project": {"tracker_ids": others}})
    assert 'tracker "Support" from the mailbox does not exist here' in waiting(bridge, mailbox)

    redmine.admin.call("PUT", f"/projects/{project}.json", {"project": {"tracker_ids": list(trackers.values())}})
    bridge.receive()
    assert ["Support"] == [issue["tracker"]["name"] for issue in redmine.admin.issues(project)]


@pytest.mark.newest
@pytest.mark.fault("A12-22")
def test_another_text_format(tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str) -> None:
    """While Redmine formats texts otherwise than the running bridge writes them, no mail is written: what is inert in
    one format may come to life in the other. Where it is changed back, or the settings are, the mail goes on.
    """
    other = "textile" if redmine.text_format == "common_mark" else "common_mark"
    bridge = product(tmp_path, redmine, mailbox, project)
    bridge.change({"redmine": {"cache_ttl": "1s"}})
    mailbox.append(mail("Waits"))
    with redmine.setting(text_formatting=other):
        with bridge.application() as made:
            threading.Event().wait(1.01)  # what was believed when it began has aged
            receive_once(made.receivers)
        (row,) = bridge.rows()
        assert ("stored", True) == (row.state.value, f"Redmine's text formatting is {other}" in (row.reason or ""))
        bridge.receive()  # another process, which believes at first what its settings say, but for what is paused
        assert [] == redmine.admin.issues(project)
        bridge.change({"redmine": {"text_format": other}})
        bridge.receive()
    assert ["Waits"] == [issue["subject"] for issue in redmine.admin.issues(project)]
