"""An agent's note in Redmine's Textile, parsed by python-textile.

Redmine's dialect differs: it quotes lines that begin with ">", keeps <pre> only, and replaces nothing typographically.
So the blocks of a note are separated here, and the library gets one after the other, without the rules that Redmine
does not have. Its patterns take more than linear time: a block that is too long, and what is left after the time
limit, is shown as plain text.
"""

import html
import re
import time
from collections.abc import Iterator, Sequence

import structlog
import textile as library

from redmine_mailbridge.outgoing.rendering.redmine_words import is_brace, lines_of

log = structlog.get_logger(__name__)

MOST = 40_000
"""Characters of a note that is parsed."""
LONGEST_BLOCK = 5_000
"""Characters of a block that the library gets."""
TIME_LIMIT = 1.0
"""Seconds of CPU time after which the rest of a note is plain text."""
DEEPEST = 8
"""Levels of quotes; deeper ones are shown with their signs."""
LESS, GREATER = "\ufdd1", "\ufdd2"
"""What replaces < and > while the library works: it must not take them for HTML."""
_ATTRIBUTES = r"(?:\([^()\s.]{1,40}\)|\{[^{}\n]{1,100}\}|\[[A-Za-z-]{1,10}\]|[<>=()]{1,10}){0,6}"
"""Of a block: class and id, style, language, alignment. "printer." begins none."""
_PRE = re.compile(r"\s{0,20}<pre(?:\s[^<>\n]{0,100})?>", re.IGNORECASE)
_PRE_END = re.compile(r"</pre>", re.IGNORECASE)
_CODE_TAGS = re.compile(r"</?(?:code|pre)(?:\s[^<>\n]{0,100})?>", re.IGNORECASE)
_RULE = re.compile(r"\s{0,3}(?:-{3,80}|\*{3,80}|_{3,80})\s{0,80}")
_QUOTE = re.compile(r"\s{0,3}>\s?")
_LIST = re.compile(r"\s{0,20}([*#]{1,6}\s)")
_TABLE = re.compile(r"\s{0,20}\|")
_BLOCK = re.compile(rf"(?P<tag>bq|h[1-6]|p)(?P<attributes>{_ATTRIBUTES})\.\s")
_CELL = re.compile(r"\|(?P<attributes>[_<>=^~\\/\d-]{1,8})\.(?=\s)")
_NOT_A_CELL = re.compile(r"^\|(?:=\.\s?|(?=:))", re.MULTILINE)
"""What the library takes for a table's caption or its columns, which it leaves out; in Redmine both are cells."""
_TIGHT_CELL = re.compile(r"(\|(?:_[<>=^~]{0,3}|[<>=^~]{1,3}|_?[\\/][0-9]{1,2}[<>=^~]{0,3})\.)(?=[^\s.])")
"""A cell without the space after its attributes, which Redmine does not need and the library does."""
_AMPERSAND = re.compile(r"&(?!(?:lt|gt|amp|quot|#(?!0{0,5}(?:[0-9]|[12][0-9]|3[01]|127);)[0-9]{1,6});)")
"""What begins no entity; an entity is the character, as in Redmine, but a control character."""
_NOT_A_LIST = re.compile(r"^(?:[*#]{0,6}#(?=[0-9_])|[*#]{0,6}(?=[;:]))", re.MULTILINE)
"""What the library takes for a list (its first number, a continuation, a definition); in Redmine "#12" is an issue."""
_CODE = re.compile(r"(^|\W)@(?:\|\w{1,20}\|)?([^\n]{1,1000}?)@(?!\w)", re.MULTILINE)
_CODE_TAG = re.compile(
    rf"(){LESS}code(?:\s[^{GREATER}\n]{{0,100}})?{GREATER}([^\n]{{0,1000}}?){LESS}/code{GREATER}", re.IGNORECASE
)
_SPAN = re.compile(r"%\{[^{}%\n]{1,200}\}([^%\n]{1,500})%")
_ALIGNED_PICTURE = re.compile(r"(?<!\S)!(?:[<>=]|\{[^{}\n]{0,100}\}|\([^()\n]{0,100}\)){1,4}(?=[^\s!]{1,1000}!)")


class _Parser(library.Textile):  # type: ignore[misc]  # the library ships no types
    """The library without what Redmine does not have, and without what takes words away."""

    btag = ("bq", "h[1-6]", "p")

    def glyphs(self, text: str) -> str:
        """Replace no quotes, dashes and signs: "(c)" and 3x4 are what the agent wrote."""
        return text

    def code(self, text: str) -> str:
        """Shelve code. As in Redmine, no letter follows its end: of "@anna, @bob" nothing is code."""
        return _CODE.sub(self._shelved_code, _CODE_TAG.sub(self._shelved_code, text))

    def _shelved_code(self, match: re.Match[str]) -> str:
        return f"{match[1]}{self.shelve(f'<code>{html.escape(match[2], quote=False)}</code>')}"

    noTextile = getRefs = footnoteRef = noteRef = redcloth_list = placeNoteLists = getHTMLComments = glyphs  # noqa: N815


def to_html(note: str) -> str | None:
    """Given a note, return its HTML, in which HTML of the note's own is text; None if it is not to be parsed."""
    if len(note) > MOST:
        return None
    return "\n".join(_Blocks(time.thread_time() + TIME_LIMIT).html_of(lines_of(note), DEEPEST))


class _Blocks:
    """Writes the blocks of one note, all by one parser, until the deadline in CPU seconds of this thread."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._parser = _Parser(html_type="html5")

    def html_of(self, lines: Sequence[str], depth: int) -> Iterator[str]:
        """Given lines, yield the HTML of their blocks; `depth` levels of quotes are separated."""
        for kind, block in _blocks(lines):
            text = "\n".join(block)
            if kind == "code":
                yield f"<pre>\n{html.escape(text)}</pre>"
            elif kind == "rule":
                yield "<hr>"
            elif kind == "quote" and depth:
                quoted = [_QUOTE.sub("", line, count=1) for line in block]
                yield f"<blockquote>{''.join(self.html_of(quoted, depth - 1))}</blockquote>"
            elif kind == "quote":
                yield _as_it_is(text)
            else:
                yield self._parsed(text)

    def _parsed(self, text: str) -> str:
        """Given a block, return its HTML; as it is if it is too long, the time is over, or the library fails on it."""
        if len(text) > LONGEST_BLOCK or time.thread_time() > self._deadline:
            return _as_it_is(text)
        try:
            parsed = str(self._parser.parse(_prepared(text)))
        except Exception as error:  # noqa: BLE001 - the boundary of a block: it is mailed whatever the library does
            log.warning("note.block_unparsed", kind=type(error).__name__)
            return _as_it_is(text)
        return parsed.replace(LESS, "&lt;").replace(GREATER, "&gt;")


def _as_it_is(text: str) -> str:
    return f"<p>{html.escape(text).replace(chr(10), '<br>')}</p>"


def _prepared(text: str) -> str:
    """A block as the library gets it: < and > only where they align, no styles."""
    text = _ALIGNED_PICTURE.sub("!", _SPAN.sub(r"\1", text)).replace("%{", "%\u2060{")
    alignments: list[str] = []

    def kept(match: re.Match[str]) -> str:
        alignments.append(match[0])
        return f"\ufdd3{len(alignments) - 1}\ufdd4"

    if (start := _BLOCK.match(text)) is not None:
        alignments.append(f"{start['tag']}{''.join(sign for sign in start['attributes'] if sign in '<>=')[:1]}. ")
        text = f"\ufdd30\ufdd4{text[start.end() :]}"
    text = _TIGHT_CELL.sub(r"\1 ", _NOT_A_CELL.sub("|\u2060", text))
    text = _CELL.sub(kept, _NOT_A_LIST.sub(lambda match: f"{match[0]}\u2060", text))
    text = _AMPERSAND.sub("&amp;", text).replace("<", LESS).replace(">", GREATER)
    return re.sub("\ufdd3([0-9]{1,5})\ufdd4", lambda match: alignments[int(match[1])], text)


def _blocks(lines: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """The blocks of a note in order: each its kind and its lines."""
    current, block = "", list[str]()
    for kind, line in _lines(lines):
        continued = kind == current and kind not in {"", "heading", "rule"}
        if continued or (current == "list" and kind == "text"):
            block.append(line)
            continue
        if current:
            yield current, block
        current, block = kind, [line]
    if current:
        yield current, block


def _lines(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each line with the kind of its block; "" for what separates blocks."""
    code = False
    for line in lines:
        if not code and not _PRE.match(line):
            yield _kind(line)
            continue
        end = _PRE_END.search(line)
        before, after = (line, "") if end is None else (line[: end.start()], line[end.end() :])
        content = _CODE_TAGS.sub("", before) if end is not None or not code else before
        if not code:
            yield "", ""
        if content.strip() or (code and end is None):
            yield "code", content
        code = end is None
        if not code:
            yield "", ""
            if after.strip():
                yield "text", _CODE_TAGS.sub("", after).strip()


def _kind(line: str) -> tuple[str, str]:
    """The kind of a line that is not code, and the line as the library reads it."""
    if not line.strip() or is_brace(line):
        return "", ""
    if _RULE.fullmatch(line):
        return "rule", ""
    if _QUOTE.match(line):
        return "quote", line
    if _LIST.match(line):
        return "list", line.strip()
    if _TABLE.match(line):
        return "table", line.strip()
    begin = _BLOCK.match(line)
    return ("heading", line.strip()) if begin is not None and begin["tag"].startswith("h") else ("text", line.strip())
