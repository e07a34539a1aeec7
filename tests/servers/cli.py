"""The command line of `scripts/services`."""

import argparse
import json
import sys
import time
from pathlib import Path

from tests.servers import services
from tests.servers.databases import SETTINGS
from tests.servers.trees import SUITES, Unavailable, say


def main(arguments: list[str] | None = None) -> int:
    """Given arguments, do what they say. Return 0, or 1 if nothing runs or a start fails, or 3 if it cannot be had."""
    asked = parser().parse_args(arguments)
    database = asked.database
    directory = asked.dir or services.default_directory(asked.redmine, database, customised=asked.customised)
    try:
        if asked.command == "up":
            return up(asked.redmine, directory, database, customised=asked.customised)
        if asked.command == "down":
            return down(directory, remove=asked.remove)
        return status(directory, as_json=asked.json)
    except Unavailable as why:
        say(f"services: {why}", sys.stderr)
        return 3
    except (TimeoutError, RuntimeError) as why:
        say(f"services: {why}", sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    """Return the parser of the three commands."""
    result = argparse.ArgumentParser(prog="scripts/services", description="Real Redmine and Dovecot on loopback ports.")
    result.add_argument("command", choices=["up", "down", "status"])
    result.add_argument("--redmine", choices=sorted(SUITES), default="6.1", help="version (default: %(default)s)")
    result.add_argument("--database", choices=sorted(SETTINGS), default="sqlite", help="default: %(default)s")
    for name in ("postgresql", "mariadb"):
        result.add_argument(f"--{name}", action="store_const", const=name, dest="database", help=f"--database {name}")
    result.add_argument("--customised", action="store_true", help="a Redmine as teams have it (customised.rb)")
    result.add_argument("--dir", type=Path, help="where its state lives (default: .services/VERSION)")
    result.add_argument("--remove", action="store_true", help="down: delete the directory too")
    result.add_argument("--json", action="store_true", help="status: print state.json")
    return result


def up(version: str, directory: Path, database: str, *, customised: bool) -> int:
    """Given what to start and where, start it and say what to do next."""
    began = time.monotonic()
    state = services.up(version, directory, database, customised=customised)
    say(services.describe(state))
    say(f"\nready after {services.stopwatch(began)}. Next: open {state['redmine']['url']}, or run scripts/test.")
    say(f"To end it: scripts/services down --dir {directory}")
    return 0


def down(directory: Path, *, remove: bool) -> int:
    """Given a directory, end what runs there."""
    found = services.down(directory, remove=remove)
    say(f"services: ended what ran in {directory}" if found else f"services: nothing runs in {directory}")
    return 0


def status(directory: Path, *, as_json: bool) -> int:
    """Given a directory, print what runs there."""
    state = services.load(directory)
    if state is None:
        say(f"services: nothing runs in {directory}; start it with scripts/services up", sys.stderr)
        return 1
    say(json.dumps(state, indent=2) if as_json else services.describe(state))
    return 0


if __name__ == "__main__":
    sys.exit(main())
