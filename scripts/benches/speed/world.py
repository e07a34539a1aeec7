"""The servers that a bench measures on, and the runs that it measures."""

import http.client
import imaplib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speed import ROOT, mails
from tests.servers import redmine, services
from tests.servers.processes import wait_until

PROJECT, TRACKER = "support", "Support"
SETTINGS = """
[redmine]
url = "{url}"
api_key = "{key}"
text_format = "{text_format}"
settle = "2s"
max_parallel = {parallel}
[store]
url = "sqlite:///{store}/mailbridge.db"
[receive]
max_mail_size = "60MB"
[mailboxes.support]
address = "support@example.com"
host = "127.0.0.1"
port = {imap_port}
security = "none"
username = "{user}@example.com"
password = "{password}"
start_from = "{start_from}"
max_new_mails = 0
[mailboxes.support.issue]
project = "support"
tracker = "Support"
trust = "any"
"""


@dataclass(frozen=True, slots=True)
class Run:
    """What one run cost. Seconds on the clock, seconds of the process's own CPU, most memory in bytes."""

    count: int
    seconds: float
    cpu: float
    memory: int
    out: str


@dataclass(frozen=True, slots=True)
class World:
    """Real servers, and a directory for what a bench writes."""

    state: dict[str, Any]
    directory: Path

    def issues(self) -> int:
        """How many issues Redmine holds."""
        return int(self.get("/issues.json?limit=1&status_id=*")["total_count"])

    def get(self, path: str) -> dict[str, Any]:
        """Ask Redmine as its admin."""
        rm = self.state["redmine"]
        asked = http.client.HTTPConnection("127.0.0.1", rm["port"])
        asked.request("GET", path, headers={"X-Redmine-API-Key": rm["admin"]["api_key"]})
        found: dict[str, Any] = json.load(asked.getresponse())
        asked.close()
        return found

    def fill(self, user: str, content: Iterator[bytes]) -> int:
        """Given a user that has no mail yet, give it some."""
        return mails.maildir(Path(self.state["dir"]) / "dovecot", user, content)

    def settings(self, user: str, *, parallel: int = 8, imap_port: int | None = None, start_from: str = "all") -> Path:
        """Given a user with mail, return a settings file for it, with a store of its own that is empty."""
        store = self.directory / user
        shutil.rmtree(store, ignore_errors=True)
        store.mkdir(parents=True)
        rm, mail = self.state["redmine"], self.state["dovecot"]
        text = SETTINGS.format(
            url=rm["url"], key=rm["admin"]["api_key"], text_format=rm["text_format"], parallel=parallel, store=store,
            imap_port=imap_port or mail["imap_port"], user=user, password=mail["password"], start_from=start_from,
        )  # fmt: skip
        path = store / "settings.toml"
        path.write_text(text)
        return path

    def bridge(self, settings: Path, expected: int, *, prefix: Sequence[str] = ()) -> Run:
        """Given settings, make one pass of the bridge. Raise if it did not make so many issues."""
        before = self.issues()
        command = [
            sys.executable,
            *prefix,
            "-m",
            "redmine_mailbridge",
            "--settings",
            str(settings),
            "receive",
            "--once",
        ]
        run = measured([*command, "--json"], expected, settings.parent)
        made = self.issues() - before
        done = run.out.count('"state": "done"')
        if (made, done) != (expected, expected):
            raise RuntimeError(f"the bridge made {made} issues, said {done}, of {expected} mails: {run.out[-2000:]}")
        return run

    def rake(self, user: str, expected: int) -> Run:
        """Given a user with mail, have Redmine's own task read it. Raise if it did not make so many issues."""
        before, began = self.issues(), time.monotonic()
        options = {
            "host": "127.0.0.1", "port": self.state["dovecot"]["imap_port"], "username": f"{user}@example.com",
            "password": self.state["dovecot"]["password"], "folder": "INBOX", "move_on_success": "Processed",
            "move_on_failure": "Failed", "project": PROJECT, "tracker": TRACKER, "unknown_user": "accept",
            "no_permission_check": "1",
        }  # fmt: skip
        command = ["bin/rake", "redmine:email:receive_imap", *(f"{name}={value}" for name, value in options.items())]
        out = redmine.rails(Path(self.state["tree"]), Path(self.state["dir"]), command)
        seconds = time.monotonic() - began
        if self.issues() - before != expected:
            raise RuntimeError(f"rake made {self.issues() - before} issues of {expected} mails: {out[-2000:]}")
        return Run(expected, seconds, 0.0, 0, out)


_MEASURER = """
import json, resource, subprocess, sys
code = subprocess.call(sys.argv[2:], stdin=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
with open(sys.argv[1], "w") as file:
    json.dump([code, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024], file)
"""


def as_installed() -> dict[str, str]:
    """The environment in which the byte code of modules is kept, as an installation keeps it."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def pin(state: dict[str, Any]) -> None:
    """Given servers, give them the first core, and this process and what it starts from now on the last one."""
    last = max(os.sched_getaffinity(0))
    todo = [process["pid"] for process in state["processes"]]
    for pid in todo:
        for task in Path(f"/proc/{pid}/task").iterdir():
            todo += map(int, (task / "children").read_text().split())
            os.sched_setaffinity(int(task.name), {0})
    os.sched_setaffinity(0, {last})


def measured(command: Sequence[str], count: int, directory: Path) -> Run:
    """Given a command, run it to its end and measure it. Raise if it fails.

    A small process between it and this one starts it: Linux counts the memory of whoever forks, which here may be
    a gigabyte of mails, into the child's ru_maxrss.
    """
    out, err, usage = directory / "out", directory / "err", directory / "usage"
    with out.open("wb") as to, err.open("wb") as wrong:
        began = time.monotonic()
        subprocess.run(
            [sys.executable, "-I", "-S", "-c", _MEASURER, str(usage), *command],
            check=True, stdout=to, stderr=wrong, cwd=ROOT, env=as_installed(),
        )  # fmt: skip
        seconds = time.monotonic() - began
    code, cpu, memory = json.loads(usage.read_text())
    if code != 0:
        raise RuntimeError(f"{command} ended with {code}: {err.read_text()[-3000:]}")
    return Run(count, seconds, cpu, memory, out.read_text())


def keep_in_mdbox(state: dict[str, Any]) -> None:
    """Given servers, have Dovecot keep mail in its own format from now on, where no command reads a whole folder."""
    home = Path(state["dir"]) / "dovecot"
    text = (home / "dovecot.conf").read_text()
    text = text.replace("mail_driver = maildir", "mail_driver = mdbox\nmail_fsync = never").replace(
        "mail_path = ~/Maildir", "mail_path = ~/mdbox"
    )
    (home / "dovecot.conf").write_text(text)
    (dovecot,) = (one for one in state["processes"] if one["name"] == "dovecot")
    os.kill(dovecot["pid"], signal.SIGHUP)
    wait_until(
        lambda: "SIGHUP received" in (home / "dovecot.log").read_text(), "Dovecot reads its settings", 10, dovecot
    )
    wait_until(lambda: _takes_logins(state["dovecot"]), "Dovecot takes logins again", 10)


def _takes_logins(dovecot: dict[str, Any]) -> bool:
    """Old login processes end a moment after the signal: until then a login may end without an answer."""
    try:
        with imaplib.IMAP4("127.0.0.1", dovecot["imap_port"]) as session:
            return session.login("ready@example.com", dovecot["password"])[0] == "OK"
    except (OSError, imaplib.IMAP4.error):
        return False


@contextmanager
def world(*, postgresql: bool, version: str = "6.1") -> Iterator[World]:
    """Start servers in a directory that is new, and remove both at the end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers end also when the bench is ended
    base = ROOT / ".services" / f"bench-{os.getpid()}"
    state = services.up(version, base, "postgresql" if postgresql else "sqlite")
    try:
        yield World(state, base / "runs")
    finally:
        services.down(base, remove=True)


def body(world_: World, number: int, run: str) -> dict[str, Any]:
    """The request that a plain mail becomes: what the raw limit is measured with."""
    rm = world_.state["redmine"]
    head, _, text = mails.plain(number, run).decode().partition("\r\n\r\n")
    subject = next(line for line in head.splitlines() if line.startswith("Subject: "))
    return {
        "issue": {
            "project_id": rm["projects"][PROJECT]["id"],
            "tracker_id": rm["trackers"][TRACKER],
            "subject": subject.removeprefix("Subject: "),
            "description": text.strip(),
        }
    }
