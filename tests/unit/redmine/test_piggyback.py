"""A field that goes along with a request never makes it fail."""

from collections.abc import Mapping
from typing import Any

import pytest

from redmine_mailbridge.errors import RedmineRefused, RedmineUnclear
from redmine_mailbridge.redmine.piggyback import CustomFieldValue, send_with_field

BODY: dict[str, Any] = {"issue": {"notes": "A note.", "custom_fields": [{"id": 4, "value": "x"}]}}
FIELD = {"id": 9, "value": "today"}


class Due:
    """A field that is due, or none; keeps what became of it."""

    def __init__(self, field: CustomFieldValue | None) -> None:
        self.field = field
        self.rejected: list[str] = []

    def due(self, issue: int, *, alone: bool = False) -> CustomFieldValue | None:
        assert (5, False) == (issue, alone)
        return self.field

    def confirm(self, issue: int, issue_data: Mapping[str, Any]) -> None:
        raise AssertionError((issue, issue_data))

    def reject(self, issue: int, why: str) -> None:
        self.rejected.append(f"{issue}: {why}")

    def set_aside(self, issue: int) -> None:
        assert 5 == issue
        self.field = None


def sent(piggyback: Due, *errors: Exception) -> list[Any]:
    """What was sent: the first requests end in these errors."""
    bodies: list[Any] = []
    left = list(errors)

    def send(body: Mapping[str, Any]) -> None:
        bodies.append(body)
        if left:
            raise left.pop(0)

    send_with_field(piggyback, 5, BODY, send)
    return bodies


def test_it_goes_along() -> None:
    """The field is added to those of the request; what is not due is not."""
    (body,) = sent(Due(FIELD))
    assert {"notes": "A note.", "custom_fields": [{"id": 4, "value": "x"}, FIELD]} == body["issue"]
    assert [BODY] == sent(Due(None))
    assert [BODY] == sent(Due({"id": 4, "value": "y"}))  # the request sets it itself
    assert 1 == len(BODY["issue"]["custom_fields"])


def test_a_refusal_costs_the_field_only() -> None:
    """Where Redmine refuses both, the request is sent without the field, and the field is recorded as refused."""
    due = Due(FIELD)
    assert BODY == sent(due, RedmineRefused("Last answer is invalid"))[-1]
    assert ["5: Last answer is invalid"] == due.rejected


@pytest.mark.parametrize(
    "errors",
    [
        [RedmineRefused("one"), RedmineRefused("Subject cannot be blank")],
        [RedmineRefused("gone", status=404)],
        [RedmineUnclear("504")],
    ],
)
def test_other_failures_are_the_requests_own(errors: list[Exception]) -> None:
    """What fails without the field too, or is no refusal of values, is raised, and does not count against the field."""
    due = Due(FIELD)
    with pytest.raises(type(errors[-1]), match=str(errors[-1])):
        sent(due, *errors)
    assert [] == due.rejected


@pytest.mark.fault("A36-2")
def test_a_failure_of_redmine_with_the_field() -> None:
    """After an internal error the field is set aside, so that the same request is repeated without it."""
    due = Due(FIELD)
    with pytest.raises(RedmineUnclear):
        sent(due, RedmineUnclear("internal error (500)", settle=False))
    assert [BODY] == sent(due)
    assert [] == due.rejected
