"""What an interrupted write left in a real Redmine is found again, and only that."""

import datetime as dt
from dataclasses import replace

import pytest

from redmine_mailbridge.errors import RedmineUnavailable, RedmineUnclear
from redmine_mailbridge.redmine.request import IssueRequest
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
    """Without a marker an issue is found by exactly its content; one word more is another issue."""
    since = now()
    request = bridge.issue("Same", "Text\r\nof the mail  \n\n", login="carol")
    look = bridge.writer.look
    assert None is look.find_issue(request, since)
    made = bridge.writer.create_issue(request).issue
    assert made == look.find_issue(request, since)
    assert made == look.find_issue(IssueRequest.from_json(request.to_json()), since)
    for other in (
        bridge.issue("Same", "Text\nof the mail, and more", login="carol"),
        bridge.issue("Same ones", "Text\nof the mail", login="carol"),
        bridge.issue("Same", "Text\nof the mail", login="anna"),
        replace(request, project_id=1),
    ):
        assert None is look.find_issue(other, since)
    assert None is look.find_issue(request, since + dt.timedelta(minutes=20))


@pytest.mark.databases
def test_twins(bridge: Bridge) -> None:
    """Two mails that look the same stay two: an issue that another mail has claimed is not found for this one."""
    since = now()
    request = bridge.issue("Twin", "same")
    first = bridge.writer.create_issue(request).issue
    assert None is bridge.writer.look.find_issue(request, since, {first})
    second = bridge.writer.create_issue(request).issue
    assert (first, second) == (
        bridge.writer.look.find_issue(request, since), bridge.writer.look.find_issue(request, since, {first})
    )  # fmt: skip


@pytest.mark.parametrize("marker", ["<a1@example.com>", "<=x|y@example.com>", "~*!<ü@example.com>"])
def test_found_by_marker(bridge: Bridge, marker: str) -> None:
    """With a marker field an issue is found by it, closed and edited as it may be, whatever stands in the value."""
    since = now()
    marker = f"{marker}{bridge.project.identifier}"
    request = bridge.issue("Marked", "text", marker=marker)
    bridge.writer.create_issue(bridge.issue("Other", "text", marker=f"{marker}2"))
    made = bridge.writer.create_issue(request).issue
    changes = {"subject": "Edited", "status_id": bridge.redmine.seed["statuses"]["Closed"]}
    bridge.redmine.admin.call("PUT", f"/issues/{made}.json", {"issue": changes})
    assert made == bridge.writer.look.find_issue(request, since)
    assert None is bridge.writer.look.find_issue(replace(request, marker=(request.marker[0], "other")), since)  # type: ignore[index]


def test_marker_field_that_is_none(bridge: Bridge) -> None:
    """Redmine answers a filter that it does not know with every issue: none of them is taken for the mail's."""
    bridge.writer.create_issue(bridge.issue())
    request = replace(bridge.issue(), marker=(4711, "<a@b>"))
    assert None is bridge.writer.look.find_issue(request, now())


def test_look_over_pages(bridge: Bridge) -> None:
    """The issue is found among more than one page of others of the same time and author."""
    since = now()
    for number in range(101):
        bridge.writer.create_issue(bridge.issue(f"Flood {number}", "text"))
    last = bridge.writer.create_issue(bridge.issue("Needle", "text")).issue
    assert last == bridge.writer.look.find_issue(bridge.issue("Needle", "text"), since)


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
    bridge.client.close()
    since = now()
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
    assert (there or [None])[0] == bridge.writer.look.find_issue(request, since)
    assert (fault.where in ("response", "sent")) == bool(there)
