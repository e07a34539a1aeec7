"""One line of converted HTML while it is made: text that must be escaped, and markup that must not."""

import re
from dataclasses import field, replace

from redmine_mailbridge.mail.html.dialect import Dialect
from redmine_mailbridge.mail.text.characters import JOINER, MARK
from redmine_mailbridge.mail.text.code import code_span
from redmine_mailbridge.util.dataclass import dataclass

_PERHAPS_ADDRESS = re.compile(r"://|@|www\.")
CODE = frozenset({"code", "tt", "kbd", "samp"})


@dataclass(slots=True)
class InlineMark:
    """Markup within a line. `kind`: "open" and "close" of `tag`, or "raw" for unchanged text; `text` is the
    text of code.
    """

    kind: str
    tag: str = ""
    value: str = ""
    text: str = ""


@dataclass(slots=True)
class Inline:
    """The pieces of a line, and what is open in it (tag, address of a link)."""

    pieces: list[str | InlineMark] = field(default_factory=list)
    open: list[tuple[str, str]] = field(default_factory=list)

    def text(self, text: str) -> None:
        """Add text, collapsing white space with the preceding text."""
        if text[:1] == " " and self._ends_in_blank():
            text = text[1:]
        if text:
            self.pieces.append(text)

    def _ends_in_blank(self) -> bool:
        for piece in reversed(self.pieces):
            if isinstance(piece, str):
                return piece.endswith(" ")
            if piece.kind == "raw":
                return False
        return True

    def start(self, tag: str, value: str = "") -> None:
        """Open emphasis or a link."""
        self.open.append((tag, value))
        self.pieces.append(InlineMark("open", tag, value))

    def end(self, tag: str) -> None:
        """Close the innermost `tag` that is open, if one is."""
        for index in range(len(self.open) - 1, max(-1, len(self.open) - 50), -1):
            if self.open[index][0] == tag:
                del self.open[index]
                self.pieces.append(InlineMark("close", tag))
                return

    def take(self) -> list[str | InlineMark]:
        """Return the line's pieces, everything closed; open the same again for the next line."""
        if not self.open:
            taken, self.pieces = self.pieces, []
            return taken
        taken = self.pieces + [InlineMark("close", tag) for tag, _ in reversed(self.open[-50:])]
        self.pieces = [InlineMark("open", tag, value) for tag, value in self.open[-50:]]
        return taken


def render(pieces: list[str | InlineMark], dialect: Dialect, *, whole: bool = True) -> tuple[str, str]:
    """Given a line's pieces, return it as plain text and in the dialect, escaped and inert."""
    if len(pieces) == 1 and isinstance(pieces[0], str):
        text = pieces[0].strip()
        return text, dialect.escape(text, whole)
    resolved = _resolve(pieces, dialect)
    if dialect.name == "textile":
        _set_pictures_apart(resolved)
    skeleton = "".join(MARK if isinstance(piece, InlineMark) else piece for piece in resolved)
    plain = "".join(
        (piece.value if piece.kind == "raw" else "") if isinstance(piece, InlineMark) else piece for piece in resolved
    )
    marks = [piece.value for piece in resolved if isinstance(piece, InlineMark)]
    lead = len(skeleton) - len(skeleton.lstrip())
    escaped = dialect.escape(skeleton[lead:].rstrip(), whole)
    parts = escaped.split(MARK)
    marked = _joined(parts, marks)
    if "~~~" in marked:  # Redmine would take it for a fence as it looks for mentions
        marked = _joined(parts, ["" if mark.strip() == "~~" else mark for mark in marks])
    return plain.strip(), marked


def _joined(parts: list[str], marks: list[str]) -> str:
    """The text between marks, and the marks."""
    return parts[0] + "".join(mark + part for mark, part in zip(marks, parts[1:], strict=False))


def _resolve(pieces: list[str | InlineMark], dialect: Dialect) -> list[str | InlineMark]:
    """Turn matching open and close marks into raw ones where the markup can stand; drop them elsewhere."""
    out: list[str | InlineMark] = list(pieces)
    if dialect.name == "markdown" and any(isinstance(piece, InlineMark) and piece.tag in CODE for piece in out):
        out = [piece for piece in out if isinstance(piece, str) or piece.tag not in dialect.emphasis]
    stack: list[int] = []
    within: set[int] = set()  # opened inside of the same
    for index, piece in enumerate(out):
        if isinstance(piece, str) or piece.kind == "raw":
            continue
        if piece.kind == "open":
            mark = dialect.emphasis.get(piece.tag, piece.tag)
            if any(dialect.emphasis.get(tag, tag) == mark for tag in (_tag(out, other) for other in stack[-50:])):
                within.add(index)
            stack.append(index)
            continue
        place = next(
            (n for n in range(len(stack) - 1, max(-1, len(stack) - 50), -1) if _tag(out, stack[n]) == piece.tag), None
        )
        if place is None:
            continue
        start = stack.pop(place)
        if start not in within:
            _pair(out, start, index, dialect)
    return [piece for piece in out if isinstance(piece, str) or (piece.kind == "raw" and piece.value)]


def _tag(out: list[str | InlineMark], index: int) -> str:
    piece = out[index]
    return piece.tag if isinstance(piece, InlineMark) else ""


def _pair(out: list[str | InlineMark], start: int, end: int, dialect: Dialect) -> None:
    inner = "".join(
        piece if isinstance(piece, str) else (piece.value if piece.kind == "raw" else "")
        for piece in out[start + 1 : end]
    )
    opened = out[start]
    text = inner.strip()
    if not text or not isinstance(opened, InlineMark):
        return
    if opened.tag in CODE:
        _code(out, start, end, dialect)
        return
    if opened.tag == "a":
        pictured = any(isinstance(piece, InlineMark) and piece.tag == "picture" for piece in out[start + 1 : end])
        before, behind = _link(text, opened.value, dialect, open_end=_goes_on(out, end), pictured=pictured)
    else:
        before, behind = dialect.emphasis.get(opened.tag, ("", ""))
        if dialect.name == "markdown" and before == "~~" and _PERHAPS_ADDRESS.search(inner):
            return  # Redcarpet would lose the words between
        if dialect.name == "textile" and _begins_with_a_picture(out[start + 1 : end]):
            return  # which Textile would not see behind a mark
        if dialect.name == "textile" and text[0] in "([{":
            before += JOINER  # a style would begin there
        apart = _apart_in_textile if dialect.name == "textile" else _apart
        before_it, behind_it = _beside(out, start, -1), _beside(out, end, 1)
        if not (apart(before_it, "(*") or inner[:1] == " ") or not (apart(behind_it, ".,;:)?'\"") or inner[-1:] == " "):
            return
    if inner[:1] == " ":
        before = " " + before
        _strip_first(out, start, end)
    if inner[-1:] == " ":
        behind += " "
        _strip_last(out, start, end)
    out[start] = InlineMark("raw", "", before)
    out[end] = InlineMark("raw", "", behind)


def _code(out: list[str | InlineMark], start: int, end: int, dialect: Dialect) -> None:
    """Text within code is neither escaped nor markup; of other content, pictures are kept, after it."""
    inner = out[start + 1 : end]
    text = "".join(piece if isinstance(piece, str) else piece.text for piece in inner)
    pictures = [piece for piece in inner if isinstance(piece, InlineMark) and piece.tag == "picture"]
    code = [InlineMark("raw", "code", code_span(text.strip(), dialect.name), text)] if text.strip() else []
    out[start : end + 1] = [""] * (end + 1 - start)
    out[start] = " " * (text[:1] == " ")
    out[start + 1 : start + 1 + len(code) + len(pictures)] = [*code, *pictures]
    out[end] = " " * (text[-1:] == " ")


def _begins_with_a_picture(pieces: list[str | InlineMark]) -> bool:
    visible = (
        piece for piece in pieces if (piece.strip() if isinstance(piece, str) else piece.kind == "raw" and piece.value)
    )
    first = next(visible, "")
    return isinstance(first, InlineMark) and first.tag == "picture"


def _set_pictures_apart(pieces: list[str | InlineMark]) -> None:
    """Textile sees a picture only behind a blank, or where a line begins; ":" behind it would make a link of it."""
    before, last = "", None
    for index, piece in enumerate(pieces):
        text = piece.value if isinstance(piece, InlineMark) else piece
        if not text:
            continue
        if last is not None and text[0] == ":":
            pieces[last] = InlineMark("raw", "picture", f"{before}{JOINER}")
        last = None
        if isinstance(piece, InlineMark) and piece.tag == "picture":
            last, text = index, f"{' ' * bool(before and not before[-1].isspace())}{text}"
            pieces[index] = replace(piece, value=text)
        before = text


def _link(text: str, url: str, dialect: Dialect, *, open_end: bool, pictured: bool) -> tuple[str, str]:
    if not url:
        return "", ""
    bare = url.removeprefix("mailto:").removeprefix("tel:").split("?")[0] if not url.startswith("http") else url
    same = {bare, bare.rstrip("/"), bare.split("://", 1)[-1], bare.split("://", 1)[-1].rstrip("/")}
    if text in same or text.strip("<>") in same:
        return "", ""
    return dialect.link(text, url, open_end=open_end, pictured=pictured)


def _goes_on(out: list[str | InlineMark], index: int) -> bool:
    """Does something stand right behind a mark, without a blank?"""
    behind = next((piece for piece in out[index + 1 :] if piece != ""), " ")
    return isinstance(behind, InlineMark) or not behind[0].isspace()


def _beside(out: list[str | InlineMark], index: int, step: int) -> str:
    """The character beside a mark, ignoring other marks; "" at the end of the line."""
    place = index + step
    for _ in range(20):
        if not 0 <= place < len(out):
            return ""
        piece = out[place]
        if isinstance(piece, str) and piece:
            return piece[-1] if step < 0 else piece[0]
        place += step
    return ""


def _apart(sign: str, _allowed: str) -> bool:
    """Is it no letter or digit?"""
    return not sign.isalnum()


def _apart_in_textile(sign: str, allowed: str) -> bool:
    """Is it one of the few signs beside which Textile sees a mark, and which nothing is put before?"""
    return not sign or sign in " \t" or sign in allowed


def _strip_first(out: list[str | InlineMark], start: int, end: int) -> None:
    for place in range(start + 1, end):
        piece = out[place]
        if isinstance(piece, str):
            out[place] = stripped = piece.lstrip(" ")
        elif piece.kind == "raw":
            out[place] = replace(piece, value=(stripped := piece.value.lstrip(" ")))
        else:
            continue
        if stripped:
            return


def _strip_last(out: list[str | InlineMark], start: int, end: int) -> None:
    for place in range(end - 1, start, -1):
        piece = out[place]
        if isinstance(piece, str):
            out[place] = stripped = piece.rstrip(" ")
        elif piece.kind == "raw":
            out[place] = replace(piece, value=(stripped := piece.value.rstrip(" ")))
        else:
            continue
        if stripped:
            return
