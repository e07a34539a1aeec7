"""The readers that `reading_mails` compares: this project's, the standard library, imap-tools. Each bytes → Seen."""

import email
import email.policy
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


@dataclass
class Seen:
    """What a reader saw of a mail."""

    subject: str = ""
    sender: str = ""
    text: str = ""
    attachments: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    error: str = ""


def bridge(raw: bytes, prefer: str = "text") -> Seen:
    from redmine_mailbridge.mail.parse import read
    from redmine_mailbridge.model.mail import ReadingOptions

    message = read(raw, ReadingOptions(prefer=prefer))  # type: ignore[arg-type]
    return Seen(
        message.subject,
        message.sender.address,
        message.body.whole,
        [one.name for one in message.attachments],
        [one.name for one in message.left_out],
    )


def standard_library(raw: bytes, prefer: str = "text") -> Seen:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    order = ("html", "plain") if prefer == "html" else ("plain", "html")
    body = message.get_body(order)
    addresses = message["from"].addresses if message["from"] else ()
    return Seen(
        str(message["subject"] or ""),
        addresses[0].addr_spec if addresses else "",
        body.get_content() if body else "",
        [part.get_filename() or "" for part in message.iter_attachments()] if message.is_multipart() else [],
    )


def imap_tools(raw: bytes, prefer: str = "text") -> Seen:
    from imap_tools import MailMessage

    message = MailMessage.from_bytes(raw)
    return Seen(
        message.subject,
        message.from_,
        message.html or message.text if prefer == "html" else message.text or message.html,
        [one.filename for one in message.attachments],
    )


READERS: tuple[Callable[..., Seen], ...] = (bridge, standard_library, imap_tools)


def seen_by(reader: Callable[..., Seen], raw: bytes, prefer: str = "text") -> Seen:
    try:
        return reader(raw, prefer)
    except Exception as error:  # noqa: BLE001  what a reader raises on is what is measured
        return Seen(error=type(error).__name__)
