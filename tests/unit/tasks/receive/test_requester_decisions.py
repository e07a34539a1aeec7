"""Who sets the requester of an issue by hand is told what holds from then on, or why nothing changed."""

import pytest

from redmine_mailbridge.redmine.requests import IssueRequest
from redmine_mailbridge.redmine.write_intent import WriteIntent
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.tasks.receive.requester_decisions import RequesterResult, set_requester, undo_requester
from tests.unit.store.kept import describe, keep, lines, make

OURS = ["Desk@Example.com", "sales@example.com"]


@pytest.fixture
def number(store: Store) -> int:
    """A mail of Kim's that became #7."""
    made = keep(store, 1)
    describe(store, made, "1@x", sender="kim@c.example")
    make(store, made, 7, request=WriteIntent(IssueRequest(1, {"description": "x"}), "made", requester="Kim").to_json())
    return made


def test_a_requester_is_set_and_the_former_one_comes_back(store: Store, number: int) -> None:
    """The address counts without the spaces around it and in lower case, the name with single spaces."""
    done = set_requester(store, number, " Jo@C.example\t", " Jo \n Lee ", by="anna", ours=OURS)
    assert RequesterResult(True, "is the requester from now on: answers go there", 7) == done
    assert ("jo@c.example", "Jo Lee") == store.requesters.current(number)
    assert any("anna" in line and "jo@c.example" in line for line in lines(store, number))

    assert RequesterResult(True, "is the requester again", 7) == undo_requester(store, number, by="bob")
    assert ("kim@c.example", "Kim") == store.requesters.current(number)
    assert any("kim@c.example" in line and "bob" in line for line in lines(store, number))


def test_a_name_is_cut_to_two_hundred_characters(store: Store, number: int) -> None:
    """A name as long as a mail does not go into each answer."""
    set_requester(store, number, "jo@c.example", "J" * 201, by="anna", ours=OURS)
    assert ("jo@c.example", "J" * 200) == store.requesters.current(number)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("jo", "is not an address that can receive mail"),
        ("jo..x@c.example", "is not an address that can receive mail"),
        ("", "is not an address that can receive mail"),
        ("DESK@example.com", "is one of the bridge's own addresses"),
        ("sales+it@example.com", "is one of the bridge's own addresses"),
    ],
)
def test_whom_no_answer_may_go_to_is_no_requester(store: Store, number: int, typed: str, words: str) -> None:
    """Neither what is no address nor an address of ours, in whatever form, becomes the requester."""
    assert RequesterResult(False, words) == set_requester(store, number, typed, "", by="anna", ours=OURS)
    assert ("kim@c.example", "Kim") == store.requesters.current(number)


def test_a_message_that_made_no_issue_has_no_requester_to_set(store: Store) -> None:
    """It is said, and a message that was never decided about has nothing to undo."""
    number = keep(store, 1)
    done = set_requester(store, number, "jo@c.example", "", by="anna", ours=OURS)
    assert RequesterResult(False, "this message created no issue") == done
    assert RequesterResult(False, "nothing was decided manually") == undo_requester(store, number, by="anna")


def test_what_was_undone_is_not_undone_again(store: Store, number: int) -> None:
    """A second undo changes nothing and says so."""
    set_requester(store, number, "jo@c.example", "", by="anna", ours=OURS)
    assert undo_requester(store, number, by="anna").ok
    assert RequesterResult(False, "nothing was decided manually") == undo_requester(store, number, by="anna")
