"""The HTML that a library made of a note, as a tree of the few elements that a mail needs. Everything else is dropped,
its text is kept; links lead to the web and to mail.
"""

import re
from collections.abc import Callable, Iterator
from urllib.parse import unquote

import lxml.html

from redmine_mailbridge.util.dataclass import dataclass

DEEPEST = 80
"""Levels of elements; what is deeper becomes text."""
MOST_CELLS = 10_000
"""Cells of tables."""
_ALIKE = {
    "b": "strong", "i": "em", "s": "del", "strike": "del", "u": "ins", "cite": "em", "kbd": "code", "tt": "code",
    "h5": "h4", "h6": "h4", "dt": "li", "dd": "li", "dl": "ul",
}  # fmt: skip
BLOCKS = frozenset({"p", "h1", "h2", "h3", "h4", "pre", "blockquote", "ul", "ol", "table", "hr"})
"""The elements that stand by themselves."""
KEPT = BLOCKS | {
    "code", "li", "tr", "th", "td", "strong", "em", "del", "ins", "sub", "sup", "a", "img", "br",
}  # fmt: skip
_ALIGN = re.compile(r"text-align:\s{0,5}(left|right|center|justify)")
_LINE_END = re.compile(r"[ \t]{0,100}\n\s{0,100}")
_SCHEMES = ("http://", "https://", "mailto:")
_WITHOUT_TEXT = frozenset({"script", "style", "template", "title"})


@dataclass(frozen=True, slots=True)
class Element:
    """An element, or the root (""): elements and texts in order. `target` is where a link leads or the name of a
    picture, `align` that of a cell, `start` a list's first number, `mark` the sign that made the emphasis.
    """

    tag: str
    children: "tuple[Element | str, ...]" = ()
    target: str = ""
    align: str = ""
    start: int = 1
    mark: str = ""

    def words(self) -> str:
        """All its text."""
        return "".join(child if isinstance(child, str) else child.words() for child in self.children)

    def pictures(self) -> Iterator[str]:
        """The names of its pictures in order."""
        if self.tag == "img":
            yield self.target
        for child in self.children:
            if not isinstance(child, str):
                yield from child.pictures()


def parse(page: str) -> Element | None:
    """Given HTML by one of the libraries, return its tree; None when it has too many cells."""
    root = lxml.html.fragment_fromstring(page or "<p></p>", create_parent="div")
    if sum(1 for _ in root.iter("td", "th")) > MOST_CELLS:
        return None
    return Element("", tuple(_children(root, DEEPEST)))


def with_words(element: Element, words: Callable[[str], str], *, in_code: bool = False) -> Element:
    """Given a tree and what makes words of a text that Redmine would link or expand, return the tree with them, except
    in code, unless `in_code`.
    """
    if element.tag in {"pre", "code"} and not in_code:
        return element
    children = tuple(
        words(child) if isinstance(child, str) else with_words(child, words, in_code=in_code)
        for child in element.children
    )
    return Element(element.tag, children, element.target, element.align, element.start, element.mark)


def _children(node: lxml.html.HtmlElement, depth: int) -> Iterator[Element | str]:
    if node.text:
        yield _LINE_END.sub(" ", node.text)
    for child in node:
        if isinstance(child.tag, str) and child.tag not in _WITHOUT_TEXT:
            yield from _element(child, depth)
        if child.tail:
            tail = _LINE_END.sub(" ", child.tail)
            yield tail.lstrip(" ") if child.tag == "br" else tail


def _element(node: lxml.html.HtmlElement, depth: int) -> Iterator[Element | str]:
    name = str(node.tag)
    tag = _ALIKE.get(name, name)
    if tag not in KEPT:
        yield from _children(node, depth)
        return
    children = tuple(_children(node, depth - 1)) if depth else (node.text_content(),)
    if tag == "pre":
        yield Element(tag, (node.text_content().strip("\n"),))
    elif tag == "a":
        target = (node.get("href") or "").strip()
        good = target.lower().startswith(_SCHEMES) and target.isprintable() and " " not in target
        yield from [Element(tag, children, target)] if good else _with_target(children, target)
    elif tag == "img":
        source = unquote((node.get("src") or "").strip())
        yield Element(tag, (node.get("alt") or "",), source)
    else:
        style = f"{node.get('style') or ''};text-align:{node.get('align') or ''}"
        align = match[1] if tag in {"td", "th"} and (match := _ALIGN.search(style)) else ""
        start = str(node.get("start") or "1")
        first = int(start) if start.isascii() and start.isdecimal() and len(start) <= 9 else 1
        yield Element(tag, children, align=align, start=first, mark=str(node.get("data-mark") or "")[:1])


def _with_target(children: tuple[Element | str, ...], target: str) -> Iterator[Element | str]:
    """A link that leads neither to the web nor to mail as words: those of a page of Redmine without its address."""
    yield from children
    if ":" in target and not target.startswith(("/", "#")):
        yield f" ({target})"


def blocks(element: Element) -> Iterator[Element]:
    """Given an element, yield its blocks; what lies between them is made paragraphs."""
    loose = list[Element | str]()
    for child in element.children:
        if isinstance(child, str) or child.tag not in BLOCKS:
            loose.append(child)
            continue
        yield from _paragraph(loose)
        loose = []
        yield child
    yield from _paragraph(loose)


def elements(element: Element) -> Iterator[Element]:
    """Its elements, without the texts between them."""
    return (child for child in element.children if not isinstance(child, str))


def rows(table: Element) -> Iterator[list[Element]]:
    """The cells of each row of a table."""
    return (list(elements(row)) for row in elements(table) if row.tag == "tr")


def _paragraph(loose: list[Element | str]) -> Iterator[Element]:
    parts = list(loose)
    while parts and isinstance(parts[0], str) and not parts[0].strip():
        parts.pop(0)
    while parts and isinstance(parts[-1], str) and not parts[-1].strip():
        parts.pop()
    if parts:
        yield Element("p", tuple(parts))
