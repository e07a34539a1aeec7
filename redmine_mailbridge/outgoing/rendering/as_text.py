"""A note's tree as plain text that reads like a mail that somebody typed."""

from collections.abc import Callable
from unicodedata import east_asian_width

from redmine_mailbridge.outgoing.rendering.tree import Element, blocks, elements, rows
from redmine_mailbridge.util.dataclass import dataclass

WIDEST = 30
"""Characters to which the columns of a table are filled up."""


@dataclass(frozen=True, slots=True)
class TextWriter:
    """Writes trees. `is_internal` recognises addresses of Redmine, which are left out."""

    is_internal: Callable[[str], bool] = lambda _: False

    def write(self, root: Element) -> str:
        """Given a tree, return its text."""
        return "\n\n".join(text for block in blocks(root) if (text := self._block(block)))

    def _block(self, element: Element) -> str:  # noqa: PLR0911 - a list of blocks
        match element.tag:
            case "pre":
                return _indented("    ", "    ", element.words())
            case "blockquote":
                return _indented("> ", "> ", self.write(element))
            case "ul":
                return "\n".join(_indented("- ", "  ", self._item(item)) for item in elements(element))
            case "ol":
                marks = ((f"{number}. ", item) for number, item in enumerate(elements(element), element.start))
                return "\n".join(_indented(mark, " " * len(mark), self._item(item)) for mark, item in marks)
            case "hr":
                return "-" * 40
            case "table":
                return self._table(element)
        return "\n".join(line.strip() for line in self._inline(element).split("\n")).strip()

    def _item(self, item: Element) -> str:
        return "\n".join(text for block in blocks(item) if (text := self._block(block)))

    def _table(self, element: Element) -> str:
        lines = [[" ".join(self._item(cell).split()) for cell in row] for row in rows(element)]
        count = max(map(len, lines), default=0)
        widths = [
            min(WIDEST, max((_width(row[at]) for row in lines if at < len(row)), default=0)) for at in range(count)
        ]
        return "\n".join(
            " | ".join(cell + " " * (widths[at] - _width(cell)) for at, cell in enumerate(row)).rstrip()
            for row in lines
        )

    def _inline(self, element: Element) -> str:
        return "".join(child if isinstance(child, str) else self._span(child) for child in element.children)

    def _span(self, element: Element) -> str:  # noqa: PLR0911 - a list of spans
        inner = self._inline(element)
        match element.tag:
            case "br":
                return "\n"
            case "img":
                return self._picture(element)
            case "a":
                same = inner in (element.target, element.target.removeprefix("mailto:"))
                return inner if same or self.is_internal(element.target) else f"{inner} ({element.target})"
            case "strong":
                return f"*{inner}*"
            case "em":
                mark = element.mark or "_"
                return f"{mark}{inner}{mark}"
            case "del":
                return f"~{inner}~"
            case "sup":
                return f"^{inner}"
            case "pre" | "ul" | "ol" | "table" | "blockquote" | "hr":
                return f"\n{self._block(element)}\n"
        return inner

    def _picture(self, element: Element) -> str:
        """A picture as its name; one of another site with its address, which HTML links."""
        alt, target = element.words(), element.target
        web = target.lower().startswith(("http://", "https://")) and not self.is_internal(target)
        if web and alt not in {"", target}:
            return f"[{alt}] ({target})"
        return f"[{alt or target}]"


def _width(text: str) -> int:
    return sum(2 if east_asian_width(sign) in "WF" else 1 for sign in text)


def _indented(first: str, others: str, text: str) -> str:
    lines = text.split("\n")
    return "\n".join(f"{others if number else first}{line}".rstrip() for number, line in enumerate(lines))
