"""What a charset's name in a mail means: the WHATWG Encoding Standard's labels and what else mail programs write."""

import codecs
import re
from functools import lru_cache

_LABELS = {
    "": "ascii us-ascii ansi_x3.4-1968 unknown unknown-8bit x-unknown default none binary 8bit 7bit"
    " base64 quoted-printable x-user-defined replacement",
    "utf-8": "utf8mb4 utf-8-mac x-utf-8 uft-8 unicode-1-1-utf-8 unicode11utf8 unicode20utf8 x-unicode20utf8",
    "utf-7": "unicode-1-1-utf-7 x-unicode-2-0-utf-7",
    "utf-16": "unicode csunicode ucs-2 iso-10646-ucs-2 unicodefeff",
    "utf-16-be": "unicodefffe",
    "windows-1252": "ansi_x3.110-1983 ansi ansi-1252 x-ansi iso-8859-1-windows iso_8859-1:1987 x-cp1252",
    "windows-1254": "iso_8859-9:1989",
    "iso-8859-15": "csisolatin9",
    "iso-8859-6": "iso-8859-6-i iso-8859-6-e csiso88596e csiso88596i",
    "iso-8859-7": "sun_eu_greek",
    "iso-8859-8": "iso-8859-8-i iso-8859-8-e logical visual csiso88598e csiso88598i",
    "koi8-r": "koi8r koi8 koi",
    "koi8-u": "koi8-ru",
    "mac-roman": "macintosh csmacintosh mac",
    "cp949": "ks_c_5601 ks_c_5601-1987 ks_c_5601-1989 ksc5601 ksc_5601 korean windows-949 x-windows-949 cseuckr"
    " csksc56011987 iso-ir-149",
    "gb18030": "csgb2312 gb_2312 gb_2312-80 gb2312-80 csiso58gb231280 x-gbk cp936 windows-936 chinese euc-cn",
    "cp950": "csbig5 big-5 x-x-big5 cn-big5",
    "cp932": "csshiftjis x-sjis ms_kanji windows-31j x-sjis-docomo x-sjis-kddi x-sjis-softbank x-ms-cp932",
    "euc-jp": "x-euc-jp x-euc cseucpkdfmtjapanese",
    "iso-2022-jp": "cp50220 cp50221 cp50222 csiso2022jp jis iso-2022-jp-ms",
    "iso-2022-kr": "csiso2022kr",
    "hz": "hz-gb-2312",
}
_ALIASES = {label: name for name, labels in _LABELS.items() for label in labels.split()}
_SUPERSETS = {
    "ascii": "", "iso8859-1": "windows-1252", "iso8859-9": "windows-1254", "iso8859-11": "cp874",
    "tis-620": "cp874", "gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932", "euc_kr": "cp949", "big5": "cp950",
}  # fmt: skip
"""The meaning of a codec's name in mail: the larger one, as browsers and mail programs read it."""
_MAC = {
    "arabic": "mac-arabic", "ce": "mac-latin2", "centraleurroman": "mac-latin2", "chinesesimp": "gb18030",
    "chinesetrad": "cp950", "croatian": "mac-croatian", "cyrillic": "mac-cyrillic", "farsi": "mac-farsi",
    "greek": "mac-greek", "hebrew": "iso-8859-8", "icelandic": "mac-iceland", "japanese": "cp932", "korean": "cp949",
    "roman": "mac-roman", "romanian": "mac-romanian", "thai": "cp874", "turkish": "mac-turkish",
    "ukrainian": "mac-cyrillic",
}  # fmt: skip
"""What Apple's mail programs write behind "x-mac-"."""
WRITTEN_IN = (
    "windows-1250", "windows-1251", "windows-1252", "windows-1253", "windows-1254", "windows-1255", "windows-1256",
    "windows-1257", "windows-1258", "iso-8859-2", "iso-8859-6", "iso-8859-7", "iso-8859-8", "iso-8859-13",
    "iso-8859-15", "koi8-r", "koi8-u", "cp932", "euc-jp", "cp949", "gb18030", "big5", "cp874",
)  # fmt: skip
"""What mail without a label, or under a wrong one, is written in: never a code page of DOS or of old Macs."""
_SAFE_NAME = re.compile(r"[a-z0-9_.:+-]{1,40}")
# Python's codecs that are no charsets of mail, or that are slow on hostile input.
_NOT_CHARSETS = {"idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined", "mbcs", "oem"}


def codec_name(declared: str) -> str:
    """Given a charset as a mail declares it, return the name of the codec to read it with, or "" if unknown."""
    return _codec_of_name(declared) if len(declared) <= _LONGEST_KNOWN else _codec(declared)


def _codec(declared: str) -> str:
    name = re.sub(r"\s{1,10}", "-", declared.strip().strip("\"'").lower().partition("*")[0].strip())
    if not _SAFE_NAME.fullmatch(name):
        return ""
    if (mac := re.fullmatch(r"(?:x-)?mac-?([a-z]+)", name)) and mac[1] in _MAC:
        name = _MAC[mac[1]]
    elif iso_8859 := re.fullmatch(r"iso-?_?8859-?_?(\d{1,2})", name):
        name = f"iso-8859-{iso_8859[1]}"
    name = next((_ALIASES[key] for key in (name, name.replace("_", "-")) if key in _ALIASES), name)
    if name.replace("_", "-") in _NOT_CHARSETS or not name:
        return ""
    try:
        info = codecs.lookup(name)
    except (LookupError, ValueError):
        return _windows(name)
    # zlib, hex, rot13… are codecs and no charsets; the mark is private, yet str.encode itself reads it
    return _SUPERSETS.get(info.name, name) if getattr(info, "_is_text_encoding", False) else ""


_LONGEST_KNOWN = 40
_codec_of_name = lru_cache(maxsize=256)(_codec)
"""Remembers the names that mails declare: the same few."""


def _windows(name: str) -> str:
    """Given an unknown name like "windows1251" or "cp-1251", return the code page that it means, or ""."""
    match = re.fullmatch(r"(?:x-|ms-?)?(?:windows|win|cp|ibm|dos)[-_]?(\d{3,5})", name)
    if not match:
        return ""
    try:
        return codecs.lookup("cp" + match[1]).name
    except LookupError:
        return ""
