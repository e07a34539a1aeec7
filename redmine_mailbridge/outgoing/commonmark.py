"""An agent's note in CommonMark, as people read it in a mail: parsed by markdown-it-py, written by ourselves.

Written are only the few elements of HTML that a mail needs; links lead to the web and to mail, pictures become their
names, HTML of the note's own is shown as text. Redmine breaks lines where the note does.
"""

import html
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from redmine_mailbridge.outgoing.words import QUOTE, escaped, is_brace, lines_of, link, linked, plain

_PARSER = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"])
MOST = 40_000
"""Characters of a note that is parsed; a longer one (a log that somebody pasted) is shown as plain text."""
MOST_CELLS = 10_000
"""Of its tables, likewise: a short row is filled up to the width of its table, so that few characters make many."""
_SIMPLE = {"strong": "b", "em": "i", "s": "s"}


def as_html(note: str) -> str:
    """Given a note, return it as HTML."""
    if _too_much(note):
        return f"<pre>{escaped(note)}</pre>"
    return "\n".join(_blocks_of_html(_tree(note)))


def _too_much(note: str) -> bool:
    """Is it longer than what is parsed, or might its tables hold too many cells?"""
    if len(note) > MOST:
        return True
    lines = note.splitlines()
    columns = max((line.count("|") + 1 for line in lines if "|" in line and not line.strip(" \t>|:-")), default=0)
    return columns * len(lines) > MOST_CELLS


def as_text(note: str) -> str:
    """Given a note, return it as plain text."""
    if _too_much(note):
        return plain(note)
    return "\n\n".join(_blocks_of_text(_tree(note)))


@lru_cache(4)
def _tree(note: str) -> SyntaxTreeNode:
    """The note as a tree. The lines of a macro's braces become empty, the text between them is kept."""
    tokens = _PARSER.parse(note)
    lines = lines_of(note)
    macros = {number for number, line in enumerate(lines) if is_brace(line)}
    for token in tokens if macros else ():
        if token.type in {"fence", "code_block"} and token.map:
            macros -= set(range(*token.map))
    if macros:
        tokens = _PARSER.parse("\n".join("" if number in macros else line for number, line in enumerate(lines)))
    return SyntaxTreeNode(tokens)


# ---------------------------------------------------------------------- HTML


def _blocks_of_html(node: SyntaxTreeNode) -> Iterator[str]:
    for child in node.children:
        yield _block_html(child)


def _block_html(node: SyntaxTreeNode) -> str:  # noqa: PLR0911 - a list of blocks
    match node.type:
        case "paragraph":
            return f"<p>{_inline_html(node)}</p>"
        case "heading":
            return f"<p><b>{_inline_html(node)}</b></p>"
        case "fence" | "code_block":
            return f"<pre>{html.escape(node.content.rstrip(chr(10)))}</pre>"
        case "blockquote":
            return f"{QUOTE}{_tight(node)}</blockquote>"
        case "bullet_list":
            return f"<ul>{''.join(map(_item_html, node.children))}</ul>"
        case "ordered_list":
            start = node.attrs.get("start", 1)
            begins = f' start="{int(start)}"' if start != 1 else ""
            return f"<ol{begins}>{''.join(map(_item_html, node.children))}</ol>"
        case "hr":
            return "<hr>"
        case "table":
            return f"<table border>{''.join(map(_row_html, _rows(node)))}</table>"
    return _inline_html(node) if node.type == "inline" else "\n".join(_blocks_of_html(node))


def _item_html(item: SyntaxTreeNode) -> str:
    return f"<li>{_tight(item)}</li>"


def _tight(node: SyntaxTreeNode) -> str:
    """The content of an item or a quote: its paragraphs without a paragraph's space around them."""
    parts = [_inline_html(child) if child.type == "paragraph" else _block_html(child) for child in node.children]
    return "<br>\n<br>\n".join(parts) if node.type == "blockquote" else "<br>".join(parts)


def _rows(table: SyntaxTreeNode) -> Iterator[Sequence[SyntaxTreeNode]]:
    for part in table.children:
        for row in part.children:
            yield row.children


def _row_html(cells: Sequence[SyntaxTreeNode]) -> str:
    return f"<tr>{''.join(f'<{cell.tag}>{_inline_html(cell)}</{cell.tag}>' for cell in cells)}</tr>"


def _inline_html(node: SyntaxTreeNode) -> str:
    return _inline(node, linked, html.escape, _span_html, "<br>\n")


def _span_html(node: SyntaxTreeNode, inner: str) -> str:
    if node.type == "link":
        return link(str(node.attrs.get("href", "")), inner)
    tag = _SIMPLE.get(node.type)
    return f"<{tag}>{inner}</{tag}>" if tag else inner


# ---------------------------------------------------------------------- text


def _blocks_of_text(node: SyntaxTreeNode) -> Iterator[str]:
    for child in node.children:
        yield _block_text(child)


def _block_text(node: SyntaxTreeNode) -> str:  # noqa: PLR0911 - a list of blocks
    match node.type:
        case "paragraph" | "heading":
            return _inline_text(node)
        case "fence" | "code_block":
            return _indented("    ", "    ", node.content.rstrip("\n"))
        case "blockquote":
            return _indented("> ", "> ", "\n\n".join(_blocks_of_text(node)))
        case "bullet_list":
            return "\n".join(_indented("- ", "  ", _item_text(item)) for item in node.children)
        case "ordered_list":
            first = int(node.attrs.get("start", 1))
            numbered = ((f"{number}. ", item) for number, item in enumerate(node.children, first))
            return "\n".join(_indented(mark, " " * len(mark), _item_text(item)) for mark, item in numbered)
        case "hr":
            return "-" * 40
        case "table":
            return "\n".join(" | ".join(map(_inline_text, cells)) for cells in _rows(node))
    return _inline_text(node) if node.type == "inline" else "\n\n".join(_blocks_of_text(node))


def _item_text(item: SyntaxTreeNode) -> str:
    return "\n".join(_blocks_of_text(item))


def _indented(first: str, others: str, text: str) -> str:
    lines = text.split("\n")
    return "\n".join(f"{others if number else first}{line}".rstrip() for number, line in enumerate(lines))


def _inline_text(node: SyntaxTreeNode) -> str:
    return _inline(node, plain, str, _span_text, "\n")


def _span_text(node: SyntaxTreeNode, inner: str) -> str:
    if node.type == "link":
        target = str(node.attrs.get("href", ""))
        return inner if inner in (target, target.removeprefix("mailto:")) else f"{inner} ({target})"
    mark = "*" if node.type == "strong" else node.markup
    return f"{mark}{inner}{mark}"


# ---------------------------------------------------------------------- both


def _inline(
    node: SyntaxTreeNode,
    text: Callable[[str], str],
    code: Callable[[str], str],
    span: Callable[[SyntaxTreeNode, str], str],
    line_end: str,
) -> str:
    """The words of a paragraph, by how text, code, spans and line ends are written."""
    out = []
    for child in node.children:
        match child.type:
            case "text" | "text_special":
                out.append(text(child.content))
            case "code_inline":
                out.append(code(child.content) if code is str else f"<code>{code(child.content)}</code>")
            case "softbreak" | "hardbreak":
                out.append(line_end)
            case "image":
                name = child.content or str(child.attrs.get("src", ""))
                out.append(f"[{name}]" if code is str else escaped(f"[{name}]"))
            case _:
                out.append(span(child, _inline(child, text, code, span, line_end)))
    return "".join(out)
