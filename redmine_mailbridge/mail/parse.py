"""From the bytes of a mail to a Message: the one way in. Pure, never raises, linear in the length of the mail."""

import hashlib
import mmap
from dataclasses import replace
from functools import partial

from redmine_mailbridge.mail import authenticity, automatic, fingerprint, spam
from redmine_mailbridge.mail.mime import header_block, structure, transfer_encoding
from redmine_mailbridge.mail.mime.attachments import FilePart, attach
from redmine_mailbridge.mail.mime.filenames import TakenNames
from redmine_mailbridge.mail.mime.headers import Headers
from redmine_mailbridge.mail.mime.parts import PartClassifier
from redmine_mailbridge.mail.text.body import BodyReading, read_body
from redmine_mailbridge.mail.text.forwards import without_forward_prefix
from redmine_mailbridge.model.mail import (
    Address,
    Attachment,
    Body,
    Forwarded,
    LeftOut,
    Message,
    ReadingOptions,
    answered_ids,
)

MAX_FORWARDED = 8 * 1024 * 1024  # bytes of a mail that is forwarded as a file and read for its writer and its text
MAX_LOGO = 16 * 1024  # bytes; inline pictures up to this size count as logos when the settings leave them out


def parse(
    raw: bytes | bytearray | mmap.mmap,
    options: ReadingOptions = ReadingOptions(),
    dns: authenticity.Dns | None = None,
) -> Message:
    """Given the bytes of a mail, return what it says. Never raises; a mapped file is not read whole into memory.

    `dns` looks up TXT records when `options.verify_dkim` asks for it (None: dkimpy's own). The attachments read
    from `raw` when they are asked for their chunks: keep a mapped file open until then.
    """
    try:
        return read(raw, options, dns)
    except Exception as error:  # noqa: BLE001  the boundary: an internal error must cost the parsing, never the message
        return _unread(raw, options, type(error).__name__)


def _unread(raw: header_block.Buffer, options: ReadingOptions, fault: str) -> Message:
    """Given a mail that the reader failed on, return it whole, as its only attachment, and the fault's name."""
    whole = FilePart("message.eml", "message/rfc822", partial(transfer_encoding.chunks, raw, 0, len(raw), ""))
    attachment = attach(whole, TakenNames(), ReadingOptions())
    digest = hashlib.sha256(raw).hexdigest()
    note = f"This mail could not be read ({fault}). It is attached as it came."
    return Message(
        message_id=f"made.{digest[:40]}@mailbridge.invalid",
        message_id_made=True,
        subject="",
        sender=Address("", ""),
        content_key=digest,
        size=len(raw),
        body=Body(note, "", note, "text"),
        attachments=(attachment,) if isinstance(attachment, Attachment) else (),
        truncated=options.truncated,
    )


def read(raw: header_block.Buffer, options: ReadingOptions, dns: authenticity.Dns | None = None) -> Message:
    """Given the bytes of a mail, return what it says, as `parse`, without its net."""
    root = structure.scan(raw)
    headers = Headers(root.fields)
    sorted_ = PartClassifier(headers.fallback).sort(root)
    in_reply_to, references = headers.ids("in-reply-to"), headers.ids("references")
    reply = bool(headers.raw_line("in-reply-to") or headers.raw_line("references"))
    files, left_out = _name(sorted_.files, options)
    left_out += sorted_.left_out
    reading = read_body(sorted_.elements, _pictures(files), options)
    if options.skip_signature_logos and reply:
        files = _without_logos(files, reading.placed, left_out)
    message_id, is_made_up = fingerprint.message_id(headers, raw)
    from_all = headers.addresses("from")
    sender = from_all[0] if from_all else Address("", "")
    text = sorted_.first_text()
    return Message(
        automatic=automatic.judge(headers, root, text, sender, options, answered=answered_ids(in_reply_to, references)),
        authenticity=authenticity.judge(headers, sender, len(from_all), raw, options, dns=dns),
        spam=spam.judge(headers, options),
        message_id=message_id,
        message_id_made=is_made_up,
        subject=headers.best("subject"),
        sender=sender,
        content_key=fingerprint.content_key(headers, raw, root.body),
        size=len(raw),
        from_all=from_all,
        reply_to=headers.addresses("reply-to"),
        original_from=headers.addresses("x-original-from"),
        to=headers.addresses("to"),
        cc=headers.addresses("cc"),
        bcc=headers.addresses("bcc"),
        recipients_of_record=headers.recipients_of_record(),
        in_reply_to=in_reply_to,
        references=references,
        date=headers.date(),
        importance=headers.importance(),
        headers=headers.all(),
        body=reading.body,
        attachments=tuple(_placed(file, reading.placed | reading.placed_in_quoted) for _, file in files),
        left_out=tuple(left_out),
        forwarded=_forwarded(headers.best("subject"), reading, files, options) if options.forwards else None,
        security=sorted_.security,
        truncated=options.truncated,
    )


def _forwarded(
    subject: str, reading: BodyReading, files: list[tuple[FilePart, Attachment]], options: ReadingOptions
) -> Forwarded | None:
    """Given the subject, the text and the files of a mail, return the mail that it forwards, in its text or as its only
    attached mail; None if it forwards none, or whose that is is not certain.
    """
    text, has_prefix = reading.forward, without_forward_prefix(subject) is not None
    if text.sender is not None:
        return Forwarded(text.sender) if text.announced or has_prefix else None
    attached = [file for file, _ in files if file.content_type == "message/rfc822"]
    if len(attached) != 1 or not text.plain or not (has_prefix or not reading.body.written.strip()):
        return None
    content = bytearray()
    for chunk in attached[0].chunks():
        content += chunk
        if len(content) > MAX_FORWARDED:
            return None
    inner = parse(bytes(content), replace(options, forwards=False, verify_dkim=False))
    if len(inner.from_all) != 1 or not inner.sender.domain:
        return None
    return Forwarded(inner.sender, attached=True, text=inner.body.whole, subject=inner.subject)


def _without_logos(
    files: list[tuple[FilePart, Attachment]], placed: frozenset[str], left_out: list[LeftOut]
) -> list[tuple[FilePart, Attachment]]:
    """Given the files of a reply and which pictures stand in what was written, leave out small ones elsewhere."""
    kept: list[tuple[FilePart, Attachment]] = []
    for file, attachment in files:
        picture = file.inline and file.content_type.startswith("image/") and attachment.size <= MAX_LOGO
        if picture and attachment.name not in placed:
            left_out.append(LeftOut(attachment.name, "a small inline picture of a reply, as signatures have them"))
        else:
            kept.append((file, attachment))
    return kept


def _name(files: list[FilePart], options: ReadingOptions) -> tuple[list[tuple[FilePart, Attachment]], list[LeftOut]]:
    """Given the files of a mail, return the attachments under their final names, and those left out."""
    names = TakenNames()
    kept: list[tuple[FilePart, Attachment]] = []
    left_out: list[LeftOut] = []
    for file in files:
        attachment = attach(file, names, options)
        if isinstance(attachment, LeftOut):
            left_out.append(attachment)
        else:
            kept.append((file, attachment))
    return kept, left_out


def _pictures(files: list[tuple[FilePart, Attachment]]) -> dict[str, str]:
    """Given the attachments, return what HTML may call them by, mapped to their names."""
    name_by_key: dict[str, str] = {}
    for file, attachment in files:
        for key in (file.content_id, file.location):
            if key:
                name_by_key.setdefault(key, attachment.name)
    return name_by_key


def _placed(attachment: Attachment, placed: frozenset[str]) -> Attachment:
    """Given an attachment, return it with `inline` true only when the text shows it."""
    inline = attachment.name in placed
    return (
        attachment
        if attachment.inline == inline
        else Attachment(
            attachment.name,
            attachment.content_type,
            attachment.size,
            attachment.sha256,
            inline,
            attachment.chunks,
            attachment.content_id,
        )
    )
