"""A help desk in small: a Redmine in answers with people in it, a mailbox in memory, an SMTP server, and the assembled
product between them. For what is asserted about all mail that leaves, over many histories.
"""

import datetime as dt
import email
import email.policy
import json
import logging
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import responses
import structlog
import tomlkit
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from click.testing import CliRunner, Result
from requests import PreparedRequest

from redmine_mailbridge.cli.main import cli
from redmine_mailbridge.model.task_result import TaskStepResult
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.store.queries.messages import MessageFilter
from redmine_mailbridge.tasks.service.service import receive_once
from redmine_mailbridge.tasks.update.update import Updater
from redmine_mailbridge.wiring import application as app
from tests.memory_mailbox import MemoryMailbox, MemoryServer
from tests.product import merged
from tests.servers.processes import free_port

URL = "https://redmine.example.com"
Reply = tuple[int, dict[str, str], str]
BRIDGE, ANNA, BOB, CAROL = 1, 2, 3, 4
PEOPLE: dict[int, tuple[str, str, str, bool]] = {
    BRIDGE: ("bridge", "Mail Bridge", "bridge@example.com", True),
    ANNA: ("anna", "Anna Agent", "anna@example.com", False),
    BOB: ("bob", "Bob Builder", "bob@example.com", False),
    CAROL: ("carol", "Carol Customer", "carol@client.example", False),
}
STATUSES = {1: ("New", False), 2: ("In Progress", False), 5: ("Closed", True)}
REQUESTER: dict[str, Any] = {"id": 72, "name": "Requester"}
"""The custom field for the requester's address."""
MAY = ["view_issues", "add_issues", "add_issue_notes", "edit_issues", "set_notes_private", "view_private_notes"]


def iso(moment: float | None = None) -> str:
    """Given seconds since the epoch (None: now), return the time as Redmine writes it."""
    when = dt.datetime.now(dt.UTC) if moment is None else dt.datetime.fromtimestamp(moment, dt.UTC)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class SmallRedmine:
    """Projects, issues and journals as the API shows them. `fails`: issues that answer 500 to whoever reads them;
    `deleted`: those that are deleted right after they are listed.

    To so many notes as it `loses` a gateway answers in its place (504), and they wait to be written until it `lands`
    them. It answers 422 to a note in the words of `refuses`, takes no value of the attributes that it `ignores`, and
    cannot be reached by the next note where it is `cut_off`; `hears` is called after each note. `members` are those of
    the project, `groups` those of this Redmine, each with its members. Whoever edits a note gets the status
    `notes_stay` unless that is 0; the `locked` users may nothing. `fields` are custom fields by id, as its API shows
    them to an administrator; one that `drops` its values keeps none, one that `rejects` them is refused (422).
    """

    issues: dict[int, dict[str, Any]] = field(default_factory=dict)
    public: bool = True
    fails: set[int] = field(default_factory=set)
    deleted: set[int] = field(default_factory=set)
    journals: int = 0
    uploads: int = 0
    may: list[str] = field(default_factory=MAY.copy)
    files: dict[int, bytes] = field(default_factory=dict)
    users: dict[int, tuple[str, str, str, bool]] = field(default_factory=PEOPLE.copy)
    loses: int = 0
    late: list[tuple[int, dict[str, Any], int]] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    down: bool = False
    refuses: str = ""
    ignores: set[str] = field(default_factory=set)
    cut_off: bool = False
    hears: Callable[[int], object] = lambda _issue: None
    members: tuple[int, ...] = ()
    fields: dict[int, dict[str, Any]] = field(default_factory=dict)
    groups: dict[str, tuple[int, ...]] = field(default_factory=dict)
    notes_stay: int = 0
    locked: set[int] = field(default_factory=set)
    alone: threading.RLock = field(default_factory=threading.RLock, repr=False, compare=False)
    """Held while a number is given: the program's workers write at once."""

    # ------------------------------------------------------------------ what people do

    def writes(
        self, issue: int, user: int, text: str, *, private: bool = False, status: int | None = None, **files: bytes
    ) -> int:
        """A user writes a note. Return its journal's id."""
        with self.alone:
            found, self.journals = self.issues[issue], self.journals + 1
            details = []
            if status is not None:
                details.append(
                    {
                        "property": "attr",
                        "name": "status_id",
                        "old_value": str(found["status"]["id"]),
                        "new_value": str(status),
                    }
                )
                found["status"] = self._status(status)
            for name, content in files.items():
                number = 1000 + len(self.files)
                self.files[number] = content
                details.append({"property": "attachment", "name": str(number), "new_value": name})
                found["attachments"].append(
                    {"id": number, "filename": name, "filesize": len(content), "content_type": "text/plain"}
                )
            found["journals"].append(
                {"id": self.journals, "user": self._named(user), "notes": text, "private_notes": private,
                 "created_on": iso(), "details": details}
            )  # fmt: skip
            found["updated_on"] = iso()
            return self.journals

    def makes(self, user: int, subject: str, description: str = "", *, requester: str | None = None) -> int:
        """A user makes an issue; `requester` is the value of that field, None: it has none. Return its number."""
        fields = [] if requester is None else [{"id": REQUESTER["id"], "value": requester}]
        values = {"subject": subject, "description": description, "custom_fields": fields}
        return int(self._made(values, user)["issue"]["id"])

    def names(self, issue: int, user: int, requester: str, text: str = "") -> int:
        """A user sets the requester field of an issue, perhaps with a note. Return the journal's id."""
        number, fields = self.writes(issue, user, text), self.issues[issue]["custom_fields"]
        old = next((field["value"] for field in fields if field["id"] == REQUESTER["id"]), None)
        change = {"property": "cf", "name": str(REQUESTER["id"]), "old_value": old, "new_value": requester}
        self.journal(number)["details"].append(change)
        others = [field for field in fields if field["id"] != REQUESTER["id"]]
        self.issues[issue]["custom_fields"] = [*others, REQUESTER | {"value": requester}]
        return number

    def journal(self, number: int) -> dict[str, Any]:
        """A journal by its id."""
        return next(one for issue in self.issues.values() for one in issue["journals"] if one["id"] == number)

    def touch(self, issue: int) -> None:
        """The issue was changed just now."""
        self.issues[issue]["updated_on"] = iso()

    # ------------------------------------------------------------------ the API

    def answer(self, request: PreparedRequest) -> Reply:
        """Answer one request."""
        parts = urlsplit(request.url or "")
        path = parts.path.removesuffix(".json").strip("/").split("/")
        login = request.headers.get("X-Redmine-Switch-User")
        user = next((number for number, one in self.users.items() if one[0] == login), BRIDGE)
        body = json.loads(request.body) if request.body and path[0] != "uploads" else {}
        self.requests.append((str(request.method), parts.path))
        if self.down:
            return 503, {}, ""
        found = self._route(str(request.method), path, parse_qs(parts.query), body, user)
        if isinstance(found, int):
            return found, {}, ""
        if isinstance(found, dict) and "errors" in found:
            return 422, {}, json.dumps(found)
        if isinstance(found, bytes):
            return 200, {}, found
        return (201 if request.method == "POST" else 200), {}, json.dumps(found)

    def _route(  # noqa: PLR0911, PLR0912, C901 - a list of addresses
        self, method: str, path: list[str], query: Mapping[str, list[str]], body: dict[str, Any], user: int
    ) -> Any:
        match method, path:
            case "GET", ["users", "current"]:
                return {"user": self._user(BRIDGE)}
            case "GET", ["users"]:
                wanted = query.get("name", query.get("v[name][]", [""]))[0]
                rows = [self._user(n) for n, one in self.users.items() if wanted in one[2] or wanted in one[0]]
                if "v[mail][]" in query:
                    rows = [row for row in rows if row["mail"] in query["v[mail][]"]]
                return {"users": rows, "total_count": len(rows)}
            case "GET", ["users", number]:
                return {"user": self._user(int(number))} if int(number) in self.users else 404
            case "GET", ["projects"]:
                return {"projects": [self._project()], "total_count": 1}
            case "GET", ["projects", "desk" | "7"]:
                return {"project": self._project()}
            case "GET", ["projects", _] | ["help", *_]:
                return 404
            case "GET", ["projects", _, "versions"]:
                return {"versions": []}
            case "GET", ["projects", _, "memberships"]:
                roles = [{"id": 3, "name": "Agent"}]
                rows = [{"id": n, "user": self._named(n), "roles": roles} for n in self.members]
                return {"memberships": rows, "total_count": len(rows)}
            case "GET", ["roles", number]:
                named = {"id": int(number), "name": "Agent" if number == "3" else "Role"}
                return {"role": named | {"permissions": self.may, "issues_visibility": "all"}}
            case "GET", ["trackers"]:
                return {"trackers": [{"id": 1, "name": "Bug", "default_status": self._status(1)}]}
            case "GET", ["issue_statuses"]:
                return {"issue_statuses": [self._status(number) for number in STATUSES]}
            case "GET", ["enumerations", name]:
                return {name: [self._priority(4) | {"is_default": True}, self._priority(5)]}
            case "GET", ["custom_fields"]:
                return {"custom_fields": [self._field(number) for number in self.fields]}
            case "GET", ["groups"]:
                rows = [{"id": 20 + place, "name": name} for place, name in enumerate(self.groups)]
                return {"groups": rows, "total_count": len(rows)}
            case "GET", ["time_entries" as name]:
                return {name: [], "total_count": 0}
            case "GET", ["issues"]:
                return self._list(query)
            case "GET", ["issues", number]:
                return self._shown(int(number), user)
            case "GET", ["attachments", "download", number, _]:
                return self.files.get(int(number), 404)
            case "POST", ["uploads"]:
                self.uploads += 1
                return {"upload": {"id": self.uploads, "token": f"{self.uploads}.token"}}
            case "POST", ["users"]:
                new, number = body["user"], max(self.users) + 1
                self.users[number] = (new["login"], f"{new['firstname']} {new['lastname']}", new["mail"], False)
                return {"user": self._user(number)}
            case "POST", ["issues"]:
                return self._made(body["issue"], user)
            case "PUT", ["issues", number]:
                return self._noted(int(number), body["issue"], user)
            case "PUT", ["journals", number]:
                shown = {one["id"]: one for issue in self.issues.values() for one in issue["journals"]}
                if int(number) not in shown or self.notes_stay:
                    return self.notes_stay or 404
                shown[int(number)].update(body["journal"])
                return 204
            case "POST", ["issues", _, "watchers" | "relations"]:
                return 204
            case _:
                raise AssertionError((method, path))

    def _shown(self, number: int, user: int) -> Any:
        found = self.issues.get(number)
        if found is None or number in self.deleted:
            return 404
        if number in self.fails:
            return 500
        hidden = not self._user(user)["admin"] and user not in (ANNA, BOB) and (not self.public or found["is_private"])
        return 403 if hidden else {"issue": found}

    def _list(self, query: Mapping[str, list[str]]) -> Any:
        rows = sorted(self.issues.values(), key=lambda one: (one["updated_on"], one["id"]))
        if "v[updated_on][]" in query:
            rows = [one for one in rows if one["updated_on"] >= query["v[updated_on][]"][0]]
        if "v[issue_id][]" in query:
            numbers = set(map(int, query["v[issue_id][]"][0].split(",")))
            at_least = [">="] == query["op[issue_id]"]
            rows = [one for one in rows if one["id"] in numbers or (at_least and one["id"] > min(numbers))]
        if query.get("sort") == ["updated_on:desc"]:
            rows.reverse()
        offset, limit = int(query.get("offset", ["0"])[0]), int(query.get("limit", ["25"])[0])
        shown = [{name: value for name, value in one.items() if name != "journals"} for one in rows]
        return {"issues": shown[offset : offset + limit], "total_count": len(shown)}

    def _made(self, values: dict[str, Any], user: int) -> Any:
        with self.alone:
            number = len(self.issues) + 1
            self.issues[number] = {
                "id": number, "project": {"id": 7, "name": "Desk"}, "tracker": {"id": 1, "name": "Bug"},
                "status": self._status(1), "priority": self._priority(4), "author": self._named(user),
                "subject": values["subject"], "description": values.get("description", ""), "journals": [],
                "is_private": values.get("is_private", False), "attachments": [], "watchers": [],
                "custom_fields": self._values(values.get("custom_fields", ())),
                "created_on": iso(), "updated_on": iso(), "closed_on": None,
            }  # fmt: skip
        return {"issue": self.issues[number]}

    def _noted(self, number: int, values: dict[str, Any], user: int) -> Any:
        if number not in self.issues:
            return 404
        if self.cut_off:
            self.cut_off = False
            raise requests.ConnectionError("refused")
        if self.loses:
            self.loses -= 1
            self.late.append((number, values, user))
            return 504
        if self.refuses:
            return {"errors": [self.refuses]}
        asked = [one["id"] for one in values.get("custom_fields", ())]
        if any(self.fields[number].get("rejects") for number in asked):
            return {"errors": ["Last answer is invalid"]}
        values = {name: value for name, value in values.items() if name not in self.ignores}
        if values:
            private, status = bool(values.get("private_notes")), values.get("status_id")
            if private and values.keys() - {"notes", "private_notes"}:  # no entry is private in part
                self.writes(number, user, "", status=status)
                self._set(self.issues[number], values)
                status, values = None, {"notes": values["notes"]}
            self.writes(number, user, values.get("notes", ""), private=private, status=status)
            self._set(self.issues[number], values)
        self.hears(number)
        return 204

    def _set(self, issue: dict[str, Any], values: dict[str, Any]) -> None:
        """Give an issue its new priority, assignee and values of custom fields."""
        details = issue["journals"][-1]["details"]
        if "priority_id" in values:
            issue["priority"] = self._priority(values["priority_id"])
            details.append({"property": "attr", "name": "priority_id", "new_value": str(values["priority_id"])})
        if "assigned_to_id" in values:
            issue["assigned_to"] = self._named(values["assigned_to_id"])
            details.append({"property": "attr", "name": "assigned_to_id", "new_value": str(values["assigned_to_id"])})
        for one in values.get("custom_fields", ()):
            for there in issue["custom_fields"]:
                if there["id"] == one["id"] and not self.fields[one["id"]].get("drops"):
                    changed = {"old_value": there["value"], "new_value": one["value"]}
                    details.append({"property": "cf", "name": str(one["id"])} | changed)
                    there["value"] = one["value"]

    def lands(self) -> None:
        """Write what waits."""
        late, self.late = self.late, []
        for one in late:
            self._noted(*one)

    def _user(self, number: int) -> dict[str, Any]:
        login, name, mail, admin = self.users[number]
        first, _, last = name.partition(" ")
        roles = [{"id": 3, "name": "Agent"}]
        return {
            "id": number, "login": login, "firstname": first, "lastname": last, "mail": mail, "admin": admin,
            "status": 3 if number in self.locked else 1,
            "groups": [{"id": 20 + n, "name": g} for n, g in enumerate(self.groups) if number in self.groups[g]],
            "memberships": [{"project": {"id": 7, "name": "Desk"}, "roles": roles}] if number in (ANNA, BOB) else [],
        }  # fmt: skip

    def _project(self) -> dict[str, Any]:
        return {
            "id": 7, "identifier": "desk", "name": "Desk", "status": 1, "is_public": self.public,
            "trackers": [{"id": 1, "name": "Bug"}], "enabled_modules": [{"id": 1, "name": "issue_tracking"}],
            "issue_custom_fields": [REQUESTER, *map(self._named_field, self.fields)],
        }  # fmt: skip

    def _values(self, values: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """The custom fields of a new issue: the requester's where it has a value."""
        requester = [REQUESTER | field for field in values if int(field["id"]) == REQUESTER["id"]]
        return [*(self._named_field(number) | {"value": ""} for number in self.fields), *requester]

    def _named_field(self, number: int) -> dict[str, Any]:
        return {"id": number, "name": self.fields[number]["name"]}

    def _field(self, number: int) -> dict[str, Any]:
        usual = {"customized_type": "issue", "field_format": "string", "trackers": [{"id": 1, "name": "Bug"}]}
        return usual | {"id": number} | self.fields[number]

    def _status(self, number: int) -> dict[str, Any]:
        name, closed = STATUSES[number]
        return {"id": number, "name": name, "is_closed": closed}

    def _priority(self, number: int) -> dict[str, Any]:
        return {"id": number, "name": {4: "Normal", 5: "High"}[number]}

    def _named(self, number: int) -> dict[str, Any]:
        return {"id": number, "name": self.users[number][1]}


class Post:
    """An SMTP server that keeps what it takes: recipient and mail. `answers` go from the local part of a recipient to
    what the server says to it; "hang up" ends the connection.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self.taken: list[tuple[str, bytes]] = []
        self.answers: dict[str, str] = {}

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name, and its call
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        said = self.answers.get(address.partition("@")[0], "")
        if said == "hang up":
            assert server.transport is not None
            server.transport.close()
        if said:
            return said
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - likewise
        assert isinstance(envelope.content, bytes)
        self.taken += [(recipient, envelope.content) for recipient in envelope.rcpt_tos]
        return "250 2.0.0 queued"


@contextmanager
def post(*, smtputf8: bool = True) -> Iterator[Post]:
    """Serve until the end of the block; `smtputf8`: addresses beyond ASCII are taken (RFC 6531)."""
    made = Post()
    controller = Controller(made, "127.0.0.1", made.port, enable_SMTPUTF8=smtputf8)
    controller.start()
    try:
        yield made
    finally:
        controller.stop()


VALUES: dict[str, Any] = {
    "redmine": {"url": URL, "api_key": "key", "text_format": "common_mark", "settle": "0s"},
    "mailboxes": {
        "desk": {
            "address": "desk@example.com",
            "start_from": "all",
            "host": "localhost",
            "password": "secret",
            "issue": {"project": "desk", "answer_refused": True},
            "answers": {"received": True, "received_reply": True, "notes": "public_notes", "closed": True},
            "reading": {"trusted_authserv_ids": ["mx.example.com"]},
        }
    },
}


@dataclass
class HelpDesk:
    """Everything together. `values` are the settings as a tree."""

    folder: Path
    post: Post
    values: dict[str, Any]
    redmine: SmallRedmine = field(default_factory=SmallRedmine)
    server: MemoryServer = field(default_factory=MemoryServer)

    @contextmanager
    def application(self) -> Iterator[app.Application]:
        """The product, wired anew, as after a restart."""
        made = app.build(Settings.model_validate(self.values))
        try:
            yield made
        finally:
            made.close()

    def change(self, values: Mapping[str, Any]) -> None:
        """Given further settings, set them."""
        self.values = merged(self.values, values)

    def mail(self, raw: bytes) -> None:
        """A mail lies in the mailbox."""
        self.server.append(raw)

    def turn(self, made: app.Application | None = None) -> TaskStepResult:
        """Receive, update, send: once each. Return what update did."""
        if made is None:
            with self.application() as built:
                return self.turn(built)
        receive_once(made.receivers)
        result = Updater(made.tasks.steps).once(threading.Event())
        made.sending.once()
        return result

    def send_all(self, made: app.Application) -> None:
        """Send until nothing goes any more."""
        while made.sending.once().sent:
            pass

    def command(self, *arguments: str) -> Result:
        """Given arguments, run the command line within this process; logs are as before after it."""
        file = self.folder / "settings.toml"
        file.write_text(tomlkit.dumps(self.values), "utf-8")
        file.chmod(0o600)
        handlers, config = logging.getLogger().handlers[:], structlog.get_config()
        command, *rest = arguments
        try:
            return CliRunner().invoke(cli, [command, "--settings", str(file), *rest])
        finally:
            logging.getLogger().handlers[:] = handlers
            structlog.configure(**config)

    def story(self) -> str:
        """All that the records of the mails say."""
        with self.application() as made:
            rows = made.message_queries.messages(MessageFilter(limit=1000))
            return "\n".join(step.line for row in rows for step in made.message_queries.steps(row.id))


_migrated: list[bytes] = []
"""The empty store, its tables made once for all tests."""


@contextmanager
def help_desk(
    folder: Path, monkeypatch: pytest.MonkeyPatch, server: Post, values: Mapping[str, Any] | None = None
) -> Iterator[HelpDesk]:
    """Given a folder, an SMTP server and settings over the usual ones, return a help desk."""
    folder.mkdir(parents=True, exist_ok=True)
    tree = merged(VALUES, {
        "store": {"url": f"sqlite:///{folder}/bridge.db"},
        "outgoing": {"host": "127.0.0.1", "port": server.port, "security": "none", "username": "", "per_minute": 0},
    })  # fmt: skip
    desk = HelpDesk(folder, server, merged(tree, values or {}))
    if not _migrated:
        with desk.application() as made:
            made.store.database.close()
        _migrated.append((folder / "bridge.db").read_bytes())
    (folder / "bridge.db").write_bytes(_migrated[0])
    monkeypatch.setattr(
        "redmine_mailbridge.wiring.mailboxes.open_mailbox",
        lambda config, **_known: MemoryMailbox(desk.server, config.name),
    )
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.add_passthru("http://127.0.0.1")  # a real server of the tests
        for method in (responses.GET, responses.POST, responses.PUT):
            mock.add_callback(method, re.compile(rf"{URL}/.*"), desk.redmine.answer)
        yield desk


def writes(
    sender: str,
    subject: str = "Printer on fire",
    text: str = "It burns.",
    *,
    proven: bool = True,
    to: str = "desk@example.com",
    **headers: str,
) -> bytes:
    """Given what matters, return a mail as bytes that nobody has looked at; `In_Reply_To` and the like become fields.
    `proven`: our mail server says that the From domain is right.
    """
    domain = sender.rpartition("@")[2].strip("> ")
    fields = []
    if proven:
        fields.append(f"Authentication-Results: mx.example.com; dmarc=pass header.from={domain}")
    fields += [f"Received: from out.{domain} by mx.example.com; {formatdate()}", f"From: {sender}", f"To: {to}"]
    fields += [f"Subject: {subject}", f"Date: {formatdate()}"]
    fields += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if "Message_ID" not in headers:
        _counted.append(1)
        fields.append(f"Message-ID: <{len(_counted)}.test@{domain}>")
    fields += ["MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit"]
    return "\r\n".join([*fields, "", text, ""]).encode("utf-8", "surrogateescape")


_counted: list[int] = []


def sent_mails(desk: "HelpDesk") -> list[tuple[str, Any]]:
    """What has left: recipient and mail."""
    return [(to, email.message_from_bytes(raw, policy=email.policy.default)) for to, raw in desk.post.taken]


def new_mails(desk: "HelpDesk") -> list[tuple[str, Any]]:
    """What left since this was asked last: recipient and mail."""
    mails = sent_mails(desk)
    desk.post.taken.clear()
    return mails


def text_of(mail: Any) -> str:
    """The plain part of a mail."""
    return str(mail.get_body(("plain",)).get_content()).replace("\r\n", "\n")
