"""What Outlook keeps as compressed RTF only (MS-OXRTFCP): its text, or the HTML that such RTF wraps up (MS-OXRTFEX).

Own and small: of the libraries for it, compressed-rtf knows no end of what it unpacks, striprtf takes time that grows
with the square of a hostile text and knows nothing of the HTML within, and RTFDE (LGPL) brings oletools along.
"""

import re
import struct
import zlib
from dataclasses import field

from redmine_mailbridge.util.dataclass import dataclass

MOST_PACKED, MOST = 256 * 1024, 1024 * 1024
"""Bytes that are unpacked, and that may come of them; RTF with more in it stays a file."""
_RING = 4096
_FIRST = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor MS"
    b" Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20"
    b"\\b\\i\\u\\tab\\tx"
)
_TOKEN = re.compile(
    rb"\\(?P<word>[a-zA-Z]{1,32})(?P<number>-?[0-9]{1,9})? ?|\\'(?P<hex>[0-9a-fA-F]{2})|\\(?P<sign>[^a-zA-Z])"
    rb"|(?P<brace>[{}])|[\r\n]+|(?P<text>[^\\{}\r\n]{1,1000})"
)
_SAID = {
    "par": "\n", "line": "\n", "sect": "\n\n", "page": "\n\n", "row": "\n", "tab": "\t", "cell": "\t", "nestcell": "\t",
    "emdash": "\u2014", "endash": "\u2013", "bullet": "\u2022", "lquote": "\u2018", "rquote": "\u2019",
    "ldblquote": "\u201c", "rdblquote": "\u201d",
}  # fmt: skip
_SIGNS = {b"{": "{", b"}": "}", b"\\": "\\", b"~": "\xa0", b"_": "\u2011", b"\n": "\n", b"\r": "\n"}
_NO_TEXT = {
    "fonttbl", "colortbl", "stylesheet", "info", "pict", "object", "header", "footer", "headerl", "headerr", "footerl",
    "footerr", "footnote", "fldinst",
}  # fmt: skip
_CODECS = {
    77: "mac_roman", 128: "cp932", 129: "cp949", 134: "gbk", 136: "cp950", 161: "cp1253", 162: "cp1254", 163: "cp1258",
    177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874", 238: "cp1250",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rtf:
    """What RTF says: a text, or the HTML that it was made of. `pictured`: it holds a picture, which a text lacks."""

    text: str
    is_html: bool = False
    pictured: bool = False


def read_rtf(packed: bytes) -> Rtf | None:
    """Given the property PR_RTF_COMPRESSED, return what it says; None when it cannot be read, or says nothing. Never
    raises, in linear time.
    """
    data = unpacked(packed) if len(packed) <= MOST_PACKED else None
    if data is None or not data.lstrip().startswith(b"{\\rtf"):
        return None
    is_html = b"\\fromhtml" in data[:2000]
    text = _Reader(is_html=is_html).read(data).strip()
    return Rtf(text, is_html, not is_html and b"\\pict" in data) if text else None


def unpacked(packed: bytes) -> bytes | None:
    """Given compressed RTF, return the RTF (MS-OXRTFCP section 3.1); None when it is broken, or more than MOST."""
    if len(packed) < 16:
        return None
    size, raw, kind, check = struct.unpack_from("<II4sI", packed)
    body = packed[16 : size + 4]
    if kind == b"MELA":
        return body[:raw]
    if kind != b"LZFu" or raw > MOST or zlib.crc32(body, 0xFFFFFFFF) ^ 0xFFFFFFFF != check:
        return None
    out, at = bytearray(_FIRST), 0
    while at < len(body) and len(out) <= MOST:
        control, at = body[at], at + 1
        for bit in range(8):
            if at >= len(body):
                break
            if not control >> bit & 1:
                out.append(body[at])
                at += 1
                continue
            token = int.from_bytes(body[at : at + 2], "big")
            at += 2
            back = (len(out) - (token >> 4)) % _RING
            if not back:
                return bytes(out[len(_FIRST) :][:raw])
            for _ in range((token & 15) + 2):
                out.append(out[-back] if back <= len(out) else 0x20)
    return bytes(out[len(_FIRST) :][:raw])


@dataclass(slots=True)
class _Group:
    """What holds within braces: nothing of it is said; it is a tag of HTML; how many signs stand for one of \\u; the
    codec of its bytes; whether it is what RTF alone needs.
    """

    silent: bool = False
    tag: bool = False
    fallback: int = 1
    codec: str = ""
    only_rtf: bool = False
    fonts: bool = False


@dataclass(slots=True)
class _Reader:
    """Reads RTF from the top. `texts` are pieces of text, `waiting` bytes of a piece in the codec that holds there."""

    is_html: bool
    texts: list[str] = field(default_factory=list)
    waiting: bytearray = field(default_factory=bytearray)
    codec: str = "cp1252"
    codecs: dict[int, str] = field(default_factory=dict)
    font: int = 0
    skip: int = 0
    starred: bool = False

    def read(self, data: bytes) -> str:
        """All that it says."""
        above: list[_Group] = []
        here = _Group()
        for token in _TOKEN.finditer(data):
            if token["brace"] == b"{":
                self.skip = 0
                if len(above) < 1000:
                    above.append(here)
                    here = _Group(here.silent, here.tag, here.fallback, here.codec, here.only_rtf, here.fonts)
            elif token["brace"]:
                self._flush(here)
                self.skip = 0
                here = above.pop() if above else here
            elif token["word"]:
                self._word(here, token["word"].decode(), int(token["number"]) if token["number"] else None)
            elif token["sign"] == b"*":
                self.starred = True
            elif token["sign"]:
                self._say(here, _SIGNS.get(token["sign"], ""))
            elif token["hex"]:
                self._bytes(here, bytes.fromhex(token["hex"].decode()))
            elif token["text"]:
                self._bytes(here, token["text"])
        self._flush(here)
        return "".join(self.texts).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    def _word(self, here: _Group, word: str, number: int | None) -> None:
        starred, self.starred = self.starred, False
        self._flush(here)
        self.skip = 0
        if word == "htmltag" and starred:
            here.tag, here.only_rtf, here.silent = True, False, not self.is_html
        elif starred or word in _NO_TEXT:
            here.silent, here.fonts = True, word == "fonttbl"
        elif word == "htmlrtf":
            here.only_rtf = number != 0
        elif word == "ansicpg" and number:
            self.codec = f"cp{number}"
        elif word == "f" and here.fonts:
            self.font = number or 0
        elif word == "fcharset" and here.fonts:
            self.codecs[self.font] = _CODECS.get(number or 0, "")
        elif word == "f":
            here.codec = self.codecs.get(number or 0, "")
        elif word == "uc":
            here.fallback = min(max(number or 0, 0), 10)
        elif word == "u" and number is not None:
            self._say(here, chr(number % 0x10000))
            self.skip = here.fallback
        else:
            self._say(here, _SAID.get(word, ""))

    def _bytes(self, here: _Group, data: bytes) -> None:
        skipped = min(self.skip, len(data))
        self.skip -= skipped
        if not (here.silent or here.only_rtf):
            self.waiting += data[skipped:]

    def _say(self, here: _Group, text: str) -> None:
        self._flush(here)
        if text and not (here.silent or here.only_rtf):
            self.texts.append(text)

    def _flush(self, here: _Group) -> None:
        if not self.waiting:
            return
        data = bytes(self.waiting)
        self.waiting.clear()
        try:
            self.texts.append(data.decode(here.codec or self.codec, "replace"))
        except LookupError:
            self.texts.append(data.decode("cp1252", "replace"))
