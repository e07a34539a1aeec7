"""The pure parts: texts that fit, requests that are stored, mismatches, rights."""

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redmine_mailbridge.errors import RedmineRefused, RedmineUnclear
from redmine_mailbridge.model.facts import Issue, Project
from redmine_mailbridge.model.plan import Action, IssueFields, Plan
from redmine_mailbridge.policy.issue_text import size_in_redmine
from redmine_mailbridge.redmine.requests import IssueRequest, NoteRequest, Upload, issue_request, note_request
from redmine_mailbridge.redmine.rights import Rights, Role, allowed, sees
from redmine_mailbridge.redmine.size_limits import (
    free_name,
    may_contain_4byte_chars,
    pieces,
    truncate,
    without_4byte_chars,
)
from redmine_mailbridge.redmine.text_cleaning import clean, clean_line, cut_text, same_text, without_wide
from redmine_mailbridge.redmine.verification import author_mismatches, issue_mismatches
from redmine_mailbridge.redmine.writer import short_name

PROJECT = Project(7, "support", "Support")
UPLOAD = Upload("12.abc", "a.txt", "text/plain")


# ---------------------------------------------------------------------------------------------- texts


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [("a\nb", "a\r\nb", True), ("a\r\nb\n\n", "a\r\nb", True), ("a \nb", "a\r\nb", False), ("", None, True),
     (" a", "a", False), ("a\0b", "ab", True), ("Ä", "ä", False), ("a\rb", "a\nb", True)],
)  # fmt: skip
def test_same_text(ours: str, theirs: str | None, same: bool) -> None:
    """Line ends and blanks at the very end make no difference, everything else does."""
    assert same == same_text(ours, theirs)


def test_clean() -> None:
    """What no database takes is gone, tabs and lines stay, and an emoji is a whole character."""
    assert "a\tb\nc😀\ufffd" == clean("a\tb\r\nc\0\x07😀\udc80")
    assert "a b c" == clean_line("  a\r\n b\u2028c\0 ")


@pytest.mark.parametrize("most", range(60))
def test_cut_text(most: int) -> None:
    """However small the room, the cut text is a beginning of the whole and fits, line ends counted as CRLF."""
    text = "Zeile eins\nZwei ü 😀\nDrei\n\nvier"
    part = cut_text(text, most)
    assert text.startswith(part)
    assert size_in_redmine(part) <= most


def test_wide() -> None:
    """Characters that an old MySQL refuses are named where they are symbols, and marked where not."""
    assert "a:grinning_face:\ufffd€" == without_wide("a😀𠀋€")


def test_short_name() -> None:
    """A file name keeps its extension when it is cut, and is never empty."""
    assert ("x" * 251 + ".txt", "file", "x" * 255) == (
        short_name("x" * 300 + ".txt"),
        short_name("\0"),
        short_name("x" * 300),
    )


# ---------------------------------------------------------------------------------------------- requests


def plan(**more: Any) -> Plan:
    values = {"action": Action.CREATE, "reason": "a test", "project": "support", "text": "text"} | more
    return Plan(**values)


def test_issue_request() -> None:
    """A plan becomes what the API takes: only what is set, dates as ISO, the marker in its field over others."""
    fields = IssueFields(
        subject=" a\n b ", status_id=3, is_private=False, start_date=dt.date(2031, 2, 3),
        custom_fields=((5, "x\0"), (6, ("a", "b")), (9, "old")),
    )  # fmt: skip
    request = issue_request(plan(fields=fields, marker="<m@x>", act_as="anna"), PROJECT, (UPLOAD,), marker_field=9)
    assert {
        "project_id": 7, "subject": "a b", "description": "text", "status_id": 3, "is_private": False,
        "start_date": "2031-02-03",
        "custom_fields": [{"id": 5, "value": "x"}, {"id": 6, "value": ["a", "b"]}, {"id": 9, "value": "<m@x>"}],
    } == dict(request.attributes)  # fmt: skip
    assert [{"token": "12.abc", "filename": "a.txt", "content_type": "text/plain"}] == request.body()["issue"][
        "uploads"
    ]
    assert ((9, "<m@x>"), "anna", {12}) == (request.marker, request.as_login, request.upload_ids)


@pytest.mark.parametrize("subject", [None, "", " \n\0"])
def test_no_subject(subject: str | None) -> None:
    """Redmine takes no issue without a subject, so every issue has one."""
    assert "(no subject)" == issue_request(plan(fields=IssueFields(subject=subject)), PROJECT).attributes["subject"]


def test_stored_requests() -> None:
    """A request comes out of the store as it went in, tokens and all."""
    fields = IssueFields(subject="s ü", custom_fields=((6, ("a", "b")),))
    issue = issue_request(plan(fields=fields, marker="m"), PROJECT, (UPLOAD,), author_id=3, marker_field=9)
    note = note_request(plan(issue=4, private_note=True, fields=fields), PROJECT, (UPLOAD,), author_id=3)
    assert (issue, note) == (IssueRequest.from_json(issue.to_json()), NoteRequest.from_json(note.to_json()))
    assert "\n" not in issue.to_json()


# ---------------------------------------------------------------------------------------------- limits


def test_what_fits_is_left_alone() -> None:
    """A request within the limits stays as it is."""
    request = issue_request(plan(fields=IssueFields(subject="s" * 255)), PROJECT)
    assert (request, ()) == truncate(request, 65_535) == truncate(request, 0)


def test_long_note() -> None:
    """A note beyond the limit is cut, and is to go along whole as a file, or with its rest in a further note."""
    text = "".join(f"ü {number}\n" for number in range(100))
    request, (cut,) = truncate(note_request(plan(issue=4, text=text), PROJECT), limit=100)
    assert size_in_redmine(request.notes) <= 100
    assert request.notes.endswith("\n\n[…]")
    assert cut.file is not None
    assert ("mail-text.txt", text.encode()) == (cut.file.name, b"".join(cut.file.chunks()))
    assert len(b"".join(cut.file.chunks())) == cut.file.size
    assert text.split() == [*request.notes.removesuffix("[…]").split(), *cut.rest.split()]


def test_an_ending_that_stays() -> None:
    """What the bridge adds behind a text stands in the note, however long the text is, if it is not too long itself."""
    ending = "Not attached:\n\n* `a.exe`"
    text = "".join(f"line {number}\n" for number in range(1000)) + f"\n\n{ending}"
    request, (cut,) = truncate(note_request(plan(issue=4, text=text), PROJECT), 500, ending)
    assert request.notes.endswith(f"\n\n[…]\n\n{ending}")
    assert size_in_redmine(request.notes) <= 500
    whole = [*request.notes.removesuffix(f"[…]\n\n{ending}").split(), *cut.rest.split(), *ending.split()]
    assert text.split() == whole
    request, (cut,) = truncate(note_request(plan(issue=4, text="x" * 80 + "\n\n" + "y" * 80), PROJECT), 100, "y" * 80)
    assert request.notes.startswith("x" * 80)
    assert 80 == (request.notes + cut.rest).count("y")


@given(st.text("a\nü\U0001f600 ", max_size=300), st.integers(0, 60))
def test_pieces(text: str, limit: int) -> None:
    """A text in pieces is whole, and none is larger than the limit allows."""
    found = pieces(text, limit)
    assert "".join(text.split()) == "".join("".join(found).split())
    assert all(size_in_redmine(piece) <= max(limit, 4) for piece in found) or not limit


def test_long_private_note() -> None:
    """A private note that is too long is cut, and makes no file, which everybody would see."""
    request, (cut,) = truncate(NoteRequest(7, 12, {"notes": "x" * 300, "private_notes": True}), 200)
    assert (True, None) == (request.notes.startswith("xxx"), cut.file)
    assert len(request.notes) <= 200
    assert 300 == (request.notes + cut.rest).count("x")


def test_the_whole_is_a_file_of_its_own_name() -> None:
    """What is cut becomes a file, never under a name that the mail has used."""
    assert ["a.txt", "b-2.txt", "b-3.txt"] == [
        free_name("a.txt", {"b.txt"}),
        free_name("b.txt", {"b.txt"}),
        free_name("b.txt", {"b.txt", "b-2.txt"}),
    ]
    used = Upload("1.x", "mail-text.txt", "text/plain")
    _request, cuts = truncate(note_request(plan(issue=4, text="x" * 300), PROJECT, (used,)), limit=100)
    assert ["mail-text-2.txt"] == [cut.file.name for cut in cuts if cut.file is not None]


@pytest.mark.parametrize(
    ("text", "error", "expected"),
    [("😀", RedmineUnclear("POST x: internal error (500)", settle=False), True),
     ("a", RedmineUnclear("POST x: internal error (500)", settle=False), False),
     ("😀", RedmineRefused("Redmine refused: Incorrect string value: '\\xF0'"), True),
     ("😀", RedmineRefused("Redmine refused: Subject cannot be blank"), False)],
)  # fmt: skip
def test_old_mysql(text: str, error: Any, expected: bool) -> None:
    """Only a request with a 4-byte character, and only such failures, are worth a try without them."""
    request = issue_request(plan(text="x", fields=IssueFields(subject="s", custom_fields=((5, text),))), PROJECT)
    assert expected == may_contain_4byte_chars(request, error)


def test_narrowed() -> None:
    """Every text of a request is narrowed, names of files too, and the subject still fits."""
    fields = IssueFields(subject="😀" * 200, custom_fields=((5, "𠀋"),))
    request = issue_request(plan(text="😀", fields=fields), PROJECT, (Upload("1.a", "😀.txt", "text/plain"),))
    after = without_4byte_chars(request)
    assert 255 == len(after.attributes["subject"])
    assert (":grinning_face:", "\ufffd") == (
        after.attributes["description"], after.attributes["custom_fields"][0]["value"]
    )  # fmt: skip
    assert (":grinning_face:.txt", "1.a") == (after.uploads[0].filename, after.uploads[0].token)


# ----------------------------------------------------------------------------------------- mismatches

FOUND: dict[str, Any] = {
    "project": {"id": 7, "name": "Support"}, "status": {"id": 1, "name": "New"}, "subject": "s",
    "description": "a\r\nb", "is_private": False, "start_date": "2031-02-03", "estimated_hours": 1.5, "done_ratio": 0,
    "custom_fields": [{"id": 5, "value": "x"}, {"id": 6, "value": ["b", "a"]}, {"id": 8, "value": None}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "lines"),
    [
        ({"project_id": 7, "status_id": 1, "subject": "s", "description": "a\nb", "start_date": "2031-02-03"}, []),
        ({"estimated_hours": 1.5, "custom_fields": [{"id": 5, "value": "x"}, {"id": 6, "value": ["a", "b"]}]}, []),
        ({"custom_fields": [{"id": 8, "value": ""}]}, []),
        ({"status_id": 5}, ["requested status 5, has New (1)"]),
        ({"assigned_to_id": 3}, ["requested assigned to 3, has none"]),
        ({"is_private": True}, ["requested is_private True, has False"]),
        ({"project_id": 8}, ["requested project 8, has Support (7)"]),
        ({"description": "a b"}, ["the description is not as it was sent"]),
        ({"estimated_hours": 2}, ["requested 2 estimated hours, has 1.5"]),
        ({"custom_fields": [{"id": 5, "value": "y"}]}, ["custom field 5 rejected its value"]),
        ({"custom_fields": [{"id": 4, "value": "y"}]},
         ["custom field 4 was dropped: not enabled for this project and tracker, or not allowed"]),
    ],
)  # fmt: skip
def test_mismatches(asked: dict[str, Any], lines: list[str]) -> None:
    """Each attribute that is not as asked is one line, and what is as asked is none."""
    assert lines == [str(mismatch) for mismatch in issue_mismatches(asked, FOUND)]


def test_author_mismatches() -> None:
    """Another author than the one asked for is told, by name."""
    assert () == author_mismatches(3, "anna", {"id": 3, "name": "Anna"})
    assert () == author_mismatches(None, None, {"id": 1, "name": "Admin"})
    assert ["written by Admin (1) instead of anna (user 3)"] == [
        str(d) for d in author_mismatches(3, "anna", {"id": 1, "name": "Admin"})
    ]


# ---------------------------------------------------------------------------------------------- rights

ALL = Role(3, "Manager", frozenset({"view_issues", "add_issues"}), "all")
DEFAULT = Role(1, "Non member", frozenset({"view_issues", "add_issues"}), "default")
OWN = Role(5, "Reporter", frozenset({"view_issues"}), "own")
BLIND = Role(6, "Blind", frozenset({"add_issues"}), "all")


@pytest.mark.parametrize(
    ("role", "issue", "seen"),
    [
        (ALL, Issue(1, "p", "s", private=True), True),
        (DEFAULT, Issue(1, "p", "s"), True),
        (DEFAULT, Issue(1, "p", "s", private=True), False),
        (DEFAULT, Issue(1, "p", "s", private=True, author_id=9), True),
        (OWN, Issue(1, "p", "s"), False),
        (OWN, Issue(1, "p", "s", author_id=9), True),
        (OWN, Issue(1, "p", "s", assigned_to_id=9), True),
        (OWN, Issue(1, "p", "s", assigned_to_id=40), True),
        (BLIND, Issue(1, "p", "s"), False),
    ],
)
def test_sees(role: Role, issue: Issue, seen: bool) -> None:
    """An issue is seen as the role's visibility says: all, all but private ones, or one's own and one's groups'."""
    assert seen == sees(Rights(9, groups=frozenset({40})), issue, PROJECT, [role])
    assert False is sees(Rights(9, active=False), issue, PROJECT, [role])
    assert True is sees(Rights(9, admin=True), issue, PROJECT, [])


@pytest.mark.parametrize(
    ("project", "permission", "expected"),
    [
        (PROJECT, "add_issues", True),
        (PROJECT, "edit_issues", False),
        (Project(7, "p", "P", active=False), "add_issues", False),
        (Project(7, "p", "P", active=False), "view_issues", True),
        (Project(7, "p", "P", issue_tracking=False), "add_issues", False),
    ],
)
def test_allowed(project: Project, permission: str, expected: bool) -> None:
    """A permission is of a role, in a project that is open and tracks issues; a closed one can be read."""
    assert expected == allowed(Rights(9), permission, project, [DEFAULT])


def test_roles_in() -> None:
    """A member has its own roles, others those that the project gives to others; who is not active has none."""
    rights, others = Rights(9, roles={7: frozenset({3, 4})}), frozenset({1})
    assert frozenset({3, 4}) == rights.roles_in(7, lambda: others)
    assert others == rights.roles_in(8, lambda: others)
    assert frozenset() == Rights(9, active=False, roles={7: frozenset({3})}).roles_in(7, lambda: others)
    assert frozenset() == Rights(9, active=False).roles_in(8, lambda: others)
