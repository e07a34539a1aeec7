"""What passes ask of Redmine, counted on the wire: many plain new mails, a pass of nothing, a reply.

Each pass is a process of `receive --once` as an admin runs it, the update included. Nothing here depends on the
machine.
"""

import argparse
import re
import sys
import time
from collections import Counter

from speed.mails import many, plain
from speed.table import Goal, print_goals
from speed.world import World, world

from tests.servers.mail import Mailbox
from tests.servers.proxy import FaultProxy


def asked(where: World, proxy: FaultProxy, user: str, expected: int) -> Counter[str]:
    """Given a user's mailbox, make one pass, of which Redmine makes so many issues. Return its requests."""
    settings = where.directory / user / "settings.toml"
    if not settings.exists():
        text = where.settings(user).read_text()
        settings.write_text(re.sub(r'url = "http://[^"]*"', f'url = "{proxy.url}"', text, count=1))
    before = len(proxy.requests)
    where.bridge(settings, expected)
    lines = [line.split(" ")[:2] for line in proxy.requests[before:]]
    return Counter(f"{method} {re.sub('/[0-9]+', '/N', target.partition('?')[0])}" for method, target in lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mails", type=int, default=300)
    parser.add_argument("--settle", type=float, default=305.0, help="seconds after which nothing counts as new")
    parser.add_argument("--no-goals", action="store_true", help="end with 0 whatever was measured")
    given = parser.parse_args()
    with world(postgresql=True) as where, FaultProxy(where.state["redmine"]["port"]) as proxy:
        where.fill("counted", many("counted", given.mails))
        full = asked(where, proxy, "counted", given.mails)
        time.sleep(3)  # the second in which Redmine wrote last is over
        next_one = asked(where, proxy, "counted", 0)
        time.sleep(given.settle)
        asked(where, proxy, "counted", 0)
        empty = asked(where, proxy, "counted", 0)
        Mailbox(where.state["dovecot"], "counted@example.com").deliver(plain(given.mails + 1, "one"))
        one = asked(where, proxy, "counted", 1)
    print("\n| pass | requests |\n|---|---|")
    for name, found in ((f"{given.mails} new mails", full), ("the next", next_one), ("nothing", empty), ("one", one)):
        print(f"| {name} | {', '.join(f'{count} {line}' for line, count in found.most_common())} |")
    print()
    lists = empty["GET /issues.json"]
    goals = [
        Goal(
            "requests a plain new mail of a known sender, the whole pass", full.total() / given.mails, "", at_most=1.05
        ),
        Goal("requests of an empty pass", empty.total(), "", at_most=3),
        Goal("requests of its update, nothing changed", lists, "", at_most=1),
        Goal("requests of a pass of one mail", one.total(), ""),
    ]
    return print_goals(goals, judge=not given.no_goals)


if __name__ == "__main__":
    sys.exit(main())
