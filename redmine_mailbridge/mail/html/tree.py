"""HTML of any quality to a tree; and what of it a reader would not see."""

import re

from lxml import etree
from lxml.etree import _Element

CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufdd0-\ufdef\ufeff\ufffe\uffff\ud800-\udfff]")
"""What no text of an issue holds: taken out before it is read, since who takes it out later joins what is beside it."""
_DECLARATION = re.compile(r"<\?xml[^>]{0,200}>|<!doctype[^>]{0,400}>", re.IGNORECASE)
_CONDITIONAL = re.compile(r"<!\[(?:if|endif)[^>]{0,200}\]>", re.IGNORECASE)
_SHELLS = re.compile(
    r"<(/?)(?:(t[rdh])|div|span|font|blockquote|table|center|b|i|u|strong|em|ul|ol|section|article|small|big|su[bp])"
    r"\b[^<>]{0,3000}>",
    re.IGNORECASE,
)
_HIDDEN = re.compile(
    r"display:\s?none|visibility:\s?hidden|(?:text-indent|left|top):\s?-\d{4}"
    r"|max-height:\s?0(?:px|pt)?\s?(?:;|!|$)|(?<![\w-])opacity:\s?0(?:\.0{1,3})?\s?(?:;|!|$)",
    re.IGNORECASE,
)
_TINY = re.compile(r"font-size:\s?(?:0(?:\.\d{1,4})?|1(?=px))(?:px|pt|em|%)?\s?(?:;|!|$)", re.IGNORECASE)
_WHITE = r"(?:#fff(?:fff)?|white|rgb\(255, ?255, ?255\))\s?(?:;|!|$)"
_WHITE_TEXT = re.compile(rf"(?<![\w-])color:\s?(?:transparent|{_WHITE})", re.IGNORECASE)
_WHITE_GROUND = re.compile(rf"background(?:-color)?:\s?{_WHITE}|color:\s?transparent", re.IGNORECASE)
MOST_ATTRIBUTES = 100  # of one tag; the parser compares each with all before it
_TAG_BEGINS = re.compile(r"<[A-Za-z]")
_ATTRIBUTE = re.compile(r"""[\s/=]*+(?:[^\s>/=]++(?:\s*+=\s*+(?:"[^"]*+"|'[^']*+'|[^\s>]*+))?+)?+""")
_MOST_LOOKED_AT = 60
_DEEPEST = 200
GONE = frozenset(
    """style script head title meta link object embed applet iframe noscript template svg math audio video
    xml select textarea button input map area base canvas""".split()  # noqa: SIM905  # words read better as words
)


def parse_html(html: str) -> _Element | None:
    """Given HTML of any quality, return its tree; None when there is nothing in it. Never raises."""
    text = _CONDITIONAL.sub("", _DECLARATION.sub("", CONTROL.sub("", html)))
    text = _flatten(_with_few_attributes(text))
    parser = etree.HTMLParser(recover=True, huge_tree=True, remove_comments=True, remove_pis=True, encoding="utf-8")
    try:
        return etree.fromstring(b"<html><body>" + text.encode("utf-8", "replace") + b"</body></html>", parser)
    except (etree.LxmlError, ValueError):
        return None


def _with_few_attributes(text: str) -> str:
    """Remove the attributes of a tag after the first MOST_ATTRIBUTES. Each character is read once."""
    pieces: list[str] = []
    kept = at = 0
    while begins := _TAG_BEGINS.search(text, at):
        at, count, full = begins.end(), 0, -1
        while (attribute := _ATTRIBUTE.match(text, at)) and attribute.end() > at:
            at = attribute.end()
            count += 1
            full = at if count == MOST_ATTRIBUTES else full
        if count > MOST_ATTRIBUTES:
            pieces.append(text[kept:full])
            kept = at
    return "".join([*pieces, text[kept:]])


def _flatten(text: str) -> str:
    """Remove containers that are nested deeper than the parser supports; those around them stay."""
    if text.count("<") <= _DEEPEST:
        return text
    depth = 0

    def keep(match: re.Match[str]) -> str:
        nonlocal depth
        if match[2]:
            return match[0] if depth < _DEEPEST else "\n"
        if match[1]:
            depth = max(0, depth - 1)
            return match[0] if depth < _DEEPEST else "\n"
        depth += 1
        return match[0] if depth <= _DEEPEST else "\n"

    return _SHELLS.sub(keep, text)


def is_hidden(element: _Element) -> bool:
    """Is this element not for the eye: a preheader, a style, a form's parts, Office's own paragraph marks?"""
    tag = element.tag
    if not isinstance(tag, str) or tag in GONE or tag.startswith(("o:", "v:", "w:", "x:", "m:")):
        return True
    if element.get("hidden") is not None:
        return True
    style = (element.get("style") or "")[:3000]
    if not style:
        return False
    if _HIDDEN.search(style):
        return True
    if _TINY.search(style):
        return not _restyled(element, "font-size:", _TINY)
    unseen = _WHITE_TEXT.search(style) and _WHITE_GROUND.search(style)
    return bool(unseen) and not _restyled(element, "color:", _WHITE_TEXT)


def _restyled(element: _Element, word: str, pattern: re.Pattern[str]) -> bool:
    """Does something within set this otherwise, as newsletters do inside of cells of size 0? When unsure, yes."""
    for count, inner in enumerate(element.iterdescendants()):
        style = (inner.get("style") or "")[:3000]
        if count >= _MOST_LOOKED_AT or (word in style.lower() and not pattern.search(style)):
            return True
    return False


def is_data_table(table: _Element) -> bool:  # noqa: PLR0911  # a ladder of verdicts
    """Is this table a table, and not a frame for the layout? By its structure: at least two rows and columns of
    short cells, nothing but text in them, or header cells."""
    if (table.get("role") or "").lower() == "presentation" or table.getparent() is None:
        return False
    rows = 0
    widths: list[int] = []
    headers = False
    for count, element in enumerate(table.iterdescendants()):
        if count > 5000 or element.tag in {"table", "ul", "ol", "blockquote", "pre", "hr", "h1", "h2", "h3"}:
            return False
        if element.tag == "tr":
            rows += 1
            widths.append(sum(1 for cell in element if cell.tag in {"td", "th"}))
        headers = headers or element.tag == "th"
        if element.tag in {"td", "th"}:
            if element.get("colspan", "1") not in {"1", ""} or element.get("rowspan", "1") not in {"1", ""}:
                return False
            if sum(1 for child in element if child.tag in {"p", "div"}) > 1:
                return False
            if sum(len(str(piece)) for piece in element.itertext()) > 300:
                return False
    if rows < 2 or not widths or max(widths) < 2 or max(widths) != min(widths):
        return False
    return headers or (table.get("border") or "0") not in {"", "0"} or _ruled(table)


def _ruled(table: _Element) -> bool:
    """Do its cells have visible borders, as Word and Outlook draw tables?"""
    if "MsoTableGrid" in (table.get("class") or ""):
        return True
    first = next(table.iter("td"), None)
    return first is not None and bool(
        re.search(r"border(?:-\w+)?: ?(?:solid|[1-9]\S{0,8} solid)", (first.get("style") or "")[:1000])
    )


def detached(cell: _Element) -> _Element:
    """Given a cell, return a div with its content, without what follows it in the row."""
    div = cell.makeelement("div")
    div.text = cell.text
    for child in list(cell):
        div.append(child)
    return div


def is_pixel(element: _Element) -> bool:
    """Is this picture too small to be seen?"""
    sizes = [(element.get(side) or "").strip().removesuffix("px") for side in ("width", "height")]
    return any(size in {"0", "1"} for size in sizes)
