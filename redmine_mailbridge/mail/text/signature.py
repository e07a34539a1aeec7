"""Find where the writer's own text ends: signatures, footers of telephones, lines of mailing lists."""

import re
from collections.abc import Sequence

from redmine_mailbridge.mail.text.footer_words import strong_footer, weak_footer
from redmine_mailbridge.mail.text.lines import TextLine
from redmine_mailbridge.mail.text.quote_words import SIGN_OFFS

_RULE = re.compile(r"(?:[_=~*\u2014\u2500\u2501-]{4,}|[_=*\u2014\u2013-]{2,3})$")
_SIGNATURE = re.compile(r"(?:--|\u2014|\u2013\u2013|\u2014\u2014|_\u200b_)$")
_CONTACT = re.compile(
    r"\+?\(?\d[\d ()/.\-]{6,25}\d|www\.|https?://|[^\s@]{1,60}@[^\s@]{1,60}\.\w|\b(?:ceo|cto|cfo|coo|cio|gmbh|ag|kg|"
    r"ltd|llc|inc|s\.a\.|s\.r\.l|b\.v\.|sp\. z o\.o|oy|ab|a/s|manager|director|engineer|developer|consultant|"
    r"founder|head of|assistant|administrator|geschäftsführer|leiter|leiterin|ingénieur|directeur|directrice|"
    r"responsable|gerente|director[ae]?|diretor|direttore|kierownik|dyrektor|ředitel|директор|менеджер|"
    r"инженер|tel|phone|mobile|fax|mobil|tél|telefon|тел)\b",
    re.IGNORECASE,
)
_AFTERTHOUGHT = re.compile(r"p\.? ?s\.?\b|n\.? ?b\.?\b|\?", re.IGNORECASE)
_EXCUSE = re.compile(
    r"excuse|typo|brevity|brief|sorry|pardon|forgive|spelling|tipp|fehler|faute|erreur|errore|erros", re.IGNORECASE
)
_GOES_ON = re.compile(r"[,;:] [^\W\dA-Z_]|[.!?] \w")
_LIST = re.compile(
    r"mailing list|unsubscribe|mailman|listinfo|abmelden|désabonner|darse de baja|отписаться|disiscriver",
    re.IGNORECASE,
)
_LINK = re.compile(r"https?://|[^\s@]{1,60}@[^\s@]{1,60}\.\w", re.IGNORECASE)
_LONGEST_FOOTER = 110
_LONGEST_SIGNATURE = 25
_LONGEST_CARD = 9


def is_strong_footer(bare: str) -> bool:
    """Is this line what a telephone or a mail program adds below the text?"""
    text = bare.strip("<>([*_\"' \t")
    if len(bare) > _LONGEST_FOOTER or len(text.split()) > 16 or not strong_footer().match(text):
        return False
    return not _GOES_ON.search(text) or bool(_EXCUSE.search(text) or "http" in text)


def _is_weak_footer(bare: str) -> bool:
    text = bare.strip("<>()[]*_\"'. \t")
    return len(text) <= 70 and len(text.split()) <= 9 and bool(weak_footer().fullmatch(text))


def is_rule(bare: str) -> bool:
    """Is this line only drawn: ____, ----, ====?"""
    return bool(_RULE.match(bare[:200])) and len(set(bare)) <= 2


def is_delimited_signature(raw: str, line: TextLine) -> bool:
    """Is this the line that signatures begin with: "-- ", or its worn forms "--" and a dash alone?"""
    return not line.quoted and (raw.rstrip() == "--" or bool(_SIGNATURE.match(line.bare[:8])))


def signature_start(raws: Sequence[str], lines: Sequence[TextLine], end: int) -> int | None:
    """Given the lines up to `end`, return where a signature begins that runs to the end, or None.

    "-- " is believed for any length, its worn forms for at most 25 lines of text.
    """
    text_below = 0
    start: int | None = None
    for index in range(end - 1, -1, -1):
        line = lines[index]
        if is_delimited_signature(raws[index], line) and (
            raws[index] == "-- " or (text_below <= _LONGEST_SIGNATURE and not _divides(lines, index, end))
        ):
            start = index
        if not line.blank:
            text_below += 1
        if text_below > 4 * _LONGEST_SIGNATURE:
            break
    return start


def _divides(lines: Sequence[TextLine], index: int, end: int) -> bool:
    """Does a single dash between blank lines separate two pieces of prose?"""
    if index + 1 >= end or not lines[index + 1].blank or (index and not lines[index - 1].blank):
        return False
    below = (line.bare for line in lines[index + 2 : min(end, index + 2 + _LONGEST_SIGNATURE)])
    return any(len(bare.split()) >= 6 and bare[-1] in ".!?" for bare in below if bare)


def footer_start(lines: Sequence[TextLine], end: int) -> int | None:
    """Given the lines up to `end`, return where footers that run to the end begin, or None."""
    start: int | None = None
    for index in range(end - 1, -1, -1):
        line = lines[index]
        if line.blank:
            continue
        if line.quoted or not (is_strong_footer(line.bare) or _is_weak_footer(line.bare)):
            break
        start = index
    return start


def card_start(lines: Sequence[TextLine], end: int) -> int | None:
    """Given the lines up to `end`, return where "Regards," with name, title and telephone begins, or None.

    Only with at least two lines below the closing words, of which one other than the first shows a card.
    """
    below: list[str] = []
    for index in range(end - 1, max(-1, end - 2 * _LONGEST_CARD), -1):
        line = lines[index]
        if line.blank:
            continue
        if line.quoted or len(line.bare) > 80 or len(below) > _LONGEST_CARD:
            return None
        if line.bare.casefold().strip(" ,.!;-") in SIGN_OFFS:
            card = below[::-1]
            shows = len(card) >= 2 and any(_CONTACT.search(text) for text in card[1:])
            return index if shows and not any(_AFTERTHOUGHT.search(text[:200]) for text in card) else None
        below.append(line.bare)
    return None


def list_footer_start(lines: Sequence[TextLine], end: int) -> int | None:
    """Given the lines up to `end`, return where a mailing list's footer below a drawn line begins, or None.

    A short line, "__" or "-- ", counts if an address or a link is below it.
    """
    seen: list[str] = []
    for index in range(end - 1, max(-1, end - 12), -1):
        line = lines[index]
        if line.blank:
            continue
        if is_rule(line.bare) and seen:
            text = " ".join(seen)[:2000]
            return index if _LIST.search(text) and (len(line.bare) >= 20 or _LINK.search(text)) else None
        seen.append(line.bare)
    return None
