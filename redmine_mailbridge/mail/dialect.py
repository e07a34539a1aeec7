"""How CommonMark and Textile write what a mail's HTML says: one table each, and what must be escaped."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from redmine_mailbridge.mail.inert import JOINER, inert_line, textile_marks
from redmine_mailbridge.mail.message import TextFormat

MARK = "\ufdd0"
_STAR = re.compile(r"(?<![\s\\])\*|\*(?!\s|$)")
_UNDER = re.compile(r"(?<![\w\\])_(?=\S)|(?<=\S)_(?!\w)")
_TILDE = re.compile(r"~(?=~)")
_SLASH = re.compile(r"\\(?=[!-/:-@\[-`{-~])")
_BULLET = re.compile(r"(?=[-+*](?:\s|$))")
_NUMBERED = re.compile(r"(\d{1,9})(?=[.)](?:\s|$))")
_PERHAPS = re.compile(r"[!-+\--@\[-`{-~\ufdd0]")  # what markup may be made of: signs but the comma, and digits
_TEXTILE_LIST = re.compile(r"(?=[*#]{1,6} )")


@dataclass(frozen=True, slots=True)
class Dialect:
    """The marks of one format. `emphasis` maps tags to the marks around them, "" for none."""

    name: TextFormat
    emphasis: dict[str, tuple[str, str]]
    heading: tuple[str, ...]
    escape: Callable[[str, bool], str]

    def picture(self, name: str) -> str:
        """The markup that shows the attachment `name` in its place."""
        if self.name == "textile":
            return f"!{name.replace(' ', '%20').replace('(', '%28').replace(')', '%29').replace('!', '%21')}!"
        return f"![]({name.replace(' ', '%20').replace('(', '%28').replace(')', '%29')})"

    def link(self, text: str, url: str) -> tuple[str, str]:
        """What stands before and behind the text of a link."""
        if self.name == "textile":
            return ('"', f'":{url}') if '"' not in text else ("", f" ({url})")
        return "[", f"]({url})"


def _escape_markdown(text: str, whole: bool) -> str:
    if not _PERHAPS.search(text):
        return text
    text = _SLASH.sub(r"\\\\", text) if "\\" in text else text
    text = text.replace("`", "\\`")
    text = _STAR.sub(r"\\*", text) if "*" in text else text
    text = _UNDER.sub(r"\\_", text) if "_" in text else text
    text = _TILDE.sub(r"\\~", text) if "~~" in text else text
    text = text.replace("](", "\\](")
    if whole:
        if text.startswith(">"):
            text = "\\" + text
        text = _NUMBERED.sub(r"\1\\", text, count=1) if _NUMBERED.match(text) else text
        text = "\\" + text if _BULLET.match(text) or re.match(r"[-=]+\s*$", text) else text
    return inert_line(text, "common_mark", whole=whole)


def _escape_textile(text: str, whole: bool) -> str:
    if not _PERHAPS.search(text):
        return text
    if whole and _TEXTILE_LIST.match(text):
        text = JOINER + text
    text = textile_marks(text)
    return inert_line(text, "textile", whole=whole)


_MARKDOWN = Dialect(
    "common_mark",
    {
        **dict.fromkeys(("b", "strong"), ("**", "**")),
        **dict.fromkeys(("i", "em", "cite"), ("*", "*")),
        **dict.fromkeys(("s", "strike", "del"), ("~~", "~~")),
        **{tag: (f"<{tag}>", f"</{tag}>") for tag in ("u", "sub", "sup")},
        **dict.fromkeys(("code", "tt", "kbd", "samp"), ("`", "`")),
    },
    tuple("#" * level + " " for level in range(1, 7)),
    _escape_markdown,
)
_TEXTILE = Dialect(
    "textile",
    {
        **dict.fromkeys(("b", "strong"), ("*", "*")),
        **dict.fromkeys(("i", "em", "cite"), ("_", "_")),
        **dict.fromkeys(("s", "strike", "del"), ("-", "-")),
        **dict.fromkeys(("u", "ins"), ("+", "+")),
        "sub": ("~", "~"),
        "sup": ("^", "^"),
        **dict.fromkeys(("code", "tt", "kbd", "samp"), ("@", "@")),
    },
    tuple(f"h{level}. " for level in range(1, 7)),
    _escape_textile,
)
DIALECTS: dict[TextFormat, Dialect] = {"common_mark": _MARKDOWN, "textile": _TEXTILE}
