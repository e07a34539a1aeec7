"""A mail that goes out, and its bytes.

How a mail is marked depends on who speaks (RFC 3834 section 5, MS-OXCMAIL for X-Auto-Response-Suppress):

- an automatic reply (received, refused …) is `auto-replied`, `bulk`, and suppresses all automatic responses;
- an unsolicited notification (closed, reminder, escalation, budget, alert) is `auto-generated` and `bulk`;
- what an agent writes, to customers or third parties, is a person's mail: it has none of these markers, so that filters
  do not divert it and an out-of-office reply to it comes back and is seen.

All of them carry the bridge's own loop header.
"""

import base64
import binascii
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from email.utils import format_datetime

from redmine_mailbridge.mail.message_ids import THIRD_PARTY
from redmine_mailbridge.mail.mime.address_syntax import ascii_host
from redmine_mailbridge.model.mail import Address
from redmine_mailbridge.outgoing import header_encoding as encode
from redmine_mailbridge.outgoing.mime import MimePart, file_part, inline_part, inspect, multipart, text_part
from redmine_mailbridge.util.dataclass import dataclass

LOOP_HEADER = "X-Mailbridge-Loop"
REFERENCES = 20
BY_PEOPLE = frozenset({"answer", THIRD_PARTY})
UNASKED = frozenset({"closed", "reminder", "escalation", "budget", "alert"})
FIELDS = frozenset(
    name.lower()
    for name in (
        "From", "To", "Cc", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "Reply-To", "Auto-Submitted",
        "X-Auto-Response-Suppress", "Precedence", LOOP_HEADER, "Thread-Topic", "Thread-Index", "MIME-Version",
        "Content-Type", "Content-Transfer-Encoding",
    )
)  # fmt: skip
"""The header fields that outgoing mail may have, lower case."""


@dataclass(frozen=True, slots=True)
class FromIdentity:
    """The sender of an answer. An empty `reply_to` means the From address."""

    address: str
    name: str = ""
    reply_to: str = ""

    @property
    def host(self) -> str:
        """The domain of the Message-IDs, in ASCII."""
        return ascii_host(self.address.rpartition("@")[2]) or "localhost"


@dataclass(frozen=True, slots=True)
class OutgoingFile:
    """An attachment, whole in memory: the limits on answers keep it small."""

    name: str
    content_type: str
    content: bytes = field(repr=False)
    content_id: str = ""
    """Of a picture that the HTML shows in place, without <>."""
    attachment: int = field(default=0, compare=False)
    """Its ID in Redmine, by which sending asks whether it is still there; 0: it is from elsewhere."""


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """One mail. Message-IDs are without <>, and left out where they cannot stand in a field; `html` "" makes a mail of
    text alone.

    `other_recipients` follow `to` in the To field, `cc` is the Cc field. `thread_topic` is the conversation's subject
    without "Re:", `thread_index` the unchanged Thread-Index of the mail that is answered: Exchange groups a
    conversation by these two.
    """

    kind: str
    sender: FromIdentity
    to: Address
    subject: str
    text: str
    message_id: str
    html: str = ""
    in_reply_to: str = ""
    references: tuple[str, ...] = ()
    loop_value: str = ""
    other_recipients: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    files: tuple[OutgoingFile, ...] = ()
    thread_topic: str = ""
    thread_index: str = ""

    def as_bytes(self, now: dt.datetime, *, international: bool = False) -> bytes:
        """The mail as it goes over SMTP, marked for machines as its kind is. `international`: for a server with
        SMTPUTF8, its addresses as they are. Raise MailMalformed when its header would not be what is set here.
        """
        fields = dict(self._fields(now, international=international))
        body = self._body()
        content = b"".join(fields.values()) + b"MIME-Version: 1.0\r\n" + body.as_bytes()
        of_body = [field.partition(b":")[0].decode() for field in body.fields]
        inspect(content, [*fields, "MIME-Version", *of_body])
        return content

    def _fields(self, now: dt.datetime, *, international: bool) -> Iterator[tuple[str, bytes]]:
        def people(name: str, them: Sequence[Address]) -> tuple[str, bytes]:
            return name, encode.addresses(name, them, international=international)

        def text(name: str, value: str) -> tuple[str, bytes]:
            return name, encode.unstructured(name, value)

        yield people("From", [Address(self.sender.name, self.sender.address)])
        yield people("To", [self.to, *self.other_recipients])
        if self.cc:
            yield people("Cc", self.cc)
        yield text("Subject", self.subject)
        yield text("Date", format_datetime(now))
        yield "Message-ID", encode.identifiers("Message-ID", [self.message_id])
        parent = encode.identifier(self.in_reply_to) or ""
        if parent:
            yield "In-Reply-To", encode.identifiers("In-Reply-To", [parent])
        if known := chain([message_id for message_id in self.references if encode.identifier(message_id)], parent):
            yield "References", encode.identifiers("References", known)
        if self.sender.reply_to:
            yield people("Reply-To", [Address("", self.sender.reply_to)])
        for name, value in self._marks().items():
            yield text(name, value)
        if self.thread_index and (index := child_index(self.thread_index)):
            yield "Thread-Index", encode.folded("Thread-Index", [index])

    def _body(self) -> MimePart:
        body = text_part(self.text, "plain")
        shown = [file for file in self.files if self.html and file.content_id]
        if self.html:
            page = text_part(self.html, "html")
            if shown:
                pictures = [inline_part(file.name, file.content_type, file.content, file.content_id) for file in shown]
                page = multipart("related", [page, *pictures], self.message_id)
            body = multipart("alternative", [body, page], self.message_id)
        if attached := [file for file in self.files if file not in shown]:
            files = [file_part(file.name, file.content_type, file.content) for file in attached]
            body = multipart("mixed", [body, *files], self.message_id)
        return body

    def _marks(self) -> Mapping[str, str]:
        marks: dict[str, str] = {}
        if self.kind not in BY_PEOPLE:
            submitted = "auto-generated" if self.kind in UNASKED else "auto-replied"
            marks = {"Auto-Submitted": submitted, "X-Auto-Response-Suppress": "All", "Precedence": "bulk"}
        if self.loop_value:
            marks[LOOP_HEADER] = self.loop_value
        if self.thread_topic:
            marks["Thread-Topic"] = self.thread_topic
        return marks


def chain(references: Sequence[str], parent: str) -> list[str]:
    """Given the ids of a conversation, oldest first, and that of the mail that is answered, return what References
    says: each once, the answered one last, the first one always (RFC 5322 section 3.6.4), at most 21.
    """
    known = list(dict.fromkeys(message_id for message_id in references if message_id != parent))
    if len(known) > REFERENCES:
        known = [known[0], *known[-REFERENCES + 1 :]]
    return [*known, parent] if parent else known


def child_index(parent: str) -> str:
    """Given the Thread-Index of a mail, return that of its answer: five bytes more (MS-OXOMSG 2.2.1.3); "" when the
    parent's is none.
    """
    try:
        data = base64.b64decode(parent, validate=True)
    except (binascii.Error, ValueError):
        return ""
    if not 22 <= len(data) <= 400:
        return ""
    return base64.b64encode(data + b"\x00\x00\x00\x00\x10").decode()
