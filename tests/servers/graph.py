"""A mailbox behind Microsoft Graph v1.0 as its documentation describes it, on loopback: for what no tenant is at hand.

Folders, messages with `$value`, move, categories, delete, paging by `odata.maxpagesize`, delta links, errors, 429 with
Retry-After, sending (`graph_sending.py`), and tokens that end, which its own token endpoint gives. Ids of messages
change when they move, as they do without `Prefer: IdType="ImmutableId"`.
Source: https://learn.microsoft.com/graph/api/resources/message, …/delta-query-messages, …/throttling.
"""

import contextlib
import datetime as dt
import itertools
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.servers.graph_sending import SENDING_FOLDERS, Draft, Problem, Sending, people_of

DONE = "Mailbridge done"


@dataclass(slots=True)
class Message:
    """A mail: its bytes, when it came, its categories, whether somebody has read it."""

    number: int
    raw: bytes
    received_at: dt.datetime
    categories: list[str] = field(default_factory=list)
    is_read: bool = False
    draft: Draft | None = None

    @property
    def id(self) -> str:
        """As Graph's ids look: base64 for URLs, with = at the end."""
        return f"AAMkAG_-{self.number}="

    def as_json(self) -> dict[str, Any]:
        """The resource, as far as it is asked for."""
        head = message_from_bytes(self.raw, policy=policy.compat32)
        return {
            "id": self.id,
            "receivedDateTime": self.received_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "internetMessageId": " ".join(str(head.get("Message-ID", "")).split()),
            "categories": self.categories,
            "isRead": self.is_read,
            "isDraft": self.draft is not None,
            **people_of(head),
            "singleValueExtendedProperties": [{"id": "Integer 0xe08", "value": str(len(self.raw))}],
        }


@dataclass(slots=True)
class Folder:
    """A folder: its messages by number, and every change in it in order, for delta queries."""

    id: str
    name: str
    parent: str
    messages: dict[int, Message] = field(default_factory=dict)
    changes: list[tuple[int, int]] = field(default_factory=list)


class GraphServer(Sending):
    """One account. `append`, `contents` and `remove` are its other side; `refuse` answers the next requests."""

    def __init__(self, user: str = "desk@example.com", token: str = "good-token") -> None:  # noqa: S107 - a test's own
        super().__init__(user, token)
        self.asked: list[tuple[str, str]] = []
        self.refusals: list[tuple[str, Problem]] = []
        self._numbers, self._versions, self._folder_numbers = (itertools.count(1) for _ in range(3))
        self._version = 0
        self._forgotten = 0
        self._lock = threading.RLock()
        self.folders = {"root": Folder("root", "", ""), "AQMk-inbox": Folder("AQMk-inbox", "Posteingang", "root")}
        self.folders |= {one: Folder(one, name, "root") for one, name in SENDING_FOLDERS.items()}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.answer(self)

            do_POST = do_PATCH = do_DELETE = do_PUT = do_GET  # noqa: N815 - the library's names

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    # ------------------------------------------------------------------ the other side

    def append(self, *mails: bytes, folder: str = "INBOX") -> None:
        """Given mails, let them arrive in a folder."""
        with self._lock:
            for raw in mails:
                self._put(self._at(folder), Message(next(self._numbers), raw, dt.datetime.now(dt.UTC)))

    def contents(self, folder: str = "INBOX") -> list[tuple[int, frozenset[str], bytes]]:
        """Return number, flags and bytes of every mail in a folder; our category as IMAP's keyword."""
        with self._lock:
            return [
                (
                    one.number,
                    frozenset(["$MailbridgeDone"] * (DONE in one.categories) + [r"\Seen"] * one.is_read),
                    one.raw,
                )
                for one in self._at(folder).messages.values()
            ]

    def remove(self, uid: int, folder: str = "INBOX") -> None:
        """Given a number, remove the mail, as another program would."""
        with self._lock:
            self._take(self._at(folder), uid)

    def bring_in(self, raw: bytes, received_at: dt.datetime, folder: str = "INBOX") -> None:
        """Given a mail that was received some time ago, let it enter a folder now, as one that is moved there."""
        with self._lock:
            self._put(self._at(folder), Message(next(self._numbers), raw, received_at))

    def remove_folder(self, folder: str) -> None:
        """Remove a folder for good, with what lies in it."""
        with self._lock:
            del self.folders[self._at(folder).id]

    def bin_folder(self, folder: str) -> None:
        """Delete a folder as Outlook does: it moves below the deleted items, and its id stays good."""
        with self._lock:
            if "AQMk-bin" not in self.folders:
                self.folders["AQMk-bin"] = Folder("AQMk-bin", "Gelöschte Elemente", "root")
            self._at(folder).parent = "AQMk-bin"

    def forget(self) -> None:
        """Forget all delta links that were given out."""
        self._forgotten = self._version

    def refuse(self, status: int, code: str, message: str, **headers: str) -> None:
        """Answer the next request with this error; `Retry_After` and the like become header fields."""
        self.refuse_at("", status, code, message, **headers)

    def refuse_at(self, way: str, status: int, code: str, message: str, **headers: str) -> None:
        """As `refuse`, the next request whose path ends so."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.refusals.append((way, Problem(status, code, message, named)))

    def _at(self, path: str) -> Folder:
        at = "AQMk-inbox" if path.split("/", maxsplit=1)[0] == "INBOX" else "root"
        for piece in path.split("/")[1:] if at != "root" else path.split("/"):
            at = next(one.id for one in self.folders.values() if (one.parent, one.name) == (at, piece))
        return self.folders[at]

    def _put(self, folder: Folder, message: Message) -> None:
        self._version = next(self._versions)
        folder.messages[message.number] = message
        folder.changes.append((self._version, message.number))

    def _arrive(self, folder: str, raw: bytes, draft: Draft | None = None) -> dict[str, Any]:
        message = Message(next(self._numbers), raw, dt.datetime.now(dt.UTC), is_read=True, draft=draft)
        self._put(self.folders[folder], message)
        return message.as_json()

    def _drop(self, number: int) -> None:
        for folder in self.folders.values():
            if number in folder.messages:
                self._take(folder, number)
                return

    def _take(self, folder: Folder, number: int) -> Message:
        self._version = next(self._versions)
        folder.changes.append((self._version, number))
        return folder.messages.pop(number)

    # ------------------------------------------------------------------ Graph's side

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        status, content, headers = 200, b"", {"Content-Type": "application/json"}
        try:
            with self._lock:
                self.asked.append((request.command, request.path))
                status, found = self._of_token(request, body) or self._of_api(request, body)
            content = found if isinstance(found, bytes) else json.dumps(found).encode() if found is not None else b""
        except Problem as problem:
            status, headers = problem.status, headers | dict(problem.headers)
            content = json.dumps({"error": {"code": problem.code, "message": problem.message}}).encode()
        if self._lost(request):
            request.close_connection = True
            return
        request.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(content))}).items():
            request.send_header(name, value)
        request.end_headers()
        with contextlib.suppress(OSError):
            request.wfile.write(content)

    def _of_api(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, Any]:
        """An upload session needs no token, and an answer that is told comes before everything."""
        if request.path.startswith("/upload/"):
            return self._put_piece(request, body)
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            raise Problem(401, "InvalidAuthenticationToken", "Lifetime validation failed, the token is expired.")
        if self.refusals and request.path.endswith(self.refusals[0][0]):
            raise self.refusals.pop(0)[1]
        self._permit(request)
        if request.headers.get("Content-Type") == "text/plain":
            return self._do(request, {"mime": body})
        return self._do(request, json.loads(body) if body else {})

    def _do(self, request: BaseHTTPRequestHandler, body: dict[str, Any]) -> tuple[int, Any]:
        parts = urlsplit(request.path)
        pieces = [unquote(piece) for piece in parts.path.strip("/").split("/")]
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if pieces[:2] != ["v1.0", "users"] or pieces[2] != self.user:
            raise Problem(404, "ErrorInvalidUser", f"The requested user '{pieces[2]}' is invalid.")
        if pieces[3] == "sendMail":
            return self._send_mail(body)
        if pieces[3:] == ["messages"] and request.command == "POST":
            return self._make_draft(body)
        if pieces[3:] == ["messages"]:
            found = [one.as_json() for folder in self.folders.values() for one in folder.messages.values()]
            return 200, {"value": _filtered(found, query["$filter"])}
        if pieces[3] == "mailFolders":
            return self._folder(request, pieces[4:], query, body)
        return self._message(request.command, pieces[4], pieces[5:], body)

    def _folder(
        self, request: BaseHTTPRequestHandler, pieces: list[str], query: dict[str, str], body: dict[str, Any]
    ) -> tuple[int, Any]:
        known = {"inbox": "AQMk-inbox", "deleteditems": "AQMk-bin", "sentitems": "AQMk-sent"}
        at = known.get(pieces[0], pieces[0]) if pieces else "root"
        folder = self.folders.get(at)
        if folder is None:
            raise Problem(404, "ErrorItemNotFound", "The specified object was not found in the store.")
        match pieces[1:]:
            case [] | ["childFolders"] if request.command == "POST":
                return 201, self._made(folder, str(body["displayName"]))
            case [] if pieces:
                return 200, self._shown(folder)
            case [] | ["childFolders"]:
                return 200, {
                    "value": [
                        self._shown(one)
                        for one in self.folders.values()
                        if one.parent == folder.id and one.id != "root"
                    ]
                }
            case ["messages", "delta"]:
                return 200, self._delta(request, folder, query)
            case ["messages"]:
                found = [one.as_json() for one in folder.messages.values()]
                return 200, {"value": _filtered(found, query["$filter"])}
            case _:
                raise Problem(400, "BadRequest", "Resource not found for the segment.")

    def _shown(self, folder: Folder) -> dict[str, Any]:
        children = sum(one.parent == folder.id for one in self.folders.values())
        return {
            "id": folder.id, "displayName": folder.name, "childFolderCount": children,
            "totalItemCount": len(folder.messages), "parentFolderId": folder.parent,
        }  # fmt: skip

    def _made(self, parent: Folder, name: str) -> dict[str, Any]:
        if not name.strip() or "\0" in name:
            raise Problem(400, "ErrorInvalidFolderName", "The folder name is not valid.")
        if any(one.parent == parent.id and one.name.casefold() == name.casefold() for one in self.folders.values()):
            raise Problem(409, "ErrorFolderExists", "A folder with the specified name already exists.")
        made = Folder(f"AQMk-{next(self._folder_numbers)}", name, parent.id)
        self.folders[made.id] = made
        return self._shown(made)

    def _delta(self, request: BaseHTTPRequestHandler, folder: Folder, query: dict[str, str]) -> dict[str, Any]:
        size = int(request.headers.get("Prefer", "=10").partition("=")[2] or 10)
        since, _, offset = query.get("$skiptoken", query.get("$deltatoken", "0")).partition("-")
        if "$deltatoken" in query and int(since) <= self._forgotten:
            raise Problem(410, "SyncStateNotFound", "The sync state generation is not found; generation too old.")
        changed = list(dict.fromkeys(number for version, number in folder.changes if version > int(since)))
        if int(since) == 0:
            changed = [number for number in changed if number in folder.messages]
        start = int(offset or 0)
        value = [
            folder.messages[number].as_json() if number in folder.messages
            else {"id": Message(number, b"", dt.datetime.now(dt.UTC)).id, "@removed": {"reason": "deleted"}}
            for number in changed[start : start + size]
        ]  # fmt: skip
        path = f"http://127.0.0.1:{self.port}{urlsplit(request.path).path}"
        if start + size < len(changed):
            return {"value": value, "@odata.nextLink": f"{path}?$skiptoken={since}-{start + size}"}
        return {"value": value, "@odata.deltaLink": f"{path}?$deltatoken={self._version}"}

    def _message(self, command: str, number: str, way: list[str], body: dict[str, Any]) -> tuple[int, Any]:
        place = next(((f, m) for f in self.folders.values() for m in f.messages.values() if m.id == number), None)
        if place is None:
            raise Problem(404, "ErrorItemNotFound", "The specified object was not found in the store.")
        folder, message = place
        if message.draft is not None and (way or command == "PATCH"):
            return self._of_draft(message, way, body)
        match command, way:
            case "GET", ["$value"]:
                return 200, message.raw
            case "GET", []:
                return 200, message.as_json()
            case "PATCH", []:
                message.categories = list(body["categories"])
                self._put(folder, message)
                return 200, message.as_json()
            case "DELETE", []:
                self._take(folder, message.number)
                return 204, None
            case "POST", ["move"]:
                if body["destinationId"] not in self.folders:
                    raise Problem(404, "ErrorItemNotFound", "The specified object was not found in the store.")
                moved = self._take(folder, message.number)
                moved.number = next(self._numbers)
                self._put(self.folders[body["destinationId"]], moved)
                return 201, moved.as_json()
            case _:
                raise Problem(405, "Request_BadRequest", "Specified HTTP method is not allowed.")


def _filtered(found: list[dict[str, Any]], condition: str) -> list[dict[str, Any]]:
    """Given resources and `NAME eq VALUE`, return those that it is true of."""
    name, _, wanted = condition.partition(" eq ")
    wanted = wanted.removeprefix("'").removesuffix("'").replace("''", "'")
    return [one for one in found if one[name] == wanted]


@contextlib.contextmanager
def graph_server() -> Iterator[GraphServer]:
    """Serve an account to the end of the block."""
    server = GraphServer()
    try:
        yield server
    finally:
        server.close()
