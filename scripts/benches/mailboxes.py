"""What many mailboxes cost that are listened to by IDLE: memory, and the CPU of a service that has nothing to do."""

import argparse
import os
import re
import sys
import time
from pathlib import Path

from speed.running import Service
from speed.table import Goal, print_goals
from speed.world import World, world

BOX = """
[mailboxes.{name}]
address = "{name}@example.com"
host = "127.0.0.1"
port = {port}
security = "none"
password = "{password}"
start_from = "all"
issue = {{ project = "support", tracker = "Support" }}
"""
TICKS = os.sysconf("SC_CLK_TCK")


def settings_of(where: World, count: int) -> Path:
    """A settings file with so many mailboxes, each with its folders."""
    path = where.settings("many")
    mail = where.state["dovecot"]
    names = [f"idle{number}" for number in range(count)]
    for name in names:
        where.fill(name, iter(()))
    head = path.read_text().partition("[mailboxes.support]")[0]
    boxes = "".join(BOX.format(name=name, port=mail["imap_port"], password=mail["password"]) for name in names)
    path.write_text(f'{head}[log]\nformat = "json"\n{boxes}')
    return path


def used(pid: int) -> tuple[float, float]:
    """Given a process, return its seconds of CPU so far, and its memory (VmHWM) in MB."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    memory = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return (int(fields[11]) + int(fields[12])) / TICKS, int(memory[1]) * 1024 / 1e6 if memory else 0.0


def idle(where: World, count: int, settle: float, seconds: float) -> tuple[float, float]:
    """Run a service with so many mailboxes. Return its memory in MB, and the share of a core that it takes idle."""
    service = Service(settings_of(where, count))
    try:
        if not service.started.wait(120):
            raise RuntimeError("the service did not start")
        time.sleep(settle)
        before, began = used(service.process.pid)[0], time.monotonic()
        time.sleep(seconds)
        after, memory = used(service.process.pid)
        return memory, (after - before) / (time.monotonic() - began) * 100
    finally:
        service.end()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settle", type=float, default=60.0, help="seconds until all listen")
    parser.add_argument("--seconds", type=float, default=120.0, help="seconds for which it is watched")
    parser.add_argument("--no-goals", action="store_true", help="end with 0 whatever was measured")
    given = parser.parse_args()
    with world(postgresql=False) as where:
        few = idle(where, 100, given.settle, given.seconds)
        lot = idle(where, 400, given.settle, given.seconds)
    print()
    return print_goals(
        [
            Goal("most memory, 100 mailboxes on IDLE", few[0], "MB", at_most=130),
            Goal("most memory, 400 mailboxes on IDLE", lot[0], "MB", at_most=180),
            Goal("CPU, 100 mailboxes, nothing to do", few[1], "% of a core"),
            Goal("CPU, 400 mailboxes, nothing to do", lot[1], "% of a core", at_most=3),
        ],
        judge=not given.no_goals,
    )


if __name__ == "__main__":
    sys.exit(main())
