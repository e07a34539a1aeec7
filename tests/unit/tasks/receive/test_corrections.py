"""What is set of an issue after it was made, where a crash came between."""

import json
from typing import Any

import pytest

from redmine_mailbridge.redmine.client import Client, Connection
from redmine_mailbridge.redmine.metadata import Directory
from redmine_mailbridge.redmine.requests import IssueRequest
from redmine_mailbridge.redmine.write_intent import Job
from redmine_mailbridge.redmine.writer import Writer
from redmine_mailbridge.tasks.receive.corrections import with_category
from tests.unit.redmine.tiny import Seen, answer, serve

ASKED, ANOTHER = 4, 9


def completed(category: int | None, *changes: dict[str, str]) -> tuple[Job, list[Any]]:
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
    job = Job(IssueRequest(7, {"subject": "x"}), "new", earlier=(whole,))
    with serve(redmine) as tiny:
        client = Client(Connection(tiny.url, "key"))
        writer = Writer(client, Directory(client))
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
