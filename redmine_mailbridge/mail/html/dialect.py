"""How CommonMark, Redcarpet's Markdown and Textile write what a mail's HTML says: one table each."""

import re
from dataclasses import replace
from urllib.parse import quote

from redmine_mailbridge.mail.html.links import shows_address, speaks_of_another
from redmine_mailbridge.mail.text.characters import BAR
from redmine_mailbridge.mail.text.code import number
from redmine_mailbridge.mail.text.inert_line import inert_line
from redmine_mailbridge.model.mail import TextFormat
from redmine_mailbridge.util.dataclass import dataclass

_PERHAPS = re.compile(r"[!-+\--@\[-`{-~\ufdd0]|\br")  # what markup may be made of: signs but the comma, digits, r12


@dataclass(frozen=True, slots=True)
class Dialect:
    """The marks of one format. `emphasis` maps tags to the marks around them, "" for none."""

    name: TextFormat
    emphasis: dict[str, tuple[str, str]]
    heading: tuple[str, ...]

    def escape(self, text: str, whole: bool) -> str:
        """The text of a line, inert. `whole`: it begins its line."""
        return inert_line(text, self.name, whole=whole) if _PERHAPS.search(text) else text

    def picture(self, name: str) -> str:
        """The markup that shows the attachment `name` in its place."""
        source = "".join(quote(sign) if sign.isascii() else sign for sign in name).replace("~", "%7E")
        return f"!{source}!" if self.name == "textile" else f"![]({source})"

    def cell(self, text: str) -> str:
        """The text of a cell, whose bars would end it."""
        return text.replace(BAR, number("|"))

    def line_in_cell(self) -> str:
        """Separator between two lines of a cell."""
        return "<br>" if self.name == "common_mark" else " "

    def link(self, text: str, url: str, *, open_end: bool, pictured: bool = False) -> tuple[str, str]:
        """The text before and after a link's text. Where that is an address, too, it must not be one.

        `open_end`: it is directly followed by something. `pictured`: a picture is in it, which Textile would not see
        there.
        """
        shown = inert_line(url if self.name == "textile" else f"<{url}>", self.name, whole=False)
        apart = "", f" ({shown}){' ' * open_end}"
        if speaks_of_another(text, url) or shows_address(text) or (pictured and self.name == "textile"):
            return apart
        if self.name == "textile":
            plain = not open_end and '"' not in text and text[:1] not in "({[" and text[-1:] != ")"
            return ('"', f'":{url}') if plain else apart
        return "[", f"]({url.replace('&', '&amp;') if self.name == 'common_mark' else url})"


_MARKDOWN = Dialect(
    "common_mark",
    {
        **dict.fromkeys(("b", "strong"), ("**", "**")),
        **dict.fromkeys(("i", "em", "cite"), ("*", "*")),
        **dict.fromkeys(("s", "strike", "del"), ("~~", "~~")),
        **{tag: (f"<{tag}>", f"</{tag}>") for tag in ("u", "sub", "sup")},
    },
    tuple("#" * level + " " for level in range(1, 7)),
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
    },
    tuple(f"h{level}. " for level in range(1, 7)),
)
_REDCARPET = replace(
    _MARKDOWN,
    name="markdown",
    emphasis={tag: marks for tag, marks in _MARKDOWN.emphasis.items() if not marks[0].startswith("<")},
)
DIALECTS: dict[TextFormat, Dialect] = {"common_mark": _MARKDOWN, "markdown": _REDCARPET, "textile": _TEXTILE}
