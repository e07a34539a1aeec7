"""Kills the service hundreds of times while mails arrive and connections break, then counts: `scripts/soak-crash`.

It goes in rounds. Each is a world of its own (mailboxes, projects, store) with its own difficulty: clocks that are
wrong, a ticket_user, characters of 4 bytes, Redmine's errors after saves; and is judged at its end. With --part the
rounds that are done stay in a directory, so that many kills can be had in several runs: --resume goes on there.
"""

import argparse
import functools
import json
import logging
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

import structlog

from tests.crash.soak_round import Result, Round
from tests.crash.variants import HARD, PLAIN
from tests.servers import services
from tests.servers.databases import SETTINGS
from tests.servers.fixtures import Redmine
from tests.servers.trees import SUITES

say = functools.partial(print, flush=True)
WORLDS = (*HARD, PLAIN)
UNFINISHED = 3
COLUMNS = ("mails", "kills", "cuts", "lost", "doubled", "misfiled")
HEADS = ("world", "mails", "kills", "cuts and errors", "lost", "doubled", "wrongly filed")


@dataclass
class Ledger:
    """What a soak is to do, and the rounds that it has done."""

    redmine: str
    database: str
    kills: int
    mails_a_kill: int
    kills_a_round: int
    seed: int
    rounds: list[Result] = field(default_factory=list)

    @classmethod
    def load(cls, file: Path) -> Self:
        """Given the file that `save` wrote, return it."""
        found = json.loads(file.read_text())
        return cls(**found | {"rounds": [Result(**one) for one in found["rounds"]]})

    def save(self, file: Path) -> None:
        """Write it, whole or not at all."""
        part = file.with_name(f"{file.name}.part")
        part.write_text(json.dumps(asdict(self), indent=1))
        part.replace(file)

    @property
    def left(self) -> int:
        """How many kills are still to be done."""
        return max(self.kills - sum(one.kills for one in self.rounds), 0)

    @property
    def wrong(self) -> list[str]:
        """What was wrong, in words."""
        return [f"{one.world}: {line}" for one in self.rounds for line in one.wrong]

    def table(self) -> str:
        """A row for each world, and their sum."""
        rows = [[name, *self._sums(name)] for name in dict.fromkeys(one.world for one in self.rounds)]
        rows.append(["all", *self._sums(None)])
        cells = [HEADS, *([row[0], *map(str, row[1:])] for row in rows)]
        widths = [max(len(row[at]) for row in cells) for at in range(len(HEADS))]
        return "\n".join(
            "| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |" for row in cells
        )

    def boundaries(self) -> str:
        """How often it was killed where."""
        deaths = sum((Counter(one.deaths) for one in self.rounds), Counter[str]())
        return "\n".join(f"  {name:<24} {count:>4}" for name, count in sorted(deaths.items()))

    def _sums(self, world: str | None) -> list[int]:
        mine = [one for one in self.rounds if world in (None, one.world)]
        return [sum(getattr(one, column) for one in mine) for column in COLUMNS]


def main(arguments: list[str] | None = None) -> int:
    """Given arguments, run it. Return 1 if a mail was lost, doubled or wrongly filed, 3 if kills are left to do."""
    options = _options(arguments)
    directory = options.part or Path(tempfile.mkdtemp(prefix=f"soak-{os.getpid()}-", dir=_services_root()))
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "soak.json"
    if file.exists() != options.resume:
        say(f"soak-crash: {directory} " + ("holds a soak: --resume goes on with it" if file.exists() else "holds none"))
        return 2
    if not options.resume:
        values = (options.redmine, options.database, options.kills, options.mails, options.round, options.seed)
        Ledger(*values).save(file)
    ledger = Ledger.load(file)
    say(f"soak: Redmine {ledger.redmine} on {ledger.database}, seed {ledger.seed}")
    say(f"{ledger.left} of {ledger.kills} kills to do")
    try:
        _rounds(ledger, file, options)
    finally:
        services.down(directory / "servers", remove=options.part is None)
        if options.part is None and not options.keep:
            shutil.rmtree(directory, ignore_errors=True)
    return _tell(ledger)


def _rounds(ledger: Ledger, file: Path, options: argparse.Namespace) -> None:
    """Do rounds until all kills are done, or the time is over."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    began = time.monotonic()
    if ledger.left:
        redmine = Redmine(services.up(ledger.redmine, file.parent / "servers", ledger.database, ahead=0.0))
    while ledger.left and time.monotonic() - began < 60 * options.minutes:
        number = len(ledger.rounds)
        directory = file.parent / f"round-{number + 1}"
        shutil.rmtree(directory, ignore_errors=True)  # of a run that did not come to its end
        kills = min(ledger.kills_a_round, ledger.left)
        one = Round(directory, redmine, WORLDS[number % len(WORLDS)], f"{ledger.seed} {number}")
        try:
            result = one.run(kills, kills * ledger.mails_a_kill)
        finally:
            one.stop()
        if not result.kills:
            raise RuntimeError(f"the service always ended by itself, see {directory}/victim.log")
        ledger.rounds.append(result)
        ledger.save(file)
        if not result.wrong and not options.keep:
            shutil.rmtree(directory)
        say(
            f"{time.monotonic() - began:6.0f} s  round {number + 1}, {result.world}: {result.kills} kills, "
            f"{result.mails} mails, {len(result.wrong)} wrong; {ledger.left} kills left"
        )


def _tell(ledger: Ledger) -> int:
    """Print what came out. Return the exit code."""
    exits = [code for one in ledger.rounds for code in one.exits]
    if ledger.rounds:
        say(ledger.boundaries())
        say(
            f"ended by itself {len(exits)} times, exit codes {sorted(set(exits))}" if exits else "never ended by itself"
        )
        say(ledger.table())
    for line in ledger.wrong[:50]:
        say(line)
    if ledger.left:
        say(f"{ledger.left} kills left: the same command with --resume goes on")
    return 1 if ledger.wrong else UNFINISHED if ledger.left else 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="soak-crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=500, help="how often the service is killed [500]")
    parser.add_argument("--mails", type=int, default=3, help="how many mails are delivered at each kill [3]")
    parser.add_argument("--round", type=int, default=20, help="how many kills one world sees [20]")
    parser.add_argument("--redmine", default="6.1", choices=sorted(SUITES), help="the Redmine version [6.1]")
    parser.add_argument("--database", default="sqlite", choices=sorted(SETTINGS), help="what it stands on [sqlite]")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="repeat a run's choices")
    parser.add_argument("--part", type=Path, help="do a part, and keep in this directory what was done")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no round after so many minutes")
    parser.add_argument("--resume", action="store_true", help="go on with what --part holds; it says how many kills")
    parser.add_argument("--keep", action="store_true", help="keep the bridge's stores and logs")
    options = parser.parse_args(arguments)
    if options.part is None and (options.resume or options.minutes != float("inf")):
        parser.error("--resume and --minutes need --part DIR, which keeps what was done")
    return options


def _services_root() -> Path:
    root = services.CHECKOUT / ".services"
    root.mkdir(exist_ok=True)
    return root


if __name__ == "__main__":
    sys.exit(main())
