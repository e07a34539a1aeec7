"""From delivery to issue, or to note: the running service, which listens by IDLE, beside a cron job every five minutes;
and from an agent's note in Redmine to the mail at the SMTP server.

Mails are handed to the mail server one at a time, at moments drawn by chance; measured is the time until the service
says that the mail's issue is there and the mail is filed. For cron, passes of `receive --once` over one new mail are
measured as whole processes; a mail that comes at any moment waits for the next full five minutes, and then for that
pass. These waits are drawn, not sat through.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

from speed.mails import plain
from speed.table import Goal, print_goals
from speed.world import World, world

from tests.servers.api import Api
from tests.servers.mail import Mailbox
from tests.servers.relay import relay

CRON = 300.0
OUTGOING = """
[mailboxes.support.answers]
notes = "public_notes"
[outgoing]
host = "127.0.0.1"
port = {port}
security = "none"
username = ""
"""


class Service:
    """The running service, and when it said what."""

    def __init__(self, where: World, user: str, more: str = "") -> None:
        self.settings = where.settings(user)
        text = self.settings.read_text() + more + '[log]\nformat = "json"\n[tasks.receive]\nevery = "1h"\n'
        self.settings.write_text(text)
        command = [sys.executable, "-m", "redmine_mailbridge", "run", "--settings", str(self.settings)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.done: list[float] = []
        self.ready = False
        self._news = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            now = time.monotonic()
            event = json.loads(line).get("event") if line.startswith("{") else None
            with self._news:
                self.ready = self.ready or event == "receive.first_sync"
                self.done += [now] if event == "mail" else []
                self._news.notify_all()

    def wait(self, count: int, seconds: float = 60.0) -> float:
        """Wait until so many mails are done (0: until it listens). Return when the last one was."""
        with self._news:
            if not self._news.wait_for(lambda: self.ready and len(self.done) >= count, timeout=seconds):
                raise RuntimeError(f"the service said nothing of mail {count} within {seconds:.0f} s")
            return self.done[count - 1] if count else time.monotonic()

    def end(self) -> None:
        """Stop it."""
        self.process.terminate()
        self.process.wait(30)


def listening(where: World, count: int, rng: random.Random) -> tuple[list[float], list[float]]:
    """Return the seconds from delivery to issue of so many mails, and to note of a reply to each, by the service."""
    box = Mailbox(where.state["dovecot"], "listening@example.com")
    box.create("Processed", "Failed")
    before = where.issues()
    service = Service(where, "listening")
    try:
        service.wait(0)
        found, noted = [], []
        for number in range(count + 1):
            first = plain(number, "idle")
            reply = first.replace(
                b"Message-ID: <idle.", b"In-Reply-To: <idle.%d@bench.example.com>\r\nMessage-ID: <re." % number
            )
            for which, content in ((found, first), (noted, reply)):
                time.sleep(rng.uniform(0.3, 1.5))
                began = time.monotonic()
                box.deliver(content)
                which.append(service.wait(len(found) + len(noted) + 1) - began)
    finally:
        service.end()
    if (made := where.issues() - before) != count + 1:
        raise RuntimeError(f"{made} issues were made of {count + 1} mails and a reply to each")
    return found[1:], noted[1:]  # the first one fills the memory of what Redmine has


def agents_notes(where: World, count: int, rng: random.Random) -> list[float]:
    """Return the seconds from an agent's note to the mail at the SMTP server of so many, by the running service."""
    rm, found = where.state["redmine"], []
    box = Mailbox(where.state["dovecot"], "answered@example.com")
    box.create("Processed", "Failed")
    with relay(where.state["dovecot"]) as server:
        more = OUTGOING.format(port=server.port)
        service = Service(where, "answered", more)
        try:
            service.wait(0)
            box.deliver(plain(0, "asked").replace(b"anna@example.com", b"customer@example.com"))
            service.wait(1)
            number = where.get("/issues.json?limit=1&sort=id:desc&status_id=*")["issues"][0]["id"]
            api = Api(rm["url"], rm["users"]["bob"]["api_key"])
            for one in range(count):
                time.sleep(rng.uniform(0.0, 30.0))
                before, began = len(server.taken), time.monotonic()
                api.call("PUT", f"/issues/{number}.json", {"issue": {"notes": f"Answer {one}."}})
                while len(server.taken) == before:
                    if time.monotonic() > began + 120:
                        raise RuntimeError("the agent's note was not mailed")
                    time.sleep(0.02)
                found.append(time.monotonic() - began)
        finally:
            service.end()
    return found


def passes(where: World, count: int) -> list[float]:
    """Return the seconds of so many passes over one new mail each, as cron starts them."""
    box = Mailbox(where.state["dovecot"], "cron@example.com")
    settings = where.settings("cron")
    found = []
    for number in range(count):
        box.deliver(plain(number, "cron"))
        found.append(where.bridge(settings, 1).seconds)
    return found


def spread(values: Sequence[float]) -> list[float]:
    """Given values, return least, middle, the 90th and 99th of a hundred, most."""
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return [min(values), statistics.median(values), cuts[89], cuts[98], max(values)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mails", type=int, default=100)
    parser.add_argument("--passes", type=int, default=10, help="passes of cron that are measured")
    parser.add_argument("--notes", type=int, default=8, help="agents' notes that are waited for")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-goals", action="store_true", help="end with 0 whatever was measured")
    given = parser.parse_args()
    rng = random.Random(given.seed)
    with world(postgresql=False) as where:
        idle, replies = listening(where, given.mails, rng)
        notes = agents_notes(where, given.notes, rng)
        measured = passes(where, given.passes)
    cron = [rng.uniform(0.0, CRON) + rng.choice(measured) for _ in range(10_000)]
    heads = ("least", "middle", "90 of 100", "99 of 100", "most")
    print(f"\n| seconds | {' | '.join(heads)} |\n|---|{'---:|' * len(heads)}")
    rows = (
        ("IDLE, an issue", idle), ("IDLE, a note", replies), ("an agent's note to SMTP", notes),
        ("cron every five minutes", cron), ("one pass of cron", measured),
    )  # fmt: skip
    for name, values in rows:
        print(f"| {name} ({len(values)}) | " + " | ".join(f"{value:.2f}" for value in spread(values)) + " |")
    print()
    goals = [
        Goal("IDLE, delivery to issue, 99 of 100", spread(idle)[3], "s", at_most=1.0),
        Goal("IDLE, delivery to note, 99 of 100", spread(replies)[3], "s", at_most=1.0),
        Goal("an agent's note to the mail at the SMTP server, the longest", max(notes), "s", at_most=60.0),
    ]
    return print_goals(goals, judge=not given.no_goals)


if __name__ == "__main__":
    sys.exit(main())
