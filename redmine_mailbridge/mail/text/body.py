"""From the text parts of a mail to its `Body`: the best of text and HTML, the reply cut, the markup made safe."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from redmine_mailbridge.mail.html.dialect import DIALECTS
from redmine_mailbridge.mail.text.escaping import make_inert
from redmine_mailbridge.mail.text.flowed import unflow
from redmine_mailbridge.mail.text.forwards import NO_FORWARD, ForwardedText, read_forward
from redmine_mailbridge.mail.text.quotes import split_reply
from redmine_mailbridge.mail.text.stubs import is_stub
from redmine_mailbridge.model.mail import Body, ReadingOptions
from redmine_mailbridge.util.dataclass import dataclass
from redmine_mailbridge.util.lazy import lazy_import

if TYPE_CHECKING:
    from redmine_mailbridge.mail.html import read as html_reader
else:  # lxml takes 4 MB of memory, and plain text needs none of it
    html_reader = lazy_import("redmine_mailbridge.mail.html.read")

_JUNK = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\ufdd0-\ufdef\ufeff]")
_BLANKS = re.compile("\n{4,}")
_RICH = re.compile(r"<table|<img", re.IGNORECASE)
_PLACE = "\ufdd1"  # a noncharacter, which `clean` takes out of what comes
_PLACED = re.compile(rf"{_PLACE}(\d{{1,6}}){_PLACE}")
_PICTURE = re.compile(r"\[cid:([^\]\s]{1,200})\]|\[image: ([^\]\n]{1,200})\]")
_OTHER_BREAKS = re.compile("\r(?!\n)|[\x0c\x85\u2028\u2029]")
_NEWLINES = re.compile("\r\n?|[\x0c\x85\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class TextPart:
    """A text leaf of the mail, decoded. `flowed` and `delsp` are the parameters of RFC 3676 section 4."""

    content: str
    is_html: bool
    flowed: bool = False
    delsp: bool = False


@dataclass(frozen=True, slots=True)
class Alternative:
    """A multipart/alternative: what it says as text and what it says as HTML, each in the order of the mail."""

    text: tuple[TextPart, ...] = ()
    html: tuple[TextPart, ...] = ()


@dataclass(frozen=True, slots=True)
class BodyReading:
    """A Body, and where its pictures are: file names that `written` shows, and those that only `quoted` shows.

    A picture of the message that is in neither is not in the text. `forward` is what the text shows of a forwarded
    mail, if `options.forwards` asks for that.
    """

    body: Body
    placed: frozenset[str] = frozenset()
    placed_in_quoted: frozenset[str] = frozenset()
    forward: ForwardedText = NO_FORWARD


@dataclass(frozen=True, slots=True)
class _Piece:
    """One part, read: the three texts of Body, and the pictures in the two that are cut from each other."""

    written: str
    quoted: str
    whole: str
    is_html: bool
    rule: str = ""
    delimited: bool = False
    placed: frozenset[str] = frozenset()
    placed_in_quoted: frozenset[str] = frozenset()


def read_body(
    texts: Sequence[TextPart | Alternative], pictures: Mapping[str, str], options: ReadingOptions
) -> BodyReading:
    """Given the text leaves of a mail in their order, read what the person wrote.

    `pictures` maps Content-IDs (without <>) and Content-Locations to the names of the attachments they became.
    Return a BodyReading: the Body in the markup of `options.text_format` with Redmine's live syntax made inert,
    `placed` with the names of the pictures that `body.written` shows, and `placed_in_quoted` with those that
    stand only in the cut part. `body.whole` shows both. Never raises; time is linear in the length of the parts.
    """
    chosen = [part for element in texts for part in _choose(element, pictures, options)]
    pieces = [_read(part, pictures, options) for part in chosen if part.content.strip()]
    pieces = [piece for piece in _until_delimiter(pieces) if piece.whole or piece.quoted]
    source: Literal["text", "html", "none"] = "none"
    if pieces:
        source = "html" if any(piece.is_html for piece in pieces) else "text"
    written = _join(piece.written for piece in pieces)
    placed = frozenset[str]().union(*(piece.placed for piece in pieces))
    in_quoted = frozenset[str]().union(*(piece.placed_in_quoted for piece in pieces))
    body = Body(
        written=written,
        quoted=_join(piece.quoted for piece in pieces),
        whole=_join(piece.whole for piece in pieces),
        source=source,
        cut_by=next((piece.rule for piece in pieces if piece.rule), ""),
    )
    return BodyReading(body, placed, in_quoted - placed, _forward(chosen) if options.forwards else NO_FORWARD)


def _forward(parts: Iterable[TextPart]) -> ForwardedText:
    """What the first part shows of a forwarded mail in which anything looks like one."""
    rows = (
        html_reader.plain_rows(part.content) if part.is_html else (_text(_on_one_line(part)).split("\n"), ())
        for part in parts
    )
    forwards = (read_forward(lines, marked) for lines, marked in rows)
    return next((forward for forward in forwards if not forward.plain), NO_FORWARD)


def _text(part: TextPart) -> str:
    """The text of a part that is not HTML, its flowed lines joined."""
    text = clean(part.content)
    return unflow(text, delsp=part.delsp) if part.flowed else text


def _on_one_line(part: TextPart) -> TextPart:
    """A part whose lines end as those of a mail do: any other line break may be within somebody's name."""
    return replace(part, content=_OTHER_BREAKS.sub(" ", part.content)) if "\n" in part.content else part


def _join(texts: Iterable[str]) -> str:
    return "\n\n".join(text for text in texts if text)


def _until_delimiter(pieces: Iterable[_Piece]) -> Iterator[_Piece]:
    """Given the parts in the order of the mail, yield those before and with the admin's delimiter; what comes in
    parts behind it is cut too.
    """
    ended = False
    for piece in pieces:
        yield replace(piece, written="", quoted=piece.whole, whole="", placed=frozenset()) if ended else piece
        ended = ended or piece.delimited


def _choose(
    element: TextPart | Alternative, pictures: Mapping[str, str], options: ReadingOptions
) -> tuple[TextPart, ...]:
    """Choose what to read of an alternative: the preferred half, unless it is empty or a stub."""
    if isinstance(element, TextPart):
        return (element,)
    text_says = "\n".join(part.content for part in element.text)
    html_empty = not any(part.content.strip() for part in element.html)
    rich = "\n".join(part.content for part in element.html)
    text_empty = not text_says.strip() or (not html_empty and is_stub(text_says, rich))
    if html_empty:
        return element.text
    if text_empty:
        return element.html
    if options.prefer == "html":
        shown = _join(_read(part, pictures, options).whole for part in element.html)
        return element.html if shown.strip() else element.text
    return element.html if _RICH.search(rich) and _holds_more(element, pictures, options) else element.text


def _holds_more(element: Alternative, pictures: Mapping[str, str], options: ReadingOptions) -> bool:
    """Does the HTML show a table or a picture that the text does not?"""
    shown = [_read(part, pictures, options) for part in element.html]
    plain = [_read(part, pictures, options) for part in element.text]
    if frozenset[str]().union(*(reading.placed for reading in shown)) - frozenset[str]().union(
        *(reading.placed for reading in plain)
    ):
        return True
    return _table_rows(_join(reading.written for reading in shown)) > _table_rows(
        _join(reading.written for reading in plain)
    )


def _table_rows(text: str) -> int:
    """How many rows of tables a text in markup has."""
    return sum(1 for line in text.split("\n") if line.startswith("|") and line.count("|") > 2)


def _read(part: TextPart, pictures: Mapping[str, str], options: ReadingOptions) -> _Piece:
    if part.is_html:
        html = html_reader.read_html(part.content, pictures, options.text_format, options.delimiters)
        return _Piece(
            html.written, html.quoted, html.whole, True, html.rule, html.delimited, html.placed, html.placed_in_quoted
        )
    text, names = _with_places(_text(part), pictures)
    split = split_reply(text, options.delimiters)
    texts = {split.whole, split.written, split.quoted}  # two, where nothing is cut
    shown = {text: _shown(text, names, options) for text in texts}
    whole, _ = shown[split.whole]
    written, placed = shown[split.written]
    quoted, in_quoted = shown[split.quoted]
    return _Piece(
        written=written,
        quoted=quoted,
        whole=whole,
        is_html=False,
        rule=split.rule,
        delimited=split.delimited,
        placed=placed,
        placed_in_quoted=in_quoted - placed,
    )


def _with_places(text: str, pictures: Mapping[str, str]) -> tuple[str, list[str]]:
    """Given a plain text, return it with a sign in place of each picture that it names, and the pictures' names.

    Outlook writes `[cid:image001.png@01DC.5A]`, Gmail `[image: plan.png]`.
    """
    if not pictures or "[" not in text:
        return text, []
    by_name = {name: name for name in pictures.values()}
    names: list[str] = []

    def place(match: re.Match[str]) -> str:
        name = pictures.get(match[1]) if match[1] else by_name.get(match[2].strip())
        if name is None:
            return match[0]
        names.append(name)
        return f"{_PLACE}{len(names) - 1}{_PLACE}"

    return _PICTURE.sub(place, text), names


def _shown(text: str, names: Sequence[str], options: ReadingOptions) -> tuple[str, frozenset[str]]:
    """Given a text as written, return it as it goes into an issue, its pictures in place, and the names of these."""
    markup = tidy(make_inert(text, options.text_format))
    if not names:
        return markup, frozenset()
    dialect = DIALECTS[options.text_format]
    placed = [names[int(index)] for index in _PLACED.findall(markup)]
    return _PLACED.sub(lambda match: dialect.picture(names[int(match[1])]), markup), frozenset(placed)


def clean(text: str) -> str:
    """Given decoded text, return it with \\n line ends and without characters that no text holds."""
    return _JUNK.sub("", _NEWLINES.sub("\n", text))


def tidy(text: str) -> str:
    """Given text, return it without blanks at line ends, without blank lines around it, at most 2 within."""
    lines = "\n".join([line.rstrip() for line in text.split("\n")])
    return _BLANKS.sub("\n\n\n", lines).strip("\n")
