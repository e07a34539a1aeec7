"""Making a request fit into Redmine's limits without losing anything: what does not fit becomes a file. Pure."""

import hashlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from typing import Any, TypeVar

from redmine_mailbridge.errors import RedmineError
from redmine_mailbridge.mail.message import Attachment
from redmine_mailbridge.redmine.request import IssueRequest, NoteRequest
from redmine_mailbridge.redmine.text import (
    cut_line,
    cut_text,
    has_wide,
    without_wide,
)
from redmine_mailbridge.routing.text import MAX_SUBJECT, size_in_redmine

R = TypeVar("R", IssueRequest, NoteRequest)
PIECE = 1024 * 1024
CUT_MARK = "\n\n[…]"


def fit(request: R, limit: int) -> tuple[R, tuple[Attachment, ...], tuple[str, ...]]:
    """Given a request and the most bytes a text may have (0: any), return one that fits, files to upload with it, and
    notes.

    A subject, a description or a note that is too long is cut and goes along whole as a file, whose name none of the
    request's files has; but not that of a private note, whose files Redmine shows to everybody. Each note is one
    English line for the mail's record. This is the only place that cuts.
    """
    attributes = dict(request.attributes)
    field = "description" if isinstance(request, IssueRequest) else "notes"
    taken = {upload.filename for upload in request.uploads}
    files: tuple[Attachment, ...] = ()
    said: tuple[str, ...] = ()
    subject = str(attributes.get("subject", ""))
    if len(subject) > MAX_SUBJECT:
        attributes["subject"] = cut_line(subject)
        files += (text_file(free_name("mail-subject.txt", taken), subject),)
        said += (f"the subject has {len(subject)} characters: cut to {MAX_SUBJECT}, whole in a file",)
    text = str(attributes.get(field, ""))
    size = size_in_redmine(text)
    if limit and size > limit:
        attributes[field] = cut_text(text, max(0, limit - size_in_redmine(CUT_MARK))) + CUT_MARK
        if isinstance(request, NoteRequest) and request.private:
            where = "whole in the mail only, since everybody would see the file of a private note"
        else:
            files += (text_file(free_name("mail-text.txt", taken), text),)
            where = "whole in a file"
        said += (f"the text has {size} bytes: cut to {limit}, {where}",)
    return replace(request, attributes=attributes), files, said


def text_file(name: str, text: str) -> Attachment:
    """Given a name and a text, return the text as a file in UTF-8."""
    data = text.encode("utf-8", "replace")

    def chunks() -> Iterator[bytes]:
        yield from (data[at : at + PIECE] for at in range(0, len(data), PIECE))

    return Attachment(name, "text/plain; charset=utf-8", len(data), hashlib.sha256(data).hexdigest(), False, chunks)


def free_name(name: str, taken: Collection[str]) -> str:
    """Given a file name and those that are taken, return it, with a number where it is one of them."""
    base, number = name.removesuffix(".txt"), 1
    while name in taken:
        number += 1
        name = f"{base}-{number}.txt"
    return name


def may_be_wide(request: IssueRequest | NoteRequest, error: RedmineError) -> bool:
    """Given a request and how it failed, may an old MySQL have refused its 4-byte characters?

    It says "Incorrect string value" where the message comes through, and 500 where not; the request must hold such
    a character, and after a 500 nothing may have been found by a look.
    """
    return any(has_wide(text) for text in _texts(request.attributes)) and (
        "incorrect string value" in str(error).lower() or "(500)" in str(error)
    )


def narrowed(request: R) -> R:
    """Given a request, return it without characters of 4 bytes: symbols are named (":grinning_face:")."""
    attributes = _map(request.attributes, without_wide)
    if "subject" in attributes:
        attributes["subject"] = cut_line(attributes["subject"])
    uploads = tuple(replace(u, filename=without_wide(u.filename)) for u in request.uploads)
    return replace(request, attributes=attributes, uploads=uploads)


def softened(request: R, names: Collection[str]) -> R:
    """Given a request and the attributes that are to go, return it without them; the marker stays."""
    attributes = {name: value for name, value in request.attributes.items() if name not in names}
    marker = request.marker if isinstance(request, IssueRequest) else None
    if "custom_fields" in names and marker is not None:
        attributes["custom_fields"] = [{"id": marker[0], "value": marker[1]}]
    return replace(request, attributes=attributes)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
    elif hasattr(value, "values"):
        for item in value.values():
            yield from _texts(item)


def _map(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list | tuple):
        return [_map(item, change) for item in value]
    if hasattr(value, "items"):
        return {key: _map(item, change) for key, item in value.items()}
    return value
