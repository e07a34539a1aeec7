"""Which elements of an HTML mail the sender's program marked as quoted, before anything is turned into text."""

import re
from collections.abc import Iterator
from dataclasses import field

from lxml import etree
from lxml.etree import _Element

from redmine_mailbridge.util.dataclass import dataclass

_ATTRIBUTIONS = frozenset(["moz-cite-prefix", "gmail_attr", "moz-email-headers-table", "protonmail_attr"])
_CONTAINERS = frozenset(
    """yahoo_quoted protonmail_quote tutanota_quote zmail_extra OutlookMessageHeader mail_quote mailru-blockquote
    moz-forward-container-quoted wrapper_quoted gmx_quote mobile_quote airmail_on freebirdsQuotedText
    front-blockquote skiff_quote msg_quote zimbra-quoted yandex_quote hmmessage_quoted""".split()  # noqa: SIM905  # words read better as words
)
_CUT_IDS = re.compile(
    r"(?:x_)*(?:divRplyFwdMsg|appendonsend|stopSpelling|mail-editor-reference-message-container|ms-outlook-mobile-reference"
    r"|OLK_SRC_BODY_SECTION|reply-intro|replySplit|yahoo_quoted_\d{1,20}|zwchr|LPlnk_reply)$"
)
_OUTLOOK_RULES = re.compile(
    r"border-top: ?solid ?(?:#(?:E1E1E1|B5C4DF)|rgb\(225, ?225, ?225\)|rgb\(181, ?196, ?223\)) ?1(?:\.0)?pt"
    r"|border-(?:top|width): ?1(?:\.0)?pt (?:none|solid) ?(?:#(?:E1E1E1|B5C4DF)|rgb\((?:225|181))",
    re.IGNORECASE,
)
_MARKABLE = etree.XPath("//*[@class or @id or @name or @style or @type]")
_FORWARD = re.compile(r"\s{0,40}-{3,}[^-]{3,60}-{3,}")


@dataclass(slots=True)
class QuoteMarks:
    """`quoted`: these elements are quotes as a whole. `attributions`: these introduce one. `cut`: with the start
    of one of these, everything that follows in the mail is quoted."""

    quoted: set[_Element] = field(default_factory=set)
    attributions: set[_Element] = field(default_factory=set)
    cut: set[_Element] = field(default_factory=set)


def find_marks(root: _Element) -> QuoteMarks:
    """Given a parsed mail, find what its program marked. A container that holds a forwarded mail is not marked."""
    marks = QuoteMarks()
    for element in _MARKABLE(root):
        classes = set((element.get("class") or "")[:500].split())
        if classes & _ATTRIBUTIONS:
            if not _forwards(element):
                marks.attributions.add(element)
        elif "gmail_quote" in classes or "gmail_quote_container" in classes:
            _mark_gmail(element, marks)
        elif classes & _CONTAINERS or (element.tag == "blockquote" and (element.get("type") or "").lower() == "cite"):
            marks.quoted.add(element)
        elif _cuts(element):
            marks.cut.add(element)
    return marks


def _cuts(element: _Element) -> bool:
    name = element.get("id") or element.get("name") or ""
    if name and _CUT_IDS.match(name[:80]):
        return True
    style = element.get("style")
    return bool(style and element.tag == "div" and _OUTLOOK_RULES.search(style[:2000]))


def _mark_gmail(element: _Element, marks: QuoteMarks) -> None:
    """Gmail's container: answers between its quotes stay outside of the mark."""
    if _forwards(element):
        return
    if element.tag == "blockquote" or not any(child.tag == "blockquote" for child in element):
        marks.quoted.add(element)


def _forwards(element: _Element) -> bool:
    return bool(_FORWARD.match(_beginning(element)))


def _beginning(element: _Element) -> str:
    """The first 200 characters of an element's text."""
    text = ""
    for piece in _bounded(element):
        text += piece
        if len(text) > 200:
            break
    return text


def _bounded(element: _Element) -> Iterator[str]:
    for count, piece in enumerate(element.itertext()):
        if count > 40:
            return
        yield str(piece)
