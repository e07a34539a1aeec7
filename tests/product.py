"""The assembled product in a test's hand: settings of its own, one pass at a time, or the command line as a process."""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path
from typing import Any

import structlog
import tomlkit
from click.testing import CliRunner, Result

from redmine_mailbridge.cli.main import cli
from redmine_mailbridge.model.stored_mail import StoredMail
from redmine_mailbridge.settings.load import load
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.store.queries.messages import MessageFilter
from redmine_mailbridge.tasks.receive.receiver import PassResult
from redmine_mailbridge.tasks.receive.result import ProcessingResult
from redmine_mailbridge.tasks.service.service import receive_once
from redmine_mailbridge.wiring import application as app
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox

STRANGER = "Zoe Stranger <zoe@elsewhere.example>"
ANNA = "Anna Agent <anna@example.com>"
BOB = "Bob Builder <bob@example.com>"
CAROL = "Carol Customer <carol@example.org>"
DAVE = "Dave Departed <dave@example.com>"
UNFOLDED = policy.default.clone(max_line_length=998)  # by default Python writes long ids as encoded words


def mail(
    subject: str = "A question",
    text: str = "How does it work?\n",
    *,
    sender: str = STRANGER,
    to: str = "support@example.com",
    files: Mapping[str, bytes] | None = None,
    message_id: str | None = None,
    **headers: str,
) -> bytes:
    """Given what matters to a test, return a whole mail; `In_Reply_To` and the like become header fields."""
    made = EmailMessage(policy=UNFOLDED)
    made["From"], made["To"], made["Subject"], made["Date"] = sender, to, subject, formatdate()
    made["Message-ID"] = message_id or make_msgid(domain="elsewhere.example")
    for name, value in headers.items():
        made[name.replace("_", "-")] = value
    made.set_content(text)
    for name, content in (files or {}).items():
        made.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    return made.as_bytes()


def message_id_of(raw: bytes) -> str:
    """Given a mail, return its Message-ID with its brackets."""
    return next(line.partition(b":")[2].strip().decode() for line in raw.splitlines() if line.startswith(b"Message-ID"))


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Given two trees of settings, return both, the second one's leaves winning."""
    result = dict(below)
    for name, value in above.items():
        inner = result.get(name)
        result[name] = merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return result


def box_values(box: Mailbox, project: str, *, port: int | None = None) -> dict[str, Any]:
    """Given a mailbox of the real Dovecot and a project, return its table in the settings."""
    return {
        "address": box.address,
        "host": "127.0.0.1",
        "port": port or box.server["imap_port"],
        "security": "none",
        "password": box.password,
        "timeout": "10s",
        "start_from": "all",
        "issue": {"project": project, "trust": "any"},
        "answers": {"redmine_users": "leave_to_redmine"},
    }


@dataclass(slots=True)
class Product:
    """The bridge between one mailbox, "support", and one project; `values` is its settings file as a tree."""

    folder: Path
    values: dict[str, Any]
    file: Path = field(init=False)

    def __post_init__(self) -> None:
        self.file = self.folder / "settings.toml"
        self.change({})

    def change(self, values: Mapping[str, Any]) -> None:
        """Given further settings, write them into the file."""
        self.values = merged(self.values, values)
        self.file.write_text(tomlkit.dumps(self.values), "utf-8")
        self.file.chmod(0o600)

    def support(self, **values: Any) -> None:
        """Given keys of the mailbox, set them."""
        self.change({"mailboxes": {"support": values}})

    def issue(self, **values: Any) -> None:
        """Given keys of the mailbox's issue table, set them."""
        self.support(issue=values)

    def settings(self) -> Settings:
        """Load the file."""
        return load(self.file, {})

    @contextmanager
    def application(self) -> Iterator[app.Application]:
        """Wire it, and close it at the end."""
        made = app.build(self.settings())
        try:
            yield made
        finally:
            made.close()

    def passes(self, on_outcome: Callable[[ProcessingResult], None] = lambda _outcome: None) -> list[PassResult]:
        """Make one pass over every mailbox, as a process of its own would."""
        with self.application() as made:
            return receive_once(made.receivers, on_outcome)

    def receive(self) -> list[ProcessingResult]:
        """Make one pass. Return what became of the mails. Fail when something ended the pass early."""
        outcomes: list[ProcessingResult] = []
        results = self.passes(outcomes.append)
        assert [None] * len(results) == [result.error for result in results]
        return outcomes

    def rows(self) -> list[StoredMail]:
        """What the store holds, oldest first."""
        with self.application() as made:
            return made.message_queries.messages(MessageFilter(limit=1000))[::-1]

    def command(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Given arguments, run the command line with these settings, and return how it ended."""
        return subprocess.run(
            self._line(*arguments),
            capture_output=True,
            text=True,
            timeout=120,
            env=os.environ | environment,
            check=False,
        )

    def quick(self, *arguments: str) -> Result:
        """Given arguments, run the command line within this process, which is quicker; logs are as before after it."""
        handlers, config = logging.getLogger().handlers[:], structlog.get_config()
        command, *rest = arguments
        try:
            return CliRunner().invoke(cli, [command, "--settings", str(self.file), *rest])
        finally:
            logging.getLogger().handlers[:] = handlers
            structlog.configure(**config)

    def quick_json(self, *arguments: str) -> list[dict[str, Any]]:
        """As `command_json`, within this process."""
        done = self.quick(*arguments, "--json")
        assert done.exit_code == 0, done.output
        return [json.loads(line) for line in done.stdout.splitlines()]

    def command_json(self, *arguments: str) -> list[dict[str, Any]]:
        """Given arguments, run the command line with --json and return the objects. Fail unless it ended well."""
        done = self.command(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    @contextmanager
    def service(self, *arguments: str) -> "Iterator[Service]":
        """Run the service as a process, with its log as JSON, and end it at the end if it still runs."""
        self.change({"log": {"format": "json"}})
        process = subprocess.Popen(self._line("run", *arguments), stderr=subprocess.PIPE, text=True)
        service = Service(process)
        try:
            yield service
        finally:
            if process.poll() is None:
                process.kill()
            service.end()

    def _line(self, command: str, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "redmine_mailbridge", command, "--settings", str(self.file), *arguments]


class Service:
    """A running service and what it has logged."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []
        self._news = threading.Condition()
        self._over = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, event: str, count: int = 1, seconds: float = 60) -> list[dict[str, Any]]:
        """Given the name of a log line, wait until it was logged so often. Return those lines. Fail if it is not."""
        deadline = time.monotonic() + seconds
        with self._news:
            while len(found := self.logged(event)) < count:
                left = deadline - time.monotonic()
                assert left > 0, f"no {event} within {seconds} s in {self.lines}"
                assert not self._over, f"it ended without {event}: {self.lines}"
                self._news.wait(left)
            return found

    def logged(self, event: str) -> list[dict[str, Any]]:
        """Given the name of a log line, return those that were logged."""
        return [line for line in self.lines if line.get("event") == event]

    def signal(self, number: signal.Signals) -> None:
        """Given a signal, send it."""
        self.process.send_signal(number)

    def wait(self, seconds: float = 60) -> int:
        """Wait until it has ended. Return the exit code."""
        return self.process.wait(seconds)

    def end(self) -> None:
        """Take what it said last, and let go of it."""
        self.process.wait(30)
        self._reader.join(30)
        assert self.process.stderr is not None
        self.process.stderr.close()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            try:
                said = json.loads(line)
            except ValueError:
                said = {"event": "text", "text": line.rstrip()}
            with self._news:
                self.lines.append(said)
                self._news.notify_all()
        with self._news:
            self._over = True
            self._news.notify_all()


def product(folder: Path, redmine: Redmine, box: Mailbox, project: str, *, login: str = "admin") -> Product:
    """Given servers, return the bridge between them, with the key of this Redmine user."""
    values = {
        "redmine": {
            "url": redmine.url,
            "api_key": redmine.seed["users"][login]["api_key"],
            "text_format": redmine.text_format,
            "settle": "1s",
            "timeout": "10s",
        },
        "mailboxes": {"support": box_values(box, project)},
    }
    return Product(folder, values)
