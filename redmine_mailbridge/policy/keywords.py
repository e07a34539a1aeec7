"""Redmine's keyword lines (`Priority: High`) in a message: the same grammar and names as Redmine's own handler.

A line `Key: value`, key in any case, spaces before it and around the colon; the first one of a key is used and
removed from the text. Keys are the English names, and those of the languages that the settings name. Source:
Redmine's documentation RedmineReceivingEmails, section "Issue attributes".
"""

import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import field
from functools import lru_cache

from redmine_mailbridge.mail.text.forwards import forward_begins
from redmine_mailbridge.policy.field_names import ENGLISH, means_no, means_yes, words_for
from redmine_mailbridge.util.dataclass import dataclass

MAX_LINE = 1000
_FORMATS = {
    "start_date": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"),
    "due_date": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"),
    "done_ratio": re.compile(r"(?:[0-9]|10)?0"),
}
_INVISIBLE = {ord(c): None for c in "\u200b\u200c\u200d\u2060\ufeff"} | {0xA0: " "}
_INERT = re.compile(r"!(?=#[0-9]|@\w|\[\[)")
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")


@dataclass(frozen=True, slots=True)
class Keywords:
    """The keyword lines: `values` map Redmine's key, or a custom field's name, to the value as written;
    `lines` are those that are removed from the text, by key.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    lines: Mapping[str, str] = field(default_factory=dict)

    def dropping(self, *keys: str) -> "Keywords":
        """Given keys without meaning here, return the keywords without them; their lines stay in the text."""
        if self.values.keys().isdisjoint(keys):
            return self
        values, lines = ({k: v for k, v in some.items() if k not in keys} for some in (self.values, self.lines))
        return Keywords(values, lines)

    def without(self, text: str) -> str:
        """Given the text, or a longer form of it, return it with the first occurrence of each line removed."""
        left, kept = set(self.lines.values()), []
        for line in text.split("\n"):
            if line in left:
                left.remove(line)
                kept.append("")
            else:
                kept.append(line)
        return "\n".join(kept)


def find_keywords(text: str, allowed: frozenset[str], languages: tuple[str, ...], fields: Iterable[str]) -> Keywords:
    """Given a text, the accepted keys ("all" for each), the languages and the names of the custom fields, return
    the first line of each key. Lines of a forwarded mail are its writer's, and do not count.
    """
    names = _names(languages)
    field_names = {name.casefold(): name for name in fields if _allowed(name, allowed)}
    values, lines = dict[str, str](), dict[str, str]()
    rows = text.split("\n")
    end: int | None = None
    for index, line in enumerate(rows):
        name, colon, value = line[:MAX_LINE].partition(":")
        key, value = _plain(name).lstrip(" ").rstrip(" \t").casefold(), _plain(value).strip()
        if not colon or not value or not key or key != key.lstrip():
            continue
        keys = [k for k in names.get(key, ()) if _allowed(k, allowed)] or [
            field_names[k] for k in (key,) if k in field_names
        ]
        if keys and end is None:
            end = forward_begins(rows)
        if end is not None and index >= end:
            break
        for keyword in keys:
            pattern = _FORMATS.get(keyword)
            if keyword == "is_private" and not (means_yes(value, languages) or means_no(value, languages)):
                continue
            if keyword not in values and (pattern is None or pattern.fullmatch(value)):
                values[keyword] = value
                lines[keyword] = line
    return Keywords(values, lines)


def _allowed(name: str, allowed: frozenset[str]) -> bool:
    return "all" in allowed or "_".join(name.lower().split()) in allowed


def _plain(text: str) -> str:
    """Given escaped markup, return it without the escapes: backslashes,
    entities, invisible characters, and the exclamation marks before #12, @login and [[page]].
    """
    return _INERT.sub("", html.unescape(_ESCAPED.sub(r"\1", text)).translate(_INVISIBLE))


@lru_cache(maxsize=64)
def _names(languages: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Given languages, return the keys by their names in them, lower case. One word may mean two keys."""
    names = dict[str, tuple[str, ...]]()
    for table in (ENGLISH, *(words_for(language) for language in languages)):
        for key, word in table.items():
            for name in word if isinstance(word, tuple) else (word,):
                lowered = _plain(name).casefold()
                names[lowered] = (*names.get(lowered, ()), *((key,) if key not in names.get(lowered, ()) else ()))
    return names
