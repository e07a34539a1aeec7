"""Mail addresses that a person names in a line of an issue's text, whatever an editor has made of them. Pure.

Unlike an address field (mail/mime/addresses.py), where as much as possible is read, nothing is guessed here: mail goes
to what is read, so each word that is neither an address nor a name before one is a problem.
"""

import re
from urllib.parse import unquote

from redmine_mailbridge.mail.mime.mailable import comparable, mailable
from redmine_mailbridge.mail.text.characters import INVISIBLE
from redmine_mailbridge.mail.text.from_redmine import unescaped
from redmine_mailbridge.model.mail import Address
from redmine_mailbridge.util.dataclass import dataclass
from redmine_mailbridge.util.printable import printable_line

SHOWN = 80
LONGEST_NAME = 200
_TAG = re.compile(
    r"</?(?:p|div|ul|ol|li|h[1-6]|section|article|span|br|b|strong|i|em|u|s|del|ins|font)(?=[\s/>])[^<>]{0,400}>",
    re.IGNORECASE,
)
_LINK = re.compile(
    r"""<a\s[^<>]{0,400}?href=["']?mailto:(?P<html>[^"'?<>\s]{1,400})[^<>]{0,400}>(?P<html_words>[^<>]{0,400})</a>"""
    r"|\[(?P<markdown_words>[^\[\]\n]{0,400})\]\(<?mailto:(?P<markdown>[^\s<>()?\"]{1,400})[^()\n]{0,400}\)"
    r"|\"(?P<textile_words>[^\"\n]{0,400})\":mailto:(?P<textile>[^\s<>\",;?]{1,400})(?:\?[^\s<>\",;]{0,400})?",
    re.IGNORECASE,
)
_BEHIND_WORDS = re.compile(r"\((mailto:[^\s<>()]{1,400})\)", re.IGNORECASE)
"""How a link to an address is written where the markup cannot hold it."""
_UNLINKED = re.compile(r"</?a(?=[\s/>])[^<>]{0,400}>", re.IGNORECASE)
_NEVER_SHOWN = re.compile(rf"[{INVISIBLE}]")
_TOKEN = re.compile(
    r"\"(?P<quoted>[^\"]{0,400})\"(?!@)|<(?:mailto:)?(?P<angle>[^<>\s]{0,400})>|(?P<separator>[,;])"
    r"|(?P<word>[^\s,;<>\"]{1,400})|(?P<odd>\S)",
    re.IGNORECASE,
)
_SPLITS = re.compile(r"[<>\",;\s]")
_AROUND, _BEHIND = "*`()[]{}'’“”„«»", ".:!?"


def named_addresses(words: str) -> tuple[tuple[Address, ...], tuple[str, ...]]:
    """Given what a person writes in a line, in Redmine's markup, return the addresses that it names, in order, and a
    line for each problem: words that are no address, an address that no mail can go to, a link that leads elsewhere.

    Addresses are separated by commas, semicolons or blanks; `Kim <kim@example.com>` and links to an address count.
    """
    reading = _NamedAddresses([], [])
    plain = _BEHIND_WORDS.sub(r"<\1>", _LINK.sub(reading.of_link, _TAG.sub(" ", words)))
    plain = unescaped(_UNLINKED.sub(" ", plain))
    plain = _NEVER_SHOWN.sub(lambda sign: " " if sign[0].isspace() else "", plain)
    for token in _TOKEN.finditer(plain):
        reading.take(token)
    reading.end_of_words()
    return tuple(reading.people), tuple(dict.fromkeys(reading.problems))


@dataclass(slots=True)
class _NamedAddresses:
    """What has been read. `name` are words that must be the name before an address; `last` is an address that was the
    last word, without anything behind it.
    """

    people: list[Address]
    problems: list[str]
    name: str = ""
    last: str = ""

    def of_link(self, link: re.Match[str]) -> str:
        """Given a link to an address, return it in plain words; nothing if its words show another address."""
        kind = next(kind for kind in ("html", "markdown", "textile") if link[kind] is not None)
        address, shown = unquote(unescaped(link[kind])), unescaped(link[f"{kind}_words"])
        shown = _NEVER_SHOWN.sub(lambda sign: " " if sign[0].isspace() else "", shown).strip(f"{_AROUND} _<>")
        shown = shown[len("mailto:") :] if shown.lower().startswith("mailto:") else shown
        if _SPLITS.search(address) or ("@" in shown and comparable(shown) != comparable(address)):
            self.problems.append(f"{_shown(shown or address)} is a link to another address")
            return " "
        if shown and "@" not in shown:
            return f' "{_name(shown)}" <{address}> '
        return f" <{address}> "

    def take(self, token: re.Match[str]) -> None:
        """Given the next word, bracketed address or separator, take it."""
        last, self.last = self.last, ""
        if token["separator"]:
            self.name = f"{self.name}," if self.name else ""
        elif token["angle"] is not None:
            if not last:
                self._address(self.name.strip(" ,"), token["angle"])
            elif comparable(last) != comparable(token["angle"]):
                self.people.pop()
                self.problems.append(f"{_shown(last)} is the name of another address")
            self.name = ""
        elif token["quoted"] is not None:
            self.name = f"{self.name} {token['quoted']}"
        else:
            word = (token["word"] or token["odd"]).strip(_AROUND).rstrip(_BEHIND).strip(_AROUND)
            word = word[len("mailto:") :] if word.lower().startswith("mailto:") else word
            word = word.rstrip("_").removeprefix("_") if word.endswith("_") else word  # emphasis
            if "@" not in word:
                self.name = f"{self.name} {word}" if word else self.name
            else:
                self.end_of_words()
                self.last = word if self._address("", word) else ""

    def end_of_words(self) -> None:
        """No address follows the words that may have been its name."""
        words, self.name = self.name.strip(" ,"), ""
        if words:
            self.problems.append(f"{_shown(words)} is not a mail address")

    def _address(self, name: str, address: str) -> bool:
        person = mailable(Address(_name(name), address))
        if person is None:
            self.problems.append(f"{_shown(address)} is not a mail address")
            return False
        self.people.append(person)
        return True


def _name(words: str) -> str:
    """A name on one line, without what could end or open an address in a header."""
    return printable_line(words.replace("<", " ").replace(">", " ").replace('"', " "))[:LONGEST_NAME].strip()


def _shown(words: str) -> str:
    return printable_line(words)[:SHOWN] or "a blank"
