"""Delivery reports: which message was not delivered, to whom, and whether permanently (RFC 3464 and its neighbours)."""

import re

from redmine_mailbridge.mail.mime import attachments, charset, transfer_encoding
from redmine_mailbridge.mail.mime.encoded_words import decode_words, unfold
from redmine_mailbridge.mail.mime.header_block import read_fields
from redmine_mailbridge.mail.mime.headers import Headers, message_ids
from redmine_mailbridge.mail.mime.structure import Part, leaves
from redmine_mailbridge.model.mail import Bounced
from redmine_mailbridge.util.dataclass import dataclass

_READ = 64 * 1024
_MAX_RECIPIENTS = 200
_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_REPLY_CODE = re.compile(r"(?<![\d.])([45])\d\d[ -]")
_ADDRESS = re.compile(r"<?([A-Za-z0-9][A-Za-z0-9._%+=-]{0,63}@[A-Za-z0-9][A-Za-z0-9.-]{1,250})>?")
_QUOTED_ID = re.compile(r"^[ \t>]{0,20}Message-ID:\s{0,3}(<[^<>\s]{3,300}>)", re.IGNORECASE | re.MULTILINE)
_DAEMON = re.compile(
    r"(?:mailer[-_.]?daemon|postmaster|mail[ -]delivery[ -](?:sub)?system|mail[ -]delivery[ -]service)(?![a-z])",
    re.IGNORECASE,
)
_SUBJECT = re.compile(
    r"undeliver|not deliver|deliver(?:y|ed).{0,20}(?:fail|status|delay|problem|incomplete)|delivery report|"
    r"returned (?:mail|to sender)|failure notice|mail (?:delivery|system) (?:fail|error)|returning message|"
    r"could not (?:send|deliver)|message delayed|rejected|unzustellbar|nicht zugestellt|zustellbar|"
    r"bermittlungsstatus|non remis|chec de (?:la )?(?:remise|livraison)|no se ha podido entregar|no entregado|"
    r"n(?:ã|a)o entregue|mancato recapito|onbestelbaar|niedostarczon|nedoru|не доставлен|недоставлен|"
    r"olevererbar|kan ikke leveres|toimittam|teslim edilemed|未送達|配信不能|退信|无法投递|반송",
    re.IGNORECASE,
)
_ANSWERS = re.compile(r"\s{0,9}(?:re|aw|antw|sv|vs|rv|res|odp)(?:\[\d{1,3}\]|\(\d{1,3}\))?\s{0,3}:", re.IGNORECASE)
_LATE = re.compile(
    r"delay|warning:|still (?:being )?(?:trying|retried)|not yet been delivered|verz(?:ö|oe)ger|retard|retras|"
    r"ritardo|vertraagd|opóźni|задерж|försena|forsinke|viiväst",
    re.IGNORECASE,
)
_BODIES = (
    "this is the qmail-send program",
    "this message was created automatically by mail delivery software",
    "this is the mail system at host",
    "a message that you sent could not be delivered",
    "your message could not be delivered",
    "your message wasn't delivered",
    "could not be delivered to one or more",
    "the following addresses had permanent fatal errors",
    "i'm afraid i wasn't able to deliver your message",
    "delivery to the following recipient failed",
    "delivery has failed to these recipients",
    "the following message to <",
)


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What a delivery report says: `rule` matched; `ids` are the Message-IDs of what it returns."""

    rule: str
    recipients: tuple[Bounced, ...]
    ids: tuple[str, ...]


def from_daemon(headers: Headers) -> bool:
    """Is the mail from a mail system, by its From, Sender or Return-Path?"""
    line = headers.text("from")
    address = _ADDRESS.search(line)
    local = address[1].partition("@")[0] if address else ""
    daemon = _DAEMON.match(local) if address else _DAEMON.search(line)
    return bool(daemon or _DAEMON.match(headers.raw_line("return-path").strip("<> ")))


def _from_nobody(headers: Headers) -> bool:
    """Is the From there, and without an address, as in `From: <>`?"""
    return any("@" not in line for line in headers.raw_lines("from")[:1])


def null_path(headers: Headers) -> bool:
    """Is there a Return-Path, and is it the null path of RFC 5321 section 4.5.5?"""
    return any("".join(line.split()) == "<>" for line in headers.raw_lines("return-path")[:1])


def _has_path(headers: Headers) -> bool:
    """Is there a Return-Path with a person's address?"""
    path = next(iter(headers.raw_lines("return-path")), "").strip("<> ")
    return "@" in path and not path.lower().startswith(("mailer-daemon", "mailer_daemon", "bounce"))


def read_report(headers: Headers, root: Part, text: str) -> DeliveryReport | None:
    """Given a mail and the start of its text, return what it reports when it is a delivery report, else None."""
    parts = leaves(root)[:200]
    status = next((part for part in parts if part.kind == "message/delivery-status"), None)
    report_type = root.params.get("report-type", "").lower()
    rule = ""
    if root.kind == "multipart/report" and (report_type == "delivery-status" or (status and not report_type)):
        rule = "multipart/report of a delivery status (RFC 3464)"
    elif status is not None and (from_daemon(headers) or null_path(headers) or _from_nobody(headers)):
        rule = "message/delivery-status from a mail system"
    elif headers.raw_line("x-failed-recipients"):
        rule = "X-Failed-Recipients"
    elif from_daemon(headers) or null_path(headers):
        rule = _by_words(headers, text)
    if not rule:
        return None
    about = tuple(dict.fromkeys([*_returned_ids(parts), *_quoted_ids(text)]))
    recipients: list[Bounced] = []
    for part in parts:
        if part.kind == "message/delivery-status":
            recipients += _recipients(_content(part))
    return DeliveryReport(rule, tuple(recipients[:_MAX_RECIPIENTS]) or _named_in_words(headers, text), about)


def _by_words(headers: Headers, text: str) -> str:
    """Given a mail from a mail system, return the rule when its subject or text is a report's, else "".

    Postmasters are people too: what has an envelope's sender other than the null path that reports have (RFC 5321
    section 4.5.5), or answers a mail under "Re:" without one, is theirs.
    """
    if not null_path(headers) and (_has_path(headers) or _ANSWERS.match(headers.text("subject")[:500])):
        return ""
    if _SUBJECT.search(headers.text("subject")[:500]):
        return f"{'From a mail system' if from_daemon(headers) else 'Return-Path: <>'} with a report's subject"
    start = " ".join(text[:3000].lower().split())
    if any(body in start for body in _BODIES):
        return f"{'From a mail system' if from_daemon(headers) else 'Return-Path: <>'} with a report's text"
    return ""


def _content(part: Part) -> str:
    data, _ = transfer_encoding.read(part.buffer, part.body, part.end, attachments.encoding_of(part), _READ)
    return charset.decode(data)


def _quoted_ids(text: str) -> list[str]:
    return [message_id for line in _QUOTED_ID.findall(text[:_READ])[:20] for message_id in message_ids(line)]


def _returned_ids(parts: list[Part]) -> list[str]:
    """Given the leaves of a report, return the Message-IDs of the mails, or headers of mails, that it returns."""
    ids: list[str] = []
    for part in parts:
        if part.kind in {"message/rfc822", "message/global", "text/rfc822-headers", "message/global-headers"}:
            data, _ = transfer_encoding.read(part.buffer, part.body, part.end, attachments.encoding_of(part), _READ)
            data = data.lstrip(b"\r\n")
            ids += Headers(read_fields(data, 0, len(data))[0], "utf-8").ids("message-id")
    return ids


def _recipients(text: str) -> list[Bounced]:
    """Given the content of message/delivery-status, return what it says of each recipient (RFC 3464 section 2.3)."""
    recipients: list[Bounced] = []
    data = text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace")
    for block in re.split(rb"\n[ \t]*\n", data)[:_MAX_RECIPIENTS]:
        block = block.strip(b"\n")  # noqa: PLW2901  the same block without its edges
        fields = dict(reversed([(name.lower(), unfold(raw)) for name, raw in read_fields(block, 0, len(block))[0]]))
        recipient = _typed(fields.get("original-recipient") or "") or _typed(fields.get("final-recipient") or "")
        action = fields.get("action", "").lower().partition(" ")[0].strip("();")
        if not (recipient or action):
            continue
        diagnostic = decode_words(fields.get("diagnostic-code", ""))
        status = _status(fields.get("status", "")) or _status(diagnostic)
        if not action:
            action = "failed" if not status.startswith("2") else "delivered"
        recipients.append(Bounced(recipient, action, status, _typed(diagnostic) or diagnostic))
    return recipients


def _typed(value: str) -> str:
    """Given "rfc822; someone@example.org", return the part after the type, without <>."""
    kind, semicolon, rest = value.partition(";")
    return (rest if semicolon else kind).strip().strip("<>").strip()[:1000]


def _status(text: str) -> str:
    match = _STATUS.search(text[:2000])
    if match:
        return match[1]
    code = _REPLY_CODE.search(text[:2000])
    return f"{code[1]}.0.0" if code else ""


def _named_in_words(headers: Headers, text: str) -> tuple[Bounced, ...]:
    """Given a report without a machine-readable part, return the recipients that its headers or text name."""
    late = bool(_LATE.search(headers.text("subject")[:500]))
    action = "delayed" if late else "failed"
    start = text[:8000]
    own = {address.key for name in ("from", "to", "cc") for address in headers.addresses(name)}
    named = [address.address for address in headers.addresses("x-failed-recipients")]
    if not named:
        before = re.split(r"^[ \t>-]{0,20}(?:Received|Return-Path|Message-ID):", start, maxsplit=1, flags=re.MULTILINE)[
            0
        ]
        named = [address for address in _ADDRESS.findall(before) if address.lower() not in own][:5]
        named = [address.rstrip(".") for address in named if not _DAEMON.match(address)]
    status = _status(start)
    if late and status.startswith("5"):
        status = ""
    return tuple(Bounced(name, action, status, "") for name in dict.fromkeys(named)) or (
        Bounced("", action, status, ""),
    )


def original_ids(root: Part) -> list[str]:
    """Given a read receipt, return the Message-IDs of the mails that it speaks of."""
    parts = leaves(root)[:200]
    ids = _returned_ids(parts)
    for part in parts:
        if part.kind == "message/disposition-notification":
            data = _content(part).encode("utf-8", "replace").lstrip(b"\r\n")
            ids += Headers(read_fields(data, 0, len(data))[0], "utf-8").ids("original-message-id")
    return ids
