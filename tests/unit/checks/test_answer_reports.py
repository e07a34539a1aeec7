"""What `check` says of the field and the status that show what became of mails."""

from typing import Any

import pytest
import responses

from redmine_mailbridge.settings.models import Settings
from tests.unit.test_checks_redmine import FIELD, PROJECT, URL, found, redmine

__all__ = ["redmine"]

LAST = FIELD | {"id": 9, "name": "Last answer"}
STATUSES = [{"id": 1, "name": "New", "is_closed": False}, {"id": 5, "name": "Closed", "is_closed": True}]


@pytest.fixture
def statuses(redmine: responses.RequestsMock) -> responses.RequestsMock:
    """A Redmine with a closed status."""
    redmine.replace(responses.GET, f"{URL}/issue_statuses.json", json={"issue_statuses": STATUSES})
    return redmine


def lines(what: str, answers: dict[str, Any] | None = None, **issue: Any) -> list[tuple[bool | None, str]]:
    """The results about one thing, in a mailbox with these settings."""
    box = {
        "address": "desk@example.com", "host": "localhost", "issue": {"project": "desk"} | issue,
        "answers": {"notes": "public_notes", "redmine_users": "mail"} | (answers or {}),
    }  # fmt: skip
    values = {"redmine": {"url": URL, "api_key": "k", "text_format": "common_mark"}, "mailboxes": {"desk": box}}
    checks = found(Settings.model_validate(values))
    return [(check.ok, check.words) for check in checks if what in check.name or what in check.words]


def has_field(mock: responses.RequestsMock, **more: Any) -> None:
    """Redmine has the field."""
    mock.replace(responses.GET, f"{URL}/custom_fields.json", json={"custom_fields": [FIELD, LAST | more]})
    fields = [{"id": 5, "name": "Customer"}, {"id": 9, "name": "Last answer"}]
    mock.replace(
        responses.GET, f"{URL}/projects/desk.json", json={"project": PROJECT | {"issue_custom_fields": fields}}
    )


def test_a_field_that_fits(statuses: responses.RequestsMock) -> None:
    """Nothing is said of a text."""
    has_field(statuses)
    assert [] == lines("last_answer_field", last_answer_field="Last answer")


def test_a_field_that_does_not_exist(statuses: responses.RequestsMock) -> None:
    """A name that Redmine does not know is one line."""
    ((ok, words),) = lines("Last anser", last_answer_field="Last anser")
    assert (False, True) == (ok, words.startswith('custom field "Last anser" does not exist in project desk'))


@pytest.mark.parametrize(
    ("more", "ok", "words"),
    [
        ({"field_format": "list"}, False, "has the format list: it must be a text; nothing is written to it"),
        ({"max_length": 40}, None, "the field holds 40 characters"),
        ({"trackers": [{"id": 2, "name": "Bug"}]}, False, "is not enabled for the tracker support"),
    ],
)
def test_a_field_that_does_not_fit(
    statuses: responses.RequestsMock, more: dict[str, Any], ok: bool | None, words: str
) -> None:
    """A list, a short text, a field of other trackers: one line each."""
    has_field(statuses, **more)
    (line,) = [one for one in lines("", last_answer_field="Last answer") if words in one[1]]
    assert ok == line[0]


def test_a_field_that_stays_empty(statuses: responses.RequestsMock) -> None:
    """Where no notes are mailed, that is said."""
    has_field(statuses)
    ((ok, words),) = lines("last_answer_field", {"notes": "never"}, last_answer_field="Last answer")
    assert (None, True) == (ok, "the field stays empty" in words)


@pytest.mark.parametrize("report", ["field", "field_at_once", "private_note"])
def test_the_cost(statuses: responses.RequestsMock, report: str) -> None:
    """What notifies watchers with each answer is named; what is free is not."""
    has_field(statuses)
    said = lines("answers.report", {"report": report}, last_answer_field="Last answer")
    assert [None] * (report != "field") == [ok for ok, words in said if "notifies watchers" in words]


@pytest.mark.parametrize(("name", "words"), [("Closed", "is a closed status"), ("Nowhere", "does not exist")])
def test_a_status_that_cannot_be_set(statuses: responses.RequestsMock, name: str, words: str) -> None:
    """A closed status, which would be announced to customers, and an unknown one are failures."""
    assert [False] == [ok for ok, line in lines("bounce_status", bounce_status=name) if words in line]
    assert [] == [line for ok, line in lines("bounce_status", bounce_status="New") if ok is False]
