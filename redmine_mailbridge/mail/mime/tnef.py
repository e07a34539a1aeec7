"""winmail.dat opened (MS-OXTNEF), reading it in pieces: the files in it lie at offsets of the decoded stream.

Own and small because the one library for it holds the data several times, logs, and raises on broken input.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import field

from redmine_mailbridge.util.dataclass import dataclass

SIGNATURE = b"\x78\x9f\x3e\x22"
_TITLE, _DATA, _PROPERTIES, _RENDER, _MESSAGE_PROPERTIES = 0x8010, 0x800F, 0x9005, 0x9002, 0x9003
_CODEPAGE = 0x9007
_BODY_TEXT = 0x800C
_LONG_NAME, _SHORT_NAME, _CONTENT_ID, _MIME, _OBJECT = 0x3707, 0x3704, 0x3712, 0x370E, 0x3701
_HTML, _RTF, _PLAIN = 0x1013, 0x1009, 0x1000
_NAMED = {
    0x001A: "class",
    0x0037: "subject",
    0x0C1A: "sender",
    0x0C1F: "address",
    0x5D01: "smtp",
    0x0E04: "to",
    0x0E03: "cc",
}
_SENT = 0x0039
_FIXED = {0x0002: 4, 0x0003: 4, 0x0004: 4, 0x0005: 8, 0x0006: 8, 0x0007: 8, 0x000A: 4, 0x000B: 4, 0x0014: 8,
          0x0040: 8, 0x0048: 16, 0x0001: 4}  # fmt: skip
_VARIABLE = frozenset({0x001E, 0x001F, 0x000D, 0x0102})
MAX_FILES = 1000
_MAX_PROPERTIES = 32 * 1024 * 1024

Chunks = Callable[[], Iterator[bytes]]


@dataclass(slots=True)
class TnefFile:
    """A file in a winmail.dat: its bytes lie at `start`, `size` bytes long, in the decoded stream.

    `embedded` is True when they are an item of Outlook's own, a winmail.dat within.
    """

    name: str = ""
    content_type: str = ""
    content_id: str = ""
    start: int = 0
    size: int = 0
    embedded: bool = False


@dataclass(slots=True)
class TnefContents:
    """What a winmail.dat holds: files, and its text when it says one ("" else). `whole` is False when it is broken.

    `properties` are the message's properties: class, subject, sender, address, smtp, to, cc; `sent` is when, in
    seconds since the epoch. `rtf` is its text as compressed RTF.
    """

    files: list[TnefFile]
    properties: dict[str, str] = field(default_factory=dict)
    sent: float | None = None
    text: str = ""
    html: bytes = b""
    rtf: bytes = b""
    whole: bool = True


class _Stream:
    """A decoded body read forward, never whole."""

    def __init__(self, chunks: Chunks) -> None:
        self._pieces = chunks()
        self._held = b""
        self.at = 0

    def take(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer at the end."""
        parts, bytes_left = [], size
        while bytes_left > 0:
            if not self._held:
                self._held = next(self._pieces, b"")
                if not self._held:
                    break
            parts.append(self._held[:bytes_left])
            bytes_left -= len(parts[-1])
            self._held = self._held[len(parts[-1]) :]
        self.at += size - bytes_left
        return b"".join(parts)

    def skip(self, size: int) -> bool:
        """Pass over `size` bytes; False when there are fewer."""
        bytes_left = size
        while bytes_left > 0:
            if not self._held:
                self._held = next(self._pieces, b"")
                if not self._held:
                    break
            step = min(bytes_left, len(self._held))
            self._held = self._held[step:]
            bytes_left -= step
        self.at += size - bytes_left
        return not bytes_left


def slice_of(chunks: Chunks, start: int, size: int) -> Iterator[bytes]:
    """Given a stream and a stretch of it, yield that stretch in pieces as they come."""
    at = 0
    for piece in chunks():
        low, high = max(start - at, 0), min(start + size - at, len(piece))
        if low < high:
            yield piece[low:high]
        at += len(piece)
        if at >= start + size:
            return


def open_tnef(chunks: Chunks) -> TnefContents | None:
    """Given the decoded bytes of a winmail.dat, return what it holds, or None when it is none. Never raises."""
    stream = _Stream(chunks)
    if stream.take(6)[:4] != SIGNATURE:
        return None
    opened = TnefContents([])
    codec = "windows-1252"
    while True:
        head = stream.take(9)
        if len(head) < 9:
            opened.whole = not head
            break
        level, name, _, size = struct.unpack("<BHHI", head)
        if level not in {1, 2} or len(opened.files) > MAX_FILES:
            opened.whole = False
            break
        start = stream.at
        if name == _RENDER and level == 2:
            opened.files.append(TnefFile())
        data = b"" if name == _DATA or size > _MAX_PROPERTIES else stream.take(size)
        if name == _DATA and opened.files and not opened.files[-1].embedded:
            opened.files[-1].start, opened.files[-1].size = start, size
        opened.whole = opened.whole and (size <= _MAX_PROPERTIES or name == _DATA)
        if name == _CODEPAGE and len(data) >= 4:
            codec = f"cp{struct.unpack('<I', data[:4])[0]}"
        _use(opened, name, data, start, codec)
        if not stream.skip(size - len(data) + 2):
            opened.whole = False
            break
    return opened


def _use(opened: TnefContents, name: int, data: bytes, start: int, codec: str) -> None:
    """Given an attribute, put what it says where it belongs."""
    if name == _BODY_TEXT:
        opened.text = _string(data, codec)
    elif name == _MESSAGE_PROPERTIES:
        for key, kind, value, _ in _properties(data):
            _tell(opened, key, kind, value, codec)
    elif opened.files and name == _TITLE:
        opened.files[-1].name = opened.files[-1].name or _string(data, codec)
    elif opened.files and name == _PROPERTIES:
        for key, kind, value, at in _properties(data):
            _describe(opened.files[-1], key, _typed(kind, value, codec) if key != _OBJECT else "")
            if key == _OBJECT and len(value) > 16 and value[16:20] == SIGNATURE:
                # the item itself; attAttachData beside it contains a stub (MS-OXTNEF section 2.1.3.4)
                opened.files[-1].start, opened.files[-1].size = start + at + 16, len(value) - 16
                opened.files[-1].embedded = True
            elif key == _OBJECT and len(value) > 16 and not opened.files[-1].size:
                opened.files[-1].start, opened.files[-1].size = start + at + 16, len(value) - 16


def _tell(opened: TnefContents, key: int, kind: int, value: bytes, codec: str) -> None:
    """Given a property of the message, note what it says."""
    if key == _HTML:
        opened.html = value
    elif key == _RTF:
        opened.rtf = value
    elif key == _PLAIN and not opened.text:
        opened.text = _typed(kind, value, codec)
    elif key in _NAMED:
        opened.properties[_NAMED[key]] = _typed(kind, value, codec)
    elif key == _SENT and len(value) == 8:
        opened.sent = int.from_bytes(value, "little") / 1e7 - 11_644_473_600  # MS-DTYP FILETIME


def _describe(file: TnefFile, key: int, text: str) -> None:
    """Given a property of an attachment as text, note what it says of the file."""
    if key == _LONG_NAME or (key == _SHORT_NAME and not file.name):
        file.name = text
    elif key == _CONTENT_ID:
        file.content_id = text
    elif key == _MIME:
        file.content_type = text.lower()


def _typed(kind: int, value: bytes, codec: str) -> str:
    return _string(value, "utf-16-le" if kind == 0x001F else codec)


def _string(value: bytes, codec: str) -> str:
    try:
        return value.decode(codec, "replace").partition("\0")[0]
    except LookupError:
        return value.decode("windows-1252", "replace").partition("\0")[0]


def _properties(data: bytes) -> Iterator[tuple[int, int, bytes, int]]:
    """Given a property list, yield id, type, first value and its offset; stop at what cannot be read."""
    if len(data) < 4:
        return
    count = min(struct.unpack_from("<I", data)[0], 10_000)
    at = 4
    for _ in range(count):
        if at + 4 > len(data):
            return
        kind, key = struct.unpack_from("<HH", data, at)
        at += 4
        if key >= 0x8000:
            at = _behind_name(data, at)
        several, kind = kind & 0x1000, kind & 0x0FFF
        amount = 1
        if several or kind in _VARIABLE:
            if at + 4 > len(data):
                return
            amount = struct.unpack_from("<I", data, at)[0]
            at += 4
        for index in range(min(amount, 1000)):
            if kind in _VARIABLE:
                if at + 4 > len(data):
                    return
                size = struct.unpack_from("<I", data, at)[0]
                at += 4
            else:
                size = _FIXED.get(kind, 0)
                if not size:
                    return
            if not index:
                yield key, kind, data[at : at + size], at
            at += size + (-size % 4)


def _behind_name(data: bytes, at: int) -> int:
    """Given where the name of a named property begins, return where its value does."""
    if at + 24 > len(data):
        return len(data)
    by_name, size = struct.unpack_from("<II", data, at + 16)
    return at + 24 + (size + (-size % 4) if by_name else 0)
