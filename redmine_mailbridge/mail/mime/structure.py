"""Where the parts of a mail lie in its bytes (RFC 2046), found in one pass and without copying them.

The bytes may be a mapped file that is larger than the memory: only header blocks are read out. Whatever is
broken is read as the sender most likely meant it, and no byte of a part goes without a place in the tree.
"""

import re
from dataclasses import field

from redmine_mailbridge.mail.mime import params
from redmine_mailbridge.mail.mime.encoded_words import decode_words, unfold
from redmine_mailbridge.mail.mime.header_block import FIELD_NAME, MAX_HEADER, Buffer, delimiter_line, read_fields
from redmine_mailbridge.mail.mime.transfer_encoding import encoding_of
from redmine_mailbridge.mail.mime.transfer_encoding import read as decoded
from redmine_mailbridge.util.dataclass import dataclass

MAX_DEPTH = 100  # multiparts within multiparts; what lies deeper is one part
MAX_PARTS = 10_000  # what follows after them is one part
MAX_BOUNDARY = 1000
MAX_TYPE = 64 * 1024  # bytes of a field about a part
MAX_WRAPPED = 32 * 1024 * 1024  # bytes of a multipart that was sent with a transfer encoding of its own

_CANDIDATE = re.compile(rb"[\r\n]--")
_LINE_END = re.compile(rb"[\r\n]{1,10}")
_MBOX = re.compile(rb">?From ")
_MIME = re.compile(r"[a-z0-9!#$&^_.+-]{1,127}/[a-z0-9!#$&^_.+*-]{1,127}")
_RUN_TOGETHER = re.compile(rb"[ \t](Content-(?:Transfer-Encoding|Type|Disposition|ID|Description)):", re.IGNORECASE)
_GUESS = re.compile(rb"(?:^|[\r\n])--([^\r\n]{1,200}?)[ \t]{0,10}\r?\n(?=[A-Za-z-]{1,40}:)")


@dataclass(slots=True, eq=False)
class Part:
    """One part: `start` is where its header block begins, `body` and `end` enclose its body as transferred.

    `fields` are (name as written, raw value); `kind` is its media type, lower case; `rest` says that it is not a
    part as sent but everything behind a limit of this module.
    """

    buffer: Buffer = field(repr=False)
    start: int
    body: int
    end: int
    fields: list[tuple[str, bytes]] = field(default_factory=list, repr=False)
    kind: str = "text/plain"
    params: dict[str, str] = field(default_factory=dict)
    parent: "Part | None" = field(default=None, repr=False)
    children: list["Part"] = field(default_factory=list, repr=False)
    rest: bool = False
    cut: bool = False

    @property
    def depth(self) -> int:
        """How many multiparts it lies in, at most MAX_DEPTH."""
        depth, above = 0, self.parent
        while above:
            depth, above = depth + 1, above.parent
        return depth

    def raw(self, name: str) -> bytes:
        """The raw value of its first field of this name (lower case), b"" when there is none."""
        return next((value for key, value in self.fields if key.lower() == name), b"")


@dataclass(slots=True)
class _Open:
    """A multipart whose end has not been seen; `keys` are its two delimiter lines."""

    part: Part
    keys: tuple[bytes, bytes]


def leaves(root: Part) -> list[Part]:
    """Given a tree, return its leaves in the order of the mail."""
    parts: list[Part] = []
    waiting = [root]
    while waiting:
        part = waiting.pop()
        if part.children:
            waiting.extend(reversed(part.children))
        else:
            parts.append(part)
    return parts


def scan(buffer: Buffer, start: int = 0, end: int | None = None) -> Part:
    """Given the bytes of a mail, return the tree of its parts. Never raises; time and memory are linear."""
    root = _Scanner(buffer, len(buffer) if end is None else end).scan(start)
    for part in leaves(root):
        if part.kind.startswith("multipart/"):
            _unwrap(part)
    return root


def _unwrap(part: Part) -> None:
    """Given a multipart in which no delimiter was found, open it when it was sent under a transfer encoding.

    RFC 2045 section 6.4 forbids that, and some senders (SAP) do it.
    """
    declared = part.raw("content-transfer-encoding").decode("ascii", "replace")
    encoding = encoding_of(part.buffer, part.body, part.end, declared)
    if encoding not in {"base64", "quoted-printable"} or part.end - part.body > MAX_WRAPPED:
        return
    data, _ = decoded(part.buffer, part.body, part.end, encoding, MAX_WRAPPED)
    data = b"\r\n" + data
    inner = Part(data, 0, 2, len(data), kind=part.kind, params=part.params)
    _Scanner(data, len(data)).walk(inner)
    part.children = inner.children
    for child in part.children:
        child.parent = part


class _Scanner:
    """The state of one pass: the multiparts that are open, and the delimiter lines that would end a part now."""

    def __init__(self, buffer: Buffer, size: int) -> None:
        self.buffer = buffer
        self.size = size
        self.stack: list[_Open] = []
        self.delimiters: dict[bytes, list[tuple[_Open, bool]]] = {}
        self.count = 1
        self.longest = 0

    def scan(self, start: int) -> Part:
        """Read the header block at `start`, and what it encloses. Return the root."""
        root = self.read_head(self._first_line(start), None)
        self.walk(root)
        return root

    def walk(self, root: Part) -> None:
        """Walk from delimiter to delimiter; the part between two of them is `current` (None in an epilogue)."""
        current: Part | None = root
        at = root.body
        self.open(root)
        while self.stack and self.count < MAX_PARTS:
            delimiter = self.nextdelimiter_line(max(at - 1, 0))
            if not delimiter:
                break
            line, behind, opened, closing = delimiter
            self._finish(current, self._content_end(line))
            self._close_above(opened, self._content_end(line))
            at = behind
            if closing:
                current = None
                self._drop_if_shadowing(opened)
                continue
            current = self.read_head(behind, opened.part)
            opened.part.children.append(current)
            self.count += 1
            at = current.body
            self.open(current)
        self._end_of_mail(current)

    def _first_line(self, at: int) -> int:
        """Pass over blank lines and an mbox line in front of the first field."""
        while at < self.size and self.buffer[at] in b"\r\n":
            at += 1
        if _MBOX.match(self.buffer, at, self.size) and not FIELD_NAME.match(self.buffer, at, self.size):
            ends = _LINE_END.search(self.buffer, at, min(at + MAX_HEADER, self.size))
            at = ends.end() if ends else at
        return at

    def read_head(self, start: int, parent: Part | None) -> Part:
        """Given where a header block begins, return the part that it describes, its end still unknown."""
        fields, body, cut = read_fields(self.buffer, start, self.size, self.delimiters, self.longest)
        fields = taken_apart(fields)
        digest = parent is not None and parent.kind == "multipart/digest"
        part = Part(self.buffer, start, body, self.size, fields, parent=parent, cut=cut)
        part.kind, part.params = media_type(part.raw("content-type"), "message/rfc822" if digest else "text/plain")
        return part

    def open(self, part: Part) -> None:
        """Given a part whose body begins, wait for its delimiters when it is a multipart that can be opened."""
        if not part.kind.startswith("multipart/") or len(self.stack) >= MAX_DEPTH:
            return
        boundary = part.params.get("boundary", "").rstrip().encode("utf-8", "replace")
        if not boundary or len(boundary) > MAX_BOUNDARY:
            boundary, first = guess_boundary(self.buffer, part.body, self.size)
            if boundary and bytes(self.buffer[part.body : first]).strip():  # no preamble of a sender that knew MIME
                part.children.append(Part(self.buffer, part.body, part.body, first, parent=part))
        if not boundary:
            return
        opened = _Open(part, (b"--" + boundary, b"--" + boundary + b"--"))
        self.stack.append(opened)
        self.longest = max(self.longest, len(boundary) + 4)
        for key, closing in zip(opened.keys, (False, True), strict=True):
            self.delimiters.setdefault(key, []).append((opened, closing))

    def nextdelimiter_line(self, at: int) -> tuple[int, int, _Open, bool] | None:
        """Return the next delimiter line from `at` on: where it begins and ends, whose it is, is it the last."""
        while candidate := _CANDIDATE.search(self.buffer, at, self.size):
            line = candidate.start() + 1
            delimiter = delimiter_line(self.buffer, line, self.size, self.longest)
            if delimiter in self.delimiters:
                opened, closing = self.delimiters[delimiter][-1]
                return line, self._behind(line + len(delimiter)), opened, closing
            at = line
        return None

    def _behind(self, at: int) -> int:
        """Given a place on a delimiter line, return where the next line begins."""
        window = bytes(self.buffer[at : min(at + 200, self.size)])
        after_blanks = window.lstrip(b" \t")
        at += len(window) - len(after_blanks)
        ends = len(after_blanks) - len(after_blanks.lstrip(b"\r"))
        if after_blanks[ends : ends + 1] == b"\n":
            return at + ends + 1
        return at + min(ends, 1)

    def _content_end(self, line: int) -> int:
        """Given where a delimiter line begins, return where the content before its line end stops."""
        before = bytes(self.buffer[max(line - 2, 0) : line])
        return line - (2 if before == b"\r\n" else 1)

    @staticmethod
    def _finish(part: Part | None, end: int) -> None:
        if part is not None:
            part.end = max(part.body, end)

    def _close_above(self, opened: _Open, end: int) -> None:
        """Given whose delimiter came, close the multiparts within it whose own end is missing."""
        while self.stack[-1] is not opened:
            self._finish(self.stack[-1].part, end)
            self._forget(self.stack.pop())

    def _drop_if_shadowing(self, opened: _Open) -> None:
        """Given a multipart that ended: when an outer one has the same boundary, the next line is the outer's.

        Otherwise it stays open, so that parts which follow a premature last delimiter are not lost.
        """
        if any(len(self.delimiters[key]) > 1 for key in opened.keys):
            self._forget(self.stack.pop())

    def _forget(self, opened: _Open) -> None:
        for key in opened.keys:
            self.delimiters[key].pop()
            if not self.delimiters[key]:
                del self.delimiters[key]

    def _end_of_mail(self, current: Part | None) -> None:
        """Close what is open; behind the last part that is counted, keep the rest as one part."""
        if self.stack and self.count >= MAX_PARTS and current is not None:
            delimiter = self.nextdelimiter_line(max(current.body - 1, 0))
            if delimiter:
                self._finish(current, self._content_end(delimiter[0]))
                remainder = Part(
                    self.buffer, delimiter[0], delimiter[0], self.size, parent=self.stack[0].part, rest=True
                )
                remainder.kind = "application/octet-stream"
                self.stack[0].part.children.append(remainder)


def taken_apart(fields: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """Given fields, return them with a MIME field on the line of another one as a separate field."""
    separated: list[tuple[str, bytes]] = []
    for name, raw in fields:
        if not name.lower().startswith("content-") or b"ontent-" not in raw:
            separated.append((name, raw))
            continue
        pieces = _RUN_TOGETHER.split(raw[:MAX_TYPE])
        separated.append((name, pieces[0]))
        separated += [(key.decode("ascii"), value) for key, value in zip(pieces[1::2], pieces[2::2], strict=True)]
    return separated


def media_type(raw: bytes, default: str) -> tuple[str, dict[str, str]]:
    """Given the raw value of a Content-Type, return the type and its parameters; the default when it is none."""
    if not raw.strip():
        return default, {}
    value = unfold(raw)
    kind, parameters = params.parse(decode_words(value) if value.startswith("=?") else value)
    if not _MIME.fullmatch(kind):
        main = kind.partition("/")[0]
        kind = {"text": "text/plain", "html": "text/html", "multipart": "multipart/mixed"}.get(main, "text/plain")
        if main in {"application", "image", "audio", "video"}:
            kind = "application/octet-stream"
    return kind, parameters


def guess_boundary(buffer: Buffer, body: int, size: int) -> tuple[bytes, int]:
    """Given a multipart without a boundary, return the one that its first delimiter line shows, b"" for none.

    And where that line begins.
    """
    start = max(body - 1, 0)
    match = _GUESS.search(bytes(buffer[start : min(body + 64 * 1024, size)]))
    return (match[1], max(start + match.start(), body)) if match else (b"", body)
