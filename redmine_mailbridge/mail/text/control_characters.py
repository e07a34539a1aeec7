"""Which signs no text of an issue holds, and the one place that takes them out: before a text is made inert.

Databases refuse some of them (PostgreSQL NUL); overrides of direction (U+202D, U+202E) show a text in another order
than it has, and no script needs them. So none of them is sent to Redmine. Who takes one out of what is inert already
joins what stood beside it: "{", DELETE, "{toc}}" is dead, and comes to life. So whatever makes words inert (`inert`,
`pieces`, `code`) takes them out first, and what goes to Redmine as markup loses none behind that.
"""

import re

_LINE_ENDS = re.compile(r"\r\n?")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202d\u202e]")
_HALVES = re.compile("[\ud800-\udfff]")
_ANY = re.compile("[\x00-\x08\x0b-\x1f\x7f\u202d\u202e\ud800-\udfff]")
REPLACEMENT = "\ufffd"


def without_controls(text: str) -> str:
    """Given a text, return it without control characters but tabs and without overrides of direction, with LF at line
    ends, and with U+FFFD for lone surrogates, which no encoding takes.
    """
    if _ANY.search(text) is None:
        return text
    return _HALVES.sub(REPLACEMENT, _CONTROLS.sub("", _LINE_ENDS.sub("\n", text)))


def line_without_controls(line: str) -> str:
    """The same for what stays one line: a carriage return in it becomes a blank."""
    return without_controls(_LINE_ENDS.sub(" ", line))


def markup_without_controls(text: str) -> str:
    """The same for markup: what stood apart in it stays apart, with U+FFFD in place of each control character."""
    return without_controls(_CONTROLS.sub(REPLACEMENT, text))
