"""A mail as its sender meant it to look, made harmless: for a person who compares it with what went to Redmine.

An allow-list of elements and attributes; no script, style sheet, form, frame, remote picture or handler is left.
"""

from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import field
from html import escape

from lxml.etree import _Element

from redmine_mailbridge.mail.html.tree import parse_html
from redmine_mailbridge.mail.mime.header_block import Buffer
from redmine_mailbridge.mail.mime.parts import Element, PartClassifier
from redmine_mailbridge.mail.mime.structure import scan
from redmine_mailbridge.mail.text.body import TextPart
from redmine_mailbridge.model.mail import Attachment
from redmine_mailbridge.util.dataclass import dataclass

MOST_PICTURES = 3_000_000
"""Bytes of all pictures that are shown within the text."""
PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_KEPT = frozenset(
    """a abbr address article aside b bdi bdo big blockquote br caption center cite code col colgroup dd del details
    dfn div dl dt em figcaption figure font footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd li main mark ol p pre q
    s samp section small span strike strong sub summary sup table tbody td tfoot th thead tr tt u ul var wbr""".split()  # noqa: SIM905 - words read better as words
)
_VOID = frozenset({"br", "hr", "img", "col", "wbr"})
_DROPPED = frozenset(
    """script style head title meta link base object embed applet iframe frame frameset noscript template svg math
    audio video xml select textarea button input map area canvas""".split()  # noqa: SIM905 - likewise
)
_ATTRIBUTES = frozenset(
    """align valign width height border cellpadding cellspacing bgcolor color face size colspan rowspan dir lang start
    type title alt""".split()  # noqa: SIM905 - likewise
)
_SCHEMES = ("http://", "https://", "mailto:", "tel:")


@dataclass(slots=True)
class SanitizedHtml:
    """The whole as one HTML text without its head; `blocked` counts the remote pictures that are not shown."""

    html: str
    blocked: int = 0


@dataclass(slots=True)
class _Writer:
    pictures: Mapping[str, Attachment]
    out: list[str] = field(default_factory=list)
    blocked: int = 0
    room: int = MOST_PICTURES


def original(raw: Buffer, attachments: tuple[Attachment, ...] = ()) -> SanitizedHtml:
    """Given a mail's bytes and its attachments (for pictures within the text), return what may be shown of it."""
    pictures = {
        attachment.content_id: attachment
        for attachment in attachments
        if attachment.content_id and attachment.content_type in PICTURES
    }
    writer = _Writer(pictures)
    for part in _parts(PartClassifier().sort(scan(raw)).elements):
        if part.is_html:
            root = parse_html(part.content)
            if root is not None:
                _write(writer, root)
        else:
            writer.out.append(f"<pre>{escape(part.content)}</pre>")
    return SanitizedHtml("".join(writer.out), writer.blocked)


def sanitised(html: str) -> str:
    """Given HTML, return what may be shown of it."""
    writer = _Writer({})
    root = parse_html(html)
    if root is not None:
        _write(writer, root)
    return "".join(writer.out)


def _parts(elements: list[Element]) -> Iterator[TextPart]:
    """The richest form of each text."""
    for element in elements:
        if isinstance(element, TextPart):
            yield element
        else:
            yield from element.html or element.text


def _write(writer: _Writer, root: _Element) -> None:
    """Write a tree, without recursion: mails nest as deep as they like."""
    stack: list[tuple[_Element, bool]] = [(root, False)]
    while stack:
        element, leaving = stack.pop()
        tag = element.tag if isinstance(element.tag, str) else ""
        if leaving:
            if tag in _KEPT and tag not in _VOID:
                writer.out.append(f"</{tag}>")
            if element is not root:
                writer.out.append(escape(element.tail or ""))
            continue
        stack.append((element, True))
        if tag in _DROPPED or not tag:
            continue
        if tag in _KEPT:
            writer.out.append(_picture(writer, element) if tag == "img" else f"<{tag}{_attributes(element, tag)}>")
        if tag not in _VOID:
            writer.out.append(escape(element.text or ""))
            stack.extend((child, False) for child in reversed(element))


def _attributes(element: _Element, tag: str) -> str:
    attributes = [f' {name}="{escape(value)}"' for name, value in element.items() if name in _ATTRIBUTES]
    if tag == "a":
        target = "".join(c for c in element.get("href") or "" if c > " ").strip()
        if target.lower().startswith(_SCHEMES):
            attributes = [f' title="{escape(target[:500])}" class="link"']
    return "".join(attributes)


def _picture(writer: _Writer, element: _Element) -> str:
    """A picture of the mail itself as data, within bounds; of a remote one only its description."""
    source = (element.get("src") or "").strip()
    attachment = writer.pictures.get(source[4:].strip("<>")) if source[:4].lower() == "cid:" else None
    words = f' alt="{escape((element.get("alt") or "")[:500])}"'
    size = "".join(f' {name}="{escape(value)}"' for name in ("width", "height") if (value := element.get(name)))
    if attachment is not None and attachment.size <= writer.room:
        writer.room -= attachment.size
        data = b64encode(b"".join(attachment.chunks())).decode()
        return f'<img{words}{size} src="data:{attachment.content_type};base64,{data}">'
    if source.lower().startswith(("http:", "https:", "//")):
        writer.blocked += 1
    return f'<span class="blocked">[{escape((element.get("alt") or "picture")[:200])}]</span>'
