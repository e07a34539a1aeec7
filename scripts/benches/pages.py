"""How large the admin's pages are, and how long the server takes for each, with very many mails in the store."""

import argparse
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

import sqlalchemy as sa
import tomlkit
from speed.table import Goal, print_goals
from starlette.testclient import TestClient

from redmine_mailbridge.settings.load import load_with_origins
from redmine_mailbridge.store.tables import mail, step
from redmine_mailbridge.web import wiring
from redmine_mailbridge.web.context import AppContext
from redmine_mailbridge.web.routes import make

LARGEST, LONGEST = 100.0, 100.0
PAGES = (
    "/", "/tasks", "/messages",
    "/messages?outcome=held", "/messages?sender=zoe@elsewhere", "/messages?subject=4711&mailbox=box2",
    "/messages?issue=500", "/messages?since=2000-01-01&until=2000-01-31", "/messages/{half}", "/not-imported",
    "/not-imported?outcome=failed", "/log", "/oauth", "/reports",
    "/mailboxes", "/mailboxes/box1", "/settings", "/changes", "/metrics",
)  # fmt: skip
ASSETS = ("/static/app.css", "/static/app.js", "/static/htmx.min.js")
STATES = ("done",) * 90 + ("held", "rejected", "rejected", "failed") + ("ignored",) * 5 + ("stored",)


def fill(desk: AppContext, mails: int) -> None:
    """Put mails into the store, a year of them, with three steps each, and a full log."""
    now, chance = time.time(), random.Random(7)
    with desk.store.database.write() as db:
        for start in range(0, mails, 10_000):
            rows, steps = [], []
            for number in range(start, min(start + 10_000, mails)):
                state = chance.choice(STATES)
                at = now - (mails - number) * (365 * 86_400 / mails)
                issue = number + 1 if state == "done" else None
                rows.append(
                    {
                        "id": number + 1, "mailbox": f"box{number % 3}", "folder": "INBOX", "uid_validity": "1",
                        "uid": str(number), "size": 20_000, "raw": None, "truncated": False, "first_sync": False,
                        "kept_at": at, "received_at": at, "message_id": f"{number}@example.net",
                        "sender": f"person{number % 5000}@customer{number % 300}.example",
                        "subject": f"Request {number} about something that does not work",
                        "state": "done" if state == "ignored" else state, "tries": 0, "next_try_at": 0.0,
                        "accepted": False, "reason": "a new mail; project support from the mailbox",
                        "changed_at": at + 2, "issue": issue, "created_issue": issue, "filed_at": at + 2,
                        "file_tries": 0, "next_file_at": 0.0,
                    }
                )  # fmt: skip
                steps += [{"mail_id": number + 1, "at": at, "line": f"step {n} of the decision"} for n in range(3)]
            db.execute(sa.insert(mail), rows)
            db.execute(sa.insert(step), steps)
    event = {"level": "info", "event": "mail", "mailbox": "box1", "reason": "new issue in support: a new mail"}
    desk.log_buffer.add([event | {"timestamp": now - n, "id": n} for n in range(8000)])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mails", type=int, default=1_000_000)
    parser.add_argument("--tries", type=int, default=15)
    given = parser.parse_args()
    goals = []
    with tempfile.TemporaryDirectory() as folder:
        box = {"host": "mail.example.com", "password": "p", "issue": {"project": "support"}}
        values = {
            "redmine": {"url": "https://redmine.example.com", "api_key": "k", "text_format": "common_mark"},
            "mailboxes": {f"box{n}": {"address": f"box{n}@example.com"} | box for n in range(3)},
        }
        file = Path(folder) / "settings.toml"
        file.write_text(tomlkit.dumps(values), "utf-8")
        desk = wiring.context(load_with_origins(file, {}))
        fill(desk, given.mails)
        browser = TestClient(make(desk), base_url="http://127.0.0.1:8025", client=("127.0.0.1", 1))
        browser.cookies.set("mailbridge_session", desk.sessions.begin("jo", "Jo", "redmine", "the person's key"))
        assets = sum(sent(browser, path)[1] for path in ASSETS)
        print(f"{given.mails} mails; style and scripts, once and kept by the browser: {assets / 1000:.0f} kB sent\n")
        print("| page | HTML, kB | sent, kB | median, ms | first, ms |\n|---|---:|---:|---:|---:|")
        for path in (page.format(half=given.mails // 2) for page in PAGES):
            times = []
            for _ in range(given.tries):
                start = time.perf_counter()
                size, packed = sent(browser, path)
                times.append((time.perf_counter() - start) * 1000)
            middle = statistics.median(times)
            sizes = f"{size / 1000:.1f} | {packed / 1000:.1f}"
            print(f"| {path.replace('?', ' ?')} | {sizes} | {middle:.1f} | {times[0]:.1f} |", flush=True)
            goals += [(path, (packed + assets) / 1000, middle)]
        desk.store.close()
    heaviest, slowest = max(goals, key=lambda g: g[1]), max(goals, key=lambda g: g[2])
    print()
    return print_goals(
        [
            Goal(
                f"the heaviest first page ({heaviest[0]}), style and scripts included",
                heaviest[1],
                "kB",
                at_most=LARGEST,
            ),
            Goal(f"the slowest page ({slowest[0]})", slowest[2], "ms", at_most=LONGEST),
        ],
        judge=True,
    )


def sent(browser: TestClient, path: str) -> tuple[int, int]:
    """Ask for a page. Return how many bytes it has, and how many go over the wire."""
    answer = browser.get(path)
    assert answer.status_code == 200, f"{path}: {answer.status_code}"
    return len(answer.content), int(answer.headers.get("content-length", len(answer.content)))


if __name__ == "__main__":
    sys.exit(main())
