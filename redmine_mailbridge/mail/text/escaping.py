"""Make what Redmine would act on in a stranger's text inert, so that it reads as it was written.

Whatever of a stranger's goes into an issue passes through here (a whole text), through `pieces` (words of one line) or
through `code`, in one of three formats: Textile, CommonMark, and the Markdown of Redmine up to 5.1 (Redcarpet).

A text is read block by block: what it quotes, its code, its lists, its words. The blocks are found by rules of our
own and written so that the format finds the same: code at the left edge, whatever contained it, and what continues
below set apart. So nothing depends on where a list, a quote or a fence of the sender's ends by the rules of one format
or another.
"""

import re
from collections.abc import Sequence
from dataclasses import field

from redmine_mailbridge.mail.text import textile
from redmine_mailbridge.mail.text.characters import JOINER
from redmine_mailbridge.mail.text.code import code_block
from redmine_mailbridge.mail.text.control_characters import without_controls
from redmine_mailbridge.mail.text.inert_line import LONGEST_LINE, inert_in_bulk, inert_line
from redmine_mailbridge.model.mail import TextFormat
from redmine_mailbridge.util.dataclass import dataclass

__all__ = ["JOINER", "LONGEST_LINE", "MOST_LINES", "inert_in_bulk", "inert_line", "make_inert"]

MOST_LINES = 10_000
_MOST_LEVELS = 8
_QUOTES = re.compile(r" {0,3}>(?: {0,3}>){0,11} ?")
_FENCE = re.compile(r"[ \t]{0,16}(`{3,}|~{3,})[ \t]*([\w+#.-]{0,30})[ \t]*$")
_ITEM = re.compile(r"([ \t]{0,80})([-+*]|(\d{1,9})[.)])([ \t]{1,4})(?=\S)")
_RULE = re.compile(r" {0,3}(?:(?:-[ \t]*){3,}|(?:_[ \t]*){3,}|(?:\*[ \t]*){3,})$")


def make_inert(text: str, text_format: TextFormat) -> str:
    """Given plain text for a field in `text_format`, return it so that Redmine shows it as written, with no
    macro, wiki link, mention, issue or other Redmine link, remote picture or HTML live in it.

    Changes as little as it can; text without any of these comes back as it is, white space apart.
    """
    lines = without_controls(text).split("\n")
    done = _Writer(lines[:MOST_LINES], text_format).run()
    if len(lines) > MOST_LINES:
        done.append(inert_in_bulk("\n".join(lines[MOST_LINES:])))
    return "\n".join(done)


@dataclass(slots=True)
class _Level:
    """An open list: where its items stood, where they are written, how wide their marks are, and the last number."""

    source: int
    written: int
    width: int
    number: int | None


@dataclass(frozen=True, slots=True)
class _Line:
    """A line without its quote marks, and how many it has; `closes` is the line that ends the fence it begins."""

    depth: int
    text: str
    closes: int = 0
    closing: str = ""

    @property
    def blank(self) -> bool:
        return not self.text.strip()

    @property
    def indent(self) -> int:
        """Blanks before its first word."""
        expanded = self.text[:200].expandtabs(4)
        return len(expanded) - len(expanded.lstrip(" "))


@dataclass(slots=True)
class _Writer:
    """Reads lines from the top; `out` is what has been written, `levels` the lists that are open."""

    source: Sequence[str]
    text_format: TextFormat
    out: list[str] = field(default_factory=list)
    levels: list[_Level] = field(default_factory=list)
    prefix: str = ""
    apart: bool = False

    def run(self) -> list[str]:
        """Write all lines; return what was written."""
        lines = _look(self.source, self.text_format)
        at = depth = 0
        while at < len(lines):
            line = lines[at]
            if line.depth != depth:
                self._move(depth, line)
                depth = line.depth
            if line.closes:
                language = _FENCE.match(line.text)
                self._code(
                    [inner.text for inner in lines[at + 1 : line.closes]], line.indent, language[2] if language else ""
                )
                at = line.closes
            elif (ends := self._indented(lines, at)) > at:
                self._code([inner.text.expandtabs(4) for inner in lines[at:ends]], self._code_from)
                at = ends - 1
            else:
                self._line(line)
            at += 1
        return self.out

    @property
    def _code_from(self) -> int:
        """How far code is indented here that no fence marks."""
        return 4 + (self.levels[-1].source + self.levels[-1].width if self.levels else 0)

    def _indented(self, lines: Sequence[_Line], at: int) -> int:
        """Given where lines of code may begin that stand apart and are indented, return where they end."""
        line, above = lines[at], lines[at - 1] if at else None
        if line.blank or line.indent < self._code_from:
            return at
        if above is not None and above.depth == line.depth and not above.blank and not self.apart:
            return at
        ends = at
        for place in range(at, len(lines)):
            if lines[place].depth != line.depth or (not lines[place].blank and lines[place].indent < self._code_from):
                break
            ends = ends if lines[place].blank else place + 1
        return ends

    def _move(self, depth: int, line: _Line) -> None:
        """Go to another depth of quotes. What is quoted less may not be taken for what was quoted more."""
        outer = ("> " * min(depth, line.depth)).rstrip()
        above = self.out[-1] if self.out else outer
        if self.text_format == "markdown":
            apart = above != outer and not (line.blank and line.depth < depth)
        else:
            apart = self.text_format == "common_mark" and line.depth < depth and not line.blank
            apart = apart and bool(above.strip("> "))
        self.out += [outer] if apart else []
        self.prefix = "> " * line.depth
        self.levels.clear()

    def _blank(self) -> None:
        """Write a blank line, unless there is one."""
        if self.out and self.out[-1] != self.prefix.rstrip():
            self.out.append(self.prefix.rstrip())

    def _code(self, lines: Sequence[str], indent: int, language: str = "") -> None:
        """Write a block of code, at the left edge: it ends whatever list it stood in."""
        shown = [line[min(indent, len(line) - len(line.lstrip(" "))) :] for line in lines]
        self._blank()
        code_lines = code_block(
            shown, self.text_format, language=language, quoted=bool(self.prefix), in_list=bool(self.levels)
        )
        self.out += [(self.prefix + line).rstrip() for line in code_lines]
        self.levels.clear()
        self.apart = True

    def _line(self, line: _Line) -> None:
        if line.blank:
            self.out.append(self.prefix.rstrip())
            self.apart = False
            return
        if self.apart:
            self._blank()
            self.apart = False
        if self.text_format == "textile":
            text = line.text if line.indent < 4 and not self._begins() else line.text.lstrip()
            self._write(text, "", line.closing)
        elif _RULE.match(line.text):
            self._blank()
            self.levels.clear()
            self.out.append(self.prefix + line.text.strip())
            self.apart = True
        elif (item := _ITEM.match(line.text)) and (level := self._level(item)) is not None:
            self._write(line.text[item.end() :], " " * level.written + item[2] + " ", "")
        else:
            self._write(line.text.lstrip(), " " * self._hangs(line), "")

    def _begins(self) -> bool:
        """Does a paragraph begin here?"""
        return not self.out or not self.out[-1].strip("> ")

    def _write(self, text: str, before: str, closing: str) -> None:
        markup = inert_line(text, self.text_format, whole=True, typed=True, closing=closing)
        self.out.append(self.prefix + before + markup)

    def _hangs(self, line: _Line) -> int:
        """Where text that is not a list item is written: in the item that it continues, else where it was."""
        if not self.levels or not self._begins():
            return min(line.indent, 3)
        while self.levels and line.indent <= self.levels[-1].source:
            self.levels.pop()
        return self.levels[-1].written + self.levels[-1].width if self.levels else min(line.indent, 3)

    def _level(self, item: re.Match[str]) -> _Level | None:
        """Given the mark of an item, return its list, a new one or one that is open; None if it is not an item here."""
        source, number = len(item[1].expandtabs(4)), int(item[3]) if item[3] else None
        while len(self.levels) > 1 and source < self.levels[-1].source:
            self.levels.pop()
        above = self.levels[-1] if self.levels else None
        if above is not None and source > above.source + 1 and len(self.levels) < _MOST_LEVELS:
            return self._open(_Level(source, above.written + above.width, len(item[2]) + 1, number))
        if above is None:
            return self._open(_Level(source, min(source, 3), len(item[2]) + 1, number))
        if number is not None and above.number is not None and number != above.number + 1:
            return None
        if self.text_format == "markdown" and (number is None) != (above.number is None):
            return None
        above.number, above.width, above.source = number, len(item[2]) + 1, min(source, above.source)
        return above

    def _open(self, level: _Level) -> _Level | None:
        """Begin a list, unless the format would not: a number other than 1 does not break into a paragraph."""
        if level.number not in {None, 1} and (self.text_format == "markdown" or not self._begins()):
            return None
        self.levels.append(level)
        return level


def _look(source: Sequence[str], text_format: TextFormat) -> list[_Line]:
    """Given lines, return them without their quote marks, each with what the lines below say of it."""
    plain = []
    for line in source:
        quotes = _QUOTES.match(line)
        plain.append((quotes[0].count(">"), line[quotes.end() :]) if quotes else (0, line))
    closes = _closes(plain)
    closing = _closing(plain) if text_format == "textile" else [""] * len(plain)
    return [_Line(depth, text, end, mark) for (depth, text), end, mark in zip(plain, closes, closing, strict=True)]


def _closes(lines: Sequence[tuple[int, str]]) -> list[int]:
    """For each line that begins a fence, the line that ends it, within the same quotes; 0 for the others.

    From below, each line that may end a fence is kept as long as no nearer one is as long.
    """
    closes = [0] * len(lines)
    waiting: dict[str, list[tuple[int, int]]] = {"`": [], "~": []}
    for place in range(len(lines) - 1, -1, -1):
        depth, text = lines[place]
        if place + 1 < len(lines) and lines[place + 1][0] != depth:
            waiting = {"`": [], "~": []}
        fence = _FENCE.match(text[:1000])
        if fence is None:
            continue
        ends = waiting[fence[1][0]]
        nearer = [end for end in ends[-1:] if end[1] < len(fence[1])]
        while nearer and not fence[2].strip():
            ends.pop()
            nearer = [end for end in ends[-1:] if end[1] < len(fence[1])]
        closes[place] = next((end for end, size in reversed(ends) if size >= len(fence[1])), 0)
        if not fence[2].strip():
            ends.append((place, len(fence[1])))
    return closes


def _closing(lines: Sequence[tuple[int, str]]) -> list[str]:
    """For each line, the marks of Textile that close something in its paragraph."""
    marks: list[str] = []
    begins = 0
    for place in range(len(lines) + 1):
        if place == len(lines) or not lines[place][1].strip():
            paragraph = "\n".join(text[:LONGEST_LINE].lstrip() for _, text in lines[begins:place])
            marks += [textile.closing_marks(paragraph)] * (place - begins)
            marks += [""] if place < len(lines) else []
            begins = place + 1
    return marks
