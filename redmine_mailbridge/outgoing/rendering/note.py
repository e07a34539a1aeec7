"""An agent's note as a mail shows it: simple HTML, plain text, and the names of its pictures."""

import html
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import field
from functools import lru_cache, partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog

from redmine_mailbridge.model.mail import TextFormat
from redmine_mailbridge.outgoing.rendering.as_html import HtmlWriter
from redmine_mailbridge.outgoing.rendering.as_html import ShownPicture as ShownPicture  # noqa: PLC0414 - for those who import this module late
from redmine_mailbridge.outgoing.rendering.as_text import TextWriter
from redmine_mailbridge.outgoing.rendering.redmine_words import (
    NameOf,
    in_words,
    macros_restored,
    no_name,
    thumbnails_as_pictures,
)
from redmine_mailbridge.outgoing.rendering.tree import Element, parse, with_words
from redmine_mailbridge.util.dataclass import dataclass
from redmine_mailbridge.util.lazy import lazy_import

if TYPE_CHECKING:
    from redmine_mailbridge.outgoing.rendering import markdown, textile
else:  # a Redmine has one format
    markdown = lazy_import("redmine_mailbridge.outgoing.rendering.markdown")
    textile = lazy_import("redmine_mailbridge.outgoing.rendering.textile")

log = structlog.get_logger(__name__)

LONGEST = 200_000
"""Characters of a note that are rendered."""
_UNSAFE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_PORT = re.compile(r"(.*?)((?::[0-9]{0,9})?)", re.DOTALL)
_ATTACHMENT = re.compile(r"/attachments/(?:download/|thumbnail/)?(\d{1,12})(?:/.*)?")


@dataclass(frozen=True, slots=True)
class NoteContext:
    """What a note is rendered with: Redmine's address, whose pages customers cannot open; the names of its users; and
    the pictures that are shown in place, by `picture_key`.
    """

    redmine_url: str = ""
    name_of: NameOf = no_name
    pictures: Mapping[str, ShownPicture] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RenderedNote:
    """A note as HTML and as text."""

    html: str
    text: str


def picture_key(source: str, redmine_url: str = "") -> str:
    """Given what a note names as a picture, return what it is found by: "#17" for the address of the attachment 17,
    otherwise the file's name as Redmine compares it; "" for a picture of another place.
    """
    path = _path_within(source, redmine_url) if "://" in source else source
    if path is None:
        return ""
    if match := _ATTACHMENT.fullmatch(path):
        return f"#{match[1]}"
    return "" if "/" in path else unicodedata.normalize("NFC", path).lower()


def pictures_of(note: str, text_format: TextFormat, redmine_url: str = "") -> list[str]:
    """Given a note, return the keys of the pictures that it shows, each once, in their order."""
    root = _tree(note[:LONGEST], text_format)
    keys = (picture_key(name, redmine_url) for name in root.pictures()) if root is not None else ()
    return [key for key in dict.fromkeys(keys) if key]


def render(note: str, text_format: TextFormat, context: NoteContext | None = None) -> RenderedNote:
    """Given a note, return it as HTML without scripts, links to Redmine's pages or pictures of other places, and as
    text. One that is too long or too deep for the libraries is shown as it was written.
    """
    context = context or NoteContext()
    words = partial(_words, context)
    root = _tree(note[:LONGEST], text_format)
    if root is None:
        text = words(_clean(note[:LONGEST]))
        return RenderedNote(f'<pre style="white-space:pre-wrap">{html.escape(text)}</pre>', text)
    whole = with_words(root, words)
    internal = partial(_is_internal, context.redmine_url)
    shown = {
        name: picture
        for name in root.pictures()
        if (picture := context.pictures.get(picture_key(name, context.redmine_url))) is not None
    }
    return RenderedNote(HtmlWriter(shown, internal).write(whole), TextWriter(internal).write(whole))


def _clean(note: str) -> str:
    """The note without characters that no mail may have, or that mark places while it is rendered."""
    return _UNSAFE.sub("", note.replace("\r\n", "\n").replace("\r", "\n"))


@lru_cache(4)
def _tree(note: str, text_format: TextFormat) -> Element | None:
    note = _clean(note)
    try:
        if text_format == "textile":
            note, macros = thumbnails_as_pictures(note, lambda name, sign: f"!{name.replace(' ', '%20')}({sign})!")
            page = textile.to_html(note)
        else:
            note, macros = thumbnails_as_pictures(note, lambda name, sign: f"![{sign}](<{name}>)")
            page = markdown.to_html(note)
        root = None if page is None else parse(page)
        if root is None or not macros:
            return root
        return with_words(root, partial(macros_restored, macros), in_code=True)
    except Exception as error:  # noqa: BLE001 - the boundary of a note: it is mailed whatever the libraries do
        log.warning("note.unparsed", kind=type(error).__name__)
        return None


def _words(context: NoteContext, text: str) -> str:
    """A text of a note as customers read it; an address of an issue becomes its number."""
    text = in_words(text, context.name_of)
    if not context.redmine_url or "://" not in text:
        return text
    base = re.escape(context.redmine_url.rstrip("/").partition("://")[2])
    return re.sub(rf"https?://{base}/issues/(\d{{1,10}})(?:[?#][^\s<>\"']{{0,200}}[\w=])?(?![\w/])", r"#\1", text)


def _path_within(url: str, redmine_url: str) -> str | None:
    """The path of an address below Redmine's; None if it is another's."""
    try:
        address, base = urlsplit(url), urlsplit(redmine_url)
    except ValueError:
        return None
    prefix = base.path.rstrip("/")
    inside = address.path == prefix or address.path.startswith(f"{prefix}/")
    same = bool(base.netloc) and _host(address.netloc) == _host(base.netloc)
    return address.path[len(prefix) :] if same and inside else None


def _host(netloc: str) -> str:
    """The host and port of an address as they are compared: the usual ports and the root's dot name the same server."""
    host, port = _PORT.fullmatch(netloc.lower().rpartition("@")[2]).groups()  # type: ignore[union-attr]  # any text
    return f"{host.rstrip('.')}{'' if port in {':', ':80', ':443'} else port}"


def _is_internal(redmine_url: str, url: str) -> bool:
    return _path_within(url, redmine_url) is not None
