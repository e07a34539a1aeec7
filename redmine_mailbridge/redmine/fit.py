"""Making a request fit into Redmine's limits without losing anything: what does not fit becomes a file. Pure."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

from redmine_mailbridge.errors import RedmineError
from redmine_mailbridge.mail.message import Attachment
from redmine_mailbridge.redmine.request import IssueRequest, NoteRequest
from redmine_mailbridge.redmine.text import (
    DESCRIPTION_BYTES,
    SUBJECT_LENGTH,
    bytes_in_redmine,
    cut_line,
    cut_text,
    has_wide,
    without_wide,
)

R = TypeVar("R", IssueRequest, NoteRequest)
PIECE = 1024 * 1024
CUT_MARK = "\n\n[…]"


def fit(request: R, limit: int = DESCRIPTION_BYTES) -> tuple[R, tuple[Attachment, ...], tuple[str, ...]]:
    """Given a request and the most bytes a text may have, return one that fits, files to upload with it, and notes.

    A long subject is cut and stands whole above the description. A long description or note is cut and goes
    along whole as a file. Each note is one English line for the mail's record.
    """
    attributes = dict(request.attributes)
    field = "description" if isinstance(request, IssueRequest) else "notes"
    files: tuple[Attachment, ...] = ()
    said: tuple[str, ...] = ()
    subject = str(attributes.get("subject", ""))
    if len(subject) > SUBJECT_LENGTH:
        attributes["subject"] = cut_line(subject)
        attributes[field] = f"{subject}\n\n{attributes.get(field, '')}"
        said += (f"the subject has {len(subject)} characters: cut to {SUBJECT_LENGTH}, whole in the text",)
    text = str(attributes.get(field, ""))
    size = bytes_in_redmine(text)
    if size > limit:
        attributes[field] = cut_text(text, max(0, limit - bytes_in_redmine(CUT_MARK))) + CUT_MARK
        files += (text_file(f"{field}.txt", text),)
        said += (f"the text has {size} bytes: cut to {limit}, whole in the file {field}.txt",)
    return replace(request, attributes=attributes), files, said


def text_file(name: str, text: str) -> Attachment:
    """Given a name and a text, return the text as a file in UTF-8."""
    data = text.encode("utf-8", "replace")

    def chunks() -> Iterator[bytes]:
        yield from (data[at : at + PIECE] for at in range(0, len(data), PIECE))

    return Attachment(name, "text/plain; charset=utf-8", len(data), hashlib.sha256(data).hexdigest(), False, chunks)


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
