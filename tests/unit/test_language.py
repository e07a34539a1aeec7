"""The English of the package and its documentation: words of a private vocabulary do not come back."""

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "redmine_mailbridge"
PAGES = ("README.md", "SECURITY.md", "CONTRIBUTING.md", "settings.example.toml")
SUFFIXES = {".py", ".html", ".toml", ".md"}

WORDS = re.compile(
    r"\b(told|stands|nobody|is\s+no(?!\s+longer)|ours|tells|anew|by\s+itself|go\s+on|goes\s+on|bears|for\s+good)\b",
    re.IGNORECASE,
)

ALLOWED: dict[str, tuple[str, ...]] = {}
"""File -> lines, without their indent, that may hold such a word. Ten in all."""

MOST_ALLOWED = 10


def _files() -> Iterator[Path]:
    for folder in (PACKAGE, ROOT / "docs"):
        yield from sorted(file for file in folder.rglob("*") if file.suffix in SUFFIXES)
    yield from (ROOT / page for page in PAGES if (ROOT / page).exists())


def _prose(source: str) -> str:
    """The comments, docstrings and texts of a module, without its names."""
    kinds = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    texts = (re.sub(r"\{[^{}]*\}|`\w+`", "", token.string) for token in tokens if token.type in kinds)
    return "\n".join(text for text in texts if " " in text)


def _text(file: Path) -> str:
    """The text of a page, or the prose of a module, without the allowed lines."""
    allowed = ALLOWED.get(file.relative_to(ROOT).as_posix(), ())
    text = file.read_text("utf-8")
    text = _prose(text) if file.suffix == ".py" else text
    return "\n".join(line for line in text.splitlines() if line.strip() not in allowed)


def test_words_of_a_private_vocabulary_are_gone() -> None:
    """No module and no page contains one of the words, outside the allowed lines."""
    found = [f"{file.relative_to(ROOT)}: {match[0]}" for file in _files() for match in WORDS.finditer(_text(file))]
    assert [] == found


def test_the_allow_list_is_short_and_current() -> None:
    """At most ten lines are allowed, and each still exists and still needs to be allowed."""
    assert sum(len(lines) for lines in ALLOWED.values()) <= MOST_ALLOWED
    for name, lines in ALLOWED.items():
        existing = {line.strip() for line in (ROOT / name).read_text("utf-8").splitlines()}
        assert set(lines) <= existing
        assert all(WORDS.search(line) for line in lines)
