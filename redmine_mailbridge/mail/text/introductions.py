"""Lines that introduce a quote or a forwarded mail by their words, and where quoted lines end."""

import re
from collections.abc import Sequence

from redmine_mailbridge.mail.text.lines import TextLine
from redmine_mailbridge.mail.text.quote_words import FORWARDED, ORIGINAL

_ORIGINAL = frozenset(ORIGINAL)
_FORWARDED = frozenset(FORWARDED)
_SENTENCE_ENDS = ("?", "!", "？", "！")
_CODE = TextLine("code", quoted=False, blank=False)
_ABOVE = re.compile(
    r"(?:reply|respond|write|type your reply|answer) above (?:this|the) line|"
    r"(?:antwort|antworten|schreiben) .{0,20}(?:über|oberhalb) dieser (?:zeile|linie)|"
    r"répond\w* au[- ]dessus de cette ligne|(?:responda|escriba) .{0,20}encima de esta línea",
    re.IGNORECASE,
)


def heal(lines: Sequence[TextLine]) -> list[TextLine]:
    """Lines of a quote that were wrapped on the way lost their >: give it back where that is certain.

    Certain is: between two quoted lines, the one above long and not ending a question, itself shorter and
    beginning in lower case or with an address.
    """
    healed = list(lines)
    for index in range(1, len(lines) - 1):
        line, above = lines[index], healed[index - 1]
        if line.quoted or line.blank or not above.quoted or not lines[index + 1].quoted:
            continue
        first = line.bare[:1]
        torn = first.islower() or first in "<(" or line.bare.startswith(("http", "&"))
        if torn and len(above.bare) >= 52 and not above.bare.endswith(_SENTENCE_ENDS):
            healed[index] = TextLine(line.bare, True, False)
    return healed


def veil_code(lines: Sequence[TextLine]) -> Sequence[TextLine]:
    """Text between a pair of ``` is code, whatever it looks like: no rule applies to it."""
    fences = [index for index, line in enumerate(lines) if line.bare.startswith("```") and not line.quoted]
    if len(fences) < 2:
        return lines
    veiled = list(lines)
    for opening, closing in zip(fences[::2], fences[1::2], strict=False):
        veiled[opening : closing + 1] = [_CODE] * (closing + 1 - opening)
    return veiled


def end_of_quote(lines: Sequence[TextLine], start: int, end: int) -> int | None:
    """Return the index behind the quoted lines that begin at `start` (blank lines before allowed), or None."""
    index = start
    while index < end and lines[index].blank:
        index += 1
    if index == end:
        return end
    if not lines[index].quoted:
        return None
    behind = index
    while index < end and (lines[index].quoted or lines[index].blank):
        index += 1
        if lines[index - 1].quoted:
            behind = index
    return behind


def is_original(bare: str) -> bool:
    """Is this "-----Original Message-----", in any of the languages, with at least a dash before it?"""
    if len(bare) > 130 or not bare[:1] or bare[0].isalnum():
        return False
    words = bare.strip("-_=*~—─ \t<>#:.").casefold()
    return words in _ORIGINAL


def names_original(bare: str) -> bool:
    """Is this "Original Message" in any of the languages, with or without dashes? Counts above a header block only."""
    return len(bare) <= 130 and bare.strip("-_=*~—─ \t<>#:.").casefold() in _ORIGINAL


def is_forward(bare: str) -> bool:
    """Is this "---------- Forwarded message ---------" or "Begin forwarded message:"?"""
    if len(bare) > 160:
        return False
    words = bare.strip("-_=*~—─ \t<>#:.：").casefold()
    if words in _FORWARDED:
        return True
    return bare.startswith("--") and any(words.startswith(known) for known in FORWARDED)


def is_reply_above(bare: str) -> bool:
    """Is this a help desk's "reply above this line"?"""
    return bool(_ABOVE.search(bare[:200]))
