"""Bytes to characters, whatever the sender claims: declared, its superset, UTF-8, a guess, replacement."""

import codecs
import re
from itertools import pairwise

# What senders write, and what they mean; a name that maps to "" says nothing.
_ALIASES = {
    "unicode-1-1-utf-7": "utf-7",
    "unicode-1-1-utf-8": "utf-8",
    "x-unicode-2-0-utf-7": "utf-7",
    "utf8mb4": "utf-8",
    "utf-8-mac": "utf-8",
    "x-utf-8": "utf-8",
    "uft-8": "utf-8",
    "unicode": "utf-16",
    "ascii": "windows-1252",
    "us-ascii": "windows-1252",
    "us_ascii": "windows-1252",
    "ansi_x3.4-1968": "windows-1252",
    "ansi_x3.110-1983": "iso-8859-1",
    "ansi": "windows-1252",
    "ansi-1252": "windows-1252",
    "latin-1": "windows-1252",
    "latin1": "windows-1252",
    "iso-8859-1": "windows-1252",
    "iso8859-1": "windows-1252",
    "iso_8859-1": "windows-1252",
    "iso-8859-1-windows": "windows-1252",
    "x-ansi": "windows-1252",
    "iso-8859-9": "windows-1254",
    "iso-8859-11": "cp874",
    "tis-620": "cp874",
    "windows-874": "cp874",
    "iso-8859-8-i": "iso-8859-8",
    "iso-8859-8-e": "iso-8859-8",
    "logical": "iso-8859-8",
    "visual": "iso-8859-8",
    "iso-8859-6-i": "iso-8859-6",
    "iso-8859-6-e": "iso-8859-6",
    "ks_c_5601": "cp949",
    "ks_c_5601-1987": "cp949",
    "ks_c_5601-1989": "cp949",
    "ksc5601": "cp949",
    "ksc_5601": "cp949",
    "korean": "cp949",
    "euc-kr": "cp949",
    "euckr": "cp949",
    "windows-949": "cp949",
    "x-windows-949": "cp949",
    "gb2312": "gb18030",
    "gb_2312-80": "gb18030",
    "gb2312-80": "gb18030",
    "gbk": "gb18030",
    "x-gbk": "gb18030",
    "cp936": "gb18030",
    "windows-936": "gb18030",
    "chinese": "gb18030",
    "euc-cn": "gb18030",
    "hz-gb-2312": "hz",
    "big5": "cp950",
    "big-5": "cp950",
    "x-x-big5": "cp950",
    "cn-big5": "cp950",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "x-sjis": "cp932",
    "sjis": "cp932",
    "ms_kanji": "cp932",
    "windows-31j": "cp932",
    "x-euc-jp": "euc-jp",
    "cp50220": "iso-2022-jp",
    "cp50221": "iso-2022-jp",
    "x-mac-roman": "mac-roman",
    "macintosh": "mac-roman",
    "x-mac-cyrillic": "mac-cyrillic",
    "x-mac-ce": "mac-latin2",
    "koi8r": "koi8-r",
    "x-cp1251": "windows-1251",
    "win-1251": "windows-1251",
    "x-cp1252": "windows-1252",
    "unknown": "",
    "unknown-8bit": "",
    "x-unknown": "",
    "default": "",
    "none": "",
    "binary": "",
    "8bit": "",
    "7bit": "",
    "x-user-defined": "",
}
_SAFE_NAME = re.compile(r"[a-z0-9_.:+-]{1,40}")
# Python's codecs that are no charsets of mail, or that are slow on hostile input.
_NOT_CHARSETS = {"idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined", "mbcs", "oem"}
_SECOND_TRY = {
    "cp950": "big5hkscs",
    "iso-8859-8": "windows-1255",
    "euc-jp": "euc_jis_2004",
    "cp932": "shift_jis_2004",
}
_LATIN = {"windows-1252", "iso-8859-15", "windows-1254"}
_SAMPLE = 64 * 1024
_SURROGATES = re.compile("[\ud800-\udfff]")


def codec_name(declared: str) -> str:
    """Given a charset as a mail declares it, return the name of the codec to read it with, or "" if unknown."""
    name = declared.strip().strip("\"'").lower().partition("*")[0].strip()
    if not _SAFE_NAME.fullmatch(name):
        return ""
    name = _ALIASES.get(name, name)
    if name.replace("_", "-") in _NOT_CHARSETS or not name:
        return ""
    try:
        info = codecs.lookup(name)
    except (LookupError, ValueError):
        return _windows(name)
    # zlib, hex, rot13… are codecs and no charsets; the mark is private, yet str.encode itself reads it
    return name if getattr(info, "_is_text_encoding", False) else ""


def _windows(name: str) -> str:
    """Given an unknown name like "windows1251" or "cp-1251", return the code page that it means, or ""."""
    found = re.fullmatch(r"(?:x-|ms-?)?(?:windows|win|cp|ibm|dos)[-_]?(\d{3,5})", name)
    if not found:
        return ""
    try:
        return codecs.lookup("cp" + found[1]).name
    except LookupError:
        return ""


def _strict(data: bytes, codec: str) -> str | None:
    try:
        return data.decode(codec)
    except (UnicodeError, LookupError, ValueError):
        return None


def _japanese(data: bytes) -> str | None:
    """Given ISO-2022-JP with characters of NEC's row 13, read its JIS X 0208 runs as JIS X 0213."""
    return _strict(data.replace(b"\x1b$B", b"\x1b$(Q"), "iso2022_jp_2004")


def _declared(data: bytes, codec: str) -> str | None:
    """Given bytes and the declared codec, return the text when they fit, else None."""
    if codec in _LATIN and (read := _strict(data, "utf-8")) is not None:
        return read  # valid multi-byte UTF-8 under a Latin name is a lie; plain ASCII reads the same
    text = _strict(data, codec)
    if text is None and codec.startswith("iso-2022-jp"):
        text = _japanese(data)
    if text is None and codec in _SECOND_TRY:
        text = _strict(data, _SECOND_TRY[codec])
    return text


def guess(data: bytes) -> str:
    """Given bytes in an unknown charset, return the codec they most likely are in; windows-1252 when unsure."""
    if _few_accents(data[:_SAMPLE]):
        return "windows-1252"
    import chardet  # noqa: PLC0415  slow to import and seldom needed

    try:
        found = chardet.detect(data[:_SAMPLE])["encoding"]
    except (ValueError, LookupError, ArithmeticError):
        return "windows-1252"
    codec = codec_name(found or "")
    return codec or "windows-1252"


def _few_accents(data: bytes) -> bool:
    """Are there one to three bytes beyond ASCII, each alone among ASCII, that windows-1252 reads as a letter?

    That is too little for statistics, and nearly always "café".
    """
    beyond = [at for at, byte in enumerate(data) if byte > 0x7F] if not data.isascii() else []
    if not 0 < len(beyond) <= 3:
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
    codec = codec_name(declared)
    if codec and (text := _declared(data, codec)) is not None:
        return text
    if (text := _strict(data, "utf-8")) is not None:
        return text
    if codec and codec not in {"utf-7", "windows-1252"} and (text := _nearly(data, codec)) is not None:
        return text
    if fallback and (text := _declared(data, fallback)) is not None:
        return text
    if (text := _nearly(data, "utf-8")) is not None:
        return text
    guessed = _strict(data, guess(data))
    return guessed if guessed is not None else data.decode("windows-1252", "replace")


def _nearly(data: bytes, codec: str) -> str | None:
    """Given bytes of which only a few do not fit the codec, return the text with U+FFFD for those, else None."""
    try:
        text = data.decode(codec, "replace")
    except (UnicodeError, LookupError, ValueError):
        return None
    bad = text.count("\ufffd")
    foreign = len(text) - len(text.encode("ascii", "ignore"))
    # a valid multi-byte sequence of UTF-8 is hardly ever chance; of other charsets most bytes are valid
    return text if bad * (2 if codec == "utf-8" else 10) <= foreign else None


def clean(text: str) -> str:
    """Given text that a codec made, return it without lone surrogates, which no database takes."""
    return _SURROGATES.sub("\ufffd", text)
