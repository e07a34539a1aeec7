"""What a request made is told from what others made: by its writer, its files, its words as they were sent."""

from typing import Any

import pytest

from redmine_mailbridge.redmine.requests import IssueRequest, NoteRequest, Upload

OWN, ANNA, BOB = 1, 5, 6
WRITERS = frozenset({OWN, ANNA})
FILE = Upload("12.abc", "a.txt", "text/plain")
ISSUE: dict[str, Any] = {
    "id": 30, "project": {"id": 7}, "author": {"id": ANNA}, "subject": "Hello", "description": "a\r\nb",
    "attachments": [], "custom_fields": [{"id": 9, "value": None}],
}  # fmt: skip


def request(subject: str = "Hello", text: str = "a\nb", *uploads: Upload, marker: str | None = None) -> IssueRequest:
    values = {"subject": subject, "description": text}
    return IssueRequest(7, values, "anna", ANNA, (9, marker) if marker else None, uploads)


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        ("Grüße", "Gru\u0308ße", True),
        ("a  b\n\nc", "a b c", True),
        ("so 😀 it", "so  it", True),
        ("so 😀 it", "so ? it", True),
        ("so 😀 it", "so ???? it", True),
        ("so 😀 it", "so", True),
        ("so 😀 it", "so i", False),
        ("so it", "so", False),
        ("😀", "?", True),
        ("😀", "", False),
        ("a", "A", False),
        ("a", None, False),
    ],
)
def test_alike(ours: str, theirs: str | None, same: bool) -> None:
    """Blanks, accents' form, and what a database makes of 4-byte characters are no difference; every letter is."""
    from redmine_mailbridge.redmine.text_cleaning import alike

    assert same == alike(ours, theirs)


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ({}, True),
        ({"author": {"id": OWN}}, True),
        ({"author": {"id": BOB}}, False),
        ({"author": None}, False),
        ({"project": {"id": 8}}, False),
        ({"subject": "Hello!"}, False),
        ({"description": "a"}, False),
        ({"created_on": "1999-01-01T00:00:00Z"}, True),
    ],
)
def test_same_issue(changed: dict[str, Any], same: bool) -> None:
    """Writer, project and words are the same; no time counts."""
    from redmine_mailbridge.redmine.recognise import same_issue

    issue = {name: value for name, value in {**ISSUE, **changed}.items() if value is not None}
    assert same == same_issue(request(), issue, WRITERS)


def test_files_and_markers_decide() -> None:
    """A request with files is told by these alone, and another mail's marker says that it is another mail's."""
    from redmine_mailbridge.redmine.recognise import bears, had_file, has_file, same_issue

    with_file = request("Hello", "a\nb", FILE)
    marked = {**ISSUE, "custom_fields": [{"id": 9, "value": "<other@x>"}]}
    deleted = {"details": [{"property": "attachment", "name": "12", "old_value": "a.txt", "new_value": None}], "id": 3}

    assert not same_issue(with_file, ISSUE, WRITERS)
    assert (False, True) == (
        has_file(with_file, ISSUE),
        has_file(with_file, {"attachments": [{"id": 12, "filename": "A.txt"}]}),
    )
    assert (False, True) == (had_file(with_file, ISSUE), had_file(with_file, {**ISSUE, "journals": [deleted]}))
    assert not has_file(with_file, {"attachments": [{"id": 12, "filename": "another.txt"}]})
    assert (None, None, False) == (
        bears(request(), marked), bears(request(marker="<m@x>"), ISSUE), bears(request(marker="<m@x>"), marked)
    )  # fmt: skip
    assert bears(request(marker="<other@x>"), marked)
    assert not same_issue(request(marker="<m@x>"), marked, WRITERS)


def test_as_made() -> None:
    """An issue's history tells what it was: of each attribute the value before the first change, in whatever order."""
    from redmine_mailbridge.redmine.recognise import as_made

    def change(number: int, name: str, old: str) -> dict[str, Any]:
        return {"id": number, "details": [{"property": "attr", "name": name, "old_value": old, "new_value": "x"}]}

    journals = [change(9, "subject", "Second"), change(4, "subject", "First"), change(5, "project_id", "3")]
    before = as_made({**ISSUE, "subject": "Third", "journals": journals})
    assert ("First", "a\r\nb", 3) == (before["subject"], before["description"], before["project"]["id"])


def journal(number: int, notes: str = "", user: int = ANNA, **more: Any) -> dict[str, Any]:
    return {"id": number, "notes": notes, "user": {"id": user}, "details": []} | more


def attribute(name: str, value: object, of: str = "attr") -> dict[str, Any]:
    return {"details": [{"property": of, "name": name, "old_value": None, "new_value": value}]}


FOUND = [
    pytest.param({"notes": "Hi"}, [journal(3, "Hi"), journal(2, "Hi")], 2, id="the first of two"),
    pytest.param({"notes": "Hi"}, [journal(2, "Hi", BOB)], None, id="another writer"),
    pytest.param({"notes": "Hi"}, [journal(2, "Ho"), journal(3, " Hi ")], 3, id="alike"),
    pytest.param({"notes": "Hi"}, [journal(2, "Ho")], None, id="other words"),
    pytest.param({"notes": "Hi"}, [journal(2, "Ho", updated_by={"id": BOB})], 2, id="edited"),
    pytest.param({"notes": "Hi"}, [journal(2, "A", updated_by={"id": BOB}), journal(3, "B")], None, id="which one?"),
    pytest.param({"status_id": 3}, [journal(2, **attribute("status_id", "3"))], 2, id="an attribute"),
    pytest.param({"status_id": 3}, [journal(2, **attribute("status_id", "4"))], None, id="another value"),
    pytest.param({"parent_issue_id": 3}, [journal(2, **attribute("parent_id", "3"))], 2, id="the parent"),
    pytest.param({"estimated_hours": 2}, [journal(2, **attribute("estimated_hours", "2.0"))], 2, id="hours"),
    pytest.param(
        {"custom_fields": [{"id": 5, "value": "x"}]}, [journal(2, **attribute("5", "x", "cf"))], 2, id="a custom field"
    ),
]


@pytest.mark.parametrize(("attributes", "journals", "found"), FOUND)
def test_find_journal(attributes: dict[str, Any], journals: list[dict[str, Any]], found: int | None) -> None:
    """A note is its writer's with the same words, or the one that is known to be edited; else what it changed."""
    from redmine_mailbridge.redmine.recognise import find_journal

    there = find_journal([NoteRequest(30, 7, attributes, "anna", ANNA)], journals, WRITERS, taken=False)
    assert found == (None if there is None else there[1]["id"])


def test_find_journal_by_file_form_and_reply() -> None:
    """Files come first, each form that was sent counts, and what Redmine took is there in whatever words."""
    from redmine_mailbridge.redmine.recognise import find_journal

    sent, simple = (NoteRequest(30, 7, {"notes": text}, "anna", ANNA) for text in ("Hi 😀", "Hi :grinning_face:"))
    with_file = NoteRequest(30, 7, {"notes": "Hi"}, "anna", ANNA, (FILE,))
    files = attribute("12", "a.txt", "attachment")

    assert (sent, 2) == ids(find_journal([simple, sent], [journal(2, "Hi 😀")], WRITERS, taken=False))
    assert (with_file, 3) == ids(
        find_journal([with_file], [journal(2, "Hi"), journal(3, "Edited", BOB, **files)], WRITERS, taken=False)
    )
    assert find_journal([with_file], [journal(2, "Hi")], WRITERS, taken=False) is None
    assert (sent, 2) == ids(find_journal([sent], [journal(2, "Hello, says a plugin")], WRITERS, taken=True))
    assert find_journal([sent], [journal(2, "A"), journal(3, "B")], WRITERS, taken=True) is None
    assert find_journal([sent], [journal(2, "A", BOB)], WRITERS, taken=True) is None


def ids(found: tuple[NoteRequest, Any] | None) -> tuple[NoteRequest, int] | None:
    return None if found is None else (found[0], found[1]["id"])
