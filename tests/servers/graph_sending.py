"""How Graph sends: `sendMail` and drafts with MIME content, attachments, upload sessions; and its token endpoint.

Source: https://learn.microsoft.com/graph/api/user-sendmail, …/outlook-send-mime-message, …/outlook-large-attachments,
https://learn.microsoft.com/entra/identity-platform/certificate-credentials.
"""

import base64
import binascii
import itertools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.encoders import encode_base64
from email.message import Message as Parsed
from email.mime.base import MIMEBase
from email.utils import getaddresses
from http.server import BaseHTTPRequestHandler
from typing import Any, Protocol
from urllib.parse import parse_qs

from joserfc import jwt
from joserfc.jwk import RSAKey

SENDING_FOLDERS = {"AQMk-drafts": "Entwürfe", "AQMk-sent": "Gesendete Elemente"}
REQUEST_LIMIT = 4 * 1024 * 1024
DIRECT_LIMIT = 3 * 1024 * 1024
KNOWN = frozenset(
    {
        "from", "to", "cc", "bcc", "subject", "date", "message-id", "in-reply-to", "references", "reply-to",
        "x-auto-response-suppress", "thread-topic", "thread-index", "mime-version", "content-type",
        "content-transfer-encoding",
    }
)  # fmt: skip
"""The fields of a MIME message that Exchange keeps; others are lost unless they are properties of a draft."""
IN_HEADER = "String {00020386-0000-0000-C000-000000000046} Name "
RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


class Problem(Exception):
    """An error as Graph answers it."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers or {}


@dataclass(slots=True)
class Draft:
    """What a draft has beside its MIME message: files, and header fields as properties."""

    files: list[tuple[str, str, bytes]] = field(default_factory=list)
    properties: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Upload:
    """An upload session: for which draft, the file, and what is there of it."""

    draft: Draft
    name: str
    kind: str
    size: int
    content: bytearray = field(default_factory=bytearray)


@dataclass(frozen=True, slots=True)
class Delivered:
    """A message that left: for whom, and its bytes as they receive them."""

    recipients: tuple[str, ...]
    raw: bytes

    @property
    def parsed(self) -> Parsed:
        """The message."""
        return message_from_bytes(self.raw, policy=policy.default)


class _Message(Protocol):
    number: int
    raw: bytes
    draft: Draft | None

    def as_json(self) -> dict[str, Any]: ...


def people_of(head: Parsed) -> dict[str, Any]:
    """Given a message, return its recipients as the resource has them."""
    found = {}
    for name in ("To", "Cc", "Bcc"):
        people = getaddresses([str(one) for one in head.get_all(name, [])])
        found[f"{name.lower()}Recipients"] = [{"emailAddress": {"name": n, "address": a}} for n, a in people if a]
    return found


class Sending:
    """The part of the account that sends. `delivered` is what left; `lose` has answers to requests never come."""

    def __init__(self, user: str, token: str) -> None:
        self.user, self.token = user, token
        self.delivered: list[Delivered] = []
        self.send_as: set[str] = {user}
        self.permissions = {"Mail.ReadWrite", "Mail.Send"}
        self.max_message = 35 * 1024 * 1024
        self.replaces_message_ids = False
        self.client_key: RSAKey | None = None
        self.assertions: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self.loses: list[str] = []
        self._uploads: dict[str, Upload] = {}
        self._tokens = itertools.count(1)
        self._given = itertools.count(1)

    def _arrive(self, folder: str, raw: bytes, draft: Draft | None = None) -> dict[str, Any]:
        raise NotImplementedError

    def _drop(self, number: int) -> None:
        raise NotImplementedError

    port: int

    # ------------------------------------------------------------------ the other side

    def end_token(self) -> None:
        """The token ends; the next one comes from the token endpoint."""
        self.token = f"token-{next(self._tokens)}"

    def lose(self, way: str) -> None:
        """Do what the next request asks for whose path ends so, and break the connection before the answer."""
        self.loses.append(way)

    def _lost(self, request: BaseHTTPRequestHandler) -> bool:
        lost = bool(self.loses) and request.path.endswith(self.loses[0])
        if lost:
            self.loses.pop(0)
        return lost

    # ------------------------------------------------------------------ tokens

    def _of_token(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, Any] | None:
        """The token endpoint: by client credentials, proven by a secret or by a signed assertion."""
        if request.path != "/tenant/oauth2/v2.0/token":
            return None
        asked = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        given = asked.get("client_assertion")
        if given is not None and self.client_key is not None:
            token = jwt.decode(given, self.client_key, algorithms=["PS256", "RS256"])
            self.assertions.append((dict(token.header), dict(token.claims)))
        elif "Authorization" not in request.headers and asked.get("client_secret") != "secret":
            return 401, {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret."}
        return 200, {"access_token": self.token, "token_type": "Bearer", "expires_in": 3599}

    # ------------------------------------------------------------------ sending

    def _permit(self, request: BaseHTTPRequestHandler) -> None:
        sends = request.path.endswith(("/sendMail", "/send"))
        if ("Mail.Send" if sends else "Mail.ReadWrite") not in self.permissions:
            raise Problem(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")

    def _send_mail(self, body: dict[str, Any]) -> tuple[int, Any]:
        if "mime" not in body:
            if not body["message"].get("toRecipients"):
                raise Problem(400, "ErrorInvalidRecipients", "At least one recipient isn't valid.")
            raise Problem(400, "BadRequest", "The tests send MIME.")
        self._leave(self._decoded(body["mime"]), Draft())
        return 202, None

    def _decoded(self, mime: bytes) -> bytes:
        if len(mime) > REQUEST_LIMIT:
            raise Problem(413, "RequestEntityTooLarge", "The request entity is too large.")
        try:
            return base64.b64decode(mime, validate=True)
        except binascii.Error:
            raise Problem(400, "ErrorMimeContentInvalidBase64String", "Invalid base64 string for MIME.") from None

    def _leave(self, raw: bytes, draft: Draft) -> None:
        """Send a message: to whom its header names, without Bcc and unknown fields, and a copy into Sent Items."""
        parsed = message_from_bytes(raw, policy=policy.compat32)
        for name in list(parsed.keys()):
            if name.lower() not in KNOWN:
                del parsed[name]
        if str(parsed["From"]) and getaddresses([str(parsed["From"])])[0][1] not in self.send_as:
            words = "The user account which was used to submit this request does not have the right to send mail"
            raise Problem(403, "ErrorSendAsDenied", f"{words} on behalf of the specified sending account.")
        for name, kind, content in draft.files:
            part = MIMEBase(*kind.split("/"))
            part.set_payload(content)
            encode_base64(part)
            part.add_header("Content-Disposition", "attachment", filename=("utf-8", "", name))
            parsed.attach(part)
        for name, value in draft.properties.items():
            parsed[name] = value
        people = [address for _, address in getaddresses([str(parsed.get(one, "")) for one in ("To", "Cc", "Bcc")])]
        people = [one for one in people if one]
        if not people or any("@" not in one or one.endswith(".invalid") for one in people):
            raise Problem(400, "ErrorInvalidRecipients", "At least one recipient isn't valid.")
        if len(parsed.as_bytes()) > self.max_message:
            raise Problem(400, "ErrorMessageSizeExceeded", "The message exceeds the maximum supported size.")
        self._arrive("AQMk-sent", parsed.as_bytes())
        del parsed["Bcc"]
        self.delivered.append(Delivered(tuple(people), parsed.as_bytes()))

    # ------------------------------------------------------------------ drafts

    def _make_draft(self, body: dict[str, Any]) -> tuple[int, Any]:
        raw = self._decoded(body["mime"])
        if self.replaces_message_ids:
            raw = re.sub(rb"(?mi)^Message-ID:.*\r\n", b"Message-ID: <exchange@prod.outlook.example>\r\n", raw, count=1)
        return 201, self._arrive("AQMk-drafts", raw, Draft())

    def _of_draft(self, message: _Message, way: list[str], body: dict[str, Any]) -> tuple[int, Any]:
        draft = message.draft
        assert draft is not None
        match way:
            case []:
                for one in body.get("singleValueExtendedProperties", ()):
                    draft.properties[one["id"].removeprefix(IN_HEADER)] = one["value"]
                if "internetMessageId" in body:
                    line = f"Message-ID: {body['internetMessageId']}\r\n".encode()
                    message.raw = re.sub(rb"(?mi)^Message-ID:.*\r\n", line, message.raw, count=1)
                return 200, message.as_json()
            case ["attachments"]:
                content = base64.b64decode(body["contentBytes"])
                if len(content) >= DIRECT_LIMIT:
                    raise Problem(413, "RequestEntityTooLarge", "The attachment is too large for one request.")
                draft.files.append((body["name"], body["contentType"], content))
                return 201, {"id": "AAMkAG-file", "name": body["name"], "size": len(content)}
            case ["attachments", "createUploadSession"]:
                item = body["AttachmentItem"]
                if not DIRECT_LIMIT <= item["size"] <= 150 * 1024 * 1024:
                    raise Problem(400, "ErrorAttachmentSizeLimit", "The size is not one of an upload session.")
                key = f"session-{next(self._given)}"
                self._uploads[key] = Upload(draft, item["name"], item["contentType"], item["size"])
                url = f"http://127.0.0.1:{self.port}/upload/{key}?authtoken=opaque"
                return 201, {"uploadUrl": url, "nextExpectedRanges": ["0-"]}
            case ["send"]:
                self._leave(message.raw, draft)
                self._drop(message.number)
                return 202, None
            case _:
                raise Problem(405, "Request_BadRequest", "Specified HTTP method is not allowed.")

    def _put_piece(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, Any]:
        """A piece of a file: pre-authenticated, below 4 MB, where the last one ended."""
        session = self._uploads.get(request.path.removeprefix("/upload/").partition("?")[0])
        if "Authorization" in request.headers:
            raise Problem(401, "InvalidAuthenticationToken", "The address is the permission; it takes no token.")
        if session is None:
            raise Problem(404, "ErrorItemNotFound", "The upload session was not found.")
        found = RANGE.fullmatch(request.headers.get("Content-Range", ""))
        assert found is not None
        start, end, size = map(int, found.groups())
        if len(body) != end - start + 1 or len(body) > REQUEST_LIMIT or size != session.size:
            raise Problem(400, "ErrorInvalidRange", "The range is not that of the content.")
        if start != len(session.content):
            return 200, {"nextExpectedRanges": [f"{len(session.content)}-"]}
        session.content += body
        if len(session.content) == size:
            session.draft.files.append((session.name, session.kind, bytes(session.content)))
            return 201, None
        return 200, json.loads(json.dumps({"nextExpectedRanges": [f"{len(session.content)}-{size - 1}"]}))
