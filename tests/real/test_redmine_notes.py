"""Notes on a real Redmine: read back, told when dropped, and private when they are meant to be."""

from dataclasses import replace
from typing import Any

import pytest

from redmine_mailbridge.errors import RedmineRefused
from redmine_mailbridge.model.plan import IssueFields
from redmine_mailbridge.redmine.requests import NoteRequest
from tests.servers.fixtures import Redmine
from tests.writer import Bridge, bridge_at

pytestmark = pytest.mark.real


@pytest.fixture
def bridge(redmine: Redmine, project: str) -> Bridge:
    return bridge_at(redmine.url, redmine, project)


@pytest.fixture
def poor(redmine: Redmine, project: str) -> Bridge:
    """The same with a key that has no admin rights."""
    return bridge_at(redmine.url, redmine, project, key=redmine.seed["bridge"]["api_key"])


# ---------------------------------------------------------------------------------------------- notes


@pytest.mark.databases
def test_note(bridge: Bridge) -> None:
    """A note is written as its author with its file, read back, and found again by its text."""
    number = bridge.writer.create_issue(bridge.issue()).issue
    note = bridge.note(number, "Line\n\nand line \n", bridge.upload(login="carol"), login="carol")
    after = bridge.writer.recovery.newest_journal(number)
    assert None is bridge.find_note(note, after)
    bridge.writer.add_note(note)
    written = bridge.writer.confirm_note([note], after)
    (journal,) = bridge.redmine.admin.issue(number)["journals"]
    assert (journal["id"], ()) == (written.journal, written.mismatches)
    assert bridge.user("carol") == journal["user"]["id"]
    again = NoteRequest.from_json(note.to_json())
    assert journal["id"] == bridge.find_note(again, after)
    assert None is bridge.find_note(again, after, {journal["id"]})
    assert None is bridge.find_note(again, journal["id"])
    assert None is bridge.find_note(bridge.note(number, "Line", login="carol"), after)


def test_note_that_is_not_taken(bridge: Bridge) -> None:
    """Where the writer may add no notes Redmine answers 204 all the same; reading back tells it."""
    seed = bridge.redmine.seed
    number = bridge.writer.create_issue(bridge.issue()).issue
    bridge.redmine.admin.call("PUT", f"/projects/{bridge.project.identifier}.json", {"project": {"is_public": True}})
    role = [seed["roles"]["Bridge"]]
    membership = {"membership": {"user_id": bridge.user("carol"), "role_ids": role}}
    bridge.redmine.admin.call("POST", f"/projects/{bridge.project.identifier}/memberships.json", membership)
    note = bridge.note(number, "hello", login="carol", fields=IssueFields(assigned_to_id=bridge.user("bridge")))
    bridge.writer.add_note(note)
    written = bridge.writer.confirm_note([note], 0)
    assert written.journal is not None
    bridge.redmine.admin.call("PUT", f"/journals/{written.journal}.json", {"journal": {"notes": ""}})
    assert "Redmine took no note" in bridge.writer.confirm_note([note], 0).mismatches[0]


@pytest.mark.parametrize("files", [0, 1])
def test_edited_before_the_look(bridge: Bridge, files: int) -> None:
    """A note that somebody rewrites before it is looked for is found by its file, or where Redmine tells of that."""
    number = bridge.writer.create_issue(bridge.issue()).issue
    note = bridge.note(number, "As sent", *(bridge.upload(login="carol") for _ in range(files)), login="carol")
    bridge.writer.add_note(note)
    (journal,) = bridge.redmine.admin.issue(number)["journals"]
    bridge.redmine.admin.call("PUT", f"/journals/{journal['id']}.json", {"journal": {"notes": "In other words"}})
    expected = journal["id"] if files or bridge.redmine.version != "5.0" else None
    assert expected == bridge.find_note(note, 0)


def test_what_people_did_since_is_not_undone(bridge: Bridge) -> None:
    """A reply that reopened its issue, found again after somebody closed that, does not reopen it once more."""
    statuses = bridge.redmine.seed["statuses"]
    number = bridge.writer.create_issue(bridge.issue(fields=IssueFields(status_id=statuses["Closed"]))).issue
    note = bridge.note(number, "again!", fields=IssueFields(status_id=statuses["New"]))
    bridge.writer.add_note(note)
    assert () == bridge.writer.confirm_note([note], 0).ignored_attributes
    bridge.redmine.admin.call("PUT", f"/issues/{number}.json", {"issue": {"status_id": statuses["Closed"]}})
    written = bridge.writer.confirm_note([note], 0, taken=False)
    assert ((), True) == (written.ignored_attributes, "has Closed" in written.mismatches[0])


def test_private_note(bridge: Bridge) -> None:
    """A private note of somebody who may not write one is written by the bridge's own user, and is private."""
    number = bridge.writer.create_issue(bridge.issue()).issue
    note, said = bridge.writer.prepare_note(bridge.note(number, "secret", login="carol", private=True))
    assert (None, 1) == (note.as_login, len(said))
    bridge.writer.add_note(note)
    assert () == bridge.writer.confirm_note([note], 0).mismatches
    assert [True] == [j["private_notes"] for j in bridge.redmine.admin.issue(number)["journals"]]
    allowed = bridge.note(number, "secret", login="anna", private=True)
    assert (allowed, ()) == bridge.writer.prepare_note(allowed)


def test_private_note_that_became_public(bridge: Bridge) -> None:
    """Redmine makes a private note public for who may not write one: it is told loudly, and made private."""
    number = bridge.writer.create_issue(bridge.issue()).issue
    note = bridge.note(number, "secret", login="carol", private=True)
    bridge.writer.add_note(note)
    assert [False] == [j["private_notes"] for j in bridge.redmine.admin.issue(number)["journals"]]
    written = bridge.writer.confirm_note([note], 0)
    assert "PRIVATE NOTE BECAME PUBLIC" in written.mismatches[0]
    assert [True] == [j["private_notes"] for j in bridge.redmine.admin.issue(number)["journals"]]


def test_private_note_that_nobody_may_write(poor: Bridge) -> None:
    """Where not even the bridge may write private notes, nothing is written: better refused than public."""
    note = replace(poor.note(1, "secret", private=True), project_id=poor.redmine.seed["projects"]["closedproj"]["id"])
    with pytest.raises(RedmineRefused, match="would become public"):
        poor.writer.prepare_note(note)


def test_note_changes_are_told_and_amended(bridge: Bridge) -> None:
    """A customer's reply cannot reopen: the status is dropped with 204, told, and set by the bridge's own user."""
    seed = bridge.redmine.seed
    number = bridge.writer.create_issue(bridge.issue(fields=IssueFields(status_id=seed["statuses"]["Closed"]))).issue
    note = bridge.note(number, "again!", login="carol", fields=IssueFields(status_id=seed["statuses"]["New"]))
    bridge.writer.add_note(note)
    written = bridge.writer.confirm_note([note], 0)
    assert ("status_id",) == written.ignored_attributes
    after = bridge.writer.amend(note, written)
    assert () == after.ignored_attributes
    found = bridge.redmine.admin.issue(number)
    assert (seed["statuses"]["New"], bridge.user("carol")) == (
        found["status"]["id"],
        found["journals"][0]["user"]["id"],
    )


def test_watchers(bridge: Bridge) -> None:
    """Watchers are added after the write, twice is once, and one that cannot watch fails nothing."""
    number = bridge.writer.create_issue(bridge.issue()).issue
    said: list[Any] = [bridge.writer.add_watcher(number, bridge.user(who)) for who in ("anna", "anna", "dave")]
    assert [None] * 3 == said
    watching = [w["id"] for w in bridge.redmine.admin.issue(number)["watchers"]]
    assert (1, 0) == (watching.count(bridge.user("anna")), watching.count(bridge.user("dave")))
    assert "does not watch #999999" in (bridge.writer.add_watcher(999999, bridge.user("anna")) or "")
