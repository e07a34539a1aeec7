"""Whoever Redmine does not take for an administrator any more does nothing more on the pages."""

import contextlib
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import tomlkit

from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.task_state import TaskState
from tests.servers.fixtures import Redmine
from tests.unit.web.site import Site, values

pytestmark = pytest.mark.real
PASSWORD = "top-secret-9"


@pytest.fixture
def person(redmine: Redmine) -> dict[str, Any]:
    """A new administrator of Redmine."""
    word = f"boss{uuid.uuid4().hex[:8]}"
    made = {"login": word, "firstname": "Bo", "lastname": "Ss", "mail": f"{word}@example.com", "password": PASSWORD}
    user: dict[str, Any] = redmine.admin.call("POST", "/users.json", {"user": made | {"admin": True}})["user"]
    return user


@pytest.mark.fault("V10")
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"admin": False}, "does not take you for an administrator any more"),
        ({"status": 3}, "does not take you for an administrator any more"),
        ({"login": "renamed"}, "by another login now"),
    ],
    ids=["demoted", "locked", "renamed"],
)
def test_who_is_none_any_more(
    tmp_path: Path, redmine: Redmine, person: dict[str, Any], change: dict[str, Any], words: str
) -> None:
    """An administrator changes something; is demoted, locked or renamed; and changes nothing more, nor sees a page."""
    tree = values()
    tree["redmine"]["url"] = redmine.url
    file = tmp_path / "settings.toml"
    file.write_text(tomlkit.dumps(tree), "utf-8")
    with Site.of(file) as site:
        assert 303 == site.sign_in(PASSWORD, way="", login=person["login"]).status_code
        book = TaskState(site.desk.store.database, site.desk.store.clock)
        assert 303 == site.browser.post("/tasks/switch", data={"do": "stop"}).status_code
        assert book.stopped

        if "login" in change:
            change = {"login": f"{person['login']}-2"}
        redmine.admin.call("PUT", f"/users/{person['id']}.json", {"user": change})
        answer = site.browser.post("/tasks/switch", data={"do": "start"})

        assert (403, True) == (answer.status_code, book.stopped)
        assert words in answer.text
        assert 303 == site.browser.get("/").status_code


@pytest.mark.newest
def test_attempts_at_once_on_postgresql(postgresql_url: str) -> None:
    """Of forty sign-ins at the same moment, by two processes on one PostgreSQL, no more than five are checked."""
    from redmine_mailbridge.store.admin_sessions import SIGN_IN_REFUSED, Audit

    def refused(tries: Sequence[tuple[str, str]], _known: frozenset[str]) -> None:
        if len(tries) >= 5:
            raise PermissionError

    databases = [Database(postgresql_url) for _ in range(2)]
    databases[0].migrate()

    def attempt(number: int) -> None:
        with contextlib.suppress(PermissionError):
            Audit(databases[number % 2], time.time).attempt("somebody", "", "192.0.2.1", refused)

    try:
        with ThreadPoolExecutor(40) as threads:
            list(threads.map(attempt, range(40)))
        lines = Audit(databases[0], time.time).lines()
        assert [SIGN_IN_REFUSED] * 5 == [line.action for line in lines]
    finally:
        for one in databases:
            one.close()
