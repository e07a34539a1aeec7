"""From words in a message to the value of a custom field, so that a word that Redmine rejects loses no message."""

import datetime as dt
import re
from collections.abc import Iterator, Mapping, Sequence

from redmine_mailbridge.model.facts import FieldKind, Project
from redmine_mailbridge.policy.field_names import means_no, means_yes

MOST_VALUES = 100
_NUMBERS = {"int": re.compile(r"[+-]?[0-9]{1,18}"), "float": re.compile(r"[+-]?[0-9]{1,18}(?:\.[0-9]{1,18})?")}


def field_value(
    kind: FieldKind | None, text: str, project: Project, languages: tuple[str, ...]
) -> str | tuple[str, ...] | None:
    """Given the known properties of a custom field (None: none), and the words for it, return the value in the API's
    form, several of them for a multiple-value field; None if the field does not accept it.

    Values are matched by label, in any case; several are separated by commas.
    """
    text = text.strip()
    if kind is None or not text:
        return text
    if kind.format == "bool":
        return "1" if means_yes(text, languages) else "0" if means_no(text, languages) else None
    options = _options(kind, project)
    if options is None:
        return text if _plain(kind.format, text) else None
    chosen = tuple(dict.fromkeys(_chosen(options, text.split(",", MOST_VALUES)))) if kind.multiple else ()
    if kind.multiple:
        return chosen or None
    return options.get(text.casefold())


def _options(kind: FieldKind, project: Project) -> Mapping[str, str] | None:
    """The values that a field accepts, by label; None if it accepts any."""
    if kind.options:
        return kind.options
    named = {"version": project.versions, "user": project.members}.get(kind.format)
    return None if named is None else {name.casefold(): str(number) for name, number in named.items()}


def _chosen(options: Mapping[str, str], words: Sequence[str]) -> Iterator[str]:
    """Given the words between commas, yield the values that they name, the longest label first: some contain commas."""
    longest = max((name.count(",") for name in options), default=0) + 1
    at = 0
    while at < len(words):
        ends = range(min(at + longest, len(words)), at, -1)
        end = next((end for end in ends if ",".join(words[at:end]).strip().casefold() in options), at)
        if end > at:
            yield options[",".join(words[at:end]).strip().casefold()]
        at = max(end, at + 1)


def _plain(kind: str, text: str) -> bool:
    if kind == "date":
        try:
            return len(text) == len("2026-01-31") and bool(dt.date.fromisoformat(text))
        except ValueError:
            return False
    return kind not in _NUMBERS or _NUMBERS[kind].fullmatch(text) is not None
