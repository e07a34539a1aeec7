"""Text that Redmine and its database accept: without what they reject, within their limits, and compared as stored.

Pure and linear in time.
"""

import unicodedata

from redmine_mailbridge.mail.text.control_characters import markup_without_controls, without_controls
from redmine_mailbridge.mail.text.splitting import MOST_CLOSED, divided
from redmine_mailbridge.policy.issue_text import MAX_SUBJECT, size_in_redmine

_ENDS = str.maketrans({"\x85": " ", "\u2028": " ", "\u2029": " "})


def clean(text: str) -> str:
    """Given a text, return it without control characters (PostgreSQL rejects NUL) and lone surrogates, with LF. Not
    for escaped text: see `clean_markup`.
    """
    return without_controls(text)


def clean_markup(text: str) -> str:
    """Given markup in which a stranger's words are escaped, return it cleaned, with a replacement character for each
    that is removed: normally there is none, and what it separated stays separated.
    """
    return markup_without_controls(text)


def clean_line(text: str) -> str:
    """Given a text, return it cleaned and on one line."""
    return " ".join(clean(text).translate(_ENDS).split())


def same_text(ours: str | None, theirs: str | None) -> bool:
    """Given a text as sent and as Redmine returns it, are they the same?

    Redmine changes line ends of descriptions to CRLF and keeps those of notes; all other white space stays, but
    differences at the end are not worth a second issue.
    """
    return clean(ours or "").rstrip() == clean(theirs or "").rstrip()


def alike(ours: str | None, theirs: str | None) -> bool:
    """Given a text as sent and as Redmine returns it, can the latter be the former after a database or a plugin changed
    it?

    White space and the form of accents make no difference, and 4-byte characters may be missing, be question marks, or
    be where the text ends (MySQL's utf8mb3).
    """
    whole, there = _skeleton(ours or ""), _skeleton(theirs or "")
    if whole == there:
        return bool(there) or bool((ours or "").strip()) == bool((theirs or "").strip())
    return bool(there) and there == _skeleton(_cut_at_wide(ours or "") or "")


def cut_to_nothing(ours: str | None, theirs: str | None) -> bool:
    """Given a text as sent and as Redmine returns it, is the latter empty because the former is cut at its start, as in
    `alike`?"""
    left = _cut_at_wide(ours or "")
    return left is not None and not left.strip() and not (theirs or "").strip()


def _cut_at_wide(text: str) -> str | None:
    """Given a text, return it as a non-strict MySQL utf8mb3 stores it: up to its first 4-byte character;
    None if it has none.
    """
    at = next((at for at, char in enumerate(text) if char > "\uffff"), None)
    return None if at is None else text[:at]


def _skeleton(text: str) -> str:
    """The part of a text that no database changes: without white space, 4-byte characters and their replacements."""
    kept = unicodedata.normalize("NFC", clean(text))
    return "".join(char for char in kept if not char.isspace() and char <= "\uffff" and char not in "?\ufffd")


def cut_line(text: str, most: int = MAX_SUBJECT) -> str:
    """Given a line, return its first characters."""
    return text[:most].rstrip()


def cut_text(text: str, most: int) -> str:
    """Given a description and a limit in bytes, return as many whole lines (or words) as fit; code that is cut
    is closed.
    """
    return cut_in_two(text, most)[0]


def cut_in_two(text: str, most: int) -> tuple[str, str]:
    """Given a description and a limit in bytes, return as much of it as fits, and the rest, both escaped."""
    if size_in_redmine(text) <= most:
        return text, ""
    sent = text.replace("\n", "\r\n").encode("utf-8", "replace")
    kept, rest = "", text
    for room in (most, max(most - size_in_redmine(MOST_CLOSED), 0)):
        part = sent[:room].decode("utf-8", "ignore").removesuffix("\r").replace("\r\n", "\n")
        kept, rest = divided(text, len(part))
        if size_in_redmine(kept) <= most:
            return kept, rest
    return "", text


def has_wide(text: str) -> bool:
    """Is there a character that takes 4 bytes in UTF-8, which MySQL's utf8mb3 rejects?"""
    return any(char > "\uffff" for char in text)


def without_wide(text: str) -> str:
    """Given a text, return it with 4-byte characters replaced: symbols by their names, others by U+FFFD."""
    return "".join(char if char <= "\uffff" else _named(char) for char in text)


def _named(char: str) -> str:
    name = unicodedata.name(char, "")
    if not name or not unicodedata.category(char).startswith("S"):
        return "\ufffd"
    return ":" + name.lower().replace(" ", "_") + ":"
