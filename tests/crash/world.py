"""A project, a mailbox and a bridge of their own, the mails sent into them."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redmine_mailbridge.model.mail_state import OPEN
from redmine_mailbridge.model.stored_mail import StoredMail
from redmine_mailbridge.settings.load import load
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.store.outgoing.outbox import CLAIM_SECONDS
from redmine_mailbridge.store.queries.messages import MessageFilter, MessageQueries
from redmine_mailbridge.tasks.service.service import receive_once
from redmine_mailbridge.wiring import application as app
from redmine_mailbridge.wiring import sending
from redmine_mailbridge.wiring.oauth import sign_ins
from redmine_mailbridge.wiring.store import open_store
from tests.crash.judge import Found, Verdict, judge_box
from tests.crash.letters import Letter
from tests.crash.variants import Variant
from tests.servers import clocks
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox
from tests.servers.proxy import FaultProxy

VICTIM = Path(__file__).with_name("victim.py")


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
    store: str = ""
    box_extra: str = ""
    issue_extra: str = ""
    unknown: str = "create"
    senders_extra: str = ""
    settle: str = "1s"
    sent: dict[str, list[Letter]] = field(default_factory=dict)
    clock: Path | None = None
    """What holds how far the clock of our processes is ahead, where they have one of their own."""

    def __post_init__(self) -> None:
        self.write_settings()

    def harden(self, variant: Variant, front: FaultProxy | None = None) -> None:
        """Given what is hard, and the proxy in front of Redmine where there is one, make this world so.

        Redmine must be one whose clock can be set, and the proxy that of `redmine_url`.
        """
        self.redmine.set_clock(variant.redmine)
        if front is not None:
            front.ahead = variant.date
        if variant.ticket_user:
            self.unknown, self.senders_extra = "accept", f'ticket_user = "{variant.ticket_user}"'
        if variant.ours:
            self.set_own_clock(variant.ours)
        self.write_settings()

    def set_own_clock(self, ahead: float) -> None:
        """Set the clock of our processes (`command`) so many seconds ahead of the true one, those that run included."""
        self.clock = self.clock or self.directory / "clock"
        clocks.set_ahead(self.clock, ahead)

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
{self.store}
[log]
format = "json"
"""
        for name, (box, project) in self.boxes.items():
            text += f"""
[mailboxes.{name}]
address = "{box.address}"
start_from = "all"
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
unknown_sender = "{self.unknown}"
check_permissions = false
allow_override = "status"
closed_reply = "new"
{self.issue_extra}
[mailboxes.{name}.senders]
block = ["blocked.example"]
{self.senders_extra}
"""
        self.settings_file.write_text(text)
        self.settings_file.chmod(0o600)

    def send_by(self, port: int, answers: str = "") -> None:
        """The bridge sends by the SMTP server at this port, and the mailbox has these answers, in TOML. Not written."""
        self.extra = f'[outgoing]\nhost = "127.0.0.1"\nport = {port}\nsecurity = "none"\nusername = ""\n'
        self.box_extra = f"answers = {{ {answers} }}"

    def say(self, words: str, **more: Any) -> None:
        """Bob writes this note on the issue of each mail; ID in it is the mail's number."""
        bob = self.redmine.api("bob")
        for row in self.rows():
            note = {"notes": words.replace("ID", str(row.id)), **more}
            bob.call("PUT", f"/issues/{row.created_issue}.json", {"issue": note})

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

    def send_answers(self) -> bool:
        """Send what waits, after the time has passed for which a sender that died had claimed it. Return whether any
        was sent.
        """
        settings = self.settings()
        store = open_store(settings)
        store.clock = lambda: time.time() + CLAIM_SECONDS
        try:
            return bool(
                sending.sending(settings, store, threading.Event(), sign_ins(settings, store.database)).once().sent
            )
        finally:
            store.close()

    def left(self) -> tuple[list[str], float]:
        """Return what is still to do, in words, and when the next of it is due."""
        open_rows = [row for row in self.rows() if row.state in OPEN or row.filed_at is None]
        left = [f"mail {row.id} {row.state}, filed {row.filed_at}: {row.reason}" for row in open_rows]
        left += [f"{n} mails in INBOX of {name}" for name, (box, _) in self.boxes.items() if (n := len(box.mails()))]
        return left, min((row.next_try_at for row in open_rows), default=0.0)

    def rows(self) -> list[StoredMail]:
        """Return every mail of the store, newest first."""
        store = open_store(self.settings())
        try:
            return MessageQueries(store.database).messages(MessageFilter(limit=100_000))
        finally:
            store.close()

    def lines(self, mail_id: int, words: str) -> int:
        """Given a mail and words, return how many lines of its record hold them."""
        store = open_store(self.settings())
        try:
            return sum(words in step.line for step in MessageQueries(store.database).steps(mail_id))
        finally:
            store.close()

    def let_age(self, seconds: float) -> None:
        """Wait until the youngest change in the store is so old."""
        youngest = max(row.changed_at for row in self.rows())
        threading.Event().wait(max(youngest + seconds - time.time(), 0.0) + 0.01)

    # ------------------------------------------------------------------ judge

    def judge(self) -> Verdict:
        """Return what is wrong, mail by mail."""
        verdict = Verdict()
        for name, (box, project) in self.boxes.items():
            judge_box(verdict, Found(self.redmine, project), box, self.sent.get(name, []))
        return verdict


class Victim:
    """A command of the bridge in a process of its own; `last_words` says where it died."""

    def __init__(self, world: World, arguments: Sequence[str], die: str | None) -> None:
        self.words = world.directory / "last-words"
        self.words.unlink(missing_ok=True)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MAILBRIDGE_")}
        if die is not None:
            environment |= {"MAILBRIDGE_TEST_DIE": die, "MAILBRIDGE_TEST_DIED": str(self.words)}
        if world.clock is not None:
            environment |= clocks.variables(clocks.host_library(), world.clock)
        self.log = world.directory / "victim.log"
        self.log_begins = self.log.stat().st_size if self.log.exists() else 0
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

    def wait_for_log(self, words: bytes, seconds: float) -> None:
        """Wait until its log says something, it ends, or the time is over."""
        end = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < end:
            with self.log.open("rb") as log:
                log.seek(self.log_begins)
                if words in log.read():
                    return
            threading.Event().wait(0.02)

    def kill(self) -> None:
        """End it now, if it has not ended."""
        self.process.kill()
        self.process.wait()

    @property
    def last_words(self) -> str:
        """Where it died; "" when it has not died where it was told."""
        return self.words.read_text() if self.words.exists() else ""
