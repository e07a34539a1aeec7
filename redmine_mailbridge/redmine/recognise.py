"""Is this object in Redmine the result of that request? Its author and its files decide; text only confirms. Pure.

No time is compared: the caller knows from the number that an object was created after the request was sent.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from redmine_mailbridge.redmine.requests import IssueRequest, NoteRequest
from redmine_mailbridge.redmine.text_cleaning import alike, clean, cut_to_nothing, same_text, without_wide

ApiObject = Mapping[str, Any]
"""An issue or a journal, as the API returns it."""


def has_file(request: IssueRequest, issue: ApiObject) -> bool:
    """Is a file of the request attached? Each belongs to one upload, and Redmine assigns it to one issue or note
    only."""
    return _holds(request, {int(file["id"]): str(file.get("filename", "")) for file in issue.get("attachments", ())})


def had_file(request: IssueRequest, issue: ApiObject) -> bool:
    """Given an issue with its journals, did it have a file of the request that was deleted since?"""
    return any(_holds(request, _files(journal)) for journal in issue.get("journals", ()))


def bears(request: IssueRequest, issue: ApiObject) -> bool | None:
    """Does the issue have the request's marker? None if it has none, or the request has none."""
    if request.marker is None:
        return None
    number, value = request.marker
    there = next((str(f.get("value") or "") for f in issue.get("custom_fields", ()) if int(f["id"]) == number), "")
    return there == value if there else None


def same_issue(request: IssueRequest, issue: ApiObject, writers: Collection[int], *, closely: bool = True) -> bool:
    """Given a request without files and its possible authors, are project, author and text of the issue the same?

    `closely`: word for word; else as a database or a plugin may have changed them.
    """
    same = same_text if closely else _alike_or_cut
    return (
        not request.uploads
        and issue.get("author", {}).get("id") in writers
        and issue["project"]["id"] == request.project_id
        and bears(request, issue) is not False
        and same(request.attributes.get("subject"), issue.get("subject"))
        and same(request.attributes.get("description"), issue.get("description"))
    )


def same_but_for_text(request: IssueRequest, issue: ApiObject, writers: Collection[int]) -> bool:
    """Given a request without files and its possible authors, are project, author and subject of the issue the same,
    while Redmine dropped the text (the tracker has no description, or a workflow makes it read-only)?
    """
    words = {**request.attributes, "description": ""}
    empty = not str(issue.get("description") or "").strip() and not issue.get("attachments")
    return empty and same_issue(replace(request, attributes=words), issue, writers, closely=False)


def missing_text(sent: str, there: str | None) -> str:
    """Given a text as sent and as Redmine returns it, return what is missing: all of it, or the end, which a
    database has cut off; "" if it is complete, or reworded, as by a plugin.
    """
    ours, theirs = clean(sent).strip(), clean(there or "").strip()
    if not theirs:
        return ours
    return ours[len(theirs) :].strip("\n") if ours.startswith(theirs) else ""


def missing_files(request: IssueRequest | NoteRequest, issue: ApiObject) -> tuple[str, ...]:
    """Given a request and the issue with its history, return the names of the files that were never attached."""
    there = {int(file["id"]) for file in issue.get("attachments", ())}
    there |= {number for journal in issue.get("journals", ()) for number in _files(journal)}
    return tuple(upload.filename for upload in request.uploads if upload.id not in there)


def _alike_or_cut(ours: str | None, theirs: str | None) -> bool:
    """Are two texts of an issue alike? A description that starts with a 4-byte character may be cut to nothing; a
    note's text not: an empty text does not identify that note.
    """
    return alike(ours, theirs) or cut_to_nothing(ours, theirs)


def as_made(issue: ApiObject) -> ApiObject:
    """Given an issue with its journals, return it as it was before its text was changed or it was moved."""
    first: dict[str, Any] = {}
    for journal in sorted(issue.get("journals", ()), key=_number):
        for detail in journal.get("details", ()):
            if detail.get("property") == "attr":
                first.setdefault(str(detail.get("name")), detail.get("old_value"))
    before: dict[str, Any] = {**issue}
    before |= {name: first[name] for name in ("subject", "description") if name in first}
    if str(first.get("project_id", "")).isdecimal():
        before["project"] = {"id": int(first["project_id"])}
    return before


def find_journal(
    requests: Iterable[NoteRequest], journals: Iterable[ApiObject], writers: Collection[int], *, taken: bool
) -> tuple[NoteRequest, ApiObject] | None:
    """Given the forms in which a note was sent, and candidate journals (created since, not another message's), return
    the matching one with the form that Redmine accepted, or None.

    `taken`: Redmine confirmed the request, so that the only new note of its author is the one, whatever its
    text; else only if it is known to have been edited (Redmine 5.0 does not show that).
    """
    forms, ordered = list(requests), sorted(journals, key=_number)
    theirs = [journal for journal in ordered if journal.get("user", {}).get("id") in writers]
    for same in (_same_files, _same_words, _same_changes, _alike):
        for journal in ordered if same is _same_files else theirs:
            for form in forms:
                if same(form, journal):
                    return form, journal
    notes = [journal for journal in theirs if str(journal.get("notes") or "").strip()]
    if len(notes) == 1 and forms and forms[0].notes.strip() and (taken or notes[0].get("updated_by")):
        return forms[0], notes[0]
    return None


def _same_files(request: NoteRequest, journal: ApiObject) -> bool:
    return _holds(request, _files(journal))


def _same_words(request: NoteRequest, journal: ApiObject) -> bool:
    return bool(request.notes.strip()) and not request.uploads and same_text(request.notes, journal.get("notes"))


def _alike(request: NoteRequest, journal: ApiObject) -> bool:
    return bool(request.notes.strip()) and not request.uploads and alike(request.notes, journal.get("notes"))


def _same_changes(request: NoteRequest, journal: ApiObject) -> bool:
    """A request without text and files: is one of its attributes set? Redmine may have dropped others."""
    if request.notes.strip() or request.uploads:
        return False
    return not _asked(request).isdisjoint(
        (d.get("property"), str(d.get("name")), _value(d.get("new_value"))) for d in journal.get("details", ())
    )


def _asked(request: NoteRequest) -> set[tuple[str, str, str]]:
    """The attributes that the request sets, as journals name them."""
    plain = {name: value for name, value in request.attributes.items() if name not in _NO_CHANGE}
    changes = {("attr", _JOURNAL_NAMES.get(name, name), _value(value)) for name, value in plain.items()}
    return changes | {("cf", str(f["id"]), _value(f["value"])) for f in request.attributes.get("custom_fields", ())}


_NO_CHANGE = {"notes", "private_notes", "custom_fields"}
_JOURNAL_NAMES = {"parent_issue_id": "parent_id"}


def _value(value: Any) -> str:
    """Given a value as requested or in a journal, return its normal form: numbers by value, booleans as 1 and 0."""
    try:
        return str(float(value))
    except (TypeError, ValueError):
        return str(value)


def _files(journal: ApiObject) -> dict[int, str]:
    """The files in a journal by their ids: added with it, or deleted."""
    details = (detail for detail in journal.get("details", ()) if detail.get("property") == "attachment")
    names = {
        str(detail.get("name", "")): str(detail.get("new_value") or detail.get("old_value") or "") for detail in details
    }
    return {int(number): name for number, name in names.items() if number.isdecimal()}


def _holds(request: IssueRequest | NoteRequest, files: Mapping[int, str]) -> bool:
    """Is one of the request's files among these, by id and name? An id may be reused after a file was pruned."""
    return any(upload.id in files and _plain(upload.filename) == _plain(files[upload.id]) for upload in request.uploads)


def _plain(name: str) -> str:
    """A file name without the characters that Redmine replaces."""
    return "".join(char for char in without_wide(name).casefold() if char.isalnum())


def _number(thing: ApiObject) -> int:
    return int(thing["id"])
