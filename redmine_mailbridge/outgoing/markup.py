"""An agent's note in Redmine's markup, as people read it in a mail: plain text, and simple HTML that is safe.

Only what people use in answers is rendered: paragraphs, line breaks, headings, lists, quotes, code, emphasis, links.
Pictures become their names (the file goes along as an attachment), macros and tables stay text. HTML in a note is
never HTML in the mail. Linear in the length of the note: every quantifier is bounded.
"""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from redmine_mailbridge.mail.message import TextFormat

Kind = Literal["text", "heading", "quote", "bullet", "number", "code", "rule"]
LONGEST = 200_000
DEPTH = 3
_JOINER = "\u2060"

_FENCE = re.compile(r" {0,3}(?:```|~~~)")
_PRE = re.compile(r"\s{0,20}<pre>", re.IGNORECASE)
_PRE_END = re.compile(r"</pre>", re.IGNORECASE)
_TAGS = re.compile(r"</?(?:code|pre)(?:\s[^<>\n]{0,100})?>", re.IGNORECASE)
_RULE = re.compile(r"\s{0,3}(?:-{3,80}|\*{3,80}|_{3,80})\s{0,80}")
_MACRO_BEGINS = re.compile(r"\s{0,20}\{\{[a-z_]{1,40}(?:\([^()\n]{0,300}\))?\s{0,20}")
_QUOTE = re.compile(r"\s{0,3}>\s?")
_BLOCKS: dict[TextFormat, tuple[tuple[Kind, re.Pattern[str]], ...]] = {
    "common_mark": (
        ("heading", re.compile(r" {0,3}#{1,6}\s{1,20}")),
        ("bullet", re.compile(r"\s{0,20}[-*+]\s{1,10}(?:\[[ xX]\]\s)?")),
        ("number", re.compile(r"\s{0,20}\d{1,9}[.)]\s{1,10}")),
    ),
    "textile": (
        ("heading", re.compile(r"h[1-6][^\s.]{0,40}\.\s")),
        ("quote", re.compile(r"bq[^\s.]{0,40}\.\s")),
        ("bullet", re.compile(r"\s{0,20}\*{1,6}\s")),
        ("number", re.compile(r"\s{0,20}#{1,6}\s")),
        ("text", re.compile(r"p[^\s.]{0,40}\.\s")),
    ),
}
_URL = r"(?:https?://|mailto:)[^\s<>\"']{1,2000}"
_INLINE: dict[TextFormat, re.Pattern[str]] = {
    "common_mark": re.compile(
        rf"\\(?P<escaped>[!-/:-@\[-`{{-~])"
        rf"|`{{1,3}}(?P<code>[^`\n]{{1,500}})`{{1,3}}"
        rf"|!\[(?P<alt>[^\[\]\n]{{0,300}})\]\((?P<image>[^()\s]{{1,1000}})(?:\s[^()\n]{{0,200}})?\)"
        rf"|(?<!\[)\[(?P<label>[^\[\]\n]{{1,500}})\]\((?P<target>[^()\s]{{1,2000}})(?:\s[^()\n]{{0,200}})?\)"
        rf"|\[\[(?P<wiki>[^\[\]\n]{{1,300}})\]\]"
        rf"|<(?P<angle>{_URL})>|(?P<url>{_URL})"
        rf"|\*\*(?P<strong>[^\s*][^*\n]{{0,1000}})\*\*|(?<!\w)__(?P<strong2>[^\s_][^_\n]{{0,1000}})__(?!\w)"
        rf"|(?<![\w*])\*(?P<em>[^\s*][^*\n]{{0,1000}})\*(?![\w*])|(?<![\w_])_(?P<em2>[^\s_][^_\n]{{0,1000}})_(?![\w_])"
        rf"|~~(?P<struck>[^\s~][^~\n]{{0,1000}})~~"
    ),
    "textile": re.compile(
        rf"(?<!\w)@(?P<code>[^@\n]{{1,500}})@(?!\w)"
        rf"|(?<!\S)!(?P<image>[^!\s()]{{1,1000}})(?:\((?P<alt>[^()\n]{{0,300}})\))?!"
        rf"|\"(?P<label>[^\"\n]{{1,500}})\":(?P<target>(?:https?://|mailto:|/)[^\s<>\"]{{0,2000}}[^\s<>\".,;:!?)])"
        rf"|\[\[(?P<wiki>[^\[\]\n]{{1,300}})\]\]"
        rf"|<(?P<angle>{_URL})>|(?P<url>{_URL})"
        rf"|(?<![\w*])\*(?P<strong>[^\s*][^*\n]{{0,1000}})\*(?![\w*])"
        rf"|(?<![\w_])_(?P<em>[^\s_][^_\n]{{0,1000}})_(?![\w_])"
    ),
}
_URL_TAIL = ".,;:!?)]}"


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that belong together."""

    kind: Kind
    lines: tuple[str, ...]


def unescaped(text: str) -> str:
    """Given a stranger's text that was made inert for Redmine, return it as it was written, near enough to quote."""
    text = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text.replace(_JOINER, ""))
    return html.unescape(text)


def as_text(note: str, text_format: TextFormat) -> str:
    """Given a note, return it as plain text."""
    parts = []
    for block in blocks(note, text_format):
        lines = [line if block.kind == "code" else _plain(line, text_format) for line in block.lines]
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


def as_html(note: str, text_format: TextFormat) -> str:
    """Given a note, return it as HTML without scripts, styles of its own, pictures or links to other schemes."""
    parts = []
    for block in blocks(note, text_format):
        lines = [html.escape(x) if block.kind == "code" else _marked(x, text_format, DEPTH) for x in block.lines]
        broken = "<br>\n".join(lines)
        match block.kind:
            case "code":
                parts.append("<pre>" + "\n".join(lines) + "</pre>")
            case "quote":
                parts.append(f'<blockquote style="border-left:2px solid #ccc;padding-left:1ex">{broken}</blockquote>')
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


def blocks(note: str, text_format: TextFormat) -> Iterator[Block]:
    """Given a note, yield its blocks in order."""
    kind: Kind = "text"
    lines: list[str] = []
    for new, line in _lines(note[:LONGEST], text_format):
        if new != kind or (not line and kind != "code"):
            if lines:
                yield Block(kind, tuple(lines))
            kind, lines = new, []
        if new == "rule":
            yield Block("rule", ())
            kind = "text"
        elif line or kind == "code":
            lines.append(line)
    if lines:
        yield Block(kind, tuple(lines))


def _lines(note: str, text_format: TextFormat) -> Iterator[tuple[Kind, str]]:
    """Each line with its kind, without its mark. A macro's braces go, what stands between them stays."""
    code: re.Pattern[str] | None = None
    for line in note.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        if code is not None:
            if code.search(line) is None:
                yield "code", line
                continue
            rest = _TAGS.sub("", line) if code is _PRE_END else ""
            code = None
            yield ("code", rest) if rest.strip() else ("text", "")
        elif _FENCE.match(line):
            code = _FENCE
            yield "text", ""
        elif _PRE.match(line):
            code = None if _PRE_END.search(line) else _PRE_END
            yield "text", ""
            if rest := _TAGS.sub("", line):
                yield "code", rest
        elif _MACRO_BEGINS.fullmatch(line) or line.strip() == "}}":
            yield "text", ""
        else:
            yield _one(line, text_format)


def _one(line: str, text_format: TextFormat) -> tuple[Kind, str]:
    if _RULE.fullmatch(line):
        return "rule", ""
    if found := _QUOTE.match(line):
        return "quote", line[found.end() :].rstrip()
    for kind, mark in _BLOCKS[text_format]:
        if found := mark.match(line):
            return kind, line[found.end() :].rstrip()
    return "text", line.strip()


def _target(url: str) -> tuple[str, str]:
    """Given a bare address, return it and what stood behind it as the sentence's own."""
    end = len(url)
    while end and url[end - 1] in _URL_TAIL and not (url[end - 1] == ")" and "(" in url[:end]):
        end -= 1
    return url[:end], url[end:]


def _plain(line: str, text_format: TextFormat) -> str:
    def one(found: re.Match[str]) -> str:
        part = {name: value for name, value in found.groupdict().items() if value is not None}
        if "label" in part:
            same = part["label"] == part["target"]
            return part["target"] if same else f"{part['label']} ({part['target']})"
        if "image" in part:
            return f"[{part.get('alt') or part['image']}]"
        if "wiki" in part:
            return part["wiki"].rpartition("|")[2]
        if "strong" in part or "strong2" in part:
            return f"*{part.get('strong') or part['strong2']}*"
        return next((part[name] for name in ("escaped", "code", "angle") if name in part), found[0])

    return _TAGS.sub("", _INLINE[text_format].sub(one, line)).replace(_JOINER, "")


def _marked(line: str, text_format: TextFormat, depth: int) -> str:
    """Given a line, return it as HTML: what is no mark is escaped."""
    out, at = [], 0
    for found in _INLINE[text_format].finditer(line):
        out.append(_escaped(line[at : found.start()]))
        out.append(_element(found, text_format, depth))
        at = found.end()
    out.append(_escaped(line[at:]))
    return "".join(out)


def _element(found: re.Match[str], text_format: TextFormat, depth: int) -> str:  # noqa: PLR0911 - a list of marks
    part = {name: value for name, value in found.groupdict().items() if value is not None}

    def inner(text: str) -> str:
        return _marked(text, text_format, depth - 1) if depth else _escaped(text)

    if "code" in part:
        return f"<code>{html.escape(part['code'])}</code>"
    if "image" in part:
        return _escaped(f"[{part.get('alt') or part['image']}]")
    if "label" in part:
        return _link(part["target"], _escaped(part["label"]))
    if "angle" in part:
        return _link(part["angle"], _escaped(part["angle"]))
    if "url" in part:
        url, rest = _target(part["url"])
        return _link(url, _escaped(url)) + _escaped(rest)
    if "wiki" in part:
        return _escaped(part["wiki"].rpartition("|")[2])
    for name, tag in (("strong", "b"), ("strong2", "b"), ("em", "i"), ("em2", "i"), ("struck", "s")):
        if name in part:
            return f"<{tag}>{inner(part[name])}</{tag}>"
    return _escaped(part.get("escaped", found[0]))


def _link(url: str, shown: str) -> str:
    """A link, when its address is one of the web's or of mail; else the words and the address."""
    if not url.lower().startswith(("http://", "https://", "mailto:")):
        return f"{shown} ({html.escape(url)})"
    return f'<a href="{html.escape(url)}">{shown}</a>'


def _escaped(text: str) -> str:
    return html.escape(_TAGS.sub("", text).replace(_JOINER, ""))
