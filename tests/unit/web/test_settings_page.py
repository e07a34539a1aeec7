"""The settings in force on a page: searched, only what was changed, jumped to, read again."""

from dataclasses import replace
from pathlib import Path

import pytest
import tomlkit
from starlette.testclient import TestClient

from redmine_mailbridge.web.routes import make
from tests.unit.web.site import OURS, URL, Site, values

pytestmark = pytest.mark.fault("N12")


@pytest.fixture
def signed_in(site: Site) -> Site:
    site.sign_in()
    return site


def keys(page: str) -> list[str]:
    """The keys that a page lists."""
    return [part.partition("<")[0] for part in page.split('<td class="wide"><span class="mono">')[1:]]


def test_a_search(signed_in: Site) -> None:
    """Each word of a search must be in a key, its table, its value or what is said about it."""
    assert ["session_lifetime", "session_idle"] == keys(signed_in.browser.get("/settings?q=admin+session").text)
    assert "No setting matches" in signed_in.browser.get("/settings?q=nonsense-word").text


def test_a_search_finds_what_is_a_mailboxes(signed_in: Site) -> None:
    assert "mailboxes.sales" in signed_in.browser.get("/settings?q=sales@example.com").text


def test_only_what_differs_from_the_default(signed_in: Site) -> None:
    """Of hundreds of values those are left that the file or the environment sets."""
    found = keys(signed_in.browser.get("/settings?changed=1").text)
    assert {"url", "api_key", "text_format", "listen", "password_hash_file", "address"} <= set(found)
    assert {"retention", "max_parallel"}.isdisjoint(found)
    assert len(found) < len(keys(signed_in.browser.get("/settings").text))


def test_a_list_to_jump_by(signed_in: Site) -> None:
    """Each table of the page is named at its top, and led to."""
    page = signed_in.browser.get("/settings").text
    jumps = [part.partition('"')[0] for part in page.split('class="mono" href="#')[1:]]
    assert "t-outgoing" in jumps
    assert [] == [name for name in jumps if f'<h2 id="{name}"' not in page]


def serving(site: Site, asked: list[str]) -> TestClient:
    """The same pages, by a process that can read its settings again."""
    context = replace(site.desk, reload=lambda: asked.append("reload"))
    browser = TestClient(make(context), base_url=URL, follow_redirects=False, headers=OURS, client=("127.0.0.1", 1))
    browser.cookies = site.browser.cookies
    return browser


def test_the_settings_are_read_again(signed_in: Site) -> None:
    """The button has the process read its settings again, and the browser come back."""
    asked: list[str] = []
    browser = serving(signed_in, asked)
    assert 'action="/settings/reload"' in browser.get("/settings").text
    answer = browser.post("/settings/reload")
    assert (200, ["reload"], "5; url=/settings") == (answer.status_code, asked, answer.headers["Refresh"])
    assert "reload settings" == signed_in.desk.audit.lines()[0].action


def test_settings_with_mistakes_are_not_read_again(signed_in: Site, tmp_path: Path) -> None:
    """A mistake in the file is shown as `check` names it, and the settings in force stay."""
    tree = values()
    tree["redmine"]["colour"] = "red"
    (tmp_path / "settings.toml").write_text(tomlkit.dumps(tree), "utf-8")
    asked: list[str] = []
    answer = serving(signed_in, asked).post("/settings/reload")
    assert (400, []) == (answer.status_code, asked)
    assert "[redmine] colour: unknown key" in answer.text


def test_who_cannot_read_again_shows_no_button(signed_in: Site) -> None:
    assert "/settings/reload" not in signed_in.browser.get("/settings").text
