"""The pictures of the admin page in docs/pictures: the service on a real Redmine and Dovecot, in Debian's chromium."""

import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from playwright.sync_api import sync_playwright

from redmine_mailbridge.store.tables import mail as mail_table
from tests.product import Product, Service, mail, product
from tests.servers import services
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox
from tests.servers.processes import free_port
from tests.servers.trees import ensure_program

FOLDER = services.CHECKOUT / "docs" / "pictures"
SIZE = {"width": 1360, "height": 820}
PHONE = {"width": 375, "height": 780}
SUBJECTS = ("Invoice 2041", "Password for the new colleague", "Re: delivery on Friday", "The left door squeaks",
            "Our newsletter", "Offer for cleaning", "About order 4698", "Meeting room 2 has no light")  # fmt: skip
SENDERS = ("kim@client.example", "lee@lead.example", "news@shop.example", "sam@partner.example")
HTML = """<html><body><h2>Spring offers</h2><p>Dear customer, this week <b>everything</b> is at half price.</p>
<p><img src="https://shop.example/banner.png" alt="our banner"></p><p><a href="https://shop.example/">See all</a></p>"""


def mails() -> list[bytes]:
    """What the pictures show."""
    kim, lee = "Kim Client <kim@client.example>", "Lee Lead <lee@lead.example>"
    first = mail(
        "The printer on the third floor prints blank pages",
        "Good morning,\n\nsince yesterday the printer beside the kitchen prints blank pages only.\n"
        "I have changed the toner already.\n\n-- \nAnna Agent, Facilities\n",
        sender="Anna Agent <anna@example.com>",
        files={"photo.jpg": b"\xff\xd8" * 4000},
    )
    head, _, _ = mail("Spring offers for you", sender="Shop <news@shop.example>").partition(b"\n\n")
    offer = head.replace(b"text/plain", b"text/html") + b"\n\n" + HTML.encode()
    return [
        first,
        mail("Out of office: order 4711", "I am away until Monday.\n", sender=kim, Auto_Submitted="auto-replied"),
        mail("Order 4711: twenty notebooks", "Could we have them in blue?\n", sender=kim),
        mail("Question about your price list", "Is it still the one of May?\n", sender=lee),
        offer,
    ]


def fill(box: Mailbox, service: Service) -> None:
    """Deliver the mails and wait until all are decided."""
    some = mails()
    box.append(*some)
    service.wait_for("mail", len(some))
    time.sleep(6)  # until the service has noted how everything is


def history(bridge: Product) -> None:
    """Put a fortnight of mails into the store that were done before: the chart shows them."""
    chance = random.Random(4)
    with bridge.application() as made, made.store.database.write() as db:
        for number in range(400):
            at = time.time() - chance.uniform(1.1, 13.9) * 86_400
            word = chance.choice(("done",) * 14 + ("ignored", "ignored", "refused"))
            issue = 10_000 + number if word == "done" else None
            values = {"mailbox": "support", "folder": "INBOX", "uid_validity": "0", "uid": str(number), "size": 9000}
            values |= {"kept_at": at, "changed_at": at + 2, "filed_at": at + 2, "issue": issue, "created_issue": issue}
            values |= {"state": "rejected" if word == "refused" else "done", "sender": chance.choice(SENDERS)}
            why = {"ignored": "it is bulk mail, and a rule ignores it", "refused": "the sender is blocked"}
            values |= {"subject": chance.choice(SUBJECTS), "reason": why.get(word, "")}
            values |= {"truncated": False, "first_sync": False, "accepted": False, "tries": 0, "next_try_at": 0.0}
            values |= {"file_tries": 0, "next_file_at": 0.0}
            db.execute(sa.insert(mail_table).values(**values))


def take(page: Any, url: str) -> None:
    """Take the pictures."""
    page.goto(f"{url}/")
    page.screenshot(path=FOLDER / "overview.png")
    page.goto(f"{url}/not-imported")
    page.screenshot(path=FOLDER / "not-imported.png")
    page.goto(f"{url}/messages")
    page.get_by_role("link", name="Spring offers for you").click()
    page.locator("iframe").scroll_into_view_if_needed()
    page.frame_locator("iframe").get_by_text("Spring offers").wait_for()
    page.evaluate("window.scrollTo(0, 0)")
    page.screenshot(path=FOLDER / "message.png", full_page=True)


def main() -> int:
    """Start what is needed, take the pictures, end it."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "servers"
        redmine = Redmine(services.up("6.1", directory))
        try:
            return run(Path(folder), redmine)
        finally:
            services.down(directory, remove=True)


def run(folder: Path, redmine: Redmine) -> int:
    """Given the servers, run the service and take the pictures."""
    mail_server = redmine.state["dovecot"]
    box, port = Mailbox(mail_server, f"support@{mail_server['domain']}"), free_port()
    bridge = product(folder, redmine, box, redmine.fresh_project())
    bridge.issue(unknown_sender="hold")
    bridge.change({"admin": {"listen": f"127.0.0.1:{port}"}, "outgoing": {"transport": "console"}})
    url = f"http://127.0.0.1:{port}"
    history(bridge)
    with bridge.service() as service, sync_playwright() as playwright:
        service.wait_for("admin.listening")
        fill(box, service)
        chromium = playwright.chromium.launch(executable_path=str(ensure_program("chromium")), args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            page = chromium.new_page(viewport=SIZE, color_scheme=scheme)
            page.goto(f"{url}/login")
            page.get_by_label("Redmine login").fill("admin")
            page.get_by_label("Password", exact=True).fill(redmine.seed["users"]["admin"]["password"])
            page.get_by_role("button", name="Sign in", exact=True).click()
            if scheme == "light":
                take(page, url)
            else:
                page.goto(f"{url}/mailboxes/support")
                page.get_by_role("button", name="Check the connection").click()
                page.get_by_role("heading", name="Done").wait_for()
                page.screenshot(path=FOLDER / "check.png")
                page.set_viewport_size(PHONE)
                page.goto(f"{url}/")
                page.screenshot(path=FOLDER / "phone.png")
        chromium.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
