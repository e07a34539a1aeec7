"""Mails a second, side by side on one Redmine (PostgreSQL): the bridge, Redmine's own rake task, the raw limit.

Rounds are interleaved, so that noise hits all three alike. What starting costs is told apart by runs of two sizes.
"""

import argparse
import json
import statistics
import sys
import time

from speed import load
from speed.table import Goal, print_goals
from speed.world import Run, World, body, measured, pin, world

CONNECTIONS = (1, 2, 4, 6, 8)


def raw(where: World, name: str, count: int, connections: int) -> Run:
    """Post so many issues with nothing but a load generator. Raise if Redmine did not make them all."""
    rm, before = where.state["redmine"], where.issues()
    where.directory.mkdir(parents=True, exist_ok=True)
    path = where.directory / f"{name}.json"
    given = {"port": rm["port"], "key": rm["admin"]["api_key"], "logins": ["anna", "bob"]}
    path.write_text(json.dumps(given | {"bodies": [body(where, number, name) for number in range(count)]}))
    run = measured([sys.executable, load.__file__, str(path), str(connections)], count, where.directory)
    if where.issues() - before != count:
        raise RuntimeError(f"the load generator made {where.issues() - before} of {count} issues")
    return Run(count, float(run.out), run.cpu, run.memory, "")


def one_round(where: World, name: str, few: int, many: int, connections: int) -> dict[str, Run]:
    """Each of the three once, and the first two with few mails as well."""
    from speed.mails import many as mails

    runs = {}
    for size, count in (("few", few), ("many", many)):
        user = f"bridge-{name}-{size}"
        where.fill(user, mails(user, count))
        runs[f"bridge {size}"] = where.bridge(where.settings(user), count)
        user = f"rake-{name}-{size}"
        where.fill(user, mails(user, count))
        runs[f"rake {size}"] = where.rake(user, count)
        if size == "many":
            runs["raw"] = raw(where, f"raw-{name}", count, connections)
    return runs


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mails", type=int, default=300, help="mails of a run (default: %(default)s)")
    parser.add_argument("--few", type=int, default=50, help="mails of the small run (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pinned", action="store_true", help="the servers on one core, the clients on another")
    parser.add_argument("--no-goals", action="store_true", help="end with 0 whatever was measured")
    given = parser.parse_args()
    with world(postgresql=True) as where:
        if given.pinned:
            pin(where.state)
        raw(where, "warm", 300, 4)
        rates = {n: (r := raw(where, f"find-{n}", 100, n)).count / r.seconds for n in CONNECTIONS}
        best = max(rates, key=lambda n: rates[n])
        print("raw limit by connections:", ", ".join(f"{n}: {rate:.1f}/s" for n, rate in rates.items()), flush=True)
        rounds = []
        for number in range(given.rounds):
            began = time.monotonic()
            rounds.append(one_round(where, str(number), given.few, given.mails, best))
            print(f"round {number + 1}: {describe(rounds[-1])} ({time.monotonic() - began:.0f} s)", flush=True)
    goals = goals_of(rounds, pinned=given.pinned)
    print(f"\n{given.rounds} rounds of {given.mails} mails, best of the raw limit: {best} connections; medians\n")
    return print_goals(goals, judge=not given.no_goals)


def describe(runs: dict[str, Run]) -> str:
    return ", ".join(f"{name} {run.count / run.seconds:.1f}/s" for name, run in runs.items())


def pure(few: Run, many: Run) -> float:
    """Mails a second without the start: what the larger run took more than the smaller one."""
    return (many.count - few.count) / (many.seconds - few.seconds)


def goals_of(rounds: list[dict[str, Run]], *, pinned: bool) -> list[Goal]:
    """The table, out of what the rounds measured."""

    def middle(values: list[float]) -> float:
        return statistics.median(values)

    whole = {k: middle([r[k].count / r[k].seconds for r in rounds]) for k in ("bridge many", "rake many", "raw")}
    bridge = middle([pure(r["bridge few"], r["bridge many"]) for r in rounds])
    rake = middle([pure(r["rake few"], r["rake many"]) for r in rounds])
    cpu = middle(
        [
            (r["bridge many"].cpu - r["bridge few"].cpu) / (r["bridge many"].count - r["bridge few"].count)
            for r in rounds
        ]
    )
    count = rounds[0]["bridge many"].count
    to_rake = None if pinned else 1.05 if count >= 1000 else 1.0  # rake is started with the servers, on their core
    return [
        Goal("bridge, whole run", whole["bridge many"], "/s"),
        Goal("bridge, without its start", bridge, "/s"),
        Goal("rake receive_imap, whole run", whole["rake many"], "/s"),
        Goal("rake receive_imap, without its start", rake, "/s"),
        Goal("raw limit of POST /issues.json", whole["raw"], "/s"),
        Goal("bridge : rake, whole runs", whole["bridge many"] / whole["rake many"], "×", at_least=to_rake),
        Goal("bridge : rake, without their starts", bridge / rake, "×"),
        Goal("bridge : raw limit, whole run", whole["bridge many"] / whole["raw"], "×"),
        Goal("bridge : raw limit, without its start", bridge / whole["raw"], "×", at_least=0.95 if pinned else 0.85),
        Goal("the bridge's own CPU a mail", cpu * 1000, "ms", at_most=5),
        Goal("the bridge's most memory", max(r["bridge many"].memory for r in rounds) / 1e6, "MB", at_most=110),
    ]


if __name__ == "__main__":
    sys.exit(main())
