"""The lists that are open in an HTML part: their marks, numbers, and how far what is in them is indented."""

from dataclasses import field

from lxml.etree import _Element

from redmine_mailbridge.model.mail import TextFormat
from redmine_mailbridge.util.dataclass import dataclass

_MOST_LEVELS = 12


@dataclass(slots=True)
class _List:
    """A list that is open: "ul" or "ol", its items so far, whether their numbers stand as words, whether nothing begins
    it but an item, and whether one of them was written.
    """

    kind: str
    count: int = 0
    literal: bool = False
    implied: bool = False
    written: bool = False

    @property
    def mark(self) -> str:
        """The mark before its newest item."""
        if self.kind == "ul":
            return "- "
        return f"{self.count}\\. " if self.literal else f"{self.count}. "


@dataclass(slots=True)
class Lists:
    """The open lists, the outermost first. So many of them as `_apart` says have ended in what was written."""

    text_format: TextFormat
    _open: list[_List] = field(default_factory=list)
    _apart: int = 0

    def __bool__(self) -> bool:
        return bool(self._open)

    def enter(self, element: _Element) -> None:
        """Begin a list."""
        begins = _start(element)
        self._open.append(_List(str(element.tag), begins, self.text_format != "common_mark" and begins > 0))

    def leave(self) -> None:
        """End the innermost list."""
        if self._open:
            self._open.pop()
            self._apart = min(self._apart, len(self._open))

    def leave_item(self) -> None:
        """End an item, and with it a list that nothing but an item has begun."""
        if self._open and self._open[-1].implied:
            self.leave()

    def interrupt(self) -> None:
        """Record that the next text is in none of them and ends them all, according to the markup."""
        self._apart = len(self._open)

    def begin_item(self) -> str:
        """Begin an item. Return the mark before its text."""
        if not self._open:
            self._open.append(_List("ul", implied=True))
        level = self._open[-1]
        level.count += 1
        if self._apart >= len(self._open):
            self._apart = len(self._open) - 1
            level.literal = self.text_format != "common_mark" and level.count > 1  # it would begin at 1 again
        if self.text_format == "textile":
            stars = "".join("*" if each.kind == "ul" else "#" for each in self._open[-_MOST_LEVELS:]) + " "
            return f"{level.count}. " if level.literal and level.kind == "ol" else stars
        return self._indent(self._open[:-1]) + level.mark

    def written(self) -> None:
        """Note that the mark of the newest item was written."""
        if self._open:
            self._open[-1].written = True

    def hang(self) -> str:
        """The indent of a line that continues an item."""
        return "" if self.text_format == "textile" else self._indent(self._open)

    def _indent(self, levels: list[_List]) -> str:
        """The indent of text in these lists; not by those that something else has ended."""
        written = [level for level in levels[self._apart :][-_MOST_LEVELS:] if level.written and not level.literal]
        return " " * sum(len(level.mark) for level in written)


def _start(element: _Element) -> int:
    """The number before that of the first item of a list."""
    start = (element.get("start") or "").strip()
    return int(start) - 1 if start.isdecimal() and start.isascii() and 0 < len(start) < 7 else 0
