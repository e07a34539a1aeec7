"""What tests ask a real Redmine directly, as an administrator or as anyone else with a key."""

import json
import uuid
from typing import Any

import requests


class Api:
    """Given the address of a Redmine and a key, speaks REST with it, a connection a request."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self.key = key

    def call(self, method: str, path: str, payload: Any = None, **parameters: Any) -> Any:
        """Given a method and a path, return the decoded answer, or None if it is empty. Raise on 400 and above."""
        answer = requests.request(
            method,
            self.url + path,
            json=payload,
            params=parameters,
            headers={"X-Redmine-API-Key": self.key},
            timeout=60,
        )
        if answer.status_code >= 400:
            raise requests.HTTPError(f"{method} {path}: {answer.status_code} {answer.text[:300]}", response=answer)
        return answer.json() if answer.content.strip() else None

    def get(self, path: str, **parameters: Any) -> Any:
        """Given a path, return what is there."""
        return self.call("GET", path, **parameters)

    def settings(self, **values: str) -> dict[str, str]:
        """Given settings of the whole Redmine by name, set them (by the tests' plugin). Return what they were."""
        headers = {"X-Redmine-API-Key": self.key, "X-Mailbridge-Settings": json.dumps(values)}
        answer = requests.get(f"{self.url}/users/current.json", headers=headers, timeout=60)
        answer.raise_for_status()
        before: dict[str, str] = json.loads(answer.headers["X-Mailbridge-Settings"])
        return before

    def run(self, ruby: str) -> Any:
        """Given lines of Ruby, have Redmine carry them out (by the tests' plugin). Return what the last one gives."""
        headers = {"X-Redmine-API-Key": self.key, "X-Mailbridge-Run": json.dumps(ruby)}
        answer = requests.get(f"{self.url}/users/current.json", headers=headers, timeout=60)
        answer.raise_for_status()
        return answer.json()["result"]

    def issues(self, project: str | None = None, **filters: Any) -> list[dict[str, Any]]:
        """Given a project and more filters, return its issues, open and closed, oldest first, without journals."""
        filters = {"status_id": "*", "sort": "id", "limit": 100} | filters
        if project is not None:
            filters["project_id"] = project
        found: list[dict[str, Any]] = []
        while True:
            page = self.get("/issues.json", offset=len(found), **filters)
            found += page["issues"]
            if len(found) >= page["total_count"] or not page["issues"]:
                return found

    def issue(self, number: int) -> dict[str, Any]:
        """Given an issue's number, return it with journals (oldest first), attachments and watchers."""
        found: dict[str, Any] = self.get(f"/issues/{number}.json", include="journals,attachments,watchers,relations")
        issue: dict[str, Any] = found["issue"]
        issue.get("journals", []).sort(key=lambda journal: journal["id"])
        return issue

    def notes(self, number: int) -> list[str]:
        """Given an issue's number, return the texts of its notes, oldest first."""
        return [journal["notes"] for journal in self.issue(number)["journals"] if journal.get("notes")]

    def attachment(self, attachment: dict[str, Any]) -> bytes:
        """Given an attachment as it stands in an issue, return its bytes."""
        path = attachment["content_url"].split("/attachments/", 1)[1]
        answer = requests.get(f"{self.url}/attachments/{path}", headers={"X-Redmine-API-Key": self.key}, timeout=60)
        answer.raise_for_status()
        return answer.content


def fresh_project(admin: Api, seed: dict[str, Any], *, public: bool = True) -> str:
    """Given an administrator and the seed (state["redmine"]), make a project nobody else uses. Return its identifier.

    It has every tracker and custom field; `bridge` is a Bridge, anna a Manager and bob a Developer in it.
    """
    identifier = f"t-{uuid.uuid4().hex[:12]}"
    project = {
        "name": identifier, "identifier": identifier, "is_public": public,
        "tracker_ids": list(seed["trackers"].values()), "enabled_module_names": ["issue_tracking", "time_tracking"],
    }  # fmt: skip
    admin.call("POST", "/projects.json", {"project": project})
    for login, role in (("bridge", "Bridge"), ("anna", "Manager"), ("bob", "Developer")):
        membership = {"user_id": seed["users"][login]["id"], "role_ids": [seed["roles"][role]]}
        admin.call("POST", f"/projects/{identifier}/memberships.json", {"membership": membership})
    return identifier
