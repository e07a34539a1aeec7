"""From delivery to issue: the running service, which listens by IDLE, beside a cron job every five minutes.

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

from tests.servers.mail import Mailbox

CRON = 300.0


class Service:
    """The running service, and when it said what."""

    def __init__(self, where: World, user: str) -> None:
        self.settings = where.settings(user)
        text = self.settings.read_text() + '[log]\nformat = "json"\n[tasks.receive]\nevery = "1h"\n'
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
                self.ready = self.ready or event == "receive.first_time"
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


def listening(where: World, count: int, rng: random.Random) -> list[float]:
    """Return the seconds from delivery to issue of so many mails, by the running service."""
    box = Mailbox(where.state["dovecot"], "listening@example.com")
    box.create("Processed", "Failed")
    service = Service(where, "listening")
    try:
        service.wait(0)
        found = []
        for number in range(count + 1):
            time.sleep(rng.uniform(0.3, 1.5))
            began = time.monotonic()
            box.deliver(plain(number, "idle"))
            found.append(service.wait(number + 1) - began)
    finally:
        service.end()
    return found[1:]  # the first one fills the memory of what Redmine has


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
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-goals", action="store_true", help="end with 0 whatever was measured")
    given = parser.parse_args()
    rng = random.Random(given.seed)
    with world(postgresql=False) as where:
        idle = listening(where, given.mails, rng)
        measured = passes(where, given.passes)
    cron = [rng.uniform(0.0, CRON) + rng.choice(measured) for _ in range(10_000)]
    heads = ("least", "middle", "90 of 100", "99 of 100", "most")
    print(f"\n| seconds from delivery to issue | {' | '.join(heads)} |\n|---|{'---:|' * len(heads)}")
    for name, values in (("IDLE", idle), ("cron every five minutes", cron), ("one pass of cron", measured)):
        print(f"| {name} ({len(values)}) | " + " | ".join(f"{value:.2f}" for value in spread(values)) + " |")
    print()
    goals = [Goal("IDLE, 99 of 100", spread(idle)[3], "s", at_most=5.0)]
    return print_goals(goals, judge=not given.no_goals)


if __name__ == "__main__":
    sys.exit(main())
