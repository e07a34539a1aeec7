"""The pages' languages: English in the templates, others by a catalogue file, one line a text."""

import tomllib
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "languages"


class Words:
    """Texts in one language; what the catalogue lacks stays English."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._texts = catalogue(language)

    def __call__(self, text: str, /, **values: object) -> str:
        """Given an English text with {names}, return it in this language with the values in their places."""
        said = self._texts.get(text, text)
        return said.format(**values) if values else said


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


def best(accepted: str, wanted: str | None = None) -> str:
    """Given an Accept-Language header and the language of the settings, return the one to use."""
    for part in [wanted or "", *accepted[:500].split(",")]:
        word = part.partition(";")[0].strip().partition("-")[0].lower()
        if word in languages():
            return word
    return "en"
