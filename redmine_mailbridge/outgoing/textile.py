"""An agent's note in Redmine's Textile, as people read it in a mail: plain text, and simple HTML that is safe.

Only what people use in answers is rendered: paragraphs, line breaks, headings, lists, quotes, code, emphasis, links.
Pictures become their names (the file goes along as an attachment), macros and tables stay text. HTML in a note is
never HTML in the mail. Linear in the length of the note: every quantifier is bounded.
"""

import html
import re
from collections.abc import Iterator
from typing import Literal

from redmine_mailbridge.outgoing.words import QUOTE, URL, escaped, is_brace, lines_of, link, target, without_tags
from redmine_mailbridge.util.dataclass import dataclass

Kind = Literal["text", "heading", "quote", "bullet", "number", "code", "rule"]
DEPTH = 3

_PRE = re.compile(r"\s{0,20}<pre>", re.IGNORECASE)
_PRE_END = re.compile(r"</pre>", re.IGNORECASE)
_RULE = re.compile(r"\s{0,3}(?:-{3,80}|\*{3,80}|_{3,80})\s{0,80}")
_QUOTE = re.compile(r"\s{0,3}>\s?")
_ATTRIBUTES = r"(?:\([^()\s.]{1,40}\)|\{[^{}\n]{1,100}\}|\[[A-Za-z-]{1,10}\]|[<>=()]{1,10}){0,6}"
"""Of a block: class and id, style, language, alignment. "printer." begins none."""
_BLOCKS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("heading", re.compile(rf"h[1-6]{_ATTRIBUTES}\.\s")),
    ("quote", re.compile(rf"bq{_ATTRIBUTES}\.\s")),
    ("bullet", re.compile(r"\s{0,20}\*{1,6}\s")),
    ("number", re.compile(r"\s{0,20}#{1,6}\s")),
    ("text", re.compile(rf"p{_ATTRIBUTES}\.\s")),
)
_INLINE = re.compile(
    rf"(?<!\w)@(?P<code>[^@\n]{{1,500}})@(?!\w)"
    rf"|(?<!\S)!(?P<image>[^!\s()]{{1,1000}})(?:\((?P<alt>[^()\n]{{0,300}})\))?!"
    rf"|\"(?P<label>[^\"\n]{{1,500}})\":(?P<target>(?:https?://|mailto:|/)[^\s<>\"]{{0,2000}}[^\s<>\".,;:!?)])"
    rf"|\[\[(?P<wiki>[^\[\]\n]{{1,300}})\]\]"
    rf"|<(?P<angle>{URL})>|(?P<url>{URL})"
    rf"|(?<![\w*])\*(?P<strong>[^\s*][^*\n]{{0,1000}})\*(?![\w*])"
    rf"|(?<![\w_])_(?P<em>[^\s_][^_\n]{{0,1000}})_(?![\w_])"
)


@dataclass(frozen=True, slots=True)
class TextileBlock:
    """Lines that belong together."""

    kind: Kind
    lines: tuple[str, ...]


def as_text(note: str) -> str:
    """Given a note, return it as plain text."""
    parts = []
    for block in blocks(note):
        lines = [line if block.kind == "code" else _plain(line) for line in block.lines]
        match block.kind:
            case "code":
                shown = [f"    {line}" for line in lines]
            case "quote":
                shown = [f"> {line}" for line in lines]
            case "bullet":
                shown = [f"- {line}" for line in lines]
            case "number":
                shown = [f"{number}. {line}" for number, line in enumerate(lines, 1)]
            case "rule":
                shown = ["-" * 40]
            case _:
                shown = lines
        parts.append("\n".join(shown))
    return "\n\n".join(parts)


def as_html(note: str) -> str:
    """Given a note, return it as HTML without scripts, styles of its own, pictures or links to other schemes."""
    parts = []
    for block in blocks(note):
        lines = [html.escape(x) if block.kind == "code" else _marked(x, DEPTH) for x in block.lines]
        broken = "<br>\n".join(lines)
        match block.kind:
            case "code":
                parts.append("<pre>" + "\n".join(lines) + "</pre>")
            case "quote":
                parts.append(f"{QUOTE}{broken}</blockquote>")
            case "bullet" | "number":
                tag = "ul" if block.kind == "bullet" else "ol"
                parts.append(f"<{tag}>" + "".join(f"<li>{line}</li>" for line in lines) + f"</{tag}>")
            case "heading":
                parts.append(f"<p><b>{broken}</b></p>")
            case "rule":
                parts.append("<hr>")
            case _:
                parts.append(f"<p>{broken}</p>")
    return "\n".join(parts)


def blocks(note: str) -> Iterator[TextileBlock]:
    """Given a note, yield its blocks in order."""
    kind: Kind = "text"
    lines: list[str] = []
    for new, line in _lines(note):
        if new != kind or (not line and kind != "code"):
            if lines:
                yield TextileBlock(kind, tuple(lines))
            kind, lines = new, []
        if new == "rule":
            yield TextileBlock("rule", ())
            kind = "text"
        elif line or kind == "code":
            lines.append(line)
    if lines:
        yield TextileBlock(kind, tuple(lines))


def _lines(note: str) -> Iterator[tuple[Kind, str]]:
    """Each line with its kind, without its mark. A macro's braces are removed, the text between them is kept."""
    code = False
    for line in lines_of(note):
        if code:
            code = _PRE_END.search(line) is None
            rest = line if code else without_tags(line)
            yield ("code", rest) if code or rest.strip() else ("text", "")
        elif _PRE.match(line):
            code = _PRE_END.search(line) is None
            yield "text", ""
            if rest := without_tags(line):
                yield "code", rest
        elif is_brace(line):
            yield "text", ""
        else:
            yield _read_line(line)


def _read_line(line: str) -> tuple[Kind, str]:
    if _RULE.fullmatch(line):
        return "rule", ""
    if match := _QUOTE.match(line):
        return "quote", line[match.end() :].rstrip()
    for kind, mark in _BLOCKS:
        if match := mark.match(line):
            return kind, line[match.end() :].rstrip()
    return "text", line.strip()


def _plain(line: str) -> str:
    def replaced(match: re.Match[str]) -> str:
        part = {name: value for name, value in match.groupdict().items() if value is not None}
        if "label" in part:
            same = part["label"] == part["target"]
            return part["target"] if same else f"{part['label']} ({part['target']})"
        if "image" in part:
            return f"[{part.get('alt') or part['image']}]"
        if "wiki" in part:
            return part["wiki"].rpartition("|")[2]
        if "strong" in part:
            return f"*{part['strong']}*"
        return next((part[name] for name in ("code", "angle") if name in part), match[0])

    return without_tags(_INLINE.sub(replaced, line))


def _marked(line: str, depth: int) -> str:
    """Given a line, return it as HTML: everything but markup is escaped."""
    out, at = [], 0
    for match in _INLINE.finditer(line):
        out.append(escaped(line[at : match.start()]))
        out.append(_element(match, depth))
        at = match.end()
    out.append(escaped(line[at:]))
    return "".join(out)


def _element(match: re.Match[str], depth: int) -> str:  # noqa: PLR0911 - a list of marks
    part = {name: value for name, value in match.groupdict().items() if value is not None}

    def inner(text: str) -> str:
        return _marked(text, depth - 1) if depth else escaped(text)

    if "code" in part:
        return f"<code>{html.escape(part['code'])}</code>"
    if "image" in part:
        return escaped(f"[{part.get('alt') or part['image']}]")
    if "label" in part:
        return link(part["target"], escaped(part["label"]))
    if "angle" in part:
        return link(part["angle"], escaped(part["angle"]))
    if "url" in part:
        url, rest = target(part["url"])
        return link(url, escaped(url)) + escaped(rest)
    if "wiki" in part:
        return escaped(part["wiki"].rpartition("|")[2])
    name, tag = ("strong", "b") if "strong" in part else ("em", "i")
    return f"<{tag}>{inner(part[name])}</{tag}>"
