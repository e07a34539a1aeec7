"""Where the parts of a mail lie in its bytes (RFC 2046), found in one pass and without copying them.

The bytes may be a mapped file that is larger than the memory: only header blocks are read out. Whatever is
broken is read as the sender most likely meant it, and no byte of a part goes without a place in the tree.
"""

import mmap
import re
from collections.abc import Container
from dataclasses import dataclass, field

from redmine_mailbridge.mail import params
from redmine_mailbridge.mail.words import unfold

Buffer = bytes | bytearray | mmap.mmap

MAX_DEPTH = 100  # multiparts within multiparts; what lies deeper is one part
MAX_PARTS = 10_000  # what follows after them is one part
MAX_FIELDS = 10_000  # of one header block
MAX_HEADER = 8 * 1024 * 1024  # bytes of one header block that are read as fields
MAX_BOUNDARY = 1000

_CANDIDATE = re.compile(rb"[\r\n]--")
_NAME = re.compile(rb"([!-9;-~]{1,200})[ \t]{0,20}:")
_MBOX = re.compile(rb">?From ")
_KNOWN = re.compile(
    rb"(?:from|to|cc|date|subject|sender|reply-to|message-id|mime-version|content-[a-z-]{1,40}|received|return-path|"
    rb"in-reply-to|references|x-[a-z0-9-]{1,60}|importance)[ \t]{0,5}:",
    re.IGNORECASE,
)
_MIME = re.compile(r"[a-z0-9!#$&^_.+-]{1,127}/[a-z0-9!#$&^_.+*-]{1,127}")
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
    found: list[Part] = []
    waiting = [root]
    while waiting:
        part = waiting.pop()
        if part.children:
            waiting.extend(reversed(part.children))
        else:
            found.append(part)
    return found


def scan(buffer: Buffer, start: int = 0, end: int | None = None) -> Part:
    """Given the bytes of a mail, return the tree of its parts. Never raises; time and memory are linear."""
    return _Scanner(buffer, len(buffer) if end is None else end).scan(start)


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
        """Walk from delimiter to delimiter; the part between two of them is `current` (None in an epilogue)."""
        root = self.read_head(self._first_line(start), None)
        current: Part | None = root
        at = root.body
        self.open(root)
        while self.stack and self.count < MAX_PARTS:
            found = self.next_delimiter(max(at - 1, 0))
            if not found:
                break
            line, behind, opened, closing = found
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
        return root

    def _first_line(self, at: int) -> int:
        """Pass over blank lines and an mbox line in front of the first field."""
        while at < self.size and self.buffer[at] in b"\r\n":
            at += 1
        if _MBOX.match(self.buffer, at, self.size) and not _NAME.match(self.buffer, at, self.size):
            line_end = self.buffer.find(b"\n", at, min(at + 1000, self.size))
            at = line_end + 1 if line_end > 0 else at
        return at

    def read_head(self, start: int, parent: Part | None) -> Part:
        """Given where a header block begins, return the part that it describes, its end still unknown."""
        fields, body, cut = read_fields(self.buffer, start, self.size, self.delimiters, self.longest)
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
            boundary = guess_boundary(self.buffer, part.body, self.size)
        if not boundary:
            return
        opened = _Open(part, (b"--" + boundary, b"--" + boundary + b"--"))
        self.stack.append(opened)
        self.longest = max(self.longest, len(boundary) + 4)
        for key, closing in zip(opened.keys, (False, True), strict=True):
            self.delimiters.setdefault(key, []).append((opened, closing))

    def next_delimiter(self, at: int) -> tuple[int, int, _Open, bool] | None:
        """Return the next delimiter line from `at` on: where it begins and ends, whose it is, is it the last."""
        while found := _CANDIDATE.search(self.buffer, at, self.size):
            line = found.start() + 1
            known = _delimiter(self.buffer, line, self.size, self.longest)
            if known in self.delimiters:
                opened, closing = self.delimiters[known][-1]
                return line, self._behind(line + len(known)), opened, closing
            at = line
        return None

    def _behind(self, at: int) -> int:
        """Given a place on a delimiter line, return where the next line begins."""
        window = bytes(self.buffer[at : min(at + 200, self.size)])
        rest = window.lstrip(b" \t")
        at += len(window) - len(rest)
        if rest[:2] == b"\r\n":
            return at + 2
        return at + (1 if rest[:1] in {b"\r", b"\n"} else 0)

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
            found = self.next_delimiter(max(current.body - 1, 0))
            if found:
                self._finish(current, self._content_end(found[0]))
                rest = Part(self.buffer, found[0], found[0], self.size, parent=self.stack[0].part, rest=True)
                rest.kind = "application/octet-stream"
                self.stack[0].part.children.append(rest)


def _delimiter(buffer: Buffer, line: int, size: int, longest: int) -> bytes:
    """Given where a line that begins with -- starts, return it without its trailing blanks; b"" when too long."""
    window = bytes(buffer[line : min(line + longest + 80, size)])
    for end in (b"\n", b"\r"):
        at = window.find(end)
        if at >= 0:
            window = window[:at]
    window = window.rstrip(b" \t")
    return window if len(window) <= longest else b""


def media_type(raw: bytes, default: str) -> tuple[str, dict[str, str]]:
    """Given the raw value of a Content-Type, return the type and its parameters; the default when it is none."""
    if not raw.strip():
        return default, {}
    kind, found = params.parse(unfold(raw))
    if not _MIME.fullmatch(kind):
        main = kind.partition("/")[0]
        kind = {"text": "text/plain", "html": "text/html", "multipart": "multipart/mixed"}.get(main, "text/plain")
        if main in {"application", "image", "audio", "video"}:
            kind = "application/octet-stream"
    return kind, found


def guess_boundary(buffer: Buffer, body: int, size: int) -> bytes:
    """Given a multipart without a boundary, return the one that its first delimiter line shows, or b""."""
    window = bytes(buffer[max(body - 1, 0) : min(body + 64 * 1024, size)])
    found = _GUESS.search(window)
    return found[1] if found else b""


def read_fields(
    buffer: Buffer, start: int, size: int, delimiters: Container[bytes] = (), longest: int = 0
) -> tuple[list[tuple[str, bytes]], int, bool]:
    """Given where a header block begins, return its fields, where the body begins, and whether fields were cut.

    The block ends at an empty line, at a delimiter line, or at a line that is no field and that no field
    follows. A line that lost the blank of its folding continues the field before it.
    """
    ending = b"\n" if buffer.find(b"\n", start, min(start + 2000, size)) >= 0 else b"\r"
    spans: list[tuple[str, int, int]] = []
    at, cut = start, False
    while at < size:
        stop = buffer.find(ending, at, size)
        stop = size if stop < 0 else stop
        behind = min(stop + 1, size)
        first = bytes(buffer[at : at + 3])
        if at == stop or first.lstrip(b"\r")[:1] == b"\n" or (first == b"\r" and stop <= at + 1):
            return _slice(buffer, spans), behind, cut
        name = _NAME.match(buffer, at, stop)
        if first[:2] == b"--" and longest and _delimiter(buffer, at, size, longest) in delimiters:
            break
        if name and first[:1] not in {b" ", b"\t"}:
            if len(spans) < MAX_FIELDS and stop - start < MAX_HEADER:
                spans.append((name[1].decode("ascii"), name.end(), stop))
            else:
                cut = True
        elif spans and (first[:1] in {b" ", b"\t"} or _field_follows(buffer, at, size)):
            if stop - start < MAX_HEADER:
                spans[-1] = (spans[-1][0], spans[-1][1], stop)
            else:
                cut = True
        elif not _field_follows(buffer, at, size):
            break
        at = behind
    return _slice(buffer, spans), at, cut


def _field_follows(buffer: Buffer, at: int, size: int) -> bool:
    """Given a line of a header block that is no field, does a well-known one follow within a few lines?"""
    window = bytes(buffer[at : min(at + 2000, size)]).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    lines = window.partition(b"\n\n")[0].split(b"\n")[1:6]
    return any(_KNOWN.match(line) for line in lines)


def _slice(buffer: Buffer, spans: list[tuple[str, int, int]]) -> list[tuple[str, bytes]]:
    return [(name, bytes(buffer[start:end])) for name, start, end in spans]
