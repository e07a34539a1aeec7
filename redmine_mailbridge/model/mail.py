"""The values of a parsed message. Plain, frozen, printable; created by `parse`, read everywhere."""

import datetime as dt
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import field
from enum import StrEnum
from typing import Literal

from redmine_mailbridge.util.dataclass import dataclass

TextFormat = Literal["common_mark", "textile", "markdown"]


@dataclass(frozen=True, slots=True)
class Address:
    """One mailbox of RFC 5322: `name` decoded and on one line, `address` as written, trimmed, without <>."""

    name: str
    address: str

    @property
    def key(self) -> str:
        """The address for comparisons: lower case throughout (as every real mail system treats it)."""
        return self.address.lower()

    @property
    def local(self) -> str:
        """The part before the last @."""
        return self.address.rpartition("@")[0]

    @property
    def domain(self) -> str:
        """The part after the last @, lower case; "" if there is none."""
        return self.address.rpartition("@")[2].lower() if "@" in self.address else ""

    def __str__(self) -> str:
        return f"{self.name} <{self.address}>" if self.name else self.address


@dataclass(frozen=True, slots=True)
class Attachment:
    """A part of the message that becomes a file of the issue.

    `name` is safe (no path, no control character), unique within the mail and in its own script.
    `size` and `sha256` (hex) are of the decoded bytes. `inline` means that the text shows it in its place.
    `chunks()` yields the decoded bytes in pieces of at most 1 MiB, so that a large file is never entirely in memory.
    """

    name: str
    content_type: str
    size: int
    sha256: str
    inline: bool
    chunks: Callable[[], Iterator[bytes]] = field(repr=False, compare=False)
    content_id: str | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A part that does not become a file, named in the issue; `why` is one phrase."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Body:
    """The text of a message in the configured markup, escaped for Redmine.

    `written` is the new text; `quoted` is what was cut from it (quoted text, signature), "" if
    nothing; `whole` is all of it, for the first message of an issue, where forwarded content is content.
    `cut_by` names in one phrase the rule that cut, e.g. "attribution line", or "".
    """

    written: str = ""
    quoted: str = ""
    whole: str = ""
    source: Literal["text", "html", "none"] = "none"
    cut_by: str = ""


class AutomaticKind(StrEnum):
    """The kind of machine that sent it. LIST is people's mail through a mailing list, which is not automatic."""

    AUTO_REPLY = "auto-reply"
    BOUNCE = "bounce"
    LIST = "list"
    NOTIFICATION = "notification"
    OWN = "own"


@dataclass(frozen=True, slots=True)
class Bounced:
    """One recipient of a delivery report (RFC 3464): `action` failed, delayed, delivered…; `status` like 5.1.1."""

    recipient: str
    action: str
    status: str
    diagnostic: str

    @property
    def hard(self) -> bool:
        """Is the failure permanent? True for failed with a 5.x.x status, or none."""
        return self.action == "failed" and not self.status.startswith("4")


@dataclass(frozen=True, slots=True)
class Automatic:
    """The findings about a message's origin, independent of each other; `kind` None is a person's message.

    `rule` is the header or rule that matched ("Auto-Submitted: auto-replied"). `answerable`: may an
    auto-reply be sent to it (RFC 3834 section 2)? `may_change_status`: may it reopen an issue? `about` are the
    Message-IDs (without <>) of the messages that it reports on, found inside the returned message or in its
    references. `unanswerable_from`: it may get no auto-reply only because the From address takes none.
    """

    kind: AutomaticKind | None = None
    rule: str = ""
    answerable: bool = True
    may_change_status: bool = True
    about: tuple[str, ...] = ()
    bounced: tuple[Bounced, ...] = ()
    unanswerable_from: bool = False


@dataclass(frozen=True, slots=True)
class Authenticity:
    """Is the From domain authentic? From Authentication-Results of a trusted authserv-id, or own DKIM."""

    verdict: Literal["passed", "failed", "unknown"] = "unknown"
    method: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class SpamVerdict:
    """What the mail's own servers say of it: `rule` is the field that says so ("X-Spam-Flag: YES"), "" if none does.

    `doubted` is a field that says spam where a message may bring one along, so that it counts for nothing.
    """

    spam: bool = False
    rule: str = ""
    doubted: str = ""


@dataclass(frozen=True, slots=True)
class Forwarded:
    """The mail that a message forwards: its sender, as the forwarding program shows it, which alone proves nothing.
    `text` and `subject` are those of a mail that is attached, in the markup of the message; "" for one in the text.
    """

    sender: Address
    attached: bool = False
    text: str = ""
    subject: str = ""


def answered_ids(in_reply_to: Sequence[str], references: Sequence[str]) -> tuple[str, ...]:
    """Given the ids of In-Reply-To and References, return each once, the nearest first: a reply names its parent in
    In-Reply-To and last in References (RFC 5322 section 3.6.4).
    """
    return tuple(dict.fromkeys((*in_reply_to, *reversed(references))))


@dataclass(frozen=True, slots=True)
class Message:
    """A message as a careful human would read it. Created by `redmine_mailbridge.mail.parse.parse`.

    Message-IDs (`message_id`, `in_reply_to`, `references`) are without <> and white space. If a message has no
    Message-ID, one is generated from its bytes and `message_id_made` is True. `sender` is the first From address
    (empty address if there is none). `original_from` are the addresses of X-Original-From, which groups write that
    rewrite From. `recipients_of_record` are the addresses of Delivered-To, X-Original-To,
    Envelope-To, X-Envelope-To and the like, which identify the receiving mailbox. `content_key` is a
    hash over what stays the same when one message is delivered twice (not its trace headers).
    `headers` are all header fields in order, name as written, value decoded and on one line. `forwarded` is None if it
    forwards no mail whose writer is certain, or `ReadingOptions.forwards` is off.
    """

    message_id: str
    message_id_made: bool
    subject: str
    sender: Address
    content_key: str
    size: int
    from_all: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    original_from: tuple[Address, ...] = ()
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    recipients_of_record: tuple[str, ...] = ()
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    date: dt.datetime | None = None
    importance: Literal["high", "normal", "low"] = "normal"
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: Body = Body()
    attachments: tuple[Attachment, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    automatic: Automatic = Automatic()
    authenticity: Authenticity = Authenticity()
    spam: SpamVerdict = SpamVerdict()
    forwarded: Forwarded | None = None
    security: Literal["none", "signed", "encrypted"] = "none"
    truncated: bool = False

    def header(self, name: str) -> str:
        """The first value of a header field, decoded; "" if there is none."""
        folded = name.lower()
        return next((value for key, value in self.headers if key.lower() == folded), "")

    @property
    def recipients(self) -> tuple[Address, ...]:
        """To, Cc and Bcc in this order."""
        return self.to + self.cc + self.bcc

    @property
    def answered(self) -> tuple[str, ...]:
        """The Message-IDs of the messages that it answers, each once, the nearest first."""
        return answered_ids(self.in_reply_to, self.references)


@dataclass(frozen=True, slots=True)
class ReadingOptions:
    """How to parse, per mailbox. Everything that `parse` depends on besides the bytes.

    `delimiters`: lines below which everything is cut, as compiled expressions matched on one line each (the
    settings compile plain ones by `re.escape`). `excluded_names`: file names that are skipped, compiled.
    `trusted_authserv_ids`: whose Authentication-Results are trusted; "*" matches a missing id (Microsoft).
    `results_below_received`: those servers write them below their own Received, and remove those of incoming messages.
    `skip_signature_logos`: skip small inline images in replies. `own_addresses`: the bridge's addresses,
    lower case. `loop_value`: the value of the bridge's loop header, which identifies its own messages.
    `max_attachment` in bytes, 0 for no limit: larger ones are named in left_out. `forwards`: find out whose mail it
    forwards.
    """

    text_format: TextFormat = "common_mark"
    prefer: Literal["text", "html"] = "text"
    delimiters: tuple[re.Pattern[str], ...] = ()
    excluded_names: tuple[re.Pattern[str], ...] = ()
    trusted_authserv_ids: tuple[str, ...] = ()
    results_below_received: bool = False
    verify_dkim: bool = False
    skip_signature_logos: bool = False
    own_addresses: frozenset[str] = frozenset()
    loop_value: str = ""
    max_attachment: int = 0
    forwards: bool = False
    truncated: bool = False
