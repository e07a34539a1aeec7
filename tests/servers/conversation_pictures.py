"""The pictures of docs/admin/conversation.md: one conversation on a real Redmine, with mail servers between, as the
customer's mail program, the agent's Redmine and the admin page show it, in Debian's chromium.
"""

import base64
import email
import email.policy
import html
import io
import sys
import tempfile
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import requests
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, sync_playwright

from tests.product import Product, mail, product
from tests.servers import services
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox
from tests.servers.processes import free_port
from tests.servers.relay import Relay, relay
from tests.servers.trees import ensure_program

FOLDER = services.CHECKOUT / "docs" / "pictures"
PROJECT, MX = "support", "mx.example.com"
WIDTH, MAIL_WIDTH = 1100, 760
MOST = 200_000
"""Bytes of a picture."""
KIM, LEE = "Kim Client <kim@client.example>", "Lee Lead <lee@client.example>"
SUE = "Sue Supplier <sue@parts.example>"
SUBJECT = "The printer on the third floor prints blank pages"
ASKED = """Good morning,

since yesterday the printer beside the kitchen prints blank pages only.
I have changed the toner already.

Kim Client
"""
INQUIRED = """Good morning Sue,

what does a fuser unit of the LX-300 cost, and when can you deliver it?

Anna Agent"""
OFFERED = """Good morning Anna,

99 EUR, tomorrow. We also have a refurbished one, 54 EUR, on Friday.

Sue Supplier
"""
ANSWERED = """Good morning Kim,

the fuser unit **has to be replaced**. Which of these may we order?

| Part | Delivery | Price |
|------|----------|------:|
| original | tomorrow | 99 EUR |
| refurbished | Friday | 54 EUR |

Until it is here:

1. Leave the printer switched off.
2. Use the one in the copy room.

The unit is behind this cover:

![](cover.png)

Best regards
Anna Agent"""
CHOSEN = """The original one, please.

Kim

> Which of these may we order?
"""
LAST_ANSWER = """
field = IssueCustomField.create!(name: 'Last answer', field_format: 'string', is_for_all: true, visible: true,
                                 trackers: Tracker.all.to_a)
field.id
"""


class Desk:
    """One mailbox, one project, and whoever writes."""

    def __init__(self, folder: Path, redmine: Redmine, server: Relay) -> None:
        self.redmine = redmine
        self.server = server
        self.box = Mailbox(server.mail, f"support@{server.mail['domain']}")
        self.port = free_port()
        redmine.admin.call("PUT", f"/users/{redmine.seed['users']['bridge']['id']}.json", {"user": {"admin": True}})
        redmine.admin.run(LAST_ANSWER)
        self.bridge: Product = product(folder, redmine, self.box, PROJECT, login="bridge")
        self.bridge.change({
            "admin": {"listen": f"127.0.0.1:{self.port}"},
            "outgoing": {
                "host": "127.0.0.1", "port": server.port, "security": "none", "username": "",
                "from_name": "Example Support",
            },
        })  # fmt: skip
        self.bridge.support(
            host="localhost",
            port=server.mail["imaps_port"],
            security="tls",
            ca_file=server.mail["ca_file"],
            answers={
                "received": True, "notes": "public_notes", "command_roles": ["Manager"], "third_parties": True,
            },
            reading={"trusted_authserv_ids": [MX]},
        )  # fmt: skip
        self.bridge.issue(trust="authenticated", tracker="Support", assignee="anna")
        self.bridge.issue(requester_field="Requester", last_answer_field="Last answer")
        self.turn()

    def turn(self) -> None:
        """Receive, update, send: what is in hand is done, and its mails have left."""
        for _ in range(2):
            done = self.bridge.quick("receive", "--once")
            if done.exit_code:
                raise SystemExit(done.output)

    def writes(self, sender: str, text: str, subject: str = SUBJECT, answer_to: EmailMessage | None = None) -> None:
        """Somebody writes to the team."""
        domain = sender.rpartition("@")[2].rstrip(">")
        more = {"Authentication_Results": f"{MX}; dmarc=pass header.from={domain}"}
        if answer_to is not None:
            ids = f"{answer_to['References'] or ''} {answer_to['Message-ID']}".strip()
            more |= {"In_Reply_To": str(answer_to["Message-ID"]), "References": ids}
        self.box.append(mail(subject, text, sender=sender, to=self.box.address, **more))
        self.turn()

    @property
    def issue(self) -> int:
        """The issue."""
        (found,) = self.redmine.admin.issues(PROJECT, subject=SUBJECT)
        return int(found["id"])

    def says(self, text: str, **more: Any) -> None:
        """Anna writes in Redmine."""
        self.redmine.api("anna").call("PUT", f"/issues/{self.issue}.json", {"issue": {"notes": text, **more}})
        self.turn()

    def newest(self, who: str) -> EmailMessage:
        """The newest mail of a person."""
        address = who.partition("<")[2].rstrip(">")
        found = email.message_from_bytes(Mailbox(self.server.mail, address).mails()[-1], policy=email.policy.default)
        assert isinstance(found, EmailMessage)
        return found

    def uploaded(self, name: str, content: bytes) -> dict[str, str]:
        """A file that Anna's note can have."""
        answer = requests.post(
            f"{self.redmine.url}/uploads.json", params={"filename": name}, data=content, timeout=60,
            headers={
                "X-Redmine-API-Key": self.redmine.api("anna").key, "Content-Type": "application/octet-stream",
            },
        ).json()  # fmt: skip
        return {"token": answer["upload"]["token"], "filename": name, "content_type": "image/png"}


def cover() -> bytes:
    """A drawing of a printer, 480 px wide, with one of its covers in colour."""
    picture = Image.new("RGB", (480, 220), "white")
    draw = ImageDraw.Draw(picture)
    draw.rectangle((90, 20, 390, 50), fill="#eceff1", outline="#37474f", width=3)
    draw.rectangle((60, 50, 420, 180), fill="#cfd8dc", outline="#37474f", width=3)
    draw.rectangle((60, 180, 420, 205), fill="#b0bec5", outline="#37474f", width=3)
    draw.rectangle((85, 70, 185, 100), fill="#eceff1", outline="#37474f", width=2)
    draw.rectangle((280, 75, 400, 160), fill="#ffb74d", outline="#bf360c", width=4)
    draw.line((470, 30, 405, 90), fill="#bf360c", width=5)
    draw.polygon([(400, 94), (423, 85), (411, 72)], fill="#bf360c")
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def as_shown(message: EmailMessage) -> str:
    """Given a mail, return the page of a mail program: its head, and its HTML with the pictures that come with it."""
    body = message.get_body(("html",))
    assert body is not None
    page = str(body.get_content())
    for part in message.walk():
        if part["Content-ID"]:
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            address = f"data:{part.get_content_type()};base64,{base64.b64encode(content).decode()}"
            page = page.replace(f"cid:{str(part['Content-ID']).strip('<>')}", address)
    names = [name for name in ("From", "To", "Cc") if message[name]]
    rows = "".join(f"<div><span>{name}</span>{html.escape(str(message[name]))}</div>" for name in names)
    return (
        "<!DOCTYPE html><style>body{margin:0;font:14px sans-serif;background:#fff}header{padding:16px 24px;"
        "background:#f1f3f5;border-bottom:1px solid #ced4da}h1{font-size:18px;margin:0 0 8px}"
        "header span{display:inline-block;width:52px;color:#666}iframe{border:0;width:100%;display:block}</style>"
        f"<header><h1>{html.escape(str(message['Subject']))}</h1>{rows}</header>"
        f'<iframe srcdoc="{html.escape(page)}" onload="this.height=this.contentDocument.documentElement.scrollHeight">'
        "</iframe>"
    )


def save(name: str, take: Callable[..., bytes], **how: Any) -> None:
    """Write a picture, with 256 colours, so that it is small. Raise `SystemExit` if it is not."""
    out = io.BytesIO()
    with Image.open(io.BytesIO(take(**how))) as shown:
        shown.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    if len(out.getvalue()) > MOST:
        raise SystemExit(f"{name} has {len(out.getvalue())} bytes, more than {MOST}")
    (FOLDER / f"conversation-{name}.png").write_bytes(out.getvalue())


def mail_picture(browser: Browser, name: str, message: EmailMessage) -> None:
    """Take a mail as its recipient sees it."""
    page = browser.new_page(viewport={"width": MAIL_WIDTH, "height": 100})
    page.set_content(as_shown(message))
    page.locator("iframe[height]").wait_for()
    save(name, page.screenshot, full_page=True)
    page.close()


def redmine_pages(browser: Browser, desk: Desk) -> None:
    """Take the issue as Anna sees it."""
    page = browser.new_page(viewport={"width": WIDTH, "height": 800})
    page.goto(f"{desk.redmine.url}/login")
    page.locator("#username").fill("anna")
    page.locator("#password").fill(desk.redmine.seed["users"]["anna"]["password"])
    page.locator("#login-submit").click()
    page.goto(f"{desk.redmine.url}/issues/{desk.issue}")
    page.locator("#history img").first.wait_for()
    save("agent", page.locator("#content").screenshot)
    page.close()


def admin_pages(browser: Browser, desk: Desk) -> None:
    """Take the history of the message that created the issue."""
    url = f"http://127.0.0.1:{desk.port}"
    page = browser.new_page(viewport={"width": WIDTH, "height": 700}, color_scheme="light")
    page.goto(f"{url}/login")
    page.get_by_label("Redmine login").fill("admin")
    page.get_by_label("Password", exact=True).fill(desk.redmine.seed["users"]["admin"]["password"])
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.goto(f"{url}/messages")
    page.locator("td a", has_text=SUBJECT).last.click()
    steps = page.locator("section[aria-labelledby=steps]")
    steps.wait_for()
    box = steps.bounding_box()
    assert box is not None
    page.set_viewport_size({"width": WIDTH, "height": round(box["y"] + box["height"]) + 16})
    save("admin", page.screenshot)
    page.close()


def hold(desk: Desk, browser: Browser) -> None:
    """Have the conversation, and take each side's pictures."""
    desk.writes(KIM, ASKED)
    desk.says(f"/to {SUE}\n\n{INQUIRED}", private_notes=True)
    inquiry = desk.newest(SUE)
    mail_picture(browser, "supplier", inquiry)
    desk.writes(SUE, OFFERED, f"Re: {inquiry['Subject']}", inquiry)
    desk.says(f"/cc {LEE}\n\n{ANSWERED}", uploads=[desk.uploaded("cover.png", cover())], status_id=2)
    answer = desk.newest(KIM)
    mail_picture(browser, "customer", answer)
    desk.writes(KIM, CHOSEN, str(answer["Subject"]), answer)
    redmine_pages(browser, desk)
    with desk.bridge.service() as service:
        service.wait_for("admin.listening")
        admin_pages(browser, desk)


def main() -> int:
    """Start what is needed, take the pictures, end it."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "servers"
        redmine = Redmine(services.up("6.1", directory))
        try:
            with relay(redmine.state["dovecot"]) as server, sync_playwright() as playwright:
                program = str(ensure_program("chromium"))
                browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
                hold(Desk(Path(folder), redmine, server), browser)
                browser.close()
        finally:
            services.down(directory, remove=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
