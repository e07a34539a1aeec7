"""How much memory the bridge takes: after many mails in one pass, and for one mail of 50 MB."""

import argparse
import sys

from speed.mails import large, many
from speed.table import Goal, print_goals
from speed.world import world

MB = 1e6
FILES, FILE_SIZE = 4, 9_000_000  # in base64 a mail of 50 MB, each below the 10 MB that Redmine takes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mails", type=int, default=10_000)
    parser.add_argument("--no-goals", action="store_true", help="end with 0 whatever was measured")
    given = parser.parse_args()
    with world(postgresql=True) as where:
        where.fill("one", many("one", 1))
        one = where.bridge(where.settings("one"), 1)
        mail = large("large", FILES, FILE_SIZE)
        where.fill("large", iter([mail]))
        big = where.bridge(where.settings("large"), 1)
        number = where.get("/issues.json?limit=1&sort=id:desc&status_id=*")["issues"][0]["id"]
        files = where.get(f"/issues/{number}.json?include=attachments")["issue"]["attachments"]
        if [one["filesize"] for one in files] != [FILE_SIZE // 57 * 57] * FILES:
            raise RuntimeError(f"issue {number} has not all the files: {files}")
        print(f"one mail of {len(mail) / MB:.1f} MB: {big.seconds:.1f} s, all {FILES} files whole", flush=True)
        where.fill("many", many("many", given.mails))
        lot = where.bridge(where.settings("many"), given.mails)
        print(f"{given.mails} mails: {lot.seconds:.0f} s, {given.mails / lot.seconds:.1f}/s", flush=True)
    print("\nmost memory resident during a run\n")
    goals = [
        Goal("one small mail", one.memory / MB, "MB"),
        Goal(f"{given.mails} mails in one pass", lot.memory / MB, "MB", at_most=110),
        Goal(f"one mail of {len(mail) / MB:.1f} MB, more", (big.memory - one.memory) / MB, "MB", at_most=60),
        Goal("the bridge's own CPU a mail", (lot.cpu - one.cpu) / (given.mails - 1) * 1000, "ms", at_most=5),
    ]  # fmt: skip
    return print_goals(goals, judge=not given.no_goals)


if __name__ == "__main__":
    sys.exit(main())
