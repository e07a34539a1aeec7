"""A parsed HTML mail to lines of CommonMark or Textile: one iterative walk, one dialect table a format."""

import re
from collections.abc import Mapping

from lxml.etree import _Element

from redmine_mailbridge.mail.html.dialect import Dialect
from redmine_mailbridge.mail.html.inline import CODE, Inline, InlineMark, render
from redmine_mailbridge.mail.html.links import safe_address
from redmine_mailbridge.mail.html.lists import Lists
from redmine_mailbridge.mail.html.quotes import QuoteMarks
from redmine_mailbridge.mail.html.rows import CodeBlock, TextRow
from redmine_mailbridge.mail.html.tree import CONTROL, detached, is_data_table, is_hidden, is_pixel
from redmine_mailbridge.mail.text.characters import BAR, JOINER
from redmine_mailbridge.mail.text.code import code_span
from redmine_mailbridge.mail.text.inert_line import inert_in_bulk

_SPACES = re.compile("[ \t\r\n\f\xa0\u202f]+")
_LINES = re.compile(r" ?(?:\n ?)+")
_INVISIBLE = re.compile("[\u200b\u200c\u00ad\u034f\u2007]+")
_BLOCKS = frozenset(
    """p div body html table tr ul ol li dl dt dd h1 h2 h3 h4 h5 h6 blockquote pre hr section article header
    footer main aside nav figure figcaption address center form fieldset caption tbody thead tfoot""".split()  # noqa: SIM905  # words read better as words
)
_SPACED = frozenset("p ul ol dl h1 h2 h3 h4 h5 h6 blockquote pre table hr".split())  # noqa: SIM905  # words read better as words
_MOST_LEVELS = 12
MOST_ELEMENTS = 24_000  # counted when entered and when left


class Converter:
    """Walks one tree. `rows` is the result."""

    def __init__(
        self, dialect: Dialect, pictures: Mapping[str, str], marks: QuoteMarks, *, in_cell: bool = False
    ) -> None:
        self.dialect = dialect
        self.in_cell = in_cell
        self.pictures = pictures
        self.marks = marks
        self.rows: list[TextRow] = []
        self._line = Inline()
        self._names: list[str] = []
        self._lists = Lists(dialect.name)
        self._item = ""
        self._heading = ""
        self._quoted = self._attribution = self._pre = self._blockquotes = 0
        self._cut = False
        self._code: list[str] = []

    def run(self, root: _Element) -> list[TextRow]:
        """Walk the tree without recursion. Return the rows."""
        stack: list[tuple[_Element, bool]] = [(root, False)]
        elements_left = MOST_ELEMENTS
        while stack and elements_left:
            element, leaving = stack.pop()
            elements_left -= 1
            if leaving:
                self._leave(element)
                self._text(element.tail)
                continue
            if is_hidden(element) or not self._enter(element):
                self._text(element.tail)
                continue
            stack.append((element, True))
            self._text(element.text)
            stack.extend((child, False) for child in reversed(element))
        self._break()
        if stack:
            self._rest(stack)
        return self.rows

    def _rest(self, stack: list[tuple[_Element, bool]]) -> None:
        """The content beyond MOST_ELEMENTS: its lines, complete and escaped, without markup."""
        if self._pre:
            self._pre = 0
            self._write_code()
        texts: list[str] = []
        while stack:
            element, leaving = stack.pop()
            tag = element.tag
            shown = leaving or not is_hidden(element)
            if shown and (tag == "br" or tag in _BLOCKS):
                texts.append("\n")
            if shown and not leaving:
                texts.append(_SPACES.sub(" ", element.text or ""))
                if len(element):
                    stack.append((element, True))
                    stack.extend((child, False) for child in reversed(element))
                    continue
                if tag in _BLOCKS:
                    texts.append("\n")
            texts.append(_SPACES.sub(" ", element.tail or ""))
        text = _LINES.sub("\n", _INVISIBLE.sub("", CONTROL.sub("", "".join(texts))))
        quoted = bool(self._quoted) or self._cut
        for plain, marked in zip(text.split("\n"), inert_in_bulk(text).split("\n"), strict=True):
            self.rows.append(TextRow(plain, marked, quoted))

    def _text(self, text: str | None) -> None:
        if not text:
            return
        text = CONTROL.sub("", text)  # which an entity may have written
        if self.in_cell and "|" in text:
            text = text.replace("|", BAR)
        if self._pre:
            first, *others = text.split("\n")
            self._line.pieces.append(first)
            for other in others:
                self._break(keep_blank=True)
                self._line.pieces.append(other)
            return
        self._line.text(_SPACES.sub(" ", _INVISIBLE.sub("", text)))

    def _enter(self, element: _Element) -> bool:
        """Begin an element. Return False when it has been dealt with as a whole."""
        tag = str(element.tag)
        if tag in _BLOCKS:
            self._block(tag)
        if element in self.marks.cut:
            self._break()
            self._cut = True
        self._quoted += element in self.marks.quoted
        self._attribution += element in self.marks.attributions
        if tag == "br":
            self._break(keep_blank=True)
        elif tag == "img":
            self._picture(element)
        elif tag == "hr" and self._pre:
            self._break()
        elif tag == "hr":
            self._row("---", "---")
            self._gap()
            self._lists.interrupt()
        elif tag == "a":
            self._line.start("a", safe_address(element.get("href")))
        elif (tag in self.dialect.emphasis or tag in CODE) and not self._pre and not self._heading:
            self._line.start(tag)
        elif tag in {"td", "th"}:
            self._line.text(" ")
        elif tag == "table" and not self._pre and is_data_table(element):
            self._table(element)
            return False
        else:
            self._enter_block(tag, element)
        return tag not in {"br", "img", "hr"}

    def _enter_block(self, tag: str, element: _Element) -> None:
        if tag in {"ul", "ol"}:
            self._lists.enter(element)
        elif tag == "li":
            self._item = self._lists.begin_item()
        elif tag == "blockquote":
            self._blockquotes += 1
            self._lists.interrupt()
        elif tag == "pre":
            self._pre += 1
        elif len(tag) == 2 and tag[0] == "h" and tag[1] in "123456":
            self._heading = self.dialect.heading[int(tag[1]) - 1]

    def _leave(self, element: _Element) -> None:
        tag = str(element.tag)
        if tag == "a" or tag in CODE or tag in self.dialect.emphasis:
            self._line.end(tag)
        if tag in _BLOCKS:
            self._break()
        if tag in {"ul", "ol"}:
            self._lists.leave()
        elif tag == "li":
            self._lists.leave_item()
        elif tag == "blockquote":
            self._blockquotes -= 1
            self._lists.interrupt()
        elif tag == "pre":
            self._pre = max(self._pre - 1, 0)
            if not self._pre:
                self._write_code()
        elif tag in {"h1", "h2", "h3", "h4", "h5", "h6"}:
            self._heading = ""
        if tag in _SPACED and not (tag in {"p", "ul", "ol"} and self._lists):
            self._gap()
        self._quoted -= element in self.marks.quoted
        self._attribution -= element in self.marks.attributions

    def _block(self, tag: str) -> None:
        self._break()
        if tag in _SPACED and not (tag in {"p", "ul", "ol"} and self._lists):
            self._gap()

    def _break(self, *, keep_blank: bool = False) -> None:
        """End the line."""
        if not self._line.pieces and not self._names and not self._pre:
            if keep_blank:
                self._gap()
            return
        pieces = self._line.take()
        names, self._names = tuple(self._names), []
        if self._pre:
            self._code.append("".join(piece if isinstance(piece, str) else "" for piece in pieces))
            return
        plain, marked = render(pieces, self.dialect, whole=not self._heading)
        if self._heading.startswith("#") and marked.endswith("#"):
            marked += " #"  # or its own would be taken for what ends a heading
        if not marked.strip():
            if keep_blank:
                self._gap()
            return
        before = self._item or self._heading or self._lists.hang()
        if before == self._heading and self._lists and self.dialect.name != "common_mark":
            self._gap()
        if self._item:
            self._lists.written()
        self._item = ""
        self._row(before.lstrip(" ") + plain if before.strip() else plain, before + marked, names)
        if before and before == self._heading:
            self._lists.interrupt()
            if self.dialect.name == "textile":
                self._gap()

    def _flush_item(self) -> None:
        """Write the mark of an item that begins with something else than words."""
        item, self._item = self._item, ""
        if item:
            self._lists.written()
            self._row(item.strip(), item.rstrip() if self.dialect.name != "textile" else item + JOINER)

    def _write_code(self) -> None:
        """Write the code that was read, separated from the text before and after; it ends the lists around it."""
        lines, self._code = self._code, []
        while lines and not lines[-1].strip():
            lines.pop()
        while lines and not lines[0].strip():
            lines.pop(0)
        if not lines:
            return
        self._flush_item()
        self._gap()
        block = CodeBlock("> " * min(self._blockquotes, _MOST_LEVELS))
        for line in lines:
            self._row(line, line, code=block)
        self._gap()
        self._lists.interrupt()

    def _row(self, plain: str, marked: str, names: tuple[str, ...] = (), code: CodeBlock | None = None) -> None:
        prefix = "> " * min(self._blockquotes, _MOST_LEVELS)
        quoted = bool(self._quoted) or self._cut
        attribution = bool(self._attribution) and not self._quoted
        shown = marked if code is not None else prefix + marked
        self.rows.append(TextRow(prefix + plain, shown, quoted, attribution, names, code))

    def _gap(self) -> None:
        prefix = ("> " * min(self._blockquotes, _MOST_LEVELS)).rstrip()
        if self.rows and self.rows[-1].blank and len(self.rows[-1].marked) > len(prefix):
            self.rows.pop()
        if self.rows and not self.rows[-1].blank:
            self.rows.append(
                TextRow(prefix, prefix, bool(self._quoted) or self._cut, bool(self._attribution) and not self._quoted)
            )

    def _picture(self, element: _Element) -> None:
        source = (element.get("src") or "").strip()
        name = self.pictures.get(source[4:].strip("<>") if source[:4].lower() == "cid:" else source)
        if name is None and source[:4].lower() == "cid:":
            name = self.pictures.get(source[4:].strip("<>").replace("%40", "@"))
        if name is not None:
            self._names.append(name)
            self._line.pieces.append(InlineMark("raw", "picture", self.dialect.picture(name)))
        elif not is_pixel(element):
            alt = _SPACES.sub(" ", element.get("alt") or "").strip()[:200]
            if alt and source[:4].lower() != "cid:":
                self._text(alt)

    def _table(self, table: _Element) -> None:
        """A table that is a table. Its cells are one line each, so this goes one level down and no deeper."""
        self._flush_item()
        self._gap()
        self._lists.interrupt()
        header = True
        for line in table.iter("tr"):
            cells = [cell for cell in line if cell.tag in {"td", "th"}]
            shown = [self._cell(cell) for cell in cells]
            if self.dialect.name == "textile":
                marked = "".join(
                    f"|{'_.' if cell.tag == 'th' else ''} {text} " for cell, (_, text) in zip(cells, shown, strict=True)
                )
                self._row(" ".join(plain for plain, _ in shown), marked + "|")
            else:
                self._row(" ".join(plain for plain, _ in shown), "| " + " | ".join(text for _, text in shown) + " |")
                if header:
                    self._row("", "|" + " --- |" * len(cells))
            header = False
        self._gap()

    def _cell(self, cell: _Element) -> tuple[str, str]:
        inner = Converter(self.dialect, self.pictures, QuoteMarks(), in_cell=True)
        rows = inner.run(detached(cell))
        self._names.extend(name for row in rows for name in row.pictures)
        plain = " ".join(row.plain for row in rows if row.plain)
        lines = [code_span(row.marked, self.dialect.name) if row.code else row.marked for row in rows]
        marked = self.dialect.line_in_cell().join(line for line in lines if line.strip())
        return plain, self.dialect.cell(marked)
