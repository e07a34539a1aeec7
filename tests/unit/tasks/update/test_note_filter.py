"""What of an issue's history goes out by mail."""

from typing import Any

import pytest

from redmine_mailbridge.tasks.update.note_filter import (
    AgentNote,
    NoteMailPolicy,
    closes,
    commands_of,
    files_of_private,
    note_to_mail,
)

FILE = {"id": 7, "filename": "plan.txt"}


@pytest.mark.parametrize(
    ("notes", "journal", "expected"),
    [
        ("public_notes", {"notes": "Hi"}, AgentNote("Hi")),
        ("public_notes", {"notes": "/mail Hi"}, AgentNote("Hi")),
        ("marked", {"notes": "/mail Hi"}, AgentNote("Hi")),
        ("marked", {"notes": "Hi"}, "it does not start with /mail"),
        ("marked", {"notes": "/mail"}, "it has no text"),
        ("never", {"notes": "/mail Hi"}, "notes are not mailed"),
        ("public_notes", {"notes": "Hi", "private_notes": True}, "it is private"),
        ("marked", {"notes": "/mail Hi", "private_notes": True}, "it is private"),
        ("public_notes", {"notes": "/nomail\nHi"}, "it begins with /nomail"),
        ("marked", {"notes": "/mail /private Hi"}, "it begins with /private"),
        ("public_notes", {"notes": "    /cc kim@c.example"}, AgentNote("/cc kim@c.example")),
        ("public_notes", {"notes": "/cc kim@c.example\n\nHi"}, AgentNote("Hi")),
        ("marked", {"notes": "/cc kim@c.example\n/mail Hi"}, AgentNote("Hi")),
        ("marked", {"notes": "/cc kim@c.example\nHi"}, "it does not start with /mail"),
        ("public_notes", {"notes": "/cc kim@c.example"}, "it has no text"),
        ("public_notes", {"notes": "/requestor kim@c.example\nHi"}, "its commands contain an error"),
        ("public_notes", {"notes": " \n"}, "it has no text"),
        ("public_notes", {"notes": None}, "it has no text"),
    ],
)
def test_which_notes_go_out(notes: Any, journal: dict[str, Any], expected: AgentNote | str) -> None:
    """Public notes go as the setting says; a private one never, whatever it begins with."""
    mailing = NoteMailPolicy(notes=notes)
    assert expected == note_to_mail(mailing, journal, commands_of(journal, mailing), [])


def test_the_files_of_a_note() -> None:
    """The files that came with a note go with it, those of other notes do not."""
    details = [{"property": "attachment", "name": "7"}, {"property": "attr", "name": "status_id"}]
    journal, mailing = {"notes": "See", "details": details}, NoteMailPolicy("public_notes")
    found = note_to_mail(mailing, journal, commands_of(journal, mailing), [FILE, FILE | {"id": 8}])
    assert AgentNote("See", (FILE,)) == found


@pytest.mark.parametrize(
    ("old", "new", "closing"), [("1", "5", True), ("5", "6", False), ("5", "1", False), ("1", "2", False)]
)
def test_what_closes(old: str, new: str, closing: bool) -> None:
    """Closing is a change from an open status to a closed one."""
    detail = {"property": "attr", "name": "status_id", "old_value": old, "new_value": new}
    assert closing == closes({"details": [detail]}, frozenset({5, 6}))
    assert not closes({"details": [detail | {"name": "priority_id"}]}, frozenset({5, 6}))


def test_the_files_of_a_private_note_are_in_an_entry_before_it() -> None:
    """Redmine splits a private note: its files are those of the entry of the same author and second just before it; a
    note of somebody else, or another one with a text, has its own.
    """
    anna, then = {"id": 5, "name": "Anna"}, "2026-05-20T10:00:00Z"

    def entry(number: int, *names: str, **more: object) -> dict[str, object]:
        details = [{"property": "attachment", "name": name, "new_value": f"f{name}"} for name in names]
        return {"id": number, "user": anna, "created_on": then, "notes": "", "details": details} | more

    journals = [
        entry(1, "11"),
        entry(2, "12", notes="Public."),
        entry(3, "13", user={"id": 6, "name": "Bob"}),
        entry(4, "14"),
        entry(5, notes="/to sue@parts.example", private_notes=True),
        entry(6, "16"),
    ]
    attachments = [{"id": number} for number in range(11, 17)]
    issue_data = {"journals": journals, "attachments": attachments}
    assert [14] == [file["id"] for file in files_of_private(journals[4], issue_data)]
    alone = {"journals": [entry(5, "15", notes="/to x@y.example", private_notes=True)], "attachments": attachments}
    assert [15] == [file["id"] for file in files_of_private(alone["journals"][0], alone)]
