"""A mail that goes out, and its bytes."""

import datetime as dt
import email.policy
from collections.abc import Mapping
from dataclasses import dataclass
from email.headerregistry import Address as HeaderAddress
from email.message import EmailMessage
from email.utils import format_datetime

from redmine_mailbridge.mail.message import Address

LOOP_HEADER = "X-Mailbridge-Loop"
POLICY = email.policy.SMTP.clone(max_line_length=998)
REFERENCES = 20


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
class Letter:
    """One answer to one person. Message-IDs are without <>; `html` "" makes a mail of text alone."""

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

    def as_bytes(self, now: dt.datetime) -> bytes:
        """The mail as it goes over SMTP, marked as automatic so that no machine answers it (RFC 3834 section 3.1)."""
        mail = EmailMessage(policy=POLICY)
        mail["From"] = _address(self.sender.name, self.sender.address)
        mail["To"] = _address(self.to.name, self.to.address)
        mail["Subject"] = _line(self.subject)
        mail["Date"] = format_datetime(now)
        mail["Message-ID"] = f"<{self.message_id}>"
        if self.in_reply_to:
            mail["In-Reply-To"] = f"<{self.in_reply_to}>"
            known = [*self.references[-REFERENCES:], self.in_reply_to]
            mail["References"] = " ".join(f"<{one}>" for one in dict.fromkeys(known))
        if self.sender.reply_to:
            mail["Reply-To"] = self.sender.reply_to
        for name, value in self._marks().items():
            mail[name] = value
        mail.set_content(self.text, cte="quoted-printable")
        if self.html:
            mail.add_alternative(self.html, subtype="html", cte="quoted-printable")
        return mail.as_bytes()

    def _marks(self) -> Mapping[str, str]:
        marks = {"Auto-Submitted": "auto-replied", "X-Auto-Response-Suppress": "All", "Precedence": "bulk"}
        return marks | ({LOOP_HEADER: self.loop_value} if self.loop_value else {})


def _line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:500]


def _address(name: str, address: str) -> HeaderAddress:
    return HeaderAddress(_line(name)[:200], addr_spec=address)
