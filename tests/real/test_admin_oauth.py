"""Signing in at a real OpenID provider from the admin page, by browser and by code."""

import re

import pytest

from tests.real.test_admin import AXE, Desk, chromium, desk, expect
from tests.servers.openid import OpenId

__all__ = ["chromium", "desk"]
pytestmark = [
    pytest.mark.real,
    pytest.mark.newest,
    pytest.mark.timeout(300),
]


@pytest.fixture
def signing(desk: Desk, openid: OpenId) -> Desk:
    """The mailbox signs in at the provider; nobody has yet."""
    provider = {"issuer": openid.issuer, "client_id": "bridge", "scopes": ["openid", "email", "offline_access", "mail"]}
    desk.bridge.change({"oauth": {"local": provider}, "mailboxes": {"support": {"oauth": "local"}}})
    desk.bridge.values["mailboxes"]["support"].pop("password")
    desk.bridge.change({})
    return desk


def test_by_browser(signing: Desk, openid: OpenId) -> None:
    """The button leads to the provider and back, the sign-in is kept, and an answer that was not asked for is not."""
    with signing.running(), signing.window(also=openid.issuer) as page:
        page.goto(f"{signing.url}/oauth")
        expect(page.get_by_text("not signed in")).to_be_visible()
        page.evaluate(AXE)
        assert [] == page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
        page.goto(f"{signing.url}/oauth/answer?code=stolen&state=foreign")
        expect(page.get_by_role("alert")).to_contain_text("was not started in this browser")
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.get_by_role("link", name=re.compile("Continue to")).click()
        expect(page.get_by_role("status")).to_contain_text("support: signed in as")
        expect(page.get_by_text("signed in", exact=True)).to_be_visible()
        page.get_by_role("button", name="Delete sign-in").click()
        expect(page.get_by_role("status")).to_contain_text("support: sign-in deleted")


def test_by_code(signing: Desk, openid: OpenId) -> None:
    """The page shows the code to type, looks by itself, and says when somebody has signed in with it."""
    with signing.running(), signing.window() as page:
        page.goto(f"{signing.url}/oauth")
        page.get_by_role("button", name="Use a device code").click()
        lines = page.locator(".checks")
        expect(lines).to_contain_text("type the code")
        code = re.findall(r"type the code (\S+?)\.?$", lines.inner_text().strip())[0]
        openid.type_code(f"{openid.issuer}/device?user_code={code}")
        expect(lines).to_contain_text("signed in as", timeout=30_000)
