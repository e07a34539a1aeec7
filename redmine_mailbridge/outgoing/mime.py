"""The parts of a mail as bytes (RFC 2045, RFC 2046), and the look at a whole mail before it goes out. Pure."""

import base64
import binascii
import hashlib
import re
from collections.abc import Collection, Sequence
from pathlib import PurePosixPath

from redmine_mailbridge.errors import MailMalformed
from redmine_mailbridge.outgoing.header_encoding import LONGEST_LINE, one_line, parameters, unstructured
from redmine_mailbridge.util.dataclass import dataclass

_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}")
_FIELD = re.compile(rb"([!-9;-~]{1,76}):")
_UNSENT = {0: "?", 0x202D: None, 0x202E: None}
LONGEST_NAME = 200
"""Characters of a file name."""


@dataclass(frozen=True, slots=True)
class MimePart:
    """A part: its header fields and its encoded body, which ends with a line end."""

    fields: tuple[bytes, ...]
    body: bytes

    def as_bytes(self) -> bytes:
        """The part as it is embedded in another."""
        return b"".join(self.fields) + b"\r\n" + self.body


def text_part(text: str, subtype: str) -> MimePart:
    """Given a text and "plain" or "html", return its part in quoted-printable UTF-8; NUL and lone surrogates, which
    no mail may hold, become a question mark; overrides of direction, which show words in another order, are removed.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").translate(_UNSENT)
    data = binascii.b2a_qp(lines.encode("utf-8", "replace"), istext=True).replace(b"\n", b"\r\n")
    fields = (
        parameters("Content-Type", f"text/{subtype}", [("charset", "utf-8")]),
        unstructured("Content-Transfer-Encoding", "quoted-printable"),
    )
    return MimePart(fields, data if data.endswith(b"\r\n") else data + b"\r\n")


def file_part(name: str, content_type: str, content: bytes) -> MimePart:
    """Given a file, return it as an attachment. A type that is none, or would make a mail of it, is not repeated."""
    kind = content_type.partition(";")[0].strip().lower()
    if not _TYPE.fullmatch(kind) or kind.startswith(("message/", "multipart/")):
        kind = "application/octet-stream"
    fields = (
        unstructured("Content-Type", kind),
        unstructured("Content-Transfer-Encoding", "base64"),
        parameters("Content-Disposition", "attachment", [("filename", _file_name(name))]),
    )
    return MimePart(fields, base64.encodebytes(content).replace(b"\n", b"\r\n") or b"\r\n")


def inline_part(name: str, content_type: str, content: bytes, content_id: str) -> MimePart:
    """Given a picture that the HTML beside it shows, and its Content-ID without <>, return its part (RFC 2392)."""
    part = file_part(name, content_type, content)
    fields = (
        *part.fields[:-1],
        unstructured("Content-ID", f"<{content_id}>"),
        parameters("Content-Disposition", "inline", [("filename", _file_name(name))]),
    )
    return MimePart(fields, part.body)


def multipart(subtype: str, parts: Sequence[MimePart], seed: str) -> MimePart:
    """Given parts, return the part that holds them. `seed` makes the boundary, which no encoded part can hold."""
    boundary = f"=_{hashlib.sha256(f'{subtype} {seed}'.encode('utf-8', 'replace')).hexdigest()[:32]}"
    line = f"--{boundary}\r\n".encode()
    body = b"".join(line + part.as_bytes() for part in parts) + f"--{boundary}--\r\n".encode()
    return MimePart((parameters("Content-Type", f"multipart/{subtype}", [("boundary", boundary)]),), body)


def _file_name(name: str) -> str:
    """Given a file's name, return it on one line, a long one cut before its ending."""
    shown = one_line(name, 1000).replace("/", "_").replace("\\", "_") or "file"
    if len(shown) <= LONGEST_NAME:
        return shown
    ending = PurePosixPath(shown).suffix[:20]
    return shown[: LONGEST_NAME - len(ending)] + ending


def field_names(content: bytes) -> list[str]:
    """Given a mail's bytes, return the names of its header fields, lower case, in order.

    Raise MailMalformed when the header block is malformed: a line that is not a field, a line that is too long, a line
    end other than CR LF, NUL, or no body after it.
    """
    block, ended, _ = content.partition(b"\r\n\r\n")
    if not ended:
        raise MailMalformed("the mail has no end of its header")
    names: list[str] = []
    for line in block.split(b"\r\n"):
        if b"\r" in line or b"\n" in line or b"\x00" in line or len(line) > LONGEST_LINE:
            raise MailMalformed("a line of the mail's header is broken or too long")
        if line.startswith((b" ", b"\t")) and line.strip() and names:
            continue
        field = _FIELD.match(line)
        if field is None:
            raise MailMalformed("a line of the mail's header is not a field")
        names.append(field[1].decode().lower())
    return names


def inspect(content: bytes, expected: Sequence[str]) -> None:
    """Given a mail's bytes and the names of the fields that were set, in order, raise MailMalformed when its header
    block holds others, or when its bytes cannot go over SMTP.
    """
    names = field_names(content)
    if names != [name.lower() for name in expected]:
        others = ", ".join(sorted(set(names).symmetric_difference(name.lower() for name in expected))) or "their order"
        raise MailMalformed(f"the mail's header is not what was set ({others})")
    if b"\x00" in content or b"\r" in content.replace(b"\r\n", b"") or b"\n" in content.replace(b"\r\n", b""):
        raise MailMalformed("the mail holds NUL, or a line end that is not CR LF")


def inspect_again(content: bytes, known: Collection[str]) -> None:
    """Given the bytes of a mail that waited, and the lower-case names of the fields that outgoing mail may have,
    raise MailMalformed when its header block holds another, or one of them twice.
    """
    names = field_names(content)
    odd = sorted({name for name in names if name not in known or names.count(name) > 1})
    if odd:
        raise MailMalformed(f"the mail's header has unexpected or repeated fields ({', '.join(odd)[:200]})")
