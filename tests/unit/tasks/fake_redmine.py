"""A small Redmine in answers and a mailbox in memory, with the assembled product between them.

For what a real Redmine cannot be made to do on demand: to fail on one mail and not on another, to write and then to
say that it did not, to lose an upload.
"""

import copy
import datetime as dt
import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import responses
from requests import PreparedRequest

from redmine_mailbridge.model.stored_mail import StoredMail
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.store.queries.messages import MessageFilter
from redmine_mailbridge.tasks.receive.result import ProcessingResult
from redmine_mailbridge.wiring import application as app
from tests.memory_mailbox import MemoryMailbox, MemoryServer
from tests.unit.tasks.empty_store import put_empty_store

URL = "https://redmine.example.com"
MAY = ["view_issues", "add_issues", "add_issue_notes", "edit_issues"]
Reply = tuple[int, dict[str, str], str]
CLOSED = 5
"""The status of closed issues."""
ME = {"id": 1, "login": "bridge", "firstname": "Mail", "lastname": "Bridge", "admin": True, "mail": "b@example.com"}
PROJECT = {
    "id": 7, "identifier": "desk", "name": "Desk", "status": 1, "is_public": True,
    "trackers": [{"id": 1, "name": "Bug"}], "enabled_modules": [{"id": 1, "name": "issue_tracking"}],
}  # fmt: skip


@dataclass(slots=True)
class FakeRedmine:
    """`answers` are taken one for each request that makes an issue or note: a status, and "written" when it is
    carried out in spite of it; when none are left all is well. `always` decides by the request's own words, `reads` by
    the address of what is read. A page of HTML in place of "written" is what is answered.

    Its clock is `ahead` of ours by so many seconds, and that of the proxy before it, which writes Date, by `date`.
    `wrong` says what it finds wrong with the values of a new issue, beside its subject. `pages` are what else can be
    read, by path: a value, or the status of a refusal.

    `keeps` is what it makes of the text of a note, `describes` of a description; `refuses` says why it takes no file of
    a name. `users` are ids by login, whose addresses are login@example.com; requests may be made as any of them, and
    the notes of those that are `unheard` are dropped. `who` is what it answers, in place of all else, to whose the key
    is, and to whoever writes.
    """

    settings: Settings
    server: MemoryServer
    issues: list[dict[str, Any]] = field(default_factory=list)
    answers: list[tuple[int, str]] = field(default_factory=list)
    always: Callable[[str], tuple[int, str] | None] = lambda _body: None
    reads: Callable[[str], Reply | None] = lambda _url: None
    tokens: dict[str, str] = field(default_factory=dict)
    drops_notes: bool = False
    down: bool = False
    writes: int = 0
    refusal: str = "This will not do"
    edits: int = 204  # how it answers to a change of a note
    related: int = 0  # relations made so far
    keeps: Callable[[str], str] = lambda text: text
    describes: Callable[[str], str | None] = lambda text: text
    refuses: Callable[[str], str | None] = lambda _name: None
    ahead: float = 0.0
    date: float | None = None
    users: dict[str, int] = field(default_factory=dict)
    uploads: int = 0
    no_files: str = ""  # why it takes no file
    alone: threading.RLock = field(default_factory=threading.RLock, repr=False, compare=False)
    """Held while a number is given: the program's workers write at once."""
    lists: int = 0
    wrong: Callable[[dict[str, Any]], list[str]] = lambda _values: []
    pages: dict[str, Any] = field(default_factory=dict)
    who: Reply | None = None
    unheard: frozenset[str] = frozenset()

    @contextmanager
    def application(self) -> Iterator[app.Application]:
        """The product, wired anew, as after a restart."""
        made = app.build(self.settings)
        try:
            yield made
        finally:
            made.close()

    def receive(self, *, hurry: bool = True) -> list[ProcessingResult]:
        """Make one pass, as a new process would; with `hurry` as if all pauses were over."""
        with self.application() as made:
            if hurry:
                with made.store.database.write() as db:
                    db.exec_driver_sql("UPDATE mail SET next_try_at = 0 WHERE state IN ('stored', 'write_pending')")
            outcomes: list[ProcessingResult] = []
            assert made.receivers[0].once(outcomes.append).error is None
            return outcomes

    def rows(self) -> list[StoredMail]:
        """What the store holds, oldest first."""
        with self.application() as made:
            return made.message_queries.messages(MessageFilter(limit=1000))[::-1]

    def lines(self, row: StoredMail) -> list[str]:
        """What the store says of a mail."""
        with self.application() as made:
            return [step.line for step in made.message_queries.steps(row.id)]

    # ------------------------------------------------------------------ Redmine's side

    def post(self, request: PreparedRequest) -> Reply:
        """POST /issues.json."""
        values = json.loads(request.body or "{}")["issue"]
        author = self._writer(request)
        if author is None or self.who is not None:
            return self.who or (412, {}, "")
        if (errors := [*self._about(values["subject"]), *self.wrong(values)]) and not self.down:
            return self._told(422, {"errors": errors})
        status, what = self._answer(str(request.body))
        spent = [one for one in values.get("uploads", ()) if one["token"] not in self.tokens]
        if spent and status == 201:
            return 422, {}, json.dumps({"errors": ["1 file(s) could not be saved."]})
        if status != 201 and what != "written":
            if what.startswith("<"):
                return status, {}, what
            return self._told(status, {"errors": [self.refusal]} if status == 422 else None)
        files = self._take(values)
        with self.alone:
            made = {
                "id": len(self.issues) + 1,
                "project": {"id": 7, "name": "Desk"},
                "tracker": {"id": 1, "name": "Bug"},
                "status": {"id": 1, "name": "New"},
                "author": author,
                "subject": values["subject"],
                "description": self.describes(values["description"]),
                "is_private": values.get("is_private", False),
                "attachments": files,
                "created_on": self._now(),
                "updated_on": self._now(),
                "journals": [],
            }
            self.issues.append(made)
        return self._told(status, {"issue": made} if status == 201 else None)

    def _about(self, subject: str) -> list[str]:
        """What Redmine says of a subject that it does not take."""
        if not subject:
            return ["Subject cannot be blank"]
        return ["Subject is too long (maximum is 255 characters)"] if len(subject) > 255 else []

    def page(self, request: PreparedRequest) -> Reply:
        """GET of what rarely changes."""
        value = self.pages[urlsplit(request.url or "").path]
        return self._told(value) if isinstance(value, int) else self._told(200, value)

    def put(self, request: PreparedRequest) -> Reply:
        """PUT /issues/N.json."""
        user = self._writer(request)
        if user is None:
            return 412, {}, ""
        status, what = self._answer(str(request.body))
        issue = self._issue(request)
        dropped = self.drops_notes or request.headers.get("X-Redmine-Switch-User") in self.unheard
        if (status < 300 or what == "written") and not dropped:
            self.note(issue, json.loads(request.body or "{}")["issue"], user)
        return self._told(204 if status == 201 else status)

    def note(self, issue: dict[str, Any], values: dict[str, Any], user: dict[str, Any]) -> None:
        """Somebody changes an issue: its history has an entry more."""
        files = self._take(values)
        details = [
            {"property": "attachment", "name": str(one["id"]), "old_value": None, "new_value": one["filename"]}
            for one in files
        ]
        if "status_id" in values:
            issue["status"] = {"id": values["status_id"], "is_closed": values["status_id"] == CLOSED}
        for name in ("subject", "description"):
            if name in values:
                details.append({"property": "attr", "name": name, "old_value": issue[name], "new_value": values[name]})
                issue[name] = values[name]
        issue["attachments"] += files
        issue["updated_on"] = self._now()
        with self.alone:
            issue["journals"].append(
                {
                    "id": 1 + sum(len(one["journals"]) for one in self.issues),
                    "notes": self.keeps(values.get("notes", "")),
                    "user": user,
                    "created_on": self._now(),
                    "private_notes": False,
                    "details": details,
                }
            )

    def edit(self, request: PreparedRequest) -> Reply:
        """PUT /journals/N.json: an emptied note that changed nothing else is gone, as with Redmine."""
        number = int(str(request.url).rpartition("/")[2].removesuffix(".json"))
        if self.down or self.edits != 204:
            return self._told(502 if self.down else self.edits, {"errors": [self.refusal]})
        for issue in self.issues:
            for one in issue["journals"]:
                if one["id"] == number:
                    one["notes"] = json.loads(request.body or "{}")["journal"]["notes"]
            issue["journals"] = [one for one in issue["journals"] if one["notes"] or one["details"]]
        return self._told(204)

    def relate(self, request: PreparedRequest) -> Reply:
        """POST /issues/N/relations.json, DELETE /relations/N.json."""
        if self.down:
            return 502, {}, ""
        if request.method == "DELETE":
            gone = int(str(request.url).rpartition("/")[2].removesuffix(".json"))
            for one in self.issues:
                one["relations"] = [relation for relation in one.get("relations", ()) if relation["id"] != gone]
            return self._told(204)
        issue, wanted = self._issue(request), json.loads(request.body or "{}")["relation"]
        self.related += 1
        made = wanted | {"id": self.related, "issue_id": issue["id"]}
        issue.setdefault("relations", []).append(made)
        return self._told(201, {"relation": made})

    def get(self, request: PreparedRequest) -> Reply:
        """GET /issues.json and /issues/N.json."""
        if self.down:
            return 502, {}, ""
        if (said := self.reads(request.url or "")) is not None:
            return said
        one = re.search(r"/issues/(\d+)\.json", request.url or "")
        if one is not None and int(one[1]) > len(self.issues):
            return 404, {}, ""
        if one is not None:
            return self._told(200, {"issue": self._issue(request)})
        self.lists += 1
        asked = parse_qs(urlsplit(request.url or "").query)
        above = int(asked.get("v[issue_id][]", ["0"])[0])
        since = asked.get("v[created_on][]", [""])[0]
        until = asked.get("created_on", ["<=9"])[0].removeprefix("<=")
        found = [one for one in self.issues if one["id"] >= above and since <= one["created_on"] <= until]
        found = found[::-1] if asked.get("sort") == ["id:desc"] else found
        return self._told(200, {"issues": found[: int(asked["limit"][0])], "total_count": len(found)})

    def user(self, request: PreparedRequest) -> Reply:
        """GET /users.json and /users/N.json."""
        one = re.search(r"/users/(\d+)\.json", request.url or "")
        people = [self._person(login) for login in self.users]
        if one is not None:
            found = [person for person in people if person["id"] == int(one[1])]
            return self._told(200, {"user": found[0]}) if found else (404, {}, "")
        words = parse_qs(urlsplit(request.url or "").query).get("name", [""])[0]
        found = [person for person in people if words in (person["login"], person["mail"])]
        return self._told(200, {"users": found, "total_count": len(found)})

    def me(self, request: PreparedRequest) -> Reply:
        """GET /users/current.json."""
        if self.who is not None:
            return self.who
        return (502, {}, "") if self.down else (200, {}, json.dumps({"user": ME}))

    def upload(self, request: PreparedRequest) -> Reply:
        """POST /uploads.json."""
        if self._writer(request) is None:
            return 412, {}, ""
        self.uploads += 1
        if self.no_files:
            return 422, {}, json.dumps({"errors": [self.no_files]})
        token = f"{100 + self.uploads}.{self.writes}{len(self.tokens)}"
        name = parse_qs(urlsplit(request.url or "").query)["filename"][0]
        if (why := self.refuses(name)) is not None:
            return self._told(422, {"errors": [why]}) if why else (500, {}, "")
        self.tokens[token] = name
        for _ in request.body or b"":
            pass
        return 201, {}, json.dumps({"upload": {"id": 1, "token": token}})

    def _answer(self, body: str) -> tuple[int, str]:
        self.writes += 1
        if self.down:
            return 502, ""
        return self.always(body) or (self.answers.pop(0) if self.answers else (201, ""))

    def _take(self, values: dict[str, Any]) -> list[dict[str, Any]]:
        """The files of a request, whose tokens are used up with it."""
        uploads = values.get("uploads", ())
        return [
            {"id": int(one["token"].partition(".")[0]), "filename": self.tokens.pop(one["token"])} for one in uploads
        ]

    def _writer(self, request: PreparedRequest) -> dict[str, Any] | None:
        """As whom a request is made; None where Redmine knows nobody by that login."""
        login = request.headers.get("X-Redmine-Switch-User")
        if login is None:
            return {"id": 1, "name": "Mail Bridge"}
        return {"id": self.users[login], "name": login} if login in self.users else None

    def _person(self, login: str) -> dict[str, Any]:
        mail = f"{login.partition('-')[0]}@example.com"  # who is renamed keeps the address
        found = {"id": self.users[login], "login": login, "firstname": login, "lastname": "User", "mail": mail}
        member = {"project": {"id": 7}, "roles": [{"id": 3, "name": "Member"}]}
        return found | {"status": 1, "memberships": [member]}

    def _told(self, status: int, value: Any = None) -> Reply:
        ahead = self.date
        headers = {} if ahead is None else {"Date": formatdate(time.time() + ahead, usegmt=True)}
        return status, headers, "" if value is None else json.dumps(value)

    def _now(self) -> str:
        return dt.datetime.fromtimestamp(time.time() + self.ahead, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def _issue(self, request: PreparedRequest) -> dict[str, Any]:
        found = re.search(r"/issues/(\d+)(\.json|/relations)", request.url or "")
        assert found is not None
        return self.issues[int(found[1]) - 1]


@contextmanager
def open_fake_redmine(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, boxes: Sequence[str] = ("desk",), **receive: Any
) -> Iterator[FakeRedmine]:
    """Given a folder, names of mailboxes, and keys of [receive], return the fake Redmine, which is asked at once after
    an unclear request.
    """
    put_empty_store(folder / "bridge.db")
    box = {"host": "localhost", "issue": {"project": "desk"}}
    settings = Settings.model_validate(
        {
            "redmine": {"url": URL, "api_key": "key", "text_format": "common_mark", "settle": "0s"},
            "store": {"url": f"sqlite:///{folder}/bridge.db"},
            "receive": receive,
            "mailboxes": {name: {"address": f"{name}@example.com", "start_from": "all"} | box for name in boxes},
        }
    )
    fake = FakeRedmine(settings, MemoryServer())
    monkeypatch.setattr(
        "redmine_mailbridge.wiring.mailboxes.open_mailbox",
        lambda config, **_known: MemoryMailbox(fake.server, config.name),
    )
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        values = {
            "/projects/desk.json": {"project": PROJECT},
            "/projects/7.json": {"project": PROJECT},
            "/projects.json": {"projects": [PROJECT], "total_count": 1},
            "/projects/desk/versions.json": {"versions": []},
            "/projects/desk/memberships.json": {"memberships": [], "total_count": 0},
            "/projects/7/versions.json": {"versions": []},
            "/projects/7/memberships.json": {"memberships": [], "total_count": 0},
            "/issue_statuses.json": {"issue_statuses": [{"id": 1, "name": "New", "is_closed": False}]},
            "/enumerations/issue_priorities.json": {"issue_priorities": [{"id": 4, "name": "Normal"}]},
            "/custom_fields.json": {"custom_fields": []},
            "/trackers.json": {"trackers": [{"id": 1, "name": "Bug", "enabled_standard_fields": ["description"]}]},
            "/groups.json": {"groups": []},
            "/roles/1.json": {"role": {"id": 1, "name": "Non member", "permissions": []}},
            "/roles/3.json": {"role": {"id": 3, "name": "Member", "permissions": MAY, "issues_visibility": "all"}},
        }
        fake.pages = copy.deepcopy(values)
        for path in values:
            mock.add_callback(responses.GET, URL + path, fake.page)
        mock.add_callback(responses.GET, re.compile(rf"{URL}/projects/(other|8)\b"), fake.page)
        mock.add_callback(responses.GET, f"{URL}/users/current.json", fake.me)
        mock.add_passthru("http://127.0.0.1")  # a mail server that speaks HTTP
        mock.add_callback(responses.POST, f"{URL}/uploads.json", fake.upload)
        mock.add_callback(responses.POST, f"{URL}/issues.json", fake.post)
        mock.add_callback(responses.GET, re.compile(rf"{URL}/issues"), fake.get)
        mock.add_callback(responses.GET, re.compile(rf"{URL}/users(\.json|/\d)"), fake.user)
        mock.add_callback(responses.PUT, re.compile(rf"{URL}/issues/\d+\.json"), fake.put)
        mock.add_callback(responses.PUT, re.compile(rf"{URL}/journals/\d+\.json"), fake.edit)
        mock.add_callback(responses.POST, re.compile(rf"{URL}/issues/\d+/relations\.json"), fake.relate)
        mock.add_callback(responses.DELETE, re.compile(rf"{URL}/relations/\d+\.json"), fake.relate)
        yield fake
