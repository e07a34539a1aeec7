"""A project, a mailbox and a bridge of their own, the mails sent into them, and the judge of what became of them."""

import email
import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redmine_mailbridge import app
from redmine_mailbridge.settings.load import load
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.store.ask import Archive, MessageFilter
from redmine_mailbridge.store.life import OPEN
from redmine_mailbridge.store.outbox import CLAIM_SECONDS
from redmine_mailbridge.store.rows import MailRow
from redmine_mailbridge.tasks.service import receive_once
from tests.crash.letters import Letter
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox

VICTIM = Path(__file__).with_name("victim.py")
FOLDER = {"issue": "Processed", "note": "Processed", "ignored": "Processed", "refused": "Failed"}
TOKEN = re.compile("tok[0-9a-f]{12}")


@dataclass
class World:
    """One bridge between one or more mailboxes and as many projects. `sent` is what was delivered, by mailbox."""

    directory: Path
    redmine: Redmine
    boxes: dict[str, tuple[Mailbox, str]]
    redmine_url: str = ""
    imap_port: int = 0
    parallel: int = 1
    folders: str = '["INBOX"]'
    redmine_extra: str = ""
    extra: str = ""
    box_extra: str = ""
    settle: str = "1s"
    sent: dict[str, list[Letter]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.write_settings()

    @property
    def settings_file(self) -> Path:
        """The bridge's settings."""
        return self.directory / "settings.toml"

    def write_settings(self, *, settle: str | None = None) -> None:
        """Write the settings file."""
        self.settle = settle or self.settle
        mail = next(iter(self.boxes.values()))[0].server
        text = f"""
[redmine]
url = "{self.redmine_url or self.redmine.url}"
api_key = "{self.redmine.seed["admin"]["api_key"]}"
text_format = "{self.redmine.text_format}"
settle = "{self.settle}"
max_parallel = {self.parallel}
{self.redmine_extra}
{self.extra}
[log]
format = "json"
"""
        for name, (box, project) in self.boxes.items():
            text += f"""
[mailboxes.{name}]
address = "{box.address}"
host = "127.0.0.1"
port = {self.imap_port or mail["imap_port"]}
security = "none"
password = "{mail["password"]}"
timeout = "10s"
folders = {self.folders}
{self.box_extra}
[mailboxes.{name}.issue]
project = "{project}"
trust = "any"
unknown_sender = "create"
check_permissions = false
[mailboxes.{name}.senders]
block = ["blocked.example"]
"""
        self.settings_file.write_text(text)
        self.settings_file.chmod(0o600)

    def settings(self) -> Settings:
        """Load them, as any command does."""
        return load(self.settings_file, {})

    def deliver(self, letters: Iterable[Letter], name: str = "box", *, folder: str = "INBOX") -> None:
        """Given mails, put them into a mailbox, each as often as it says."""
        for one in letters:
            self.boxes[name][0].append(*[one.content] * one.copies, folder=folder)
            self.sent.setdefault(name, []).append(one)

    # ------------------------------------------------------------------ run

    def command(self, *arguments: str, die: str | None = None) -> "Victim":
        """Given a command, start it in a process that dies where it is told."""
        return Victim(self, arguments, die)

    def pass_once(self) -> None:
        """What `receive --once` does, in this process."""
        application = app.build(self.settings())
        try:
            lock = application.store.lock("service", wait=10)
            application.store.raw.clear_spool()
            receive_once(application.receivers)
            lock.release()
        finally:
            application.close()

    def finish(self, seconds: float = 90) -> None:
        """Receive until no mail is open, unfiled or unread. Raise TimeoutError with what is left when it takes long."""
        end = time.monotonic() + seconds
        while True:
            self.pass_once()
            left, due = self.left()
            if not left:
                return
            if time.monotonic() > end:
                raise TimeoutError(f"after {seconds} s not done: {left}")
            threading.Event().wait(min(max(due - time.time(), 0.02), 10))

    def send_answers(self) -> None:
        """Send what waits, after the time has passed for which a sender that died had claimed it."""
        settings = self.settings()
        store = app.open_store(settings)
        store.clock = lambda: time.time() + CLAIM_SECONDS
        try:
            app.sending(settings, store, threading.Event()).once()
        finally:
            store.close()

    def left(self) -> tuple[list[str], float]:
        """Return what is still to do, in words, and when the next of it is due."""
        open_rows = [row for row in self.rows() if row.state in OPEN or row.filed_at is None]
        left = [f"mail {row.id} {row.state}, filed {row.filed_at}: {row.reason}" for row in open_rows]
        left += [f"{n} mails in INBOX of {name}" for name, (box, _) in self.boxes.items() if (n := len(box.mails()))]
        return left, min((row.next_try_at for row in open_rows), default=0.0)

    def rows(self) -> list[MailRow]:
        """Return every mail of the store, newest first."""
        store = app.open_store(self.settings())
        try:
            return Archive(store.database).messages(MessageFilter(limit=100_000))
        finally:
            store.close()

    def let_age(self, seconds: float) -> None:
        """Wait until the youngest change in the store is so old."""
        youngest = max(row.changed_at for row in self.rows())
        threading.Event().wait(max(youngest + seconds - time.time(), 0.0) + 0.01)

    # ------------------------------------------------------------------ judge

    def judge(self) -> "Verdict":
        """Return what is wrong, mail by mail."""
        verdict = Verdict()
        for name, (box, project) in self.boxes.items():
            self._judge_one(verdict, box, project, self.sent.get(name, []))
        return verdict

    def _judge_one(self, verdict: "Verdict", box: Mailbox, project: str, letters: Sequence[Letter]) -> None:
        found = Found(self.redmine, project)
        lies = {folder: message_ids(box, folder) for folder in box.folders()}
        twins = Counter(one.token for one in letters)
        wanted_ids: Counter[str] = Counter()
        for one in letters:
            verdict.mails += one.copies
            wanted_ids[one.message_id] += one.copies
            _judge_text(verdict, one, found)
            for folder, there in lies.items():
                expected = one.copies if folder == FOLDER[one.fate] else 0
                if there[one.message_id] != expected:
                    verdict.misfiled.append(f"{one.token}: {there[one.message_id]} in {folder}, not {expected}")
        assert set(twins.values()) <= {1}, "each mail has a token of its own"
        for folder, there in lies.items():
            verdict.misfiled += [f"{strange} in {folder}" for strange in there.keys() - wanted_ids.keys()]


def _judge_text(verdict: "Verdict", one: Letter, found: "Found") -> None:
    issues, notes = found.issues[one.token], found.notes[one.token]
    wanted = 1 if one.fate in ("issue", "note") else 0
    there = len(issues) + len(notes)
    if there < wanted:
        verdict.lost.append(f"{one.token}: {one.fate}")
    elif there > wanted:
        verdict.doubled.append(f"{one.token}: issues {issues}, notes on {notes}, not one {one.fate}")
    elif len(issues) != (one.fate == "issue"):
        verdict.misplaced.append(f"{one.token}: issues {issues}, notes on {notes}, not one {one.fate}")
    elif one.under is not None and notes != found.of(one.under):
        verdict.misplaced.append(f"{one.token}: a note on {notes}, not on {found.of(one.under)}")
    for name, content in one.files if there else ():
        if found.files[name] != [content]:
            verdict.files.append(f"{name}: {len(found.files[name])} times")
    if one.watcher is not None and issues and found.user(one.watcher) not in found.watchers[issues[0]]:
        verdict.files.append(f"{one.token}: {one.watcher} does not watch")


@dataclass
class Verdict:
    """What the judge found, in words; all empty when every mail is there once and in its place."""

    mails: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    misfiled: list[str] = field(default_factory=list)
    misplaced: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> list[str]:
        """Everything that is wrong."""
        kinds = ("lost", "doubled", "misfiled", "misplaced", "files")
        return [f"{kind}: {line}" for kind in kinds for line in getattr(self, kind)]


class Found:
    """What lies in one project of Redmine, by the tokens in its texts."""

    def __init__(self, redmine: Redmine, project: str) -> None:
        self._redmine = redmine
        self.issues: dict[str, list[int]] = _Lists()
        self.notes: dict[str, list[int]] = _Lists()
        self.files: dict[str, list[bytes]] = _Lists()
        self.watchers: dict[int, set[int]] = {}
        for row in redmine.admin.issues(project):
            self._add(redmine.admin.issue(row["id"]))

    def _add(self, issue: dict[str, Any]) -> None:
        number = issue["id"]
        for token in set(TOKEN.findall(issue.get("description") or "")):
            self.issues[token].append(number)
        for journal in issue["journals"]:
            for token in set(TOKEN.findall(journal.get("notes") or "")):
                self.notes[token].append(number)
        for file in issue["attachments"]:
            self.files[file["filename"]].append(self._redmine.admin.attachment(file))
        self.watchers[number] = {watcher["id"] for watcher in issue["watchers"]}

    def of(self, token: str) -> list[int]:
        """Given a token, return the issues that its mail made or is a note on."""
        return self.issues[token] + self.notes[token]

    def user(self, mail: str) -> int:
        """Given a seeded user's address, return its id."""
        people = self._redmine.seed["users"].values()
        return int(next(person["id"] for person in people if person["mail"] == mail))


class _Lists(dict[Any, Any]):
    def __missing__(self, key: object) -> list[Any]:
        self[key] = []
        found: list[Any] = self[key]
        return found


def message_ids(box: Mailbox, folder: str) -> Counter[str]:
    """Given a folder, return how often each Message-ID lies in it."""
    parsed = (email.message_from_bytes(content) for content in box.mails(folder))
    return Counter(str(mail["Message-ID"]).strip("<> ") for mail in parsed)


class Victim:
    """A command of the bridge in a process of its own; `last_words` says where it died."""

    def __init__(self, world: World, arguments: Sequence[str], die: str | None) -> None:
        self.words = world.directory / "last-words"
        self.words.unlink(missing_ok=True)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MAILBRIDGE_")}
        if die is not None:
            environment |= {"MAILBRIDGE_TEST_DIE": die, "MAILBRIDGE_TEST_DIED": str(self.words)}
        self.log = world.directory / "victim.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(VICTIM), arguments[0], "--settings", str(world.settings_file), *arguments[1:]],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment,
            )  # fmt: skip

    def wait(self, seconds: float = 60) -> str:
        """Wait for its end. Return where it died, "" when it ended otherwise."""
        try:
            self.process.wait(seconds)
        finally:
            self.kill()
        return self.last_words

    def kill(self) -> None:
        """End it now, if it has not ended."""
        self.process.kill()
        self.process.wait()

    @property
    def last_words(self) -> str:
        """Where it died; "" when it has not died where it was told."""
        return self.words.read_text() if self.words.exists() else ""
