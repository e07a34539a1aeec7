"""From a part to a file of the issue: its name, its size and hash, and its bytes when they are wanted."""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import field
from functools import partial

from redmine_mailbridge.mail.mime import params, transfer_encoding
from redmine_mailbridge.mail.mime.encoded_words import decode_words, unfold
from redmine_mailbridge.mail.mime.filenames import TakenNames, extension, sniff
from redmine_mailbridge.mail.mime.header_block import read_fields
from redmine_mailbridge.mail.mime.headers import Headers
from redmine_mailbridge.mail.mime.structure import Part
from redmine_mailbridge.mail.mime.tnef import TnefFile, slice_of
from redmine_mailbridge.mail.mime.tnef_message import message_of
from redmine_mailbridge.model.mail import Attachment, LeftOut, ReadingOptions
from redmine_mailbridge.util.dataclass import dataclass

_HEAD = 64 * 1024
MAX_CALENDAR = 1024 * 1024
_CALENDARS = frozenset({"text/calendar", "application/ics"})
_MESSAGES = frozenset({"message/rfc822", "message/global", "message/news"})


@dataclass(slots=True)
class FilePart:
    """A part that becomes a file, before it has its final name. `chunks` yields its decoded bytes. `last` says that it
    reaches to the end of the mail: where only the beginning was loaded, it is cut.
    """

    proposed_name: str
    content_type: str
    chunks: Callable[[], Iterator[bytes]] = field(repr=False)
    content_id: str = ""
    location: str = ""
    inline: bool = False
    last: bool = False


def disposition(part: Part, fallback: str = "") -> tuple[str, dict[str, str]]:
    """Given a part, return its Content-Disposition, lower case ("" for none), and its parameters."""
    raw = part.raw("content-disposition")
    return params.parse(unfold(raw, fallback)) if raw else ("", {})


def sent_name(part: Part, fallback: str = "") -> str:
    """Given a part, return the file name that it was sent with, decoded, "" for none."""
    _, parameters = disposition(part, fallback)
    name = parameters.get("filename") or parameters.get("name")
    if not name:
        raw = part.raw("content-type")
        name = (
            params.parse(unfold(raw, fallback))[1].get("name", "")
            if raw and not raw.isascii()
            else part.params.get("name", "")
        )
    return decode_words(name or "").strip()


def encoding_of(part: Part) -> str:
    """Given a part, return the transfer encoding to undo, "" for none."""
    declared = part.raw("content-transfer-encoding").decode("ascii", "replace")
    return transfer_encoding.encoding_of(part.buffer, part.body, part.end, declared)


def reader(part: Part) -> Callable[[], Iterator[bytes]]:
    """Given a leaf, return the function that yields its decoded bytes."""
    return partial(transfer_encoding.chunks, part.buffer, part.body, part.end, encoding_of(part))


def whole(part: Part) -> Callable[[], Iterator[bytes]]:
    """Given a part, return the function that yields it unchanged from the message, its header block included."""
    return partial(transfer_encoding.chunks, part.buffer, part.start, part.end, "")


def start_of(chunks: Callable[[], Iterator[bytes]], size: int) -> bytes:
    """Given the function that yields a file's bytes, return at most the first `size` of them."""
    beginning = b""
    for piece in chunks():
        beginning += piece[: size - len(beginning)]
        if len(beginning) >= size:
            break
    return beginning


def file_of(part: Part, fallback: str = "") -> FilePart:
    """Given a leaf that is not text of the mail, return it as a file."""
    kind = part.kind
    head, _ = disposition(part, fallback)
    chunks = reader(part)
    name = sent_name(part, fallback)
    if kind.startswith("multipart/"):
        kind, chunks = "message/rfc822", whole(part)
    elif kind in _MESSAGES:
        name = _message_name(name, chunks)
    elif kind == "application/applefile" and name:
        name = f"._{name}"
    elif part.rest:
        name = "rest-of-mail.txt"
    kind = sniff(kind, start_of(chunks, 16)) if kind.startswith("application/") else kind
    identity = unfold(part.raw("content-id"), fallback).strip("<> ")
    location = unfold(part.raw("content-location"), fallback).strip('<>" ')
    if not name and kind.startswith("image/") and location and ":" not in location and len(location) < 200:
        name = location
    if not name and kind.partition("/")[0] in {"message", "image", "audio", "video"}:
        name = _described(part, kind, fallback)
    return FilePart(
        name, kind, chunks, identity, location, head == "inline" or bool(identity), part.end >= len(part.buffer)
    )


def _described(part: Part, kind: str, fallback: str) -> str:
    """Given a part without a name, return one made of its Content-Description, "" when it has none that fits."""
    words = decode_words(unfold(part.raw("content-description"), fallback))
    if not words or len(words) > 100:
        return ""
    return words if words.lower().endswith(extension(kind)) else words + extension(kind)


def file_of_tnef(enclosed: TnefFile, chunks: Callable[[], Iterator[bytes]]) -> FilePart | None:
    """Given a file within a winmail.dat and the winmail.dat's own bytes, return it as a file.

    None when it is an item of Outlook's own that no file can say.
    """
    own = partial(slice_of, chunks, enclosed.start, enclosed.size)
    if enclosed.embedded:
        message = message_of(own)
        return None if message is None else FilePart(_message_name(enclosed.name, message), "message/rfc822", message)
    kind = enclosed.content_type or "application/octet-stream"
    return FilePart(
        enclosed.name, sniff(kind, start_of(own, 16)), own, enclosed.content_id, "", bool(enclosed.content_id)
    )


def file_of_bytes(name: str, data: bytes) -> FilePart:
    """Given a file that stood within a text, and its bytes, return it as a file."""
    return FilePart(name, sniff("application/octet-stream", data[:16]), lambda: iter((data,)))


def _message_name(name: str, chunks: Callable[[], Iterator[bytes]]) -> str:
    """Given an enclosed mail and the name it was sent with, return the name of its file: by its own subject."""
    if not name:
        head = start_of(chunks, _HEAD).lstrip(b"\r\n")
        name = Headers(read_fields(head, 0, len(head))[0]).best("subject")[:150]
    name = re.sub(r"[/\\]+", "_", name)
    return name + ".eml" if name and not name.lower().endswith((".eml", ".msg", ".mht")) else name


def attach(file: FilePart, names: TakenNames, options: ReadingOptions) -> Attachment | LeftOut:
    """Given a file, return it as an attachment under its final name, or why it is left out.

    Its bytes are read once, in pieces, for the size and the hash.
    """
    digest = hashlib.sha256()
    size = 0
    for piece in file.chunks():
        digest.update(piece)
        size += len(piece)
    name = names.take(file.proposed_name, file.content_type)
    if not size:
        return LeftOut(name, "it is empty")
    if any(pattern.search(name) or pattern.search(file.proposed_name) for pattern in options.excluded_names):
        return LeftOut(name, "its name is excluded by the settings")
    if options.truncated and file.last:
        return LeftOut(name, "only the beginning of the mail was read, so this file was not loaded whole")
    if options.max_attachment and size > options.max_attachment:
        return LeftOut(name, f"its {size} bytes are more than the {options.max_attachment} that are allowed")
    return Attachment(
        name, file.content_type, size, digest.hexdigest(), file.inline, file.chunks, file.content_id or None
    )


def without_copies(files: list[FilePart]) -> list[FilePart]:
    """Given the files of a mail, return them without a duplicate invitation.

    Calendars send it as an alternative of the text and as a file; the one with a name is kept.
    """
    kept: dict[bytes, FilePart] = {}
    distinct: list[FilePart] = []
    for file in files:
        if file.content_type not in _CALENDARS:
            distinct.append(file)
            continue
        content = b"".join(start_of(file.chunks, MAX_CALENDAR).split())
        first = kept.get(content)
        if first is None:
            kept[content] = file
            distinct.append(file)
        elif not first.proposed_name and file.proposed_name:
            distinct[distinct.index(first)] = file
            kept[content] = file
    return distinct
