"""What misbehaving mail servers cost: logins, commands, other mailboxes' time, and whether mail is blamed for it.

For each row of tests/servers/stubborn_rows.py, the service runs for a minute with one mailbox on a server that
misbehaves so (a proxy before a real Dovecot) and one on a healthy server, into which a mail comes every three seconds;
then one service runs with all rows at once. Redmine is a stub, or a real one (--redmine 6.1).

What must hold: a minute costs at most 10 logins and 60 commands, mail of the healthy mailbox is an issue within
5 seconds, and no mail is set aside or refused for what a server says of itself.
"""

import argparse
import os
import shutil
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit
from speed import ROOT
from speed.running import Service

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.settings.load import load
from redmine_mailbridge.store.queries.messages import MessageFilter, MessageQueries
from redmine_mailbridge.wiring.store import open_store
from tests.product import mail
from tests.servers import dovecot, processes, services
from tests.servers.dovecot import Mail
from tests.servers.mail import Mailbox
from tests.servers.redmine_stub import RedmineStub
from tests.servers.stubborn import StubbornServer
from tests.servers.stubborn_rows import Row, rows
from tests.servers.trees import SUITES, ensure_tree

MOST_LOGINS, MOST_COMMANDS, MOST_SECONDS = 10, 60, 5.0
BEFORE, LATER, EVERY = 3, 15.0, 3.0
"""Mails that lie there at first, when one more comes (s), and how often one comes to the healthy mailbox (s)."""


@dataclass(frozen=True, slots=True)
class World:
    """The servers that all runs share."""

    server: Mail
    redmine: dict[str, str]
    project: str
    directory: Path


@dataclass(frozen=True, slots=True)
class Cost:
    """What a row cost, and what became of its mails."""

    logins: int
    commands: int
    arrived: int
    blamed: int
    slowest: float

    def faults(self, row: Row, seconds: float) -> str:
        """Which goals it missed, in words; "" for none."""
        most = max(seconds / 60.0, 1.0)
        missed = {
            "LOGINS": self.logins > MOST_LOGINS * most,
            "COMMANDS": self.commands > MOST_COMMANDS * most * len(row.folders),  # a connection each
            "SET ASIDE": self.blamed > 0,
            "OTHERS WAIT": self.slowest > MOST_SECONDS,
            "NO MAIL": row.arrives and self.arrived < BEFORE,
        }
        return ", ".join(name for name, missed_it in missed.items() if missed_it)


@contextmanager
def world(version: str) -> Iterator[World]:
    """Start the servers in a directory that is new, and remove both at the end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers end also when the bench is ended
    base = ROOT / ".services" / f"bench-{os.getpid()}"
    (base / "runs").mkdir(parents=True)
    try:
        if version == "stub":
            stub = RedmineStub()
            for place in ("tmp", "run"):  # what Dovecot writes to
                (base / place).mkdir(mode=0o777)
            process, server = dovecot.serve(ensure_tree(SUITES["6.1"]), base)
            try:
                yield World(server, {"url": stub.url, "api_key": "key"}, "desk", base / "runs")
            finally:
                processes.end(process)
                stub.close()
        else:
            state = services.up(version, base)
            found = {"url": state["redmine"]["url"], "api_key": state["redmine"]["admin"]["api_key"]}
            yield World(state["dovecot"], found, "support", base / "runs")
    finally:
        services.down(base, remove=True)
        shutil.rmtree(base, ignore_errors=True)


def settings(where: World, folder: Path, boxes: dict[str, dict[str, Any]]) -> Path:
    """Given mailboxes by name, write the settings of a service in this folder. Return the file."""
    values = {
        "redmine": where.redmine | {"text_format": "common_mark", "settle": "2s", "timeout": "10s"},
        "store": {"url": f"sqlite:///{folder}/bridge.db"},
        "log": {"format": "json"},
        "tasks": {"update": {"active": False}, "aggregate": {"active": False}},
        "mailboxes": boxes,
    }
    file = folder / "settings.toml"
    file.write_text(tomlkit.dumps(values))
    file.chmod(0o600)
    return file


def box(where: World, address: str, *, port: int = 0, row: Row | None = None) -> dict[str, Any]:
    """Given an address and, for a server that misbehaves, its port and row, return the table of its mailbox."""
    pop3 = row is not None and row.protocol == "pop3"
    found: dict[str, Any] = {
        "address": address, "start_from": "all", "host": "127.0.0.1",
        "port": port or where.server["imap_port"], "security": "none",
        "password": where.server["password"], "timeout": "5s", "issue": {"project": where.project, "trust": "any"},
    }  # fmt: skip
    if row is not None:
        found |= {"security": row.security, "protocol": row.protocol, "allow_cleartext": True}
    if row is not None and not pop3:
        found |= {"folders": list(row.folders)}
    return found


def run(where: World, name: str, table: dict[int, Row], seconds: float) -> dict[int, Cost]:
    """Given rows by number, run one service with all of them and a healthy mailbox. Return what each cost."""
    folder = where.directory / name
    folder.mkdir()
    with ExitStack() as ends:
        servers, inboxes, boxes = {}, {}, {}
        for number, row in table.items():
            port = where.server["pop3_port" if row.protocol == "pop3" else "imap_port"]
            servers[number] = StubbornServer(port, row.quirks, row.protocol)
            ends.callback(servers[number].close)
            inboxes[number] = Mailbox(where.server, f"{name}-{number}@example.com")
            inboxes[number].create("Processed", "Failed", *row.folders[1:])
            inboxes[number].deliver(*(letter(f"row {number} mail {count}") for count in range(BEFORE)))
            boxes[f"row{number}"] = box(where, inboxes[number].address, port=servers[number].port, row=row)
        healthy = Mailbox(where.server, f"{name}-healthy@example.com")
        healthy.create("Processed", "Failed")
        file = settings(where, folder, {**boxes, "healthy": box(where, healthy.address)})
        service = Service(file)
        counts: dict[int, tuple[int, int]] = {}

        def count() -> None:
            counts.update({number: (one.logins, one.commands) for number, one in servers.items()})

        try:
            slowest = minute(service, healthy, list(inboxes.values()), seconds, at_the_end=count)
        finally:
            stopping = service.end()
        if stopping > 60:
            print(f"{name}: the service took {stopping:.0f} s to stop", file=sys.stderr)
    ended = outcomes(file)
    return {
        number: Cost(*counts[number], ended[f"row{number}", "done"], ended[f"row{number}", "blamed"], slowest)
        for number in table
    }


def letter(subject: str) -> bytes:
    """A plain mail."""
    return mail(subject, f"Words of {subject}.\n", sender=f"{subject.replace(' ', '.')}@elsewhere.example")


def minute(
    service: Service, healthy: Mailbox, others: Sequence[Mailbox], seconds: float, *, at_the_end: Callable[[], None]
) -> float:
    """Wait while the service runs, and deliver. Return for how many seconds the slowest healthy mail waited."""
    if not service.started.wait(60):
        raise RuntimeError(f"the service does not start: exit code {service.process.poll()}")
    timer = threading.Timer(seconds, at_the_end)
    timer.start()
    began, sent, later = time.monotonic(), [], False
    while time.monotonic() - began < seconds:
        if not later and time.monotonic() - began > LATER:
            later = True
            for other in others:
                other.deliver(letter(f"{other.address} later"))
        sent.append(time.monotonic())
        healthy.deliver(letter(f"healthy mail {len(sent)}"))
        time.sleep(EVERY)
    timer.join()
    deadline = time.monotonic() + MOST_SECONDS
    while len(service.done.get("healthy", ())) < len(sent) and time.monotonic() < deadline:
        time.sleep(0.1)
    done = service.done.get("healthy", [])
    waited = [after - before for before, after in zip(sent, done, strict=False)]
    return max([*waited, *(time.monotonic() - before for before in sent[len(done) :])])


def outcomes(file: Path) -> Counter[tuple[str, str]]:
    """Given a service's settings, return how many mails of each mailbox are done, and how many were blamed."""
    store = open_store(load(file, {}))
    try:
        found: Counter[tuple[str, str]] = Counter()
        for row in MessageQueries(store.database).messages(MessageFilter(limit=100_000)):
            if row.state is State.DONE and row.issue is not None:
                found[row.location.mailbox, "done"] += 1
            elif row.state in {State.ASIDE, State.REFUSED}:
                found[row.location.mailbox, "blamed"] += 1
        return found
    finally:
        store.close()


def shown(title: str, table: dict[int, Row], costs: dict[int, Cost], seconds: float) -> int:
    """Given what rows cost, print them. Return how many missed a goal."""
    print(f"\n### {title}\n")
    print("| # | the server | logins | commands | mails | set aside | slowest other mail (s) | |")
    print("|---:|---|---:|---:|---:|---:|---:|---|")
    missed = 0
    for number, row in table.items():
        cost = costs[number]
        faults = cost.faults(row, seconds)
        missed += bool(faults)
        print(
            f"| {number} | {row.what} | {cost.logins} | {cost.commands} | {cost.arrived} of {BEFORE + 1} "
            f"| {cost.blamed} | {cost.slowest:.1f} | {faults} |",
            flush=True,
        )
    return missed


def chosen(words: str, count: int) -> set[int]:
    """Given "1-10,15", return the numbers; all for ""."""
    if not words:
        return set(range(1, count + 1))
    found: set[int] = set()
    for part in words.split(","):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="", help="which, as 1-10,15; all by default")
    parser.add_argument("--list", action="store_true", help="print the rows and end")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--parallel", type=int, default=6, help="services beside each other, a row each")
    parser.add_argument("--only", choices=("alone", "together"), help="each row alone, or all in one service")
    parser.add_argument("--redmine", default="stub", choices=("stub", *SUITES))
    given = parser.parse_args()
    wanted = chosen(given.rows, len(rows()))
    table = {number: row for number, row in enumerate(rows(), 1) if number in wanted}
    if given.list:
        print("\n".join(f"{number:4} {row.what}" for number, row in table.items()))
        return 0
    missed = 0
    with world(given.redmine) as where:
        if given.only != "together":
            with ThreadPoolExecutor(given.parallel) as pool:
                runs = {n: pool.submit(run, where, f"alone{n}", {n: row}, given.seconds) for n, row in table.items()}
                costs = {number: one.result()[number] for number, one in runs.items()}
            missed += shown("Each row in a service of its own", table, costs, given.seconds)
        if given.only != "alone":
            table = {number: row for number, row in enumerate(rows(), 1) if number in wanted}  # counters anew
            costs = run(where, "together", table, given.seconds)
            missed += shown("All rows in one service", table, costs, given.seconds)
    print(f"\n{missed} rows missed a goal" if missed else "\nall goals met")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
