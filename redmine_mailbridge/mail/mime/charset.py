"""Bytes to characters, whatever the sender claims: declared, its superset, UTF-8, a guess, replacement."""

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from redmine_mailbridge.mail.mime import japanese
from redmine_mailbridge.mail.mime.charset_labels import WRITTEN_IN, codec_name
from redmine_mailbridge.util.lazy import lazy_import

if TYPE_CHECKING:
    import chardet
else:
    chardet = lazy_import("chardet")

_EXTENDED = {
    "cp932": ("shift_jis", "cp932", "shift_jis_2004"),
    "cp949": ("euc_kr", "cp949"),
    "cp950": ("big5", "cp950", "big5hkscs"),
    "euc-jp": ("euc_jp", "euc_jis_2004"),
}
"""Charsets of East Asia: the standard one, and in which order its extensions are tried."""
_HEBREW = {"iso-8859-8": "windows-1255"}
_FEW = 3
"""Bytes beyond ASCII that are too few to doubt a label for."""
_LATIN = {"windows-1252", "iso-8859-15", "windows-1254"}
_WIDE = frozenset(
    {"cp932", "cp949", "cp950", "big5", "gb18030", "euc-jp", "big5hkscs", "euc_jis_2004", "shift_jis_2004"}
)
_SAMPLE = 64 * 1024
_SURROGATES = re.compile("[\ud800-\udfff]")


def _strict(data: bytes, codec: str) -> str | None:
    try:
        return data.decode(codec)
    except (UnicodeError, LookupError, ValueError):
        return None


def _declared(data: bytes, codec: str) -> str | None:
    """Given bytes and the declared codec, return the text when they fit, else None."""
    if codec in _LATIN and (read := _strict(data, "utf-8")) is not None:
        return read  # valid multi-byte UTF-8 under a Latin name is a lie; plain ASCII reads the same
    if codec.replace("_", "-").startswith(("iso-2022-jp", "iso2022-jp", "csiso2022jp")):
        return japanese.decode(data) if data.isascii() else None
    if codec in _EXTENDED:
        return _east_asian(data, codec)
    text = _strict(data, codec)
    return _strict(data, _HEBREW[codec]) if text is None and codec in _HEBREW else text


def _east_asian(data: bytes, codec: str) -> str | None:
    """Given bytes and an East Asian charset, return the text when it is that, else None.

    Nearly anything can be read in one of the extensions, so these count only when a guess does not tell otherwise.
    """
    standard, *extensions = _EXTENDED[codec]
    if (text := _strict(data, standard)) is not None:
        # 0x5C and 0x7E are Yen and overline in Python's table of the standard alone
        return _strict(data, codec) or text
    beyond = sum(byte > 0x7F for byte in data[:_SAMPLE])
    if beyond >= _FEW and guess(data) not in {codec, *_EXTENDED[codec], *_WIDE}:
        return None
    return next((text for name in extensions if (text := _strict(data, name)) is not None), None)


def guess(data: bytes) -> str:
    """Given bytes in an unknown charset, return the codec they most likely are in; windows-1252 when unsure."""
    if _few_accents(data[:_SAMPLE]):
        return "windows-1252"
    try:
        encoding = chardet.detect(data[:_SAMPLE], include_encodings=WRITTEN_IN, no_match_encoding="cp1252")["encoding"]
    except (ValueError, LookupError, ArithmeticError):
        return "windows-1252"
    codec = codec_name(encoding or "")
    return codec or "windows-1252"


def _few_accents(data: bytes) -> bool:
    """Are there one or two bytes beyond ASCII, each alone among ASCII, that windows-1252 reads as a letter?

    That is too little for statistics, and nearly always "café".
    """
    beyond = [at for at, byte in enumerate(data) if byte > 0x7F] if not data.isascii() else []
    if not 0 < len(beyond) <= 2:
        return False
    alone = all(later - earlier > 1 for earlier, later in pairwise(beyond))
    return alone and all(data[at] >= 0xC0 and data[at] not in b"\xd7\xf7" for at in beyond)


def decode(data: bytes, declared: str = "", fallback: str = "") -> str:
    """Given bytes and the declared charset ("" for none), return their text. Never raises.

    `fallback` is a codec to try before guessing, e.g. what the rest of the mail is written in. Characters that
    remain unreadable become U+FFFD; a byte order mark is not part of the text.
    """
    return clean(_decode(data, declared, fallback)).removeprefix("\ufeff")


def _decode(data: bytes, declared: str, fallback: str) -> str:  # noqa: PLR0911  a chain of tries
    if data.isascii() and b"\x1b" not in data and b"~{" not in data and b"+" not in data and b"\0" not in data:
        return data.decode("ascii")
    if b"\x1b" in data and japanese.looks_japanese(data):
        return japanese.decode(data)  # whatever it claims to be: no other mail holds these escapes
    codec = codec_name(declared)
    if codec.startswith("utf-16") and b"\0" not in data and (text := _strict(data, "utf-8")) is not None:
        return text  # "unicode" and the like are said of anything
    if codec and (text := _declared(data, codec)) is not None:
        return text
    if (text := _strict(data, "utf-8")) is not None:
        return text
    plausible = codec if codec not in {"utf-7", "windows-1252"} else ""
    if plausible and (text := _nearly(data, plausible, DAMAGED)) is not None:
        return text
    if fallback and (text := _declared(data, fallback)) is not None:
        return text
    if (text := _nearly(data, "utf-8")) is not None:
        return text
    guessed = guess(data)
    if plausible and guessed in {plausible, "windows-1252"} and (text := _nearly(data, plausible)) is not None:
        return text
    if (text := _strict(data, guessed)) is not None:
        return text
    return (plausible and _nearly(data, plausible)) or data.decode("windows-1252", "replace")


DAMAGED = 50
"""One unreadable character in so many beyond ASCII is damage on the way; more of them, and the label is wrong."""


def _nearly(data: bytes, codec: str, one_in: int = 10) -> str | None:
    """Given bytes of which only a few do not fit the codec, return the text with U+FFFD for those, else None."""
    try:
        text = data.decode(codec, "replace")
    except (UnicodeError, LookupError, ValueError):
        return None
    bad = text.count("\ufffd")
    foreign = len(text) - len(text.encode("ascii", "ignore"))
    # a valid multi-byte sequence of UTF-8 is hardly ever chance; of other charsets most bytes are valid
    return text if 0 < bad * (2 if codec == "utf-8" else one_in) <= foreign else None


def clean(text: str) -> str:
    """Given text that a codec made, return it without lone surrogates, which no database takes."""
    return text if text.isascii() else _SURROGATES.sub("\ufffd", text)
