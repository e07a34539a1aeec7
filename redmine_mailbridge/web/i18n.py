"""The pages' languages: English in the templates, others by a catalogue file, one line a text."""

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from redmine_mailbridge.settings.patterns import compile_linear
from redmine_mailbridge.web.mail_kinds import MAIL_KINDS

FOLDER = Path(__file__).parent / "languages"


class Translations:
    """Texts in one language; what the catalogue lacks stays English."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._texts = catalogue(language)

    def __call__(self, text: str, /, **values: object) -> str:
        """Given an English text with {names}, return it in this language with the values in their places."""
        translation = self._texts.get(text, text)
        return translation.format(**values) if values else translation

    def recorded(self, line: str) -> str:
        """Given a line that was recorded in English, such as a step of a mail, return it in this language. What the
        catalogue of lines lacks, a server's words among it, stays as it is.
        """
        return self._recorded(line, NESTED)

    def _recorded(self, line: str, nested: int) -> str:
        for pattern, translation in lines_of(self.language) if len(line) <= LONGEST else ():
            match = pattern.fullmatch(line)
            if match is not None:
                values = {
                    name: self(MAIL_KINDS.get(value, value))
                    if name == "kind"
                    else self._recorded(value, nested - 1)
                    if nested and (name in LINES_THEMSELVES or value == AN_ADMIN)
                    else value
                    for name, value in match.groupdict().items()
                }
                return translation.format(**values)
        return line


NESTED, LONGEST = 6, 1000
"""How deep a recorded line may hold others, and up to how many characters one is translated."""
LINES_THEMSELVES = frozenset({"why", "how", "more", "field", "result"})
"""The places in recorded lines whose values are recorded lines, too."""
AN_ADMIN = "an admin"
"""Used as the author of a decision when no login is known."""
ONE_WORD = frozenset({"login", "issue", "number", "id", "other", "guess", "method"})
"""The places whose values hold no space."""
_PLACE = re.compile(r"\\{([a-z_]+)\\}")


def _group(place: re.Match[str]) -> str:
    value = r"\S+?" if place[1] in ONE_WORD else '[^"]+?' if place[1] == "custom_name" else ".+?"
    return f"(?P<{place[1]}>{value})"


@cache
def lines_of(language: str) -> tuple[tuple[Any, str], ...]:
    """Given a language, return the patterns of recorded lines with their translations; the most specific first. They
    take linear time (RE2): strangers' words stand in the lines.
    """
    file = FOLDER / "recorded" / f"{language}.toml"
    if language not in languages() or not file.is_file():
        return ()
    texts = tomllib.loads(file.read_text("utf-8"))
    longest_first = sorted(texts.items(), key=lambda entry: len(_PLACE.sub("", re.escape(entry[0]))), reverse=True)
    patterns = (f"(?s){_PLACE.sub(_group, re.escape(line))}" for line, _ in longest_first)
    compiled = (compile_linear(pattern, any_case=False) for pattern in patterns)
    return tuple((pattern, translation) for pattern, (_, translation) in zip(compiled, longest_first, strict=True))


@cache
def catalogue(language: str) -> dict[str, str]:
    """Given a language, return its texts by the English ones; {} for English."""
    file = FOLDER / f"{language}.toml"
    if language not in languages() or not file.is_file():
        return {}
    return {str(key): str(value) for key, value in tomllib.loads(file.read_text("utf-8")).items()}


@cache
def languages() -> tuple[str, ...]:
    """The languages that there are, English first."""
    return ("en", *sorted(file.stem for file in FOLDER.glob("*.toml")))


def best(accepted: str, preferred: str | None = None) -> str:
    """Given an Accept-Language header and the language of the settings, return the one to use."""
    for part in [preferred or "", *accepted[:500].split(",")]:
        word = part.partition(";")[0].strip().partition("-")[0].lower()
        if word in languages():
            return word
    return "en"
