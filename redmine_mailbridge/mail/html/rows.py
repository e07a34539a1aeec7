"""The lines of a converted HTML part, from which what is quoted is taken; and the text that is made of those left."""

import re
from collections.abc import Sequence
from itertools import groupby

from redmine_mailbridge.mail.text.code import code_block
from redmine_mailbridge.model.mail import TextFormat
from redmine_mailbridge.util.dataclass import dataclass

_ITEM = re.compile(r"[> ]*(?:[-+*]|\d{1,9}[.)])(?: |$)")


@dataclass(frozen=True, slots=True, eq=False)
class CodeBlock:
    """A block of code, of which each line is a row, and the quote marks before it."""

    prefix: str = ""


@dataclass(frozen=True, slots=True)
class TextRow:
    """One line of converted text: as plain text, in the markup, and what the sender's program said of it.

    A line of code is not markup yet: it becomes that with the others of its block that are left.
    """

    plain: str
    marked: str
    quoted: bool = False
    attribution: bool = False
    pictures: tuple[str, ...] = ()
    code: CodeBlock | None = None

    @property
    def blank(self) -> bool:
        """Is nothing on it, quote marks apart?"""
        return self.code is None and not self.marked.strip("> ")


def text_of(rows: Sequence[TextRow], text_format: TextFormat) -> str:
    """Given rows, return them as text: one blank line at most between two, none around."""
    lines: list[str] = []
    for block, group in groupby(rows, key=lambda row: row.code):
        if block is not None:
            _add_code(lines, [row.marked for row in group], block, text_format)
            continue
        for row in group:
            line = row.marked.rstrip()
            if line.strip("> ") or (lines and lines[-1].strip("> ")):
                lines.append(line)
    while lines and not lines[-1].strip("> "):
        lines.pop()
    return "\n".join(lines)


def _add_code(lines: list[str], code: list[str], block: CodeBlock, text_format: TextFormat) -> None:
    """Add code, a blank line before and behind it."""
    blank = block.prefix.rstrip()
    in_list = False  # code that is indented could continue an item of a list in the same quotes
    for line in reversed(lines if blank else []):
        if in_list or not line.startswith(blank):
            break
        in_list = _ITEM.match(line) is not None
    if lines and lines[-1].strip("> "):
        lines.append(blank)
    code_lines = code_block(code, text_format, quoted=bool(block.prefix), in_list=in_list)
    lines += [*((block.prefix + line).rstrip() for line in code_lines), blank]
