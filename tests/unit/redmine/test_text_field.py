"""Which custom fields can hold a text in issues of a tracker, as far as the API shows that."""

import pytest

from redmine_mailbridge.model.facts import FieldKind, Project
from redmine_mailbridge.redmine.text_field import TextField, text_field

KINDS = {
    5: FieldKind("string", trackers=frozenset({1}), max_length=60),
    6: FieldKind("list", trackers=frozenset({1})),
    7: FieldKind("text", trackers=frozenset({2})),
}
FIELDS = {"last answer": 5, "state": 6, "long": 7, "unknown": 8}
PROJECT = Project(7, "desk", "Desk", trackers={"bug": 1, "task": 2}, custom_fields=FIELDS, kinds=KINDS)


@pytest.mark.parametrize(
    ("name", "tracker", "expected"),
    [
        ("Last answer", "Bug", TextField(5, 60)),
        ("5", "Bug", TextField(5, 60)),
        ("Unknown", "Bug", TextField(8)),
        ("Long", "Task", TextField(7)),
        ("Last answer", "of another project", TextField(5, 60)),
        ("Last answer", "Task", 'custom field "Last answer" is not enabled for the tracker Task'),
        ("State", "Bug", 'custom field "State" has the format list: it must be a text'),
        ("99", "Bug", 'custom field "99" does not exist in project desk'),
    ],
)
def test_fields(name: str, tracker: str, expected: TextField | str) -> None:
    """A text of the tracker is a field, by name or id; what the key does not show is no obstacle; the rest says why."""
    assert expected == text_field(name, PROJECT, tracker)


def test_a_name_that_is_nearly_right() -> None:
    """What was probably meant is named."""
    said = text_field("Last anser", PROJECT, "Bug")
    assert isinstance(said, str)
    assert 'did you mean "last answer"?' in said.lower()


def test_a_project_that_is_not_shown() -> None:
    """Without the project nothing is known."""
    assert "Redmine does not show the project" == text_field("Last answer", None, "Bug")
