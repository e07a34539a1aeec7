"""Fits a request into Redmine's limits without losing anything: what does not fit becomes a file. Pure."""

import hashlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from typing import Any, TypeVar

from redmine_mailbridge.errors import RedmineError
from redmine_mailbridge.model.mail import Attachment
from redmine_mailbridge.policy.issue_text import MAX_SUBJECT, size_in_redmine
from redmine_mailbridge.redmine.requests import IssueRequest, NoteRequest
from redmine_mailbridge.redmine.text_cleaning import cut_in_two, cut_line, has_wide, without_wide
from redmine_mailbridge.util.dataclass import dataclass

R = TypeVar("R", IssueRequest, NoteRequest)
PIECE = 1024 * 1024
CUT_MARK = "\n\n[…]"


@dataclass(frozen=True, slots=True)
class CutText:
    """A text that was cut. `file` contains all of it; None if everyone would see the file of a private text.
    `rest` is what the request lacks; for a subject that is all of it. `line` is one English line for the history.
    """

    field: str
    file: Attachment | None
    rest: str
    line: str


def truncate(request: R, limit: int, ending: str = "") -> tuple[R, tuple[CutText, ...]]:
    """Given a request, the maximum bytes of a text (0: unlimited) and the end of the text that must stay, return a
    request that fits, and the cuts.

    A subject, a description or a note that is too long is cut; all of it is attached as a file, whose name
    none of the request's files has, or the rest is added in further notes. This is the only place that cuts.
    """
    attributes = dict(request.attributes)
    field = "description" if isinstance(request, IssueRequest) else "notes"
    hidden = isinstance(request, NoteRequest) and request.private
    taken = {upload.filename for upload in request.uploads}
    cuts: tuple[CutText, ...] = ()
    subject = str(attributes.get("subject", ""))
    if len(subject) > MAX_SUBJECT:
        attributes["subject"] = cut_line(subject)
        file = None if hidden else text_file(free_name("mail-subject.txt", taken), subject)
        cuts += (CutText("subject", file, subject, f"the subject has {len(subject)} characters: cut to {MAX_SUBJECT}"),)
    text = str(attributes.get(field, ""))
    size = size_in_redmine(text)
    if limit and size > limit:
        attributes[field], rest = _cut(text, limit, ending)
        file = None if hidden else text_file(free_name("mail-text.txt", taken), text)
        cuts += (CutText(field, file, rest, f"the text has {size} bytes: cut to {limit}"),)
    return replace(request, attributes=attributes), cuts


def _cut(text: str, limit: int, ending: str) -> tuple[str, str]:
    """Given a text that is too long, return what fits, and the rest; an ending of up to half the limit stays."""
    end = f"\n\n{ending.strip()}" if ending.strip() else ""
    if not text.endswith(end) or size_in_redmine(end) > limit // 2:
        end = ""
    whole = text.removesuffix(end)
    kept, rest = cut_in_two(whole, max(0, limit - size_in_redmine(CUT_MARK) - size_in_redmine(end)))
    return kept + CUT_MARK + end, rest.strip("\n")


def pieces(text: str, limit: int) -> list[str]:
    """Given a text and the maximum bytes of a piece (0: unlimited), return the text in pieces, complete."""
    complete = []
    while limit and size_in_redmine(text) > limit:
        piece, rest = cut_in_two(text, max(limit, 4))
        if not piece or len(rest) >= len(text):
            piece, rest = text[:1], text[1:]
        complete.append(piece)
        text = rest
    return [*complete, text] if text.strip() or not complete else complete


def text_file(name: str, text: str) -> Attachment:
    """Given a name and a text, return the text as a file in UTF-8."""
    data = text.encode("utf-8", "replace")

    def chunks() -> Iterator[bytes]:
        yield from (data[at : at + PIECE] for at in range(0, len(data), PIECE))

    return Attachment(name, "text/plain; charset=utf-8", len(data), hashlib.sha256(data).hexdigest(), False, chunks)


def free_name(name: str, taken: Collection[str]) -> str:
    """Given a file name and existing ones, return it, with a number if it exists."""
    base, number = name.removesuffix(".txt"), 1
    while name in taken:
        number += 1
        name = f"{base}-{number}.txt"
    return name


def may_contain_4byte_chars(request: IssueRequest | NoteRequest, error: RedmineError) -> bool:
    """Given a request and its failure, may an old MySQL have rejected its 4-byte characters?

    It reports "Incorrect string value" if the message comes through, else 500; the request must contain such
    a character, and after a 500 recovery must have found nothing.
    """
    return any(has_wide(text) for text in _texts(request.attributes)) and (
        "incorrect string value" in str(error).lower() or "(500)" in str(error)
    )


def without_4byte_chars(request: R) -> R:
    """Given a request, return it without characters of 4 bytes: symbols are named (":grinning_face:")."""
    attributes = _map(request.attributes, without_wide)
    if "subject" in attributes:
        attributes["subject"] = cut_line(attributes["subject"])
    uploads = tuple(replace(u, filename=without_wide(u.filename)) for u in request.uploads)
    return replace(request, attributes=attributes, uploads=uploads)


def without_fields(request: R, names: Collection[str]) -> R:
    """Given a request and attributes to remove, return it without them; the marker stays."""
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
