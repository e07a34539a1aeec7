"""Find the line that introduces a quote: "On …, … <…> wrote:", in any language, by what it is made of."""

import re
from collections.abc import Sequence

from redmine_mailbridge.mail.text.lines import TextLine
from redmine_mailbridge.mail.text.quote_words import OPENERS, VERB_PARTS, VERBS, WEEKDAYS

_ADDRESS = re.compile(r"[^\s<>@(\[:;,]{1,80}@[^\s<>@)\];,]{1,120}")
_ADDRESS_IN_BRACKETS = re.compile(
    r"[<(\[][ \t]?(?:mailto:)?[^\s<>@()\[\]]{1,120}@[^\s<>@()\[\]]{1,120}|&lt;[^\s<>@&]{1,80}@"
)
_TIME = re.compile(r"(?<!\d)\d{1,2}[:.h٫]\d{2}(?!\d)|\d{1,2} ?(?:时|時|点|시|uhr\b)", re.IGNORECASE)
_DATE = re.compile(
    r"(?<!\d)(?:(?:19|20)\d\d(?!\d)|٢٠\d\d|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{4}[./-]\d{1,2}[./-]\d{1,2}"
    r"|\d{1,2}[./-][a-z]{3}[./-]\d{2,4})|\d{1,2}月\s?\d{1,2}日|\d{1,2}월\s?\d{1,2}일",
    re.IGNORECASE,
)
_DAY_AND_MONTH = re.compile(
    r"(?<!\d)\d{1,2}(?:st|nd|rd|th|er|º|\.)? ?(?:de )?[^\W\d_]{3,12}|[^\W\d_]{3,12}\.? \d{1,2}(?!\d)"
)
_GMT = re.compile(r"\d{4}-\d\d-\d\d \d{1,2}:\d\d (?:GMT|UTC)[+-]\d\d:?\d\d ")
_ENDS = re.compile(r"[:：]$|\bwrote ?-{2,}$|[^\s-] ?-{3,}$")
_WORD = re.compile(r"[^\W\d_]+(?:\([^\W\d_]{1,3}\)|/[^\W\d_]{1,3})?")
_IS_LIKE = re.compile(r"https?://\S{1,300}")
_TRAIL = " \t\xa0*_\\\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u3000"
_LONGEST = 400
_MOST_LINES = 4
MOST_WEIGHED = 4000


class Attributions:
    """Finds attributions in one text. Weighs at most MOST_WEIGHED candidates, so that time stays linear."""

    def __init__(self, lines: Sequence[TextLine]) -> None:
        self.lines = lines
        self.left = MOST_WEIGHED
        self._known: dict[int, int | None] = {}
        self._believed: set[int] = set()

    def believe(self, marked: Sequence[bool]) -> None:
        """Take runs of lines for attributions because the HTML says so."""
        behind: int | None = None
        for index in range(len(marked) - 1, -1, -1):
            behind = (behind or index + 1) if marked[index] else None
            if marked[index] and not self.lines[index].blank:
                self._known[index] = behind
                self._believed.add(index)

    def at(self, start: int) -> int | None:
        """Given where to look, return the index behind the attribution that begins there, or None."""
        if start not in self._known:
            self._known[start] = self._look(start)
        return self._known[start]

    def may_be(self, index: int) -> bool:
        """Is this line one that introduces a quote if a quote follows, marked as one or not?"""
        bare = self.lines[index].bare
        if len(bare) > _LONGEST or not _may_begin(bare) or not _may_end(bare, bare):
            return False
        self.left -= 1
        return self.left < 0 or is_attribution(bare, quote_follows=True)

    def _look(self, start: int) -> int | None:
        first = self.lines[start]
        if first.blank or len(first.bare) > _LONGEST or not _may_begin(first.bare):
            return None
        joined = ""
        for end in range(start, min(start + _MOST_LINES, len(self.lines))):
            line = self.lines[end]
            if line.blank or (end > start and line.quoted != first.quoted):
                return None
            joined = f"{joined} {line.bare}" if joined else line.bare
            if len(joined) > _LONGEST:
                return None
            if not _may_end(line.bare, joined):
                continue
            self.left -= 1
            if self.left < 0:
                return None
            if is_attribution(joined, quote_follows=_quote_follows(self.lines, end + 1)):
                return None if self._begins_later(start, end) else end + 1
        return None

    def _begins_later(self, start: int, end: int) -> bool:
        """Is the first line only what stood above: does the attribution begin in a later line of the window?"""
        if end == start:
            return False
        bare = self.lines[start].bare
        if not (_opens(bare) or any(sign.isdigit() or sign in "@<(" for sign in bare)):
            return True
        goes_on = _opens(bare) and any(map(str.isdigit, bare)) and bare[-1] not in ".!?:;"
        return any(
            self.at(later) == end + 1
            and (later in self._believed or _opens(self.lines[later].bare))
            and not (goes_on and self.lines[later].bare[0].isdigit())
            for later in range(start + 1, end + 1)
        )


def _opens(bare: str) -> bool:
    """Does the line begin with a digit, a weekday or "On" in some language, in capitals where there are any?"""
    text = bare.lstrip("\"'<([-–— ")
    word = _WORD.match(text)
    return text[:1].isdigit() or bool(word and not text[:1].islower() and word.group().casefold() in OPENERS | WEEKDAYS)


def _may_end(bare: str, joined: str) -> bool:
    """Cheap: an attribution ends in a colon, in dashes, in a verb, or is the short form of a moment."""
    if bare.endswith((":", "：", "-")):
        return True
    if bare.endswith(">") and joined[:1].isdigit():
        return True
    return bare[bare.rfind(" ") + 1 :].casefold() in VERBS or (joined[:1] == "2" and bool(_GMT.match(joined)))


def _quote_follows(lines: Sequence[TextLine], start: int) -> bool:
    """Is one of the next three lines a quote, with nothing but blank lines before it?"""
    for line in lines[start : start + 3]:
        if not line.blank:
            return line.quoted
    return False


def _may_begin(bare: str) -> bool:
    """Cheap: an attribution begins with a letter, a digit, a quotation mark or dashes, and is not a bullet."""
    text = bare.lstrip("-–— \"'<«„“”")
    return bool(text) and (text[0].isalnum() or text[0] in "@&[(") and len(bare) <= _LONGEST


def is_attribution(text: str, *, quote_follows: bool) -> bool:  # noqa: PLR0911  # a ladder of verdicts
    """Given a candidate on one line, weigh what it holds: date, time, address, verb, colon, and how it begins."""
    text = text.strip(_TRAIL)
    dashed = text.startswith("--") and text.endswith("--")
    text = text.strip("- ") if dashed else text.lstrip("- ")
    lowered = text.casefold()
    if _IS_LIKE.search(lowered) and not _ADDRESS.search(lowered):
        return False
    words = _words_of(lowered)
    verb_place = max((i for i, word in enumerate(words) if word in VERBS), default=-1)
    verb = verb_place >= 0 or any(part in lowered for part in VERB_PARTS)
    address = bool(_ADDRESS.search(text))
    bracketed = bool(_ADDRESS_IN_BRACKETS.search(text))
    time = bool(_TIME.search(text))
    date = bool(_DATE.search(text) or (time and _DAY_AND_MONTH.search(text)))
    if not (_ENDS.search(text) or dashed):
        if quote_follows and date and text[:1].isdigit() and text.endswith(">"):
            return bracketed and len(words) <= 8
        return _unfinished(text, words, verb=verb, date=date and time, address=address)
    begins = _begins(text, words)
    if dashed and verb and len(words) <= 6:
        return True
    if quote_follows:
        return (verb and (date or address or len(words) <= 6)) or (date and (address or time) and begins)
    if not begins:
        return False
    if bracketed:
        ends_so = re.search(r"[>)\]] ?[:：]$", text) is not None
        return (verb and len(words) <= 40) or (date and time and (ends_so or len(words) <= 16))
    if address:
        return verb and date and len(words) <= 30
    return verb and date and time and len(words) <= 16 and (dashed or verb_place >= len(words) - 3)


def _words_of(lowered: str) -> list[str]:
    """The words outside of addresses."""
    return _WORD.findall(_ADDRESS.sub(" ", lowered))


def _begins(text: str, words: Sequence[str]) -> bool:
    """Does it begin as an attribution may: opener, date, weekday, or the name of who wrote?"""
    first = text.lstrip("\"'<([«„“”-–— ")
    if not first or first[0].isdigit() or not first[0].isascii():
        return True
    if not words or words[0] in OPENERS or words[0] in WEEKDAYS or words[0] in VERBS:
        return True
    if text.casefold().startswith("in a message dated"):
        return True
    before = re.split(r"[<(\[@]|&lt;", text, maxsplit=1)[0]
    names = before.split()
    if len(names) < len(text.split()):
        return len(names) <= 7 and any(name[:1].isupper() or "@" in text[: len(before) + 1] for name in names)
    verb_at = next((i for i, name in enumerate(names) if name.casefold().strip(":,") in VERBS), len(names))
    return 0 < verb_at <= 4 and all(name[:1].isupper() or not name[:1].isalpha() for name in names[:verb_at])


def _unfinished(text: str, words: Sequence[str], *, verb: bool, date: bool, address: bool) -> bool:
    """The few forms that end without a colon."""
    if _GMT.match(text):
        return len(words) <= 10
    ends_in_verb = bool(words) and words[-1] in VERBS and text.casefold().endswith(words[-1])
    return verb and date and address and ends_in_verb and _begins(text, words)
