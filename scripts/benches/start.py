"""What starting costs: seconds of CPU and modules loaded, of `--help`, of a pass and of a service with nothing new."""

import argparse
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

from speed.table import Goal, print_goals
from speed.world import as_installed, measured, world

BRIDGE = (sys.executable, "-m", "redmine_mailbridge")
SERVE = """
import signal, subprocess, sys, threading
process = subprocess.Popen(sys.argv[1:], stderr=subprocess.PIPE, text=True)
for line in process.stderr:
    if "service.started" in line:
        process.send_signal(signal.SIGTERM)
sys.exit(process.wait())
"""


def modules(*arguments: str) -> int:
    """Given a command line, return how many modules it has loaded at its end."""
    command = [sys.executable, "-X", "importtime", *BRIDGE[1:], *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, env=as_installed())
    return sum(line.startswith("import time:") for line in ended.stderr.splitlines())


def cpu(folder: Path, tries: int, *command: str) -> float:
    """Given a command, return the middle of its seconds of CPU."""
    return statistics.median(measured(command, 0, folder).cpu for _ in range(tries))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tries", type=int, default=7)
    parser.add_argument("--no-goals", action="store_true", help="end with 0 whatever was measured")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with world(postgresql=False) as where:
        settings = where.settings("start")
        once = ("--settings", str(settings), "receive", "--once")
        where.fill("start", iter(()))
        measured([*BRIDGE, *once], 0, settings.parent)  # makes the store, and the byte code
        began = time.monotonic()
        passes = cpu(settings.parent, given.tries, *BRIDGE, *once)
        seconds = (time.monotonic() - began) / given.tries
        serve = cpu(
            settings.parent, given.tries, sys.executable, "-c", SERVE, *BRIDGE, "--settings", str(settings), "run"
        )
        help_ = cpu(settings.parent, given.tries, *BRIDGE, "--help")
        counts = modules("--help"), modules(*once)
    print()
    return print_goals(
        [
            Goal("`receive --once`, nothing new", passes, "s of CPU", at_most=0.75),
            Goal("the same, on the clock", seconds, "s"),
            Goal("`run`, until it is up, and its end", serve, "s of CPU", at_most=0.75),
            Goal("`--help`", help_, "s of CPU", at_most=0.1),
            Goal("modules that `--help` loads", counts[0], "", at_most=150),
            Goal("modules that `receive --once` loads", counts[1], ""),
        ],
        judge=not given.no_goals,
    )


if __name__ == "__main__":
    sys.exit(main())
