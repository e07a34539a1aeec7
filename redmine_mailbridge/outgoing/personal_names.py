"""People's names as one writes them, from the names in mails and directories. Pure."""

import re
import unicodedata

_APART = re.compile(r"\s(?:[|/·•]|[-–—]{1,2}|via|über|per)\s.*")
"""What a mail program or a list puts behind a name: "Kim Client | Example Ltd", "Kim Client via Forum". Its words are
in lower case: Per is a given name.
"""
_IN_BRACKETS = re.compile(r"\s{0,5}(?:\([^()]{0,200}\)|\[[^\[\]]{0,200}\])")
_COMPANIES = "gmbh mbh ag kg ohg gbr ug inc ltd llc llp plc corp company sarl srl spa bv nv oy kft sro doo"
_DEGREES = "jr sr ii iii iv phd md mba ma msc bsc ba llm esq cpa dr prof dipl-ing ing mag bakk"
_PLACES = (
    "team support service helpdesk info office sales kontakt contact kundenservice kundendienst vertrieb einkauf "
    "buchhaltung verwaltung sekretariat zentrale abteilung department admin administrator webmaster newsletter noreply "
    "no-reply bestellung rechnung accounting billing orders hotline mail post verein university stadt"
)
_ORGANISATIONS = frozenset(f"{_COMPANIES} {_PLACES}".split())
"""Words that show that a name is not a person's, lower case, without stops."""
_SUFFIXES = frozenset(f"{_COMPANIES} {_DEGREES}".split())
"""What follows a comma without being a given name, likewise."""
LONGEST_GREETED = 60
LONGEST_SIGN_OFF = 25
LINES_OF_END = 10
"""Lines of a text among which a signature is looked for."""


def as_written(name: str) -> str:
    """Given the name in a mail or a directory, return it as one writes it: "Kunde, Karl (Example GmbH)" is Karl
    Kunde, 'Karl Kunde | Example' likewise. A name that is nothing but additions stays as it is.
    """
    whole = " ".join(name.split())
    bare = _IN_BRACKETS.sub("", _APART.sub("", whole)).strip(" \"'“”„,;")
    last, comma, first = (part.strip() for part in bare.partition(","))
    if not comma or not first or "," in first:
        return bare or whole
    if all(_folded(word) in _SUFFIXES for word in first.split()):
        return bare if _is_organisation(bare) else last
    return f"{first} {last}" if len(first.split()) <= 3 and len(last.split()) <= 4 else bare


def to_greet(name: str) -> str:
    """Given somebody's name, return the one to greet by; "" when it is none that one would greet by: an
    address, a company's, a department's, one with digits.
    """
    shown = as_written(name)
    if not shown or len(shown) > LONGEST_GREETED or _is_organisation(shown):
        return ""
    if not all(_of_a_name(sign) for sign in shown):
        return ""
    return shown if any(sign.isupper() or unicodedata.category(sign) == "Lo" for sign in shown) else ""


def _of_a_name(sign: str) -> bool:
    return unicodedata.category(sign)[0] in "LM" or sign in " -'’."


def _is_organisation(name: str) -> bool:
    return any(_folded(word) in _ORGANISATIONS for word in name.split())


def _folded(word: str) -> str:
    return word.casefold().replace(".", "").strip(",;:()")


def is_signed(text: str, author: str) -> bool:
    """Given a text and who wrote it, does the text end with the author's name, in its last lines?"""
    name = as_written(author).casefold()
    words = name.split()
    if not words:
        return False
    ends = [" ".join(line.casefold().split()).strip(" -–—*_,.") for line in text.strip().splitlines()[-LINES_OF_END:]]
    return any(end == words[0] or (name in end and len(end) <= len(name) + LONGEST_SIGN_OFF) for end in ends)
