"""The pictures of the mails that customers get, in docs/pictures: our templates with realistic values, on a desktop and
on a phone, light and dark, in Debian's chromium. No server is needed.
"""

import datetime as dt
import sys
from collections.abc import Mapping
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from redmine_mailbridge.outgoing.dates import Moment
from redmine_mailbridge.outgoing.rendering.note import render
from redmine_mailbridge.outgoing.template_variables import EXAMPLES
from redmine_mailbridge.outgoing.templates import FRAME, Templates
from tests.servers import services
from tests.servers.trees import ensure_program

FOLDER = services.CHECKOUT / "docs" / "pictures"
DESKTOP, PHONE = 760, 375
NOTE = """Good morning,

thank you for the picture. The fuser unit of this series **has to be replaced** after 60,000 pages. Please check two \
things before I order one:

1. What does *Menu > Information > Usage* say?
2. Does the test page (`Menu > Information > Test page`) come out blank as well?

Best regards
Anna Agent"""
ASKED = (
    "Which of the two printers on the third floor is it, the one **beside the kitchen** or the one in the copy room?"
)
WROTE = """Good morning,

since yesterday the printer beside the kitchen prints blank pages only.
I have changed the toner already.

Kim Client"""
GERMAN = """Guten Morgen,

seit gestern druckt der Drucker neben der Küche nur noch leere Seiten.
Den Toner habe ich schon gewechselt."""
ISSUE = {**EXAMPLES["answer"]["issue"], "id": 671, "subject": "The printer on the third floor prints blank pages"}
FIRST, THEN = Moment(dt.datetime(2026, 11, 26, 8, 12)), Moment(dt.datetime(2026, 11, 26, 9, 40))  # noqa: DTZ001 - a day anywhere
ABOUT = {
    "issue": ISSUE,
    "mail": {"subject": ISSUE["subject"], "date": FIRST, "text": WROTE},
    "history": [{"author": "Kim Client", "date": FIRST, "text": WROTE}],
    "mailbox": {"name": "support", "address": "support@example.com", "signature": "Example Support"},
}
KARL = {"name": "Karl Kunde", "address": "karl@kunde.example", "greeting": "Karl Kunde"}
NOTE_VALUES = {
    "text": NOTE,
    "html": render(NOTE, "common_mark").html,
    "author": "Anna Agent",
    "signed": True,
    "date": THEN,
    "left_out": [],
}
MAILS: Mapping[str, tuple[str, str, Mapping[str, Any]]] = {
    "mail-received": ("received", "en", ABOUT),
    "mail-received-german": (
        "received", "de", {
            **ABOUT, "requester": KARL,
            "mail": {"subject": "Drucker druckt leere Seiten", "date": FIRST, "text": GERMAN},
        },
    ),
    "mail-answer": ("answer", "en", {**ABOUT, "note": NOTE_VALUES}),
    "mail-closed": (
        "closed", "en", {**ABOUT, "note": {**NOTE_VALUES, "text": "", "html": "", "author": "", "signed": False}},
    ),
    "mail-reminder": (
        "reminder", "en",
        {**ABOUT, "question": {"text": ASKED, "html": render(ASKED, "common_mark").html, "author": "Anna Agent", "date": THEN}},  # noqa: E501
    ),
    "mail-refused": ("refused", "en", ABOUT),
    "mail-escalation": ("escalation", "en", ABOUT),
}  # fmt: skip
"""By the picture's name: kind, language, and what differs from the made-up values."""
SHOWN = (
    ("mail-received-german", "desktop", "light"), ("mail-answer", "desktop", "light"),
    ("mail-answer", "phone", "dark"), ("mail-reminder", "phone", "light"),
)  # fmt: skip
"""Those that the documentation shows."""


def mail(name: str) -> str:
    """Given a picture's name, return the HTML of its mail."""
    kind, language, values = MAILS[name]
    variables = {**EXAMPLES[kind], **values}
    around = {**EXAMPLES[FRAME], "issue": ISSUE, "reference": EXAMPLES[FRAME]["reference"].replace("4711", "671")}
    return Templates().mail(kind, language, variables, around).html


def take(browser: Browser, name: str, width: str, scheme: Any) -> bytes:
    """Take one picture, as small as the mail is high."""
    page = browser.new_page(
        viewport={"width": PHONE if width == "phone" else DESKTOP, "height": 100}, color_scheme=scheme
    )
    page.set_content(mail(name))
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if overflow > 0:
        raise SystemExit(f"{name} is {overflow} px wider than a {width}")
    return page.screenshot(full_page=True)


def main() -> int:
    """Take the pictures that the documentation shows; with --all PATH, every mail at each width and scheme there."""
    everything = [
        (name, width, scheme) for name in MAILS for width in ("desktop", "phone") for scheme in ("light", "dark")
    ]
    wanted, folder = (everything, services.CHECKOUT / sys.argv[2]) if sys.argv[1:2] == ["--all"] else (SHOWN, FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(ensure_program("chromium")), args=["--no-sandbox"])
        for name, width, scheme in wanted:
            (folder / f"{name}-{width}-{scheme}.png").write_bytes(take(browser, name, width, scheme))
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
