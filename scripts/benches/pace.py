"""Redmine on SQLite, which answers 500 when several write at once: many requests allowed against few.

The bridge finds out by itself how many requests it bears, so nothing is lost and more allowed is not slower.
"""

import argparse
import statistics
import sys

from speed.mails import many
from speed.table import Goal, print_goals
from speed.world import Run, world


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mails", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--parallel", type=int, nargs=2, default=(2, 8))
    parser.add_argument("--no-goals", action="store_true", help="end with 0 whatever was measured")
    given = parser.parse_args()
    runs: dict[int, list[Run]] = {parallel: [] for parallel in given.parallel}
    again: dict[int, int] = dict.fromkeys(given.parallel, 0)
    with world(postgresql=False) as where:
        where.fill("warm", many("warm", 150))
        where.bridge(where.settings("warm"), 150)
        for number in range(given.rounds):
            for parallel in given.parallel:
                user = f"p{parallel}-{number}"
                where.fill(user, many(user, given.mails))
                settings = where.settings(user, parallel=parallel)
                run = where.bridge(settings, given.mails)  # raises when a mail was lost, doubled or put off
                runs[parallel].append(run)
                again[parallel] += (settings.parent / "err").read_text().count("redmine.retry")
                print(f"at most {parallel} at once: {given.mails / run.seconds:.1f}/s", flush=True)
    few, more = (statistics.median(given.mails / run.seconds for run in runs[n]) for n in given.parallel)
    print(f"\n{given.rounds} rounds of {given.mails} mails; every mail became one issue in one pass, none put off\n")
    goals = [
        *(Goal(f"at most {n} at once", rate, "/s") for n, rate in zip(given.parallel, (few, more), strict=True)),
        *(Goal(f"at most {n} at once: requests sent again in hand", again[n], "") for n in given.parallel),
        Goal("many : few", more / few, "×", at_least=1.0),
    ]
    return print_goals(goals, judge=not given.no_goals)


if __name__ == "__main__":
    sys.exit(main())
