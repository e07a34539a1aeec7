"""One line of a stranger's, piece by piece: code between backticks, addresses, and words, each inert in its format.

In words, what Redmine looks for gets a mark first (`live_markup`), then what the format would take for markup is
escaped (`markdown`, `textile`), and then each mark becomes what the format allows: in CommonMark a "!" that Redmine
takes away when it shows the text, or a WORD JOINER (U+2060, no width, no break) where that is not certain; in the other
two, which leave it to the browser to read a sign that is written by its number, the joiner or that.
"""

import re
from typing import Literal

from redmine_mailbridge.mail.text import markdown, textile
from redmine_mailbridge.mail.text.characters import JOINER, MARK
from redmine_mailbridge.mail.text.code import code_span
from redmine_mailbridge.mail.text.control_characters import line_without_controls, without_controls
from redmine_mailbridge.mail.text.live_markup import LINKED
from redmine_mailbridge.model.mail import TextFormat
from redmine_mailbridge.util.dataclass import dataclass

LONGEST_LINE = 10_000
_BACKTICKS = re.compile(r"`+")
_ADDRESS = re.compile(
    r"<(?P<bracketed>(?:(?:https?|ftp)://|mailto:)[^\s<>\ufdd0-\ufdef]{1,2000}|[^\s<>@\ufdd0-\ufdef]{1,200}@[^\s<>@\ufdd0-\ufdef]{1,200})>"
    r"|(?P<bare>(?<![A-Za-z])(?:https?|s?ftps?)://[^\s<\ufdd0-\ufdef]{1,4000}"
    r"|(?<![A-Za-z0-9])www\.[^\s<\ufdd0-\ufdef]{1,4000})"
)
_NOWHERE = re.compile(r"(?:https?|s?ftps?)(?::/{0,2})?|www\.?")
_SENTENCE = "?!.,:;*_~'\"]}>\\`|"

# For what is too long for niceties: a joiner before, behind or around whatever might be live, by plain replacement.
_IN_BULK = {
    "#": JOINER + "#",
    **{sign: sign + JOINER for sign in "<&`~|"},
    **{sign: JOINER + sign + JOINER for sign in "[!{"},
    "]": "]" + JOINER,
    '":': f'"{JOINER}:',
    "==": f"={JOINER}=",
    "\\": "\\" + JOINER,
    "://": f":{JOINER}//",
    "www.": f"www{JOINER}.",
}
_BULK_AT = re.compile(r"(?<![A-Za-z0-9])@|(?<=user)@")
_BULK_MEANING = re.compile(r"(?<=[A-Z0-9])\(")
_BULK_MARK = re.compile(r"(?<=[\s(>])(?=[*_+^~%?-]{1,4}\S)")
_BULK_WORD = re.compile(
    rf"(?<![A-Za-z0-9])(?=r\d|(?:{LINKED}):)"
    r"|^[ \t>]{0,80}(?=[^\s>A-Za-z]|(?:p|bq|h[1-6]|fn\d{0,3}|notextile|table|pre|bc)[^\sA-Za-z])",
    re.MULTILINE,
)


def inert_in_bulk(text: str) -> str:
    """Given text too long for niceties (very many lines, a line over LONGEST_LINE characters), return it with joiners
    at all that might be live or a mark in any format. It reads the same."""
    text = _BULK_MARK.sub(JOINER, _BULK_WORD.sub(rf"\g<0>{JOINER}", without_controls(text)))
    for sign, inert in _IN_BULK.items():
        text = text.replace(sign, inert)
    return _BULK_AT.sub(f"{JOINER}&#64;{JOINER}", _BULK_MEANING.sub(JOINER + "(", text))


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a line: `text` is what is to be read of it. Of an address, `tail` is what of its sentence is directly
    behind it, and `stuck` that no blank follows.
    """

    kind: Literal["words", "code", "address", "bracketed"]
    text: str
    tail: str = ""
    stuck: bool = False


def inert_line(line: str, text_format: TextFormat, *, whole: bool, typed: bool = False, closing: str = "") -> str:
    """Given one line outside of code, return it inert.

    `whole`: it begins its line, so that block marks count. `typed`: somebody typed it, so that code between backticks
    is code, and words between *stars* are let be as emphasis. `closing`: the marks of Textile that close something in
    its paragraph, where more than this line is known. Noncharacters U+FDD0 to U+FDDF in it stand for markup that is
    put in later.
    """
    line = line_without_controls(line)
    if not line.strip():
        return line
    if len(line) > LONGEST_LINE:
        return inert_in_bulk(line)
    if text_format == "textile":
        return _textile_line(line, whole=whole, typed=typed, closing=closing)
    written: list[str] = []
    for piece in _pieces(line) if typed else _with_addresses(line):
        if piece.kind == "code":
            written.append(code_span(piece.text, text_format))
        elif piece.kind == "words":
            written.append(markdown.inert(piece.text, text_format, start=whole and not written, typed=typed))
        else:
            if written and written[-1].endswith("!"):  # before a link it would make a picture
                written[-1] = written[-1][:-1] + "\\!"
            bracketed = piece.kind == "bracketed"
            shown = markdown.address(piece.text, text_format, bracketed=bracketed, tail=piece.tail, stuck=piece.stuck)
            written.append(shown)
    return "".join(written)


def _textile_line(line: str, *, whole: bool, typed: bool, closing: str) -> str:
    closing = closing or textile.closing_marks(line)
    begun = textile.begun(line, typed=typed) if whole else line
    among = not typed and MARK in line
    written = ""
    pieces = _pieces(begun) if typed else _with_addresses(begun)
    for piece in pieces:
        if piece.kind == "code":
            written += code_span(piece.text, "textile")
        elif piece.kind == "address":
            written += textile.address(
                piece.text, before=written, tail=piece.tail, stuck=piece.stuck, closing=closing, among=among
            )
        elif piece.kind == "bracketed" and "://" in piece.text:
            written += "&lt;"
            written += textile.address(
                piece.text, before=" ", tail=">" + piece.tail, stuck=piece.stuck, closing=closing, among=among
            )
        else:
            words = f"<{piece.text}>{piece.tail}" if piece.kind == "bracketed" else piece.text
            more = piece is not pieces[-1]
            written += textile.inert(words, typed=typed, closing=closing, among=among, more=more)
    return written


def _pieces(line: str) -> list[Piece]:
    """Given a line, return its pieces in order."""
    if "`" not in line:
        return _with_addresses(line)
    pieces: list[Piece] = []
    at = 0
    for start, end, inner in _code_in(line):
        pieces += _with_addresses(line[at:start], more=True)
        pieces.append(Piece("code", inner))
        at = end
    return pieces + _with_addresses(line[at:])


def _code_in(line: str) -> list[tuple[int, int, str]]:
    """Code between two runs of one or two backticks: start, end, content."""
    runs = [(run.start(), run.end()) for run in _BACKTICKS.finditer(line)]
    last: dict[int, int] = {}
    closing = [0] * len(runs)
    for index in range(len(runs) - 1, -1, -1):
        size = runs[index][1] - runs[index][0]
        closing[index] = last.get(size, 0)
        last[size] = index
    codes: list[tuple[int, int, str]] = []
    index = 0
    while index < len(runs):
        (start, behind), other = runs[index], closing[index]
        inner = line[behind : runs[other][0]] if other else ""
        if behind - start < 3 and inner.strip() and "\ufdd0" not in inner:
            codes.append((start, runs[other][1], inner))
            index = other
        index += 1
    return codes


def _with_addresses(text: str, *, more: bool = False) -> list[Piece]:
    """Given words, return them and the addresses of the web and of mail among them. `more`: more follows."""
    if "://" not in text and "@" not in text and "www." not in text:
        return [Piece("words", text)] if text else []
    pieces: list[Piece] = []
    at = 0
    for address in _ADDRESS.finditer(text):
        bare = address["bare"] or ""
        tail = bare[len(bare) - _tail(bare) :]
        kept = address["bracketed"] or bare.removesuffix(tail)
        if _NOWHERE.fullmatch(kept):
            continue
        if address.start() > at:
            pieces.append(Piece("words", text[at : address.start()]))
        at = address.end()
        follows = text[at : at + 1]
        if follows == MARK:
            tail, at = tail + MARK, at + 1
        stuck = follows not in " \t" if follows else more  # other blanks are part of an address to the formats
        pieces.append(Piece("bracketed" if address["bracketed"] else "address", kept, tail, stuck))
    if at < len(text):
        pieces.append(Piece("words", text[at:]))
    return pieces


def _tail(address: str) -> int:
    """How many characters at the end of an address in a sentence belong to the sentence."""
    body = address.rstrip(_SENTENCE)
    while body.endswith(")") and body.count(")") > body.count("("):
        body = body[:-1].rstrip(_SENTENCE)
    return len(address) - len(body)
