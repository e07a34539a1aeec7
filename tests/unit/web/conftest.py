"""The pages on a store of their own, asked without a network; Redmine's answers are made up."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import responses
import tomlkit
from starlette.testclient import TestClient

from redmine_mailbridge.web import passwords
from tests.unit.web.site import PASSWORD, URL, Site, values


@pytest.fixture
def redmine() -> Iterator[responses.RequestsMock]:
    """Answers in Redmine's place."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as answers:
        yield answers


@pytest.fixture
def site(tmp_path: Path, redmine: responses.RequestsMock) -> Iterator[Site]:
    """The pages, with a local password and two mailboxes; nobody is signed in."""
    file = tmp_path / "settings.toml"
    file.write_text(tomlkit.dumps(values()), "utf-8")
    passwords.keep(tmp_path / "admin-password", PASSWORD)
    with Site.of(file) as made:
        yield made


@pytest.fixture
def inside(site: Site) -> TestClient:
    """A browser that is signed in."""
    site.sign_in()
    assert URL == str(site.browser.base_url).rstrip("/")
    return site.browser
