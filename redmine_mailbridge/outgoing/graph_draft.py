"""A message that Microsoft Graph sends from a draft: too large for one request, or with fields that need it.

`sendMail` takes 4 MB. Of a MIME message Exchange keeps the header fields that it knows; others, such as Auto-Submitted
(RFC 3834), only as properties of the message in the property set PS_INTERNET_HEADERS (MS-OXPROPS), which a draft takes.
So the draft is made of the MIME message without its large files; these follow, over upload sessions.
Source: https://learn.microsoft.com/graph/outlook-large-attachments, …/api/attachment-createuploadsession.
"""

import base64
from dataclasses import field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from redmine_mailbridge.errors import LoginRefused, MailboxError, SendingRefused
from redmine_mailbridge.mailboxes.errors import ConnectionLost
from redmine_mailbridge.mailboxes.graph.client import GraphClient, GraphRefused
from redmine_mailbridge.mailboxes.graph.items import id_of
from redmine_mailbridge.outgoing.envelope import head_of
from redmine_mailbridge.side_effects import SideEffect, side_effect
from redmine_mailbridge.util.dataclass import dataclass

KEPT_AS_PROPERTY = ("Auto-Submitted", "Precedence", "X-Mailbridge-Loop")
HEADERS = "String {00020386-0000-0000-C000-000000000046} Name"
DIRECT = 3 * 1024 * 1024
"""A file of fewer bytes is added in one request."""
MOST_OF_A_FILE = 150 * 1024 * 1024
CHUNK = 320 * 1024 * 10
"""Bytes of a piece of an upload: a multiple of 320 KiB, below 4 MB."""
MOST_PUTS = 200


@dataclass(slots=True)
class GraphFile:
    """A file of a message: its part of the body as bytes and parsed."""

    part: bytes = field(repr=False)
    message: EmailMessage = field(repr=False)

    @property
    def name(self) -> str:
        """Its name."""
        return self.message.get_filename() or "file"

    @property
    def content(self) -> bytes:
        """Its bytes, decoded."""
        payload = self.message.get_payload(decode=True)
        return payload if isinstance(payload, bytes) else b""


class GraphDraft:
    """Given a client and a message's bytes, makes it in the mailbox's drafts, and sends it from there."""

    def __init__(self, client: GraphClient, content: bytes) -> None:
        self.content = content
        self._client = client
        self._head = head_of(content)
        self.message_id = " ".join(str(self._head["Message-ID"]).split())
        self._ident = self._path = ""

    @property
    def fields(self) -> dict[str, str]:
        """The fields of an automatic message that Exchange keeps only as properties; none for a person's."""
        if self._head["Auto-Submitted"] is None:
            return {}
        return {name: str(self._head[name]) for name in KEPT_AS_PROPERTY if self._head[name] is not None}

    def make(self, most: int) -> None:
        """Make the draft with everything in it; the MIME message that it begins with has at most so many bytes.

        Raise MailboxError, after which it is gone again if that can be; SendingRefused for a text that is too large.
        """
        slim, files = without_files(self.content, most)
        large = [("text alone", len(slim))] if len(slim) > most else []
        large += [(f"file {file.name}", size) for file in files if (size := len(file.content)) > MOST_OF_A_FILE]
        if large:
            words = "; ".join(f"its {name} has {size} bytes" for name, size in large)
            raise SendingRefused(f"{words}: more than Microsoft Graph takes")
        with side_effect(SideEffect.MAKE_DRAFT):
            draft = self._client.post_mime("/messages", slim)
            self._ident = _required(draft, "id")
            self._path = f"/messages/{id_of('-' + self._ident)}"
            try:
                self._amend(str(draft.get("internetMessageId", "")))
                for file in files:
                    self._attach(file)
            except MailboxError:
                self.discard(self._ident)
                raise

    def _amend(self, message_id: str) -> None:
        """Set what Exchange has not taken from the MIME message: the fields of its properties, the Message-ID."""
        properties = [{"id": f"{HEADERS} {name}", "value": value} for name, value in self.fields.items()]
        changes: dict[str, object] = {"singleValueExtendedProperties": properties} if properties else {}
        if message_id != self.message_id:
            changes["internetMessageId"] = self.message_id
        if changes:
            self._client.call("PATCH", self._path, json=changes)

    def _attach(self, file: GraphFile) -> None:
        content = file.content
        item = {"name": file.name, "contentType": file.message.get_content_type()}
        if len(content) < DIRECT:
            encoded = base64.b64encode(content).decode("ascii")
            whole = {"@odata.type": "#microsoft.graph.fileAttachment", "contentBytes": encoded} | item
            self._client.call("POST", f"{self._path}/attachments", json=whole)
            return
        asked = {"AttachmentItem": {"attachmentType": "file", "size": len(content)} | item}
        session = self._client.call("POST", f"{self._path}/attachments/createUploadSession", json=asked)
        self._upload(_required(session, "uploadUrl"), content)

    def _upload(self, url: str, content: bytes) -> None:
        """Put the pieces in order, each where the answer to the one before says that it is expected."""
        start = 0
        for _ in range(MOST_PUTS):
            piece = content[start : start + CHUNK]
            end = start + len(piece) - 1
            headers = {
                "Content-Type": "application/octet-stream",
                "Content-Range": f"bytes {start}-{end}/{len(content)}",
            }
            start = _next(self._client.put(url, piece, headers), end + 1)
            if start >= len(content):
                return
        raise ConnectionLost(f"the upload of a file of {len(content)} bytes came to no end")

    def send(self) -> None:
        """Send the draft; it moves to Sent Items. One that is refused is gone again if that can be."""
        try:
            self._client.call("POST", f"{self._path}/send")
        except (GraphRefused, LoginRefused):
            self.discard(self._ident)
            raise

    def discard(self, ident: str) -> None:
        """Given the id of a draft of this message, delete it if that can be; otherwise it stays among the drafts."""
        try:
            self._client.call("DELETE", f"/messages/{id_of('-' + ident)}")
        except MailboxError:
            return


def _required(answer: dict[str, Any], name: str) -> str:
    """Given an answer of Graph, return the value that it must have. Raise ConnectionLost without it."""
    if not answer.get(name):
        raise ConnectionLost(f"the answer of Microsoft Graph has no {name}")
    return str(answer[name])


def _next(answer: dict[str, Any], end: int) -> int:
    """Given the answer to a piece that ends before this byte, return the byte that is expected next: `end` if it names
    none. Raise ConnectionLost when it cannot be read.
    """
    ranges = answer.get("nextExpectedRanges") or [f"{end}-"]
    first = str(ranges[0]).partition("-")[0] if isinstance(ranges, list) else ""
    if not (first.isascii() and first.isdecimal() and len(first) <= len(str(MOST_OF_A_FILE))):
        raise ConnectionLost("the answer of Microsoft Graph to a piece of a file cannot be read")
    return int(first)


def without_files(content: bytes, most: int) -> tuple[bytes, list[GraphFile]]:
    """Given a message's bytes, return it without its largest files, so that at most so many bytes are left if that can
    be, and these files, in their order.
    """
    head, end, body = content.partition(b"\r\n\r\n")
    whole = message_from_bytes(head + end, policy=policy.default)
    boundary = whole.get_boundary()
    if whole.get_content_type() != "multipart/mixed" or not boundary:
        return content, []
    line = b"\r\n--" + boundary.encode("ascii", "replace")
    preamble, *parts, epilogue = (b"\r\n" + body).split(line)
    files = [GraphFile(part, _parsed(part)) for part in parts[1:]]
    left, taken = len(content), list[GraphFile]()
    for file in sorted(files, key=lambda file: len(file.part), reverse=True):
        if left <= most:
            break
        taken.append(file)
        left -= len(file.part) + len(line)
    kept = [parts[0], *(file.part for file in files if file not in taken)]
    slim = head + end + line.join([preamble, *kept, epilogue])[2:]
    return slim, [file for file in files if file in taken]


def _parsed(part: bytes) -> EmailMessage:
    """Given a part that follows its delimiter, return it parsed."""
    parsed = message_from_bytes(part.removeprefix(b"\r\n"), policy=policy.default)
    assert isinstance(parsed, EmailMessage)  # noqa: S101 - what the policy makes
    return parsed
