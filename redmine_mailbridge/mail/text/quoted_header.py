"""Find the block of From, Sent, To and Subject that mail programs put above a quoted mail, in any language."""

import re
from collections.abc import Sequence

from redmine_mailbridge.mail.text.lines import TextLine
from redmine_mailbridge.mail.text.quote_words import HEADER_ROLE, RAW_HEADER_KEYS

_KEY = re.compile(r"([^\s:：<>@\d][^:：<>@\d\n]{0,28}?)[ \t\xa0*_\\]{0,6}[:：]")
_ADDRESS = re.compile(r"[^\s<>@]{1,120}@[^\s<>@]{1,120}")
_MOMENT = re.compile(r"\d{1,2}[:.h]\d{2}|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|(?:19|20)\d\d|\d{4}年")
_RFC_DATE = re.compile(r"\d{1,2}:\d\d(?::\d\d)? [+-]\d{4}")
_MOST_LINES = 24
_MOST_CONTINUATION = 4


def _key(bare: str) -> tuple[str, str] | None:
    """Given a line, return the role of its key and its value, ("raw", value) for a mail's other headers."""
    match = _KEY.match(bare[:40])
    if match is None:
        return None
    word = match.group(1).strip(" \t\xa0*_\\").casefold()
    value = bare[match.end() :].strip(" \t\xa0*_\\")
    if word in RAW_HEADER_KEYS or word.startswith(("x-", "arc-", "list-")):
        return "raw", value
    role = HEADER_ROLE.get(word)
    if role is None and "/" in word:
        role = HEADER_ROLE.get(word.split("/", 1)[0].strip())
    return (role, value) if role else None


class HeaderBlocks:
    """Finds header blocks in one text; every line's key is read once."""

    def __init__(self, lines: Sequence[TextLine]) -> None:
        self.lines = lines
        self._keys: dict[int, tuple[str, str] | None] = {}

    def _key_of(self, index: int) -> tuple[str, str] | None:
        if index not in self._keys:
            bare = self.lines[index].bare
            self._keys[index] = _key(bare) if ":" in bare or "：" in bare else None
        return self._keys[index]

    def at(self, start: int) -> int | None:
        """Given where to look, return the index behind the header block that begins there, or None.

        A block needs three roles, one of them who or when; and an address, or a date beside a subject.
        """
        first = self._key_of(start)
        if first is None or first[0] in {"raw", "cc"}:
            return None
        if start and self._key_of(start - 1) is not None and self.lines[start - 1].quoted == self.lines[start].quoted:
            return None
        values: dict[str, str] = {}
        end = start
        blanks = continued = 0
        for index in range(start, min(start + _MOST_LINES, len(self.lines))):
            line = self.lines[index]
            key = self._key_of(index)
            if line.quoted != self.lines[start].quoted:
                break
            if key is not None:
                if key[0] == "raw":
                    return None
                values[key[0]] = f"{values.get(key[0], '')} {key[1]}"[:600]
                end, blanks, continued = index + 1, 0, 0
                continue
            blanks = blanks + 1 if not line.bare else 0
            continued += 1
            if blanks > 1 or continued > _MOST_CONTINUATION:
                break
            if line.bare and end == index and continued <= 2:
                last = next(reversed(values))
                values[last] = f"{values[last]} {line.bare}"[:600]
                end = index + 1
        return end if _is_block(values) else None

    def senders(self, start: int, end: int) -> str:
        """Given the header block between these lines, return what it says of the sender: all of it, if it says that
        more than once. Lines below a blank one may be the quoted mail's, and do not count.
        """
        texts: list[str] = []
        role = ""
        for index in range(start, end):
            line, key = self.lines[index], self._key_of(index)
            if not line.bare:
                break
            role = role if key is None else key[0]
            if role == "from":
                texts.append(line.bare if key is None else key[1])
        return " ".join(texts)[:600]


def _is_block(fields: dict[str, str]) -> bool:
    roles = set(fields) - {"cc"}
    values = " ".join(fields.values())[:4000]
    address = bool(_ADDRESS.search(values))
    moment = bool(_MOMENT.search(fields.get("date", "")))
    if len(roles) >= 3:
        return ("from" in roles or "date" in roles) and (address or ("subject" in roles and moment))
    if "date" in roles and len(roles) == 2 and roles & {"to", "from"}:
        return address and bool(_RFC_DATE.search(fields["date"]))
    return len(roles) == 2 and "from" in roles and "cc" in fields and address and moment


def looks_like_block(lines: Sequence[TextLine], start: int) -> bool:
    """Given where a separator ends, say whether "key: value" lines with an address or a moment follow.

    For languages whose words are not known: three such lines in a row, one with an address, one with a moment.
    """
    seen: list[str] = []
    for line in lines[start : start + 7]:
        if not line.bare:
            if seen:
                break
            continue
        if not _KEY.match(line.bare[:40]):
            break
        seen.append(line.bare[:400])
    text = " ".join(seen)
    return len(seen) >= 3 and bool(_ADDRESS.search(text)) and bool(_MOMENT.search(text))
