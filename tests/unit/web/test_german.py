"""The German pages as they are made: nothing that the pages say is left in English."""

import dataclasses
from typing import Any, ClassVar

import pytest

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.outgoing.template_variables import KINDS
from redmine_mailbridge.reports.report import BYS
from redmine_mailbridge.store.health import REDMINE, SERVICE, of_mailbox
from redmine_mailbridge.store.task_state import TaskState
from redmine_mailbridge.web import i18n, request
from redmine_mailbridge.web.pages.templates import ABOUT
from redmine_mailbridge.web.routes import GET
from tests.product import mail
from tests.unit.web.site import Site

PATHS = [path for path in GET if "{" not in path and path != "/oauth/answer"]
PATHS += ["/messages/1", "/messages/2", "/messages/99", "/mailboxes/support", "/templates/received", "/nothing"]
PATHS += [f"/reports?by={by}" for by in BYS]


class Listening(i18n.Translations):
    """Notes what it was asked for and does not know."""

    unknown: ClassVar[set[str]] = set()

    def __call__(self, text: str, /, **values: object) -> str:
        if self.language != "en" and text not in i18n.catalogue(self.language):
            self.unknown.add(text)
        return super().__call__(text, **values)


@pytest.fixture
def busy(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A store in which something of everything has happened, before a German browser."""
    store, book = site.desk.store, TaskState(site.desk.store.database, site.desk.store.clock)
    rows = [site.keep(mail(f"Mail {n}"), sender="s@example.net", subject="S", uid=str(n)) for n in range(1, 7)]
    store.done(rows[0].id, "made", issue=7, created=True)
    store.done(rows[1].id, "an automatic reply")
    for row, state in zip(rows[2:], (State.REJECTED, State.HELD, State.FAILED), strict=False):
        store.finish(row.id, state, "why")
    for name, run in (("receive", store.clock() - 60), ("update", store.clock()), ("aggregate", None)):
        book.end(book.begin(name, run), done=1, failed=1, error="x")
    book.skip("receive", store.clock(), "the run before it was still going")
    book.override("receive", lambda old: dataclasses.replace(old, every=900.0, active=False, next_run=9e9))
    book.override("update", lambda old: dataclasses.replace(old, cron="* * * * *"))
    for name, error, doing in (
        (SERVICE, None, "running"),
        (REDMINE, "no", "takes nothing"),
        ("sending", "no", "1 waiting"),
    ):
        site.desk.health.note(name, error, doing)
    site.desk.health.note(of_mailbox("support"), None, "listening")
    site.desk.health.note(of_mailbox("sales"), "refused", "waiting to try again")
    site.sign_in()
    monkeypatch.setattr(request, "Translations", Listening)
    monkeypatch.setattr(Listening, "unknown", set())
    site.browser.headers["Accept-Language"] = "de"
    return site


def test_nothing_is_left_in_english(busy: Site) -> None:
    """Every text that a page asks its catalogue for is in it, on every page, and what a decision answers too."""
    said: Any = None
    for path in PATHS:
        said = busy.browser.get(path)
        assert 500 != said.status_code, path
    busy.browser.post("/messages/decide", data={"decision": "retry", "id": ["1", "3", "99"]})
    busy.browser.post("/tasks/switch", data={"do": "stop"})
    for path in ("/", "/tasks", "/messages", "/changes"):
        busy.browser.get(path)
    busy.browser.post("/tasks/switch", data={"do": "start"})
    assert set() == Listening.unknown
    assert "alle 15m" in busy.browser.get("/tasks").text


def test_each_kind_of_mail_is_told_about() -> None:
    """Each template has a line that says what its mail is for, in German too."""
    assert set(KINDS) == set(ABOUT)
    assert [] == [line for line in ABOUT.values() if line not in i18n.catalogue("de")]
