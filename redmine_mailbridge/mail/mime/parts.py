"""Which leaf of the tree is text of the mail, in which order, and which is a file."""

import html
import re
from dataclasses import field
from typing import Literal

from redmine_mailbridge.mail.mime import attachments, charset, uuencoded
from redmine_mailbridge.mail.mime.attachments import FilePart
from redmine_mailbridge.mail.mime.charset_labels import codec_name
from redmine_mailbridge.mail.mime.invitation import summary
from redmine_mailbridge.mail.mime.rtf import read_rtf
from redmine_mailbridge.mail.mime.smime import enclosed as smime_enclosed
from redmine_mailbridge.mail.mime.structure import MAX_DEPTH, Part, leaves, scan
from redmine_mailbridge.mail.mime.tnef import TnefContents, open_tnef
from redmine_mailbridge.mail.mime.transfer_encoding import plain_tail, read
from redmine_mailbridge.mail.text.body import Alternative, TextPart
from redmine_mailbridge.mail.text.enriched import plain_of_enriched
from redmine_mailbridge.model.mail import LeftOut
from redmine_mailbridge.util.dataclass import dataclass

MAX_TEXT = 1024 * 1024  # bytes of one text part, and of all of them; a longer one is attached whole
MAX_LINES = 50_000  # likewise
MAX_ENCLOSED = 32 * 1024 * 1024  # bytes of an opaque signature that is opened
_TNEFS = frozenset({"application/ms-tnef", "application/vnd.ms-tnef"})
_META = re.compile(rb"charset\s{0,5}=\s{0,5}[\"']?([A-Za-z0-9_.:-]{2,40})", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]{0,2000}>")
_NOT_SHOWN = re.compile(r"<!--.{0,2000}?-->|<!DOCTYPE[^>]{0,500}>|(?<=<style)[^<]{0,20000}(?=</style)", re.DOTALL)
_TEXTS = frozenset({"text/plain", "text/html", "text/markdown", "text/x-markdown", "text/enriched", "text/richtext"})
_OTHER_FORMS = frozenset({"text/x-amp-html", "text/watch-html", "text/vnd.google.email-reaction+json"})
"""Parts of a multipart/alternative for single programs, which say what the text beside them says."""
_OPAQUE = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
MAX_NAMED = 20 * 1024  # bytes of a text with a file name that can be the text of a mail without any other
_MIME_PART = re.compile(
    rb"(?:[A-Za-z-]{1,60}:[^\n]{0,1000}\r?\n(?:[ \t][^\n]{0,1000}\n){0,20}){0,20}content-", re.IGNORECASE
)
LONGER = "(The text continues; all of it is attached.)"
ENCRYPTED_NOTE = {
    "pgp": "This mail is encrypted (PGP/MIME). It cannot be read here; the original is attached.",
    "smime": "This mail is encrypted (S/MIME). It cannot be read here; the original is attached.",
}

Element = TextPart | Alternative


@dataclass(slots=True)
class ClassifiedParts:
    """All leaves of a mail, sorted; `elements` and `files` in the order of the mail."""

    elements: list[Element] = field(default_factory=list)
    files: list[FilePart] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    security: Literal["none", "signed", "encrypted"] = "none"

    def first_text(self) -> str:
        """The first text of the mail as sent, "" when it has none; the start of it, when it is long."""
        for element in self.elements:
            parts = (element,) if isinstance(element, TextPart) else element.text or element.html
            for part in parts:
                return part.content[:64_000]
        return ""


class PartClassifier:
    """One walk over the tree. `fallback` is the codec to read 8-bit names with."""

    def __init__(self, fallback: str = "") -> None:
        self.fallback = fallback
        self.classified = ClassifiedParts()
        self._room = MAX_TEXT
        self._lines = MAX_LINES
        self._within_smime = False
        self._named: list[tuple[Part, FilePart]] = []
        self._rtf: list[bytes] = []

    def sort(self, root: Part) -> ClassifiedParts:
        """Given a tree, return its leaves, each of them text, file or named as left out."""
        self.classified.elements = self._walk(root)
        if not any(_says(element) for element in self.classified.elements):
            self.classified.elements += self._calendar(root) or self._text_of_rtf() or self._named_text()
        self.classified.files = attachments.without_copies(self.classified.files)
        return self.classified

    def _text_of_rtf(self) -> list[Element]:
        """Given a mail without text, return what its winmail.dat says as RTF only; that stays a file, for its looks."""
        rtf_text = next(filter(None, map(read_rtf, self._rtf[:3])), None)
        return [TextPart(rtf_text.text[:MAX_TEXT], is_html=rtf_text.is_html)] if rtf_text is not None else []

    def _named_text(self) -> list[Element]:
        """Given a mail without text, return its first short text with a file name, as gateways of phones send it."""
        for part, file in self._named[:1]:
            if part.end - part.body <= MAX_NAMED:
                self.classified.files.remove(file)
                return self._text(part, part.kind)
        return []

    @staticmethod
    def _calendar(root: Part) -> list[Element]:
        """Given a mail without text, return what its invitation says."""
        for part in leaves(root)[:100]:
            if part.kind in {"text/calendar", "application/ics"}:
                data, _ = read(part.buffer, part.body, part.end, attachments.encoding_of(part), MAX_TEXT)
                event = summary(charset.decode(data, part.params.get("charset", "utf-8")))
                return [TextPart(event, is_html=False)] if event else []
        return []

    def _walk(self, part: Part) -> list[Element]:
        """Given a part (at most MAX_DEPTH deep), file its files and return its texts."""
        if not part.children:
            return self._leaf(part)
        if part.kind == "multipart/encrypted":
            return self._encrypted(part)
        if part.kind == "multipart/signed" and self.classified.security == "none":
            self.classified.security = "signed"
        if part.kind == "multipart/alternative":
            return self._alternative(part)
        elements: list[Element] = []
        for child in part.children:
            for element in self._walk(child):
                if elements and (both := _same_twice(elements[-1], element)):
                    elements[-1] = both
                else:
                    elements.append(element)
        return elements

    def _alternative(self, part: Part) -> list[Element]:
        """Given a multipart/alternative, return one Alternative of what its children say."""
        text: list[TextPart] = []
        shown: list[TextPart] = []
        for child in part.children:
            if child.kind in _OTHER_FORMS and len(part.children) > 1:
                continue
            elements = self._walk(child)
            plain = not any(isinstance(element, TextPart) and element.is_html for element in elements)
            for element in elements:
                if isinstance(element, Alternative):
                    text += element.text
                    shown += element.html
                elif plain:
                    text.append(element)
                else:
                    shown.append(element)
        return [Alternative(tuple(text), tuple(shown))] if text or shown else []

    def _encrypted(self, part: Part) -> list[Element]:
        self.classified.security = "encrypted"
        for child in part.children:
            self._keep_all(child)
        return [TextPart(ENCRYPTED_NOTE["pgp"], is_html=False)]

    def _keep_all(self, part: Part) -> None:
        for child in part.children:
            self._keep_all(child)
        if not part.children:
            self._keep(part)

    def _leaf(self, part: Part) -> list[Element]:  # noqa: PLR0911  one return a kind of leaf
        if part.kind.startswith("multipart/"):
            if part.depth < MAX_DEPTH:
                return self._text(part, "text/plain")  # its boundary never came: all of it is its text
            self._keep(part)
            return []
        if self.is_text(part):
            return self._text(part, part.kind)
        if part.kind in _OPAQUE or self._is_smime(part):
            return self._smime(part)
        if part.kind in _TNEFS or attachments.sent_name(part).lower() == "winmail.dat":
            return self._tnef(part)
        if part.kind.startswith("image/"):
            return self._picture(part)
        self._keep(part)
        if part.kind in _TEXTS and not part.rest and attachments.disposition(part)[0] in {"", "inline"}:
            self._named.append((part, self.classified.files[-1]))
        return []

    def _is_smime(self, part: Part) -> bool:
        """Is this an S/MIME message that a server on the way has called a file of no kind?"""
        return part.kind == "application/octet-stream" and attachments.sent_name(part).lower() == "smime.p7m"

    def _tnef(self, part: Part) -> list[Element]:
        """Given a winmail.dat, return its text and keep its files; one that cannot be opened whole stays a file."""
        file = attachments.file_of(part, self.fallback)
        opened = open_tnef(file.chunks)
        if opened is None or not opened.whole:
            self.classified.files.append(file)
            return []
        inner = [attachments.file_of_tnef(enclosed, file.chunks) for enclosed in opened.files if enclosed.size]
        self.classified.files += [enclosed for enclosed in inner if enclosed is not None]
        texts = self._text_of_tnef(opened)
        lost = None in inner or len(inner) < len(opened.files)
        if opened.rtf and not texts:
            self._rtf.append(opened.rtf)
        unread = bool(opened.rtf) and not texts and part.parent is None
        if lost or unread or (not inner and (bool(opened.rtf) or not texts)):
            self.classified.files.append(file)  # not all of it came out, or its text is of a kind that is not read here
        else:
            self.classified.left_out.append(
                LeftOut(file.proposed_name or "winmail.dat", "it was opened; its files are attached")
            )
        return texts

    @staticmethod
    def _text_of_tnef(opened: TnefContents) -> list[Element]:
        """Given an opened winmail.dat, return the text that it says, as an element that counts only without others."""
        rich = charset.decode(opened.html) if opened.html else ""
        text = (TextPart(opened.text, is_html=False),) if opened.text.strip() else ()
        shown = (TextPart(rich, is_html=True),) if rich.strip() else ()
        return [Alternative(text, shown)] if text or shown else []

    def _picture(self, part: Part) -> list[Element]:
        """Given an image, keep it; one that is inline between texts, without HTML, is shown in its place."""
        self._keep(part)
        above = part.parent
        head, _ = attachments.disposition(part, self.fallback)
        if head != "inline" or above is None or above.kind != "multipart/mixed" or above.children[0] is part:
            return []
        kinds = {child.kind for child in above.children}
        if "text/plain" not in kinds or kinds & {"text/html", "multipart/alternative", "multipart/related"}:
            return []
        file = self.classified.files[-1]
        file.content_id = file.content_id or f"inline-{len(self.classified.files)}@mailbridge.invalid"
        return [TextPart(f'<img src="cid:{html.escape(file.content_id)}">', is_html=True)]

    def is_text(self, part: Part) -> bool:
        """Is this leaf text of the mail? Not when it is sent as a file: with that disposition or a file name."""
        if part.kind not in _TEXTS or part.rest:
            return False
        head, _ = attachments.disposition(part)
        if head and head != "inline":
            return False
        return part.parent is None or not attachments.sent_name(part, self.fallback)

    def _smime(self, part: Part) -> list[Element]:
        """Given an application/pkcs7-mime, read what a signature encloses; one that encrypts is kept, and said."""
        smime = part.params.get("smime-type", "").lower()
        self._keep(part)
        inner = None
        if smime in {"", "signed-data"} and part.end - part.body <= MAX_ENCLOSED and not self._within_smime:
            data, _ = read(part.buffer, part.body, part.end, attachments.encoding_of(part), MAX_ENCLOSED)
            inner = smime_enclosed(data)
            inner = inner if inner is not None and _MIME_PART.match(inner) else None  # a signed file is none
        if smime == "signed-data" or inner is not None:
            self.classified.security = "signed"
            if inner is None:
                return []
            self._within_smime = True
            return self._walk(scan(inner))
        sent_as = part.kind in _OPAQUE and attachments.sent_name(part).lower() in {"", "smime.p7m"}
        if smime in {"enveloped-data", "authenveloped-data"} or (not smime and sent_as):
            self.classified.security = "encrypted"
            return [TextPart(ENCRYPTED_NOTE["smime"], is_html=False)]
        return []

    def _keep(self, part: Part) -> None:
        self.classified.files.append(attachments.file_of(part, self.fallback))

    def _text(self, part: Part, kind: str) -> list[Element]:
        """Given a text leaf, return what it says; one that is too long is attached whole besides."""
        encoding = attachments.encoding_of(part)
        end = plain_tail(part.buffer, part.body, part.end) if encoding == "base64" else part.end
        data, complete = read(part.buffer, part.body, end, encoding, self._room)
        if end < part.end and complete:
            added, complete = read(part.buffer, end, part.end, "", max(self._room - len(data), 0))
            data += b"\n\n" + added
        data, short = _lines(data, self._lines)
        self._room -= len(data)
        self._lines -= data.count(b"\n")
        if short or not complete:
            file = attachments.file_of(part, self.fallback)
            file.content_type = kind
            self.classified.files.append(file)
            cut = max(data.rfind(b"\n"), data.rfind(b">"), data.rfind(b" ")) + 1
            data = data[: cut or len(data)]
        is_html = kind == "text/html"
        declared = part.params.get("charset", "")
        if is_html and not codec_name(declared) and (meta := _META.search(data[:4096])):
            declared = meta[1].decode("ascii")
        text = charset.decode(data, declared, self.fallback)
        if kind in {"text/enriched", "text/richtext"}:
            text = plain_of_enriched(text)
        if not is_html and not short and complete:
            text, enclosed = uuencoded.taken_out(text)
            self.classified.files += [attachments.file_of_bytes(name, inner) for name, inner in enclosed]
        if short or not complete:
            text += f"<p>{LONGER}</p>" if is_html else f"\n\n{LONGER}\n"
        if not text.strip():
            return []
        flowed = part.params.get("format", "").lower() == "flowed"
        return [TextPart(text, is_html, flowed, part.params.get("delsp", "").lower() == "yes")]


def _says(element: Element) -> bool:
    """Does an element hold anything but white space?"""
    parts = (element,) if isinstance(element, TextPart) else element.text + element.html
    return any(part.content.strip() for part in parts)


def _lines(data: bytes, limit: int) -> tuple[bytes, bool]:
    """Given a text and how many lines may be read, return so much of it and whether that is less than all."""
    ends = b"\n" if b"\n" in data else b"\r"
    if data.count(ends) <= limit:
        return data, False
    at = 0
    for _ in range(max(limit, 0)):
        at = data.find(ends, at) + 1
    return data[:at], True


def _same_twice(first: Element, second: Element) -> Alternative | None:
    """Given neighbours, return them as alternatives when they are a text and its HTML, sent side by side by mistake.

    That is so when most words of the HTML stand in the text too; otherwise both are wanted.
    """
    if not isinstance(first, TextPart) or not isinstance(second, TextPart) or first.is_html or not second.is_html:
        return None
    words = _TAG.sub(" ", _NOT_SHOWN.sub(" ", second.content)).split()
    text_words = set(first.content.split())
    if not words or sum(word in text_words for word in words) * 5 < len(words) * 3:
        return None
    return Alternative((first,), (second,))
