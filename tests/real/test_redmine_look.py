"""What an interrupted write left in a real Redmine is found again, and only that."""

import datetime as dt
from dataclasses import replace

import pytest

from redmine_mailbridge.errors import RedmineUnavailable, RedmineUnclear
from redmine_mailbridge.redmine.newest import IssueMark
from redmine_mailbridge.redmine.requests import IssueRequest
from tests.servers.fixtures import Redmine
from tests.servers.processes import wait_until
from tests.servers.proxy import Fault, FaultProxy
from tests.writer import Bridge, bridge_at, now

pytestmark = pytest.mark.real


@pytest.fixture
def bridge(redmine: Redmine, project: str) -> Bridge:
    return bridge_at(redmine.url, redmine, project)


# ---------------------------------------------------------------------------------------------- looking


@pytest.mark.databases
def test_found_by_content(bridge: Bridge) -> None:
    """Without a marker an issue is found by writer, project and words; one word more is another issue."""
    after = bridge.newest()
    request = bridge.issue("Same", "Text\r\nof the mail  \n\n", login="carol")
    assert None is bridge.find(request, after)
    made = bridge.writer.create_issue(request).issue
    assert made == bridge.find(request, after)
    assert made == bridge.find(IssueRequest.from_json(request.to_json()), after)
    for other in (
        bridge.issue("Same", "Text\nof the mail, and more", login="carol"),
        bridge.issue("Same ones", "Text\nof the mail", login="carol"),
        bridge.issue("Same", "Text\nof the mail", login="anna"),
        replace(request, project_id=1),
    ):
        assert None is bridge.find(other, after)
    assert None is bridge.find(request, IssueMark(made))


@pytest.mark.databases
def test_twins(bridge: Bridge) -> None:
    """Two mails that look the same stay two: an issue that another mail has claimed is not found for this one."""
    after = bridge.newest()
    request = bridge.issue("Twin", "same")
    first = bridge.writer.create_issue(request).issue
    assert None is bridge.find(request, after, {first})
    second = bridge.writer.create_issue(request).issue
    assert (first, second) == (bridge.find(request, after), bridge.find(request, after, {first}))


@pytest.mark.parametrize("marker", ["<a1@example.com>", "<=x|y@example.com>", "~*!<ü@example.com>"])
def test_found_by_marker(bridge: Bridge, marker: str) -> None:
    """With a marker field an issue is found by it, closed and edited as it may be, whatever stands in the value."""
    after = bridge.newest()
    marker = f"{marker}{bridge.project.identifier}"
    request = bridge.issue("Marked", "text", marker=marker)
    bridge.writer.create_issue(bridge.issue("Other", "text", marker=f"{marker}2"))
    made = bridge.writer.create_issue(request).issue
    changes = {"subject": "Edited", "status_id": bridge.redmine.seed["statuses"]["Closed"]}
    bridge.redmine.admin.call("PUT", f"/issues/{made}.json", {"issue": changes})
    assert made == bridge.find(request, after)
    assert None is bridge.find(replace(request, marker=(request.marker[0], "other")), after)  # type: ignore[index]


def test_marker_field_that_is_none(bridge: Bridge) -> None:
    """A marker that Redmine dropped, as the field is not in this project, leaves writer, project and words."""
    after = bridge.newest()
    bridge.writer.create_issue(bridge.issue("Other"))
    made = bridge.writer.create_issue(bridge.issue()).issue
    assert made == bridge.find(replace(bridge.issue(), marker=(4711, "<a@b>")), after)


def test_look_over_pages(bridge: Bridge) -> None:
    """The issue is found among more than one page of others of the same time and author."""
    after = bridge.newest()
    for number in range(101):
        bridge.writer.create_issue(bridge.issue(f"Flood {number}", "text"))
    last = bridge.writer.create_issue(bridge.issue("Needle", "text")).issue
    assert last == bridge.find(bridge.issue("Needle", "text"), after)


def test_moved_and_edited(bridge: Bridge) -> None:
    """An issue that somebody has moved to another project and written anew is found by what its history says it was."""
    after = bridge.newest()
    request = bridge.issue("As sent", "Line\n\nand line", login="carol")
    made = bridge.writer.create_issue(request).issue
    elsewhere = bridge.redmine.admin.get(f"/projects/{bridge.redmine.fresh_project()}.json")["project"]["id"]
    changes = {"project_id": elsewhere, "subject": "Edited", "description": "Other words"}
    for values in (changes, {"subject": "Edited again", "notes": "a word"}):
        bridge.redmine.api("anna").call("PUT", f"/issues/{made}.json", {"issue": values})
        bridge.redmine.admin.call("PUT", f"/issues/{made}.json", {"issue": values})
    assert made == bridge.find(request, after)
    assert None is bridge.find(bridge.issue("As sent", "Line\n\nand another", login="carol"), after)


def test_files_that_were_deleted(bridge: Bridge) -> None:
    """An issue with files is found by them, also after somebody has deleted them and changed every word."""
    after = bridge.newest()
    request = bridge.issue("As sent", "text", bridge.upload(), bridge.upload("b.txt"))
    made = bridge.writer.create_issue(request).issue
    admin = bridge.redmine.admin
    for file in admin.issue(made)["attachments"]:
        admin.call("DELETE", f"/attachments/{file['id']}.json")
    admin.call("PUT", f"/issues/{made}.json", {"issue": {"subject": "Edited"}})
    assert made == bridge.find(request, after)
    assert None is bridge.find(bridge.issue("As sent", "text", bridge.upload("c.txt")), after)


def test_newest_before(bridge: Bridge) -> None:
    """Of the requests of the first version only the time is known: what is younger than two days may be theirs."""
    made = bridge.writer.create_issue(bridge.issue()).issue
    look = bridge.writer.recovery
    assert (
        look.newest_issue_before(now()).number < made <= look.newest_issue_before(now() + dt.timedelta(days=3)).number
    )


def test_a_number_that_comes_again(bridge: Bridge) -> None:
    """Where the newest issue is deleted, and Redmine gives its number again, the issue that bears it now is found."""
    first = bridge.writer.create_issue(bridge.issue("First")).issue
    after = bridge.newest()
    assert first == after.number
    bridge.redmine.admin.call("DELETE", f"/issues/{first}.json")
    wait_until(lambda: f"{now():%Y-%m-%dT%H:%M:%SZ}" > after.made, "Redmine's next second has begun", 5)
    request = bridge.issue("Second")
    made = bridge.writer.create_issue(request).issue
    assert (first if bridge.redmine.version == "5.0" else first + 1) == made
    assert made == bridge.find(request, after)
    assert None is bridge.find(request, IssueMark(made, "2999-01-01T00:00:00Z"))


# ---------------------------------------------------------------------------------------------- cut connections


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault("connect", "close"), RedmineUnavailable),
        (Fault("request", "reset", b"POST /issues", after=40), RedmineUnclear),
        (Fault("sent", "reset", b"POST /issues"), RedmineUnclear),
        (Fault("sent", "stall", b"POST /issues"), RedmineUnclear),
        (Fault("response", "close", b"POST /issues", after=0), RedmineUnclear),
        (Fault("response", "close", b"POST /issues", after=200), RedmineUnclear),
        (Fault("response", "reset", b"POST /issues", after=700), RedmineUnclear),
    ],
    ids=str,
)
def test_cut(redmine: Redmine, redmine_proxy: FaultProxy, project: str, fault: Fault, expected: type) -> None:
    """Wherever the connection breaks, what became of the issue is never taken for granted, and the look tells it."""
    bridge = bridge_at(redmine_proxy.url, redmine, project, read_timeout=2)
    request = bridge.issue("Cut", "in the middle", login="anna")
    after = bridge.newest()
    bridge.client.close()
    redmine_proxy.plan(fault)
    with pytest.raises((RedmineUnavailable, RedmineUnclear)) as broken:
        bridge.writer.create_issue(request)
    redmine_proxy.release()
    if fault.where != "connect":
        assert expected is type(broken.value)
    if fault.where == "sent":  # still under way inside the server: what `settle` says
        assert getattr(broken.value, "settle", False)
        wait_until(lambda: bool(redmine.admin.issues(project)), "the issue that is under way is there", 20)
    there = [issue["id"] for issue in redmine.admin.issues(project)]
    assert (there or [None])[0] == bridge.find(request, after)
    assert (fault.where in ("response", "sent")) == bool(there)
