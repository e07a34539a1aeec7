"""The least of Redmine's REST API that the way in needs, on loopback: it takes issues and notes.

For what does not depend on Redmine and has to be quick; what does is tried on a real one.
"""

import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

NEW = {"id": 1, "name": "New", "is_closed": False}
ME = {
    "id": 1,
    "login": "bridge",
    "firstname": "Mail",
    "lastname": "Bridge",
    "admin": True,
    "mail": "bridge@example.com",
}
PROJECT = {
    "id": 1, "identifier": "desk", "name": "Desk", "status": 1, "is_public": True,
    "trackers": [{"id": 1, "name": "Support"}], "enabled_modules": [{"id": 1, "name": "issue_tracking"}],
}  # fmt: skip
PAGES: dict[str, Any] = {
    "/users/current.json": {"user": ME | {"api_key": "key"}},
    "/users.json": {"users": [], "total_count": 0},
    "/projects/desk.json": {"project": PROJECT},
    "/projects/1.json": {"project": PROJECT},
    "/projects.json": {"projects": [PROJECT], "total_count": 1},
    "/projects/desk/versions.json": {"versions": []},
    "/projects/desk/issue_categories.json": {"issue_categories": []},
    "/projects/desk/memberships.json": {"memberships": [], "total_count": 0},
    "/issue_statuses.json": {"issue_statuses": [NEW]},
    "/trackers.json": {"trackers": [{"id": 1, "name": "Support", "default_status": {"id": 1, "name": "New"}}]},
    "/enumerations/issue_priorities.json": {"issue_priorities": [{"id": 4, "name": "Normal", "is_default": True}]},
    "/custom_fields.json": {"custom_fields": []},
    "/groups.json": {"groups": []},
    "/roles.json": {"roles": [{"id": 1, "name": "Non member"}]},
    "/roles/1.json": {"role": {"id": 1, "name": "Non member", "permissions": []}},
}


class RedmineStub:
    """A Redmine with one project, `desk`. `issues` are as REST shows them, `unknown` is what it was asked in vain."""

    def __init__(self) -> None:
        self.issues: list[dict[str, Any]] = []
        self.unknown: set[str] = set()
        self.changed = threading.Condition()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                outer.serve(self)

            do_POST = do_PUT = do_GET  # noqa: N815 - the library's names

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        path = urlsplit(request.path).path
        status, value = self._answer(request.command, path, body)
        content = b"" if value is None else json.dumps(value).encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    def _answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        one = re.fullmatch(r"/issues/(\d+)\.json", path)
        if method == "POST" and path == "/issues.json":
            return 201, {"issue": self._add(json.loads(body)["issue"])}
        if method == "POST" and path == "/uploads.json":
            return 201, {"upload": {"id": 1, "token": f"1.{time.monotonic_ns()}"}}
        if method == "GET" and path == "/issues.json":
            return 200, {"issues": self.issues, "total_count": len(self.issues)}
        if one is not None and int(one[1]) <= len(self.issues):
            return self._one(method, self.issues[int(one[1]) - 1], body)
        if method == "GET" and path in PAGES:
            return 200, PAGES[path]
        self.unknown.add(f"{method} {path}")
        return 404, None

    def _add(self, values: dict[str, Any]) -> dict[str, Any]:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        with self.changed:
            issue: dict[str, Any] = {
                "id": len(self.issues) + 1,
                "project": {"id": 1, "name": "Desk"}, "tracker": {"id": 1, "name": "Support"},
                "status": NEW, "priority": {"id": 4, "name": "Normal"}, "author": {"id": 1, "name": "Mail Bridge"},
                "subject": values["subject"], "description": values.get("description", ""),
                "is_private": values.get("is_private", False), "created_on": now, "updated_on": now, "journals": [],
                "attachments": [{"id": 100 + number} for number, _ in enumerate(values.get("uploads", ()))],
            }  # fmt: skip
            self.issues.append(issue)
            self.changed.notify_all()
        return issue

    def _one(self, method: str, issue: dict[str, Any], body: bytes) -> tuple[int, Any]:
        if method == "GET":
            return 200, {"issue": issue}
        values = json.loads(body or b"{}").get("issue", {})
        if values.get("notes"):
            with self.changed:
                number = 1 + sum(len(each["journals"]) for each in self.issues)
                issue["journals"].append(
                    {"id": number, "notes": values["notes"], "user": issue["author"], "details": []}
                )
                self.changed.notify_all()
        return 204, None
