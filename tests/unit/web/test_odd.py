"""Pages over an empty store, and over mails whose senders and subjects are as odd as mails are."""

import re

import pytest

from redmine_mailbridge.model.mail_state import State
from tests.product import mail
from tests.unit.web.site import Site

PATHS = ("/", "/tasks", "/messages", "/not-imported", "/mailboxes", "/mailboxes/support", "/oauth", "/reports",
         "/templates", "/explain", "/log", "/settings", "/changes")  # fmt: skip
LONG = "x" * 500
RIGHT_TO_LEFT = "طلب مساعدة \u202egnp.exe"
EMOJI = "🎉 👩‍👩‍👧‍👦 \U0001f3f4"


@pytest.mark.parametrize("path", PATHS)
def test_an_empty_store(site: Site, path: str) -> None:
    """Every page answers when there is nothing yet, and where a list would be, it says what to do next."""
    site.sign_in()
    answer = site.browser.get(path)
    assert 200 == answer.status_code
    if path in {"/messages", "/not-imported", "/oauth", "/reports", "/log"}:
        assert 'class="empty"' in answer.text


@pytest.mark.parametrize("subject", [LONG, RIGHT_TO_LEFT, EMOJI, "\x00\x07\x1b[31m", "  ", "<b>&amp;", "Log"])
def test_odd_subjects(site: Site, subject: str) -> None:
    """A subject of any script or length is shown as text of its own direction, everywhere the mail is."""
    row = site.keep(mail("x"), sender=f"{EMOJI} <{'y' * 200}@example.net>", subject=subject)
    site.desk.store.finish(row.id, State.HELD, subject)
    site.sign_in()
    site.browser.headers["Accept-Language"] = "de"
    for path in ("/messages", "/not-imported", f"/messages/{row.id}", "/", "/not-imported.csv"):
        assert 200 == site.browser.get(path).status_code
    for path in ("/messages", f"/messages/{row.id}"):
        text = site.browser.get(path).text
        assert "<b>&amp;" not in text
        if subject in {LONG, RIGHT_TO_LEFT, EMOJI, "Log"}:
            assert f"<bdi>{subject}</bdi>" in text
    page = site.browser.get(f"/messages/{row.id}").text
    assert ('class="grow long"' in page) == (subject == LONG)


def test_a_subject_that_is_the_name_of_a_page(site: Site) -> None:
    """A mail whose subject happens to be one of our words is not translated."""
    row = site.keep(mail("Log"), subject="Log")
    site.sign_in()
    site.browser.headers["Accept-Language"] = "de"
    assert "<title>Log ·" in site.browser.get(f"/messages/{row.id}").text
    assert "<title>Protokoll ·" in site.browser.get("/log").text


def test_what_was_cut_is_what_is_not_there(site: Site) -> None:
    """A quotation is shown as cut beside the text without it."""
    text = "Yes, please.\n\nOn Monday Kim wrote:\n> shall we?\n"
    row = site.keep(mail("Re: x", text), subject="Re: x")
    site.sign_in()
    page = site.browser.get(f"/messages/{row.id}").text
    cut = page.partition("Removed text")[2]
    assert "shall we?" in cut
    assert "shall we?" not in re.sub("(?s)Removed text.*?</details>", "", page).partition("All header fields")[0]
