"""A mail that goes out, and its bytes.

How a mail is marked depends on who speaks (RFC 3834 section 5, MS-OXCMAIL for X-Auto-Response-Suppress):

- an answer that the bridge gives by itself (received, refused …) is `auto-replied`, `bulk`, and suppresses whatever
  a machine might answer;
- what the bridge says unasked (closed, reminder, escalation, budget, alert) is `auto-generated`, likewise `bulk`;
- an agent's answer is a person's mail: it bears none of these, so that filters do not sort it out and an
  out-of-office reply to it comes back and is seen.

Our own loop header stands in all of them.
"""

import base64
import binascii
import datetime as dt
import email.policy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.errors import MessageError
from email.headerregistry import Address as HeaderAddress
from email.message import EmailMessage
from email.utils import format_datetime

from redmine_mailbridge.mail.message import Address

LOOP_HEADER = "X-Mailbridge-Loop"
POLICY = email.policy.SMTP.clone(max_line_length=998)
REFERENCES = 20
BY_PEOPLE = frozenset({"answer"})
UNASKED = frozenset({"closed", "reminder", "escalation", "budget", "alert"})


@dataclass(frozen=True, slots=True)
class Sender:
    """Whose name an answer bears: `reply_to` "" is the From address itself."""

    address: str
    name: str = ""
    reply_to: str = ""

    @property
    def host(self) -> str:
        """The domain that our Message-IDs bear."""
        return self.address.rpartition("@")[2] or "localhost"


@dataclass(frozen=True, slots=True)
class File:
    """A file that goes along, whole in memory: the limits on answers keep it small."""

    name: str
    content_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail. Message-IDs are without <>; `html` "" makes a mail of text alone.

    `also` stand in To beside the first, `cc` in Cc. `topic` is the conversation's subject without "Re:", `index` the
    Thread-Index of the mail that is answered, as it stands there: by these two Exchange keeps a conversation together.
    """

    kind: str
    sender: Sender
    to: Address
    subject: str
    text: str
    message_id: str
    html: str = ""
    in_reply_to: str = ""
    references: tuple[str, ...] = ()
    loop_value: str = ""
    also: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    files: tuple[File, ...] = ()
    topic: str = ""
    index: str = ""

    def as_bytes(self, now: dt.datetime) -> bytes:
        """The mail as it goes over SMTP, marked for machines as its kind is."""
        mail = EmailMessage(policy=POLICY)
        mail["From"] = _address(self.sender.name, self.sender.address)
        mail["To"] = _addresses((self.to, *self.also))
        if self.cc:
            mail["Cc"] = _addresses(self.cc)
        mail["Subject"] = _line(self.subject)
        mail["Date"] = format_datetime(now)
        mail["Message-ID"] = f"<{self.message_id}>"
        if self.in_reply_to:
            mail["In-Reply-To"] = f"<{self.in_reply_to}>"
            mail["References"] = " ".join(f"<{one}>" for one in chain(self.references, self.in_reply_to))
        if self.sender.reply_to:
            mail["Reply-To"] = self.sender.reply_to
        for name, value in self._marks().items():
            mail[name] = value
        mail.set_content(self.text, cte="quoted-printable")
        if self.html:
            mail.add_alternative(self.html, subtype="html", cte="quoted-printable")
        for file in self.files:
            main, _, sub = file.content_type.partition("/")
            if main in {"message", "multipart"} or not sub:
                main, sub = "application", "octet-stream"
            mail.add_attachment(file.content, maintype=main, subtype=sub.partition(";")[0], filename=_line(file.name))
        return mail.as_bytes()

    def _marks(self) -> Mapping[str, str]:
        marks: dict[str, str] = {}
        if self.kind not in BY_PEOPLE:
            submitted = "auto-generated" if self.kind in UNASKED else "auto-replied"
            marks = {"Auto-Submitted": submitted, "X-Auto-Response-Suppress": "All", "Precedence": "bulk"}
        if self.loop_value:
            marks[LOOP_HEADER] = self.loop_value
        if self.topic:
            marks["Thread-Topic"] = _line(self.topic)
        index = child_index(self.index) if self.index else ""
        return marks | ({"Thread-Index": index} if index else {})


def mailable(person: Address) -> Address | None:
    """Given whom a stranger's mail names, return it as an address that can stand in a header and an envelope, its
    domain in ASCII (IDNA); None when it cannot: nothing but the writer's own fault keeps mail from there.
    """
    local, at, domain = person.address.strip().rpartition("@")
    try:
        if not domain.isascii():
            domain = domain.encode("idna").decode()
        address = f"{local}{at}{domain}"
        fits = address.isascii() and len(address) <= 320 and address == HeaderAddress(addr_spec=address).addr_spec
    except (ValueError, IndexError, MessageError):
        return None
    return Address(person.name, address) if fits and domain else None


def chain(references: Sequence[str], parent: str) -> list[str]:
    """Given the ids of a conversation, oldest first, and that of the mail that is answered, return what References
    says: each once, the answered one last, the first one always (RFC 5322 section 3.6.4), at most 21.
    """
    known = list(dict.fromkeys(one for one in references if one != parent))
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


def _line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:500]


def _addresses(people: Sequence[Address]) -> list[HeaderAddress]:
    return [_address(one.name, one.address) for one in people]


def _address(name: str, address: str) -> HeaderAddress:
    return HeaderAddress(_line(name)[:200], addr_spec=address)
