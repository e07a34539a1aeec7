"""What machines may read, and what browsers are told of TLS."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from starlette.testclient import TestClient

from redmine_mailbridge.cli.main import Commands
from redmine_mailbridge.web import passwords
from redmine_mailbridge.web.routes import make
from tests.layout import ROOT
from tests.unit.web.site import PASSWORD, URL, Site, values

DESK = "https://desk.example.com"


@contextmanager
def site_with(folder: Path, base: str = URL, /, **admin: Any) -> Iterator[Site]:
    file = folder / "settings.toml"
    file.write_text(tomlkit.dumps(values(**admin)), "utf-8")
    passwords.keep(folder / "admin-password", PASSWORD)
    with Site.of(file, base) as site:
        yield site


@pytest.mark.fault("L8")
@pytest.mark.parametrize("proxies", [[], ["127.0.0.1"]], ids=["not named", "named"])
def test_the_numbers_through_a_proxy_that_tells_nothing(tmp_path: Path, proxies: list[str]) -> None:
    """Where a proxy stands in front and does not tell the visitor's address, everybody looks like this machine: then
    the numbers are nobody's.
    """
    with site_with(tmp_path, DESK, url=DESK, proxies=proxies) as site:
        assert 403 == site.browser.get("/metrics").status_code
        site.sign_in()
        assert 200 == site.browser.get("/metrics").status_code


@pytest.mark.fault("L8")
@pytest.mark.parametrize("header", ["Forwarded", "Via", "X-Real-IP", "X-Forwarded-Host"])
def test_a_proxy_that_nobody_named(site: Site, header: str) -> None:
    """A proxy is known by whatever header it adds."""
    assert 403 == site.browser.get("/metrics", headers={header: "x"}).status_code


def test_the_token(tmp_path: Path) -> None:
    """Who brings the token reads the numbers from anywhere, through any proxy; another word opens nothing."""
    with site_with(tmp_path, DESK, url=DESK, metrics_token="a-long-random-word") as site:
        browser = TestClient(make(site.desk), base_url=DESK, client=("192.0.2.1", 1))
        assert 200 == browser.get("/metrics", headers={"Authorization": "Bearer a-long-random-word"}).status_code
        for word in ("Bearer a-long", "Bearer ", "a-long-random-word", "", "Bearer ä"):
            assert 403 == browser.get("/metrics", headers={"Authorization": word.encode()}).status_code


@pytest.mark.fault("V21")
def test_the_numbers_under_a_foreign_name(site: Site) -> None:
    """A foreign name that is made to point here reads no numbers; machines may ask for this one by its address."""
    assert 421 == site.browser.get("/metrics", headers={"Host": "evil.example"}).status_code
    for host in ("127.0.0.1:8025", "10.0.0.7:8025", "[::1]:8025", "localhost"):
        assert 200 == site.browser.get("/metrics", headers={"Host": host}).status_code


@pytest.mark.fault("V21")
def test_tls_is_asked_for_ever_after(tmp_path: Path) -> None:
    """Where the pages are served over TLS, browsers are told never to come without; elsewhere nothing is said."""
    with site_with(tmp_path, DESK, url=DESK, proxies=["127.0.0.1"]) as site:
        for path in ("/login", "/static/app.css", "/nothing-there"):
            assert "max-age=31536000" == site.browser.get(path).headers["Strict-Transport-Security"]
        refused = site.browser.get("/login", headers={"Host": "evil.example"})
        assert "max-age=31536000" == refused.headers["Strict-Transport-Security"]
    with site_with(tmp_path) as site:
        assert "Strict-Transport-Security" not in site.browser.get("/login").headers


@pytest.mark.fault("L7")
@pytest.mark.parametrize("above", ["", "../../"])
def test_a_language_is_no_path(site: Site, tmp_path: Path, above: str) -> None:
    """What the address of a template names as its language leads to no folder elsewhere."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    for name in ("subject.txt", "body.txt", "body.html"):
        (folder / name).write_text("words of somebody else")
    site.sign_in()
    language = f"{above}../../../../../../../../../../..{folder}" if above else str(folder)
    for page in ("/templates/received", "/templates/received/html"):
        answer = site.browser.get(page, params={"language": language})
        assert (200, False) == (answer.status_code, "words of somebody else" in answer.text)


def test_the_alert_rules_of_contrib(tmp_path: Path) -> None:
    """Each metric that the rules for Prometheus name is one of `/metrics`, with the label that they select."""
    rules = (ROOT / "contrib" / "prometheus-alerts.yml").read_text("utf-8")
    selected = re.findall(r"^ +expr: (redmine_mailbridge_\w+\{[^}]+\}) [=><]+ \d+$", rules, re.MULTILINE)
    assert rules.count("redmine_mailbridge_") == len(selected) == 3
    assert rules.count("expr:") == rules.count("summary:") == 4
    with site_with(tmp_path) as site:
        site.sign_in()
        lines = site.browser.get("/metrics").text.splitlines()
    assert set(selected) <= {line.rpartition(" ")[0] for line in lines}


def test_the_line_for_checkmk() -> None:
    """The line in contrib/ is that of the documentation, and calls a command that exists."""
    line = (ROOT / "contrib" / "checkmk-mrpe.cfg").read_text("utf-8").splitlines()[-1]
    assert line in (ROOT / "docs" / "admin" / "operations.md").read_text("utf-8").splitlines()
    assert line.rpartition("/redmine-mailbridge ")[2] in Commands().list_commands()
