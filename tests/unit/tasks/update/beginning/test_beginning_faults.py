"""Conversations that begin in Redmine by a command: notes that are edited, errors, and what it costs."""

import time
from collections.abc import Mapping
from typing import Any

import pytest

from tests.helpdesk import ANNA, BOB, CAROL, HelpDesk, iso
from tests.unit.tasks.update.beginning.test_commanded_requesters import ALLOWED, allowed, commanded, values
from tests.unit.tasks.update.beginning.test_conversation_starter import KIM, LEE, mailed, private_notes

__all__ = ["allowed", "commanded", "values"]

LATE = "after note 2 was written; write it in a new note"


def asked(desk: HelpDesk) -> list[str]:
    """What an update by another process asks of single issues and users."""
    with desk.application() as made:
        before = len(desk.redmine.requests)
        made.issue_sync.refresh()
        return [path for _, path in desk.redmine.requests[before:] if path.startswith(("/issues/", "/users/"))]


@pytest.mark.fault("A38-2")
@pytest.mark.parametrize("shown", [True, False])
def test_a_command_that_a_note_gets_later(commanded: HelpDesk, shown: bool) -> None:
    """A note that gets its command after others were written begins nothing, since they were not written for a
    customer, whether Redmine shows when it was edited (6.1) or the bridge has seen it without; a private note says so.
    """
    number = commanded.redmine.makes(ANNA, "The printer burns")
    note = commanded.redmine.writes(number, BOB, "We look at it.")
    commanded.redmine.writes(number, ANNA, "He is a pain.")
    if not shown:
        commanded.turn()
    edited = commanded.redmine.journal(note)
    edited |= {"notes": f"/to {KIM}\nWe look at it."} | ({"updated_on": iso(time.time() + 5)} if shown else {})
    commanded.redmine.issues[number]["updated_on"] = iso(time.time() + 5)
    for _ in range(3):
        commanded.turn()
    assert [] == mailed(commanded)
    (said,) = private_notes(commanded)
    assert LATE in said


@pytest.mark.fault("A38-2")
def test_a_command_that_is_published(commanded: HelpDesk) -> None:
    """A private note for a third party that is published begins no conversation with them if others were written
    since.
    """
    number = commanded.redmine.makes(ANNA, "The printer burns")
    note = commanded.redmine.writes(number, BOB, f"/to {LEE}\nFor a supplier.", private=True)
    commanded.redmine.writes(number, ANNA, "He is a pain.")
    commanded.turn()
    commanded.redmine.journal(note)["private_notes"] = False
    commanded.redmine.issues[number]["updated_on"] = iso(time.time() + 5)
    for _ in range(3):
        commanded.turn()
    assert [] == mailed(commanded)
    (said,) = private_notes(commanded)
    assert LATE in said


@pytest.mark.fault("A38-2")
def test_a_note_that_is_corrected_at_once(commanded: HelpDesk) -> None:
    """A note that gets its command later begins a conversation if no other note was written meanwhile."""
    number = commanded.redmine.makes(ANNA, "The printer burns")
    note = commanded.redmine.writes(number, BOB, "We look at it.")
    commanded.turn()
    edited = commanded.redmine.journal(note)
    edited |= {"notes": f"/to {KIM}\nWe look at it.", "updated_on": iso(time.time() + 5)}
    commanded.redmine.issues[number]["updated_on"] = iso(time.time() + 5)
    commanded.turn()
    assert [(KIM, "We look at it.")] == mailed(commanded)


@pytest.mark.fault("A38-3")
@pytest.mark.parametrize(
    ("commands", "words"),
    [
        (f"/requester {KIM}\n/cc desk@example.com", "desk@example.com is an address of the bridge"),
        (f"/to {KIM} desk@example.com", "desk@example.com is an address of the bridge"),
        (f"/requester {KIM}\n/uncc {KIM}", f"/uncc: {KIM} is the requester"),
        (f"/requester {KIM}\n/to {LEE}", "a note with /requester can have no /to"),
    ],
)
def test_an_error_in_another_command(commanded: HelpDesk, commands: str, words: str) -> None:
    """An error in any of its commands keeps a note from beginning a conversation: the next note is not mailed."""
    number = commanded.redmine.makes(ANNA, "The printer burns")
    commanded.redmine.writes(number, BOB, f"{commands}\nHello.")
    commanded.turn()
    commanded.redmine.writes(number, BOB, "For us.")
    for _ in range(2):
        commanded.turn()
    assert [] == mailed(commanded)
    (said,) = private_notes(commanded)
    assert "began no conversation by mail" in said
    assert words in said


@pytest.mark.fault("A38-4")
def test_a_command_during_the_first_run(desk: HelpDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that is written while the first run goes on in which commands count begins a conversation."""
    for subject in ("Other", "The printer burns"):
        number = desk.redmine.makes(ANNA, subject)
        desk.redmine.issues[number]["updated_on"] = iso(time.time() - 7200)
    for _ in range(2):
        desk.turn()
    desk.change(ALLOWED)
    lists = desk.redmine._list

    def written_meanwhile(query: Mapping[str, list[str]]) -> Any:
        listed = lists(query)
        if query.get("sort") == ["updated_on:desc"] and not desk.redmine.issues[2]["journals"]:
            note = desk.redmine.writes(2, BOB, f"/to {KIM}\nHello.")
            desk.redmine.journal(note)["created_on"] = iso(time.time() + 5)
            desk.redmine.issues[2]["updated_on"] = iso(time.time() - 3600)
        return listed

    monkeypatch.setattr(desk.redmine, "_list", written_meanwhile)
    for _ in range(3):
        desk.turn()
    assert [(KIM, "Hello.")] == mailed(desk)


@pytest.mark.fault("A38-5")
def test_an_issue_that_changed_in_the_future(commanded: HelpDesk) -> None:
    """An issue whose last change has a time in the future is read for some seconds, not in each run until then; also by
    several processes.
    """
    commanded.redmine.makes(ANNA, "Internal")
    commanded.redmine.issues[1]["updated_on"] = iso(time.time() + 86400)
    assert ["/issues/1.json"] == asked(commanded)
    until = time.monotonic() + 30
    while asked(commanded):
        assert time.monotonic() < until


@pytest.mark.fault("A38-6")
def test_an_error_of_somebody_who_may_not(commanded: HelpDesk) -> None:
    """Whether somebody may use commands is asked once for a note that has an error, not at each change of its issue."""
    number = commanded.redmine.makes(ANNA, "Internal")
    for _ in range(2):
        commanded.redmine.writes(number, CAROL, "/cc foo\nHello")
    commanded.redmine.issues[number]["updated_on"] = iso(time.time() - 3600)
    issue, user = "/issues/1.json", f"/users/{CAROL}.json"
    with commanded.application() as made:
        for expected in ([issue, user, user], [issue]):
            before = len(commanded.redmine.requests)
            made.issue_sync.refresh()
            paths = [path for _, path in commanded.redmine.requests[before:]]
            assert expected == [path for path in paths if path.startswith(("/issues/", "/users/"))]
            commanded.redmine.issues[number]["updated_on"] = iso(time.time() - 1800)
    assert [] == private_notes(commanded)
