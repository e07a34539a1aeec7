"""A note's tree as HTML that mail programs show: few elements, styles inline, pictures by their Content-ID."""

import html
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import field

from redmine_mailbridge.outgoing.rendering.links import linked_parts, other_host
from redmine_mailbridge.outgoing.rendering.tree import Element, blocks, elements, rows
from redmine_mailbridge.util.dataclass import dataclass

QUOTE = "border-left:2px solid #ccc;padding-left:1ex;margin:8px 0"
_STYLES = {
    "h1": "font-size:20px;line-height:1.3;margin:16px 0 8px",
    "h2": "font-size:18px;line-height:1.3;margin:16px 0 8px",
    "h3": "font-size:16px;line-height:1.3;margin:16px 0 8px",
    "h4": "font-size:15px;line-height:1.3;margin:16px 0 8px",
    "pre": "white-space:pre-wrap;font-family:Consolas,Menlo,'DejaVu Sans Mono',monospace;font-size:14px",
    "blockquote": QUOTE,
}
_TAGS = {"strong": "b", "em": "i", "del": "s", "ins": "u"}
_TASKS = {"[ ] ": "☐ ", "[x] ": "☑ ", "[X] ": "☑ "}


@dataclass(frozen=True, slots=True)
class ShownPicture:
    """A picture that is shown in place: its Content-ID and its size in pixels."""

    content_id: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class HtmlWriter:
    """Writes trees. `pictures` are those that are shown, by name; `is_internal` recognises addresses of Redmine,
    which become words.
    """

    pictures: Mapping[str, ShownPicture] = field(default_factory=dict)
    is_internal: Callable[[str], bool] = lambda _: False

    def write(self, root: Element) -> str:
        """Given a tree, return its HTML."""
        return "\n".join(map(self._block, blocks(root)))

    def _block(self, element: Element) -> str:
        style = f' style="{_STYLES[element.tag]}"' if element.tag in _STYLES else ""
        side = _direction(element)
        match element.tag:
            case "hr":
                return "<hr>"
            case "pre":
                return f"<pre{style}>{html.escape(element.words())}</pre>"
            case "blockquote":
                return f"<blockquote{side}{style}>{self._inside(element)}</blockquote>"
            case "ul" | "ol":
                start = f' start="{element.start}"' if element.start != 1 else ""
                items = "".join(map(self._item, elements(element)))
                return f"<{element.tag}{start}{side}>{items}</{element.tag}>"
            case "table":
                lines = "".join(f"<tr>{''.join(map(self._cell, row))}</tr>" for row in rows(element))
                return (
                    f'<table border="1" cellspacing="0" cellpadding="6" style="border-collapse:collapse"{side}>'
                    f"{lines}</table>"
                )
        return f"<{element.tag}{side}{style}>{self._inline(element)}</{element.tag}>"

    def _inside(self, element: Element) -> str:
        """The content of a quote or an item: its paragraphs without a paragraph's space around them."""
        parts = list(blocks(element))
        out = ""
        for place, block in enumerate(parts):
            plain = block.tag == "p"
            gap = "<br>\n<br>\n" if place and plain and parts[place - 1].tag == "p" else ""
            out += gap + (self._inline(block) if plain else self._block(block))
        return out

    def _item(self, item: Element) -> str:
        if item.tag != "li":
            return self._block(item)
        inner = self._inside(item)
        task = _TASKS.get(inner[:4])
        return f"<li>{task + inner[4:] if task else inner}</li>"

    def _cell(self, cell: Element) -> str:
        align = f' align="{cell.align}" style="text-align:{cell.align}"' if cell.align else ""
        return f"<{cell.tag}{align}>{self._inside(cell).strip()}</{cell.tag}>"

    def _inline(self, element: Element, *, links: bool = True) -> str:
        return "".join(
            self._text(child, links=links) if isinstance(child, str) else self._span(child, links=links)
            for child in element.children
        )

    def _text(self, text: str, *, links: bool) -> str:
        if not links:
            return html.escape(text)
        return "".join(
            html.escape(part) if not is_url or self.is_internal(part) else _link(part, html.escape(part))
            for part, is_url in linked_parts(text)
        )

    def _span(self, element: Element, *, links: bool) -> str:
        match element.tag:
            case "br":
                return "<br>\n"
            case "img":
                return self._picture(element)
            case "a":
                inner = self._inline(element, links=False)
                return inner if self.is_internal(element.target) else _named(element.target, inner, element.words())
            case "pre" | "ul" | "ol" | "table" | "blockquote" | "hr":
                return self._block(element)
        tag = _TAGS.get(element.tag, element.tag)
        inner = self._inline(element, links=links and element.tag != "code")
        return inner if tag in {"p", "h1", "h2", "h3", "h4", "li", "tr", "td", "th"} else f"<{tag}>{inner}</{tag}>"

    def _picture(self, element: Element) -> str:
        shown, alt = self.pictures.get(element.target), element.words() or element.target
        if shown is not None:
            return (
                f'<img src="cid:{html.escape(shown.content_id)}" alt="{html.escape(alt)}" width="{shown.width}" '
                'style="max-width:100%;height:auto">'
            )
        if element.target.lower().startswith(("http://", "https://")) and not self.is_internal(element.target):
            return _named(element.target, html.escape(f"[{alt}]"), alt)
        return html.escape(f"[{alt}]")


def _link(url: str, shown: str) -> str:
    return f'<a href="{html.escape(url)}">{shown}</a>'


def _named(url: str, shown: str, words: str) -> str:
    """A link, with its host behind it if its words are an address of another one."""
    host = other_host(words, url)
    return _link(url, shown) + (f" ({html.escape(host)})" if host else "")


def _direction(element: Element) -> str:
    """An attribute for a block whose first letter is of a script that is written from right to left."""
    letters = (unicodedata.bidirectional(sign) for sign in element.words()[:200])
    first = next((kind for kind in letters if kind in {"L", "R", "AL"}), "L")
    return "" if first == "L" else ' dir="rtl"'
