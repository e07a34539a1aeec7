"""What is set of an issue after it was made, where a crash came between."""

import json
from typing import Any

import pytest

from redmine_mailbridge.redmine.client import Client, Connection
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.redmine.requests import IssueRequest, NoteRequest
from redmine_mailbridge.redmine.rights import Rights
from redmine_mailbridge.redmine.write_intent import WriteIntent
from redmine_mailbridge.redmine.writer import Writer
from redmine_mailbridge.tasks.receive.corrections import learn_dropped, with_category
from tests.unit.redmine.tiny import Seen, answer, serve

ASKED, ANOTHER = 4, 9


def completed(category: int | None, *changes: dict[str, str]) -> tuple[WriteIntent, list[Any]]:
    """An issue that Redmine refused to make with its category is there, with this one and these changes in its history:
    return the job as it goes on, and what was asked of the issue.
    """
    asked: list[Any] = []
    issue = {
        "id": 5, "project": {"id": 7, "name": "Desk"}, "subject": "x", "description": "", "author": {"id": 1},
        "journals": [{"id": 1, "user": {"id": 2}, "details": list(changes)}] if changes else [],
    }  # fmt: skip

    def redmine(seen: Seen) -> bytes | None:
        nonlocal category
        if seen.path == "/users/current.json":
            return answer(json.dumps({"user": {"id": 1, "login": "bridge", "admin": True, "status": 1}}))
        if seen.method == "POST":
            errors = ["Subject is wrong", "Assignee is invalid"]
            return answer(json.dumps({"errors": errors}), "422 Unprocessable Entity")
        if seen.method == "PUT":
            asked.append(json.loads(seen.body)["issue"])
            category = asked[-1]["category_id"]
            return answer(status="204 No Content")
        there = {"category": {"id": category, "name": "C"}} if category else {}
        return answer(json.dumps({"issue": issue | there}))

    whole = IssueRequest(7, {"subject": "x", "category_id": ASKED})
    job = WriteIntent(IssueRequest(7, {"subject": "x"}), "new", earlier=(whole,))
    with serve(redmine) as tiny:
        client = Client(Connection(tiny.url, "key"))
        writer = Writer(client, MetadataCache(client))
        job, _ = with_category(job, writer.adopt_issue(job.issues[0], 5), writer)
        client.close()
    return job, asked


def test_the_category_is_set_afterwards() -> None:
    """Where nobody has touched the category, the bridge's own user sets it, whatever else was changed."""
    for changes in ((), ({"property": "attr", "name": "status_id", "new_value": "2"},)):
        job, asked = completed(None, *changes)
        assert ((), [{"category_id": ASKED}]) == (job.left_out, asked)


@pytest.mark.fault("A16-4")
def test_a_category_that_an_agent_gave_it_meanwhile_stays() -> None:
    """An agent has given the issue another category, or none, before its mail is gone on with: that stays, and the
    mail's record and note say what was left out.
    """
    change = {"property": "attr", "name": "category_id", "new_value": str(ANOTHER)}
    for category in (ANOTHER, None):
        job, asked = completed(category, change)
        assert (("category_id",), []) == (job.left_out, asked)


def test_a_category_that_was_set_before_the_crash_is_not_left_out() -> None:
    """What was set before a crash is neither set again nor told to be missing."""
    job, asked = completed(ASKED, {"property": "attr", "name": "category_id", "new_value": str(ASKED)})
    assert ((), []) == (job.left_out, asked)


@pytest.mark.parametrize(
    ("request_", "dropped", "may"),
    [
        (NoteRequest(5, 7, {"notes": "x"}, as_login="kim", author_id=6), True, False),
        (NoteRequest(5, 7, {"notes": "x"}, as_login="kim", author_id=6), False, True),
        (NoteRequest(5, 7, {"notes": "x"}, author_id=6), True, True),
        (IssueRequest(7, {"subject": "x"}, as_login="kim", author_id=6), True, True),
    ],
)
def test_of_a_user_whose_note_was_dropped_it_is_known_that_he_may_write_none(
    request_: IssueRequest | NoteRequest, *, dropped: bool, may: bool
) -> None:
    """And of nobody whose note was not dropped, or who did not write it himself, or who made an issue."""
    project = {"id": 7, "identifier": "desk", "name": "Desk", "status": 1, "is_public": True}
    project |= {"enabled_modules": [{"id": 1, "name": "issue_tracking"}]}
    with serve(lambda _: answer(json.dumps({"project": project}))) as tiny:
        client = Client(Connection(tiny.url, "key"))
        metadata = MetadataCache(client)
        learn_dropped(WriteIntent(request_, "note", dropped=dropped), metadata)
        found = metadata.project("desk")
        assert found is not None
        assert may is metadata.may(Rights(6, admin=True), "add_issue_notes", found)
        client.close()
