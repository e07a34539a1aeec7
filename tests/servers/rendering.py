"""Renders texts as a real Redmine shows them: thousands in one process of its own code, or each as an issue's page."""

import json
import shutil
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lxml.html
import requests

from redmine_mailbridge.model.mail import TextFormat
from tests.servers.api import Api, fresh_project
from tests.servers.redmine import rails
from tests.servers.services import State

SCRIPT = Path(__file__).with_name("render.rb")
FORMATS: dict[str, tuple[TextFormat, ...]] = {
    "5.0": ("textile", "markdown", "common_mark"),
    "6.1": ("common_mark", "textile"),
}
"""The text formattings of each version, the one that it comes with first. "markdown", Redcarpet's, went with 6.0."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A text as it is shown, and the words behind an @ for which Redmine would notify a user."""

    html: str
    mentioned: tuple[str, ...]


def render(state: State, texts: Sequence[tuple[TextFormat, str]]) -> list[Rendered]:
    """Given the state of running servers and texts, each with its formatting, return them as Redmine renders them for
    an administrator who sees everything. The database is a copy, so that the running Redmine notices nothing.
    """
    home = Path(state["dir"]) / "redmine"
    work = home / f"render-{uuid.uuid4().hex[:12]}"
    work.mkdir()
    try:
        _copy(home / "redmine.sqlite3", work / "redmine.sqlite3")
        shutil.copy(SCRIPT, work / "render.rb")
        (work / "in.json").write_text(json.dumps([list(one) for one in texts]), encoding="utf-8")
        for file in (work, *work.iterdir()):
            shutil.chown(file, *_owner(home))
        inside = f"/srv/redmine/{work.name}"
        environment = {"DATABASE_URL": f"sqlite3:{inside}/redmine.sqlite3"}
        environment |= {"RENDER_IN": f"{inside}/in.json", "RENDER_OUT": f"{inside}/out.json"}
        rails(Path(state["tree"]), Path(state["dir"]), ["bin/rails", "runner", f"{inside}/render.rb"], environment)
        found: list[dict[str, Any]] = json.loads((work / "out.json").read_text(encoding="utf-8"))
        return [Rendered(one["html"], tuple(one["mentioned"])) for one in found]
    finally:
        shutil.rmtree(work, ignore_errors=True)


def fetched(state: State, texts: Sequence[str]) -> Iterator[str]:
    """Given the state of running servers and texts in the format that it has, make an issue of each and yield the part
    of its page that shows it, as an administrator's browser gets it.
    """
    seed = state["redmine"]
    admin = Api(seed["url"], seed["admin"]["api_key"])
    project = fresh_project(admin, seed)
    browser = signed_in(state)
    for text in texts:
        payload = {"issue": {"project_id": project, "subject": "inert", "description": text}}
        number = admin.call("POST", "/issues.json", payload)["issue"]["id"]
        yield _description(browser.get(f"{seed['url']}/issues/{number}", timeout=60).content)


def signed_in(state: State) -> requests.Session:
    """Given the state of running servers, return a browser in which the administrator is signed in."""
    url, who = state["redmine"]["url"], state["redmine"]["admin"]
    browser = requests.Session()
    form = lxml.html.fromstring(browser.get(f"{url}/login", timeout=60).content)
    token = form.xpath('//input[@name="authenticity_token"]/@value')[0]
    given = {"authenticity_token": token, "username": who["login"], "password": who["password"]}
    browser.post(f"{url}/login", data=given, timeout=60)
    return browser


def _description(page: bytes) -> str:
    """Given the page of an issue, return its description as HTML, "" for none."""
    found = lxml.html.fromstring(page).xpath('//div[@class="description"]//div[contains(@class,"wiki")]')
    if not found:
        return ""
    inner = (lxml.html.tostring(one, encoding="unicode") for one in found[0])
    return (found[0].text or "") + "".join(inner)


def set_formatting(state: State, text_format: TextFormat) -> None:
    """Given the state of running servers, let the Redmine there have another text formatting from now on."""
    name = f"formatting-{uuid.uuid4().hex[:12]}.rb"
    script = Path(state["dir"]) / "redmine" / name
    script.write_text(f"Setting.text_formatting = '{text_format}'\n")
    try:
        rails(Path(state["tree"]), Path(state["dir"]), ["bin/rails", "runner", f"/srv/redmine/{name}"])
    finally:
        script.unlink()


def _copy(source: Path, target: Path) -> None:
    """Copy a database that is in use, whole."""
    with sqlite3.connect(f"file:{source}?mode=ro", uri=True) as running, sqlite3.connect(target) as copy:
        running.backup(copy)


def _owner(path: Path) -> tuple[int, int]:
    found = (path / "default").stat()
    return found.st_uid, found.st_gid
