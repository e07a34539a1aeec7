"""A message that Outlook enclosed in a winmail.dat, as the mail that it is (RFC 5322): everybody can open that."""

import base64
import contextlib
import datetime as dt
from collections.abc import Iterator
from email.utils import format_datetime
from functools import partial

from redmine_mailbridge.mail.mime.rtf import read_rtf
from redmine_mailbridge.mail.mime.tnef import Chunks, TnefContents, TnefFile, open_tnef, slice_of

MAX_DEPTH = 5  # messages within messages
_BOUNDARY = "=_winmail_{depth}"
_LINE = 57 * 900  # bytes that base64 writes in whole lines


def message_of(chunks: Chunks, depth: int = 1) -> Chunks | None:
    """Given the bytes of an enclosed item, return the function that yields it as a mail.

    None when not all of it can be said in a mail: another kind of item (a contact, an appointment), a text in RTF
    only that holds pictures or cannot be read, a broken or too deeply nested one. Its winmail.dat is to be kept then.
    """
    opened = open_tnef(chunks)
    if opened is not None:
        _read_rtf(opened)
    if opened is None or not opened.whole or depth > MAX_DEPTH or not _is_mail(opened):
        return None
    inner: list[tuple[TnefFile, Chunks]] = []
    for file in opened.files:
        file_chunks = partial(slice_of, chunks, file.start, file.size)
        nested = message_of(file_chunks, depth + 1) if file.embedded else file_chunks
        if nested is None:
            return None
        inner.append((file, nested))
    return partial(_mail, opened, inner, depth)


def _read_rtf(opened: TnefContents) -> None:
    """Where RTF alone says the text, put that in its place: as the HTML that it was made of, or as plain text."""
    if opened.text.strip() or opened.html.strip() or not opened.rtf:
        return
    rtf_text = read_rtf(opened.rtf)
    if rtf_text is not None and rtf_text.is_html:
        opened.html = b'<meta charset="utf-8">' + rtf_text.text.encode("utf-8", "replace")
    elif rtf_text is not None and not rtf_text.pictured:
        opened.text = rtf_text.text


def _is_mail(opened: TnefContents) -> bool:
    kind = opened.properties.get("class", "IPM.Note").upper()
    return kind.startswith(("IPM.NOTE", "REPORT.")) and bool(opened.text.strip() or opened.html.strip())


def _mail(opened: TnefContents, inner: list[tuple[TnefFile, Chunks]], depth: int) -> Iterator[bytes]:
    boundary = _BOUNDARY.format(depth=depth)
    yield _head(opened)
    yield f'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="{boundary}"\r\n\r\n'.encode()
    if opened.html.strip():
        yield from _part(boundary, "text/html", lambda: iter((opened.html,)))
    else:
        yield from _part(boundary, "text/plain; charset=utf-8", lambda: iter((opened.text.encode(errors="replace"),)))
    for file, chunks in inner:
        kind = "message/rfc822" if file.embedded else "application/octet-stream"
        name = f"{file.name or 'message'}.eml" if file.embedded else file.name or "file"
        yield from _part(boundary, kind, chunks, name)
    yield f"\r\n--{boundary}--\r\n".encode()


def _head(opened: TnefContents) -> bytes:
    properties = opened.properties
    address = properties.get("smtp") or properties.get("address", "")
    address = address if "@" in address and address.isascii() and not set(address) & set("<> \r\n") else ""
    lines = [f"From: {_word(properties.get('sender', ''))} <{address}>"]
    lines += [f"{name}: {_word(properties[key])}" for name, key in (("To", "to"), ("Cc", "cc")) if properties.get(key)]
    lines.append(f"Subject: {_word(properties.get('subject', ''))}")
    if opened.sent is not None:
        with contextlib.suppress(OverflowError, ValueError, OSError):
            lines.append(f"Date: {format_datetime(dt.datetime.fromtimestamp(opened.sent, dt.UTC))}")
    return "".join(f"{line}\r\n" for line in lines).encode("ascii", "replace")


def _word(text: str) -> str:
    """Given a text, return it as encoded words (RFC 2047), whatever it contains."""
    text = " ".join(text.split())[:500]
    pieces = [text[at : at + 12] for at in range(0, len(text), 12)]
    return "\r\n ".join(
        f"=?utf-8?b?{base64.b64encode(piece.encode('utf-8', 'replace')).decode()}?=" for piece in pieces
    )


def _part(boundary: str, kind: str, chunks: Chunks, name: str = "") -> Iterator[bytes]:
    shown = f'Content-Disposition: attachment; filename="{_word(name)}"\r\n' if name else ""
    yield f"\r\n--{boundary}\r\nContent-Type: {kind}\r\n{shown}".encode()
    yield b"Content-Transfer-Encoding: base64\r\n\r\n"
    pending = b""
    for piece in chunks():
        pending += piece
        while len(pending) >= _LINE:
            yield base64.encodebytes(pending[:_LINE])
            pending = pending[_LINE:]
    yield base64.encodebytes(pending)
