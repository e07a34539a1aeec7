"""The words of Redmine's languages are the real Redmine's, read from its own translations."""

import re
from pathlib import Path

import pytest

from redmine_mailbridge.policy.field_names import means_no, means_yes, no_subject, words_for
from redmine_mailbridge.settings.issue import KEYWORDS
from tests.servers import services

pytestmark = pytest.mark.real
BRITISH, PANAMANIAN = "en-GB", "es-PA"
"""These call everything as their mother languages do."""


def translations(tree: str) -> dict[str, dict[str, str]]:
    """The words of each language's file, by key; those of deeper levels by the last one's."""
    folder = Path(tree) / "usr/share/redmine/config/locales"
    line = re.compile(r"^ +([A-Za-z_]+): +(?:\"(.*)\"|'(.*)'|([^\s#&*|>\[{].*?)) *$", re.MULTILINE)
    return {
        file.stem: {found[1]: found[2] or found[3] or found[4] for found in line.finditer(file.read_text("utf-8"))}
        for file in folder.glob("*.yml")
        if file.stem not in ("en", BRITISH)
    }


def test_every_language_as_redmine_writes_it(servers: services.State) -> None:
    """In each of Redmine's languages the bridge knows the keyword lines' names."""
    wrong = []
    found = translations(servers["tree"])
    for language, words in found.items():
        ours = words_for(language)
        wrong += [f"{language} {key}" for key in KEYWORDS if words[f"field_{key}"] not in _all(ours.get(key, ()))]
    assert len(found) >= 46
    assert [] == wrong


def test_yes_no_and_no_subject_as_redmine_writes_them(servers: services.State) -> None:
    """Yes and no are each language's own; a mail without a subject is called as Redmine calls it."""
    for language, words in translations(servers["tree"]).items():
        if language != "bs":  # its file has them the wrong way round
            assert means_yes(words["general_text_Yes"], (language,)), language
            assert means_no(words["general_text_No"], (language,)), language
        if servers["version"] == "6.1" and language != PANAMANIAN:  # some of these were translated late
            assert no_subject(language) == f"({words['text_no_subject']})", language


def _all(names: str | tuple[str, ...]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else names
