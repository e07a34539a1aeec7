"""A new mail in a folder of 100,000 against one in a folder of 100: time, and IMAP commands and bytes.

The mails that lie there stay there: the mailbox is read from now on. After a first pass that notes where the folder
ends, some new mails come, and only the pass that reads them counts, without what an empty pass takes.

Dovecot keeps the mails in mdbox. In a Maildir of 100,000 it reads the whole directory at every move of anybody, which
takes it a second; --maildir shows that.
"""

import argparse
import statistics
import sys

from speed.mails import append, many
from speed.table import Goal, print_goals
from speed.world import Run, World, world

from tests.servers.mail import Mailbox
from tests.servers.proxy import FaultProxy

TINY = b"From: anna@example.com\r\nSubject: old\r\nMessage-ID: <%d@old.example.com>\r\n\r\nold\r\n"


class Folder:
    """A mailbox that holds so many mails, read through a proxy that counts."""

    def __init__(self, where: World, size: int, proxy: FaultProxy) -> None:
        self.where = where
        self.size = size
        self.proxy = proxy
        self.user = f"folder{size}"
        dovecot = where.state["dovecot"]
        self.box = Mailbox(dovecot, f"{self.user}@example.com")
        append(dovecot["imap_port"], self.box.address, self.box.password, (TINY % number for number in range(size)))
        self.settings = where.settings(self.user, start_from="now", imap_port=proxy.port)
        self.first = where.bridge(self.settings, 0)

    def new(self, run: str, count: int) -> tuple[Run, int, int]:
        """Let so many mails come and read them. Return the run, and the IMAP commands and bytes that it took."""
        self.box.append(*many(run, count))
        before = (len(self.proxy.requests), self.proxy.bytes_up + self.proxy.bytes_down)
        done = self.where.bridge(self.settings, count)
        after = (len(self.proxy.requests), self.proxy.bytes_up + self.proxy.bytes_down)
        return done, after[0] - before[0], after[1] - before[1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs=2, default=(100, 100_000))
    parser.add_argument("--mails", type=int, default=100, help="new mails of a pass")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--maildir", action="store_true")
    parser.add_argument("--no-goals", action="store_true", help="end with 0 whatever was measured")
    given = parser.parse_args()
    times: dict[int, list[float]] = {size: [] for size in given.sizes}
    cost: dict[int, tuple[float, float]] = {}
    with world(postgresql=True) as where, FaultProxy(where.state["dovecot"]["imap_port"], "line") as proxy:
        folders = [Folder(where, size, proxy) for size in given.sizes]
        for folder in folders:
            print(f"first pass over {folder.size} mails, none taken: {folder.first.seconds:.1f} s", flush=True)
            folder.new(f"warm{folder.size}", given.mails)
        for number in range(given.rounds):
            for folder in folders[:: 1 if number % 2 else -1]:
                empty, commands, size = folder.new("none", 0)
                run, more, larger = folder.new(f"f{folder.size}-{number}", given.mails)
                times[folder.size].append((run.seconds - empty.seconds) / given.mails * 1000)
                cost[folder.size] = ((more - commands) / given.mails, (larger - size) / given.mails)
                print(f"{folder.size}: {times[folder.size][-1]:.1f} ms a mail", flush=True)
    small, large = given.sizes
    middle = {size: statistics.median(times[size]) for size in given.sizes}
    print(f"\na new mail, {given.rounds} rounds of {given.mails} mails\n")
    goals = [Goal(f"time, folder of {size}", middle[size], "ms") for size in given.sizes]
    goals += [Goal(f"IMAP commands, folder of {size}", cost[size][0], "") for size in given.sizes]
    goals += [Goal(f"IMAP bytes both ways, folder of {size}", cost[size][1], "") for size in given.sizes]
    goals += [
        Goal("time, large : small", middle[large] / middle[small], "×", at_most=1.1),
        Goal("commands, large : small", cost[large][0] / cost[small][0], "×", at_most=1.1),
        Goal("bytes, large : small", cost[large][1] / cost[small][1], "×", at_most=1.1),
    ]
    return print_goals(goals, judge=not given.no_goals)


if __name__ == "__main__":
    sys.exit(main())
