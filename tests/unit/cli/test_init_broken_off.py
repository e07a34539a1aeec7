"""`init` on a terminal that goes away in the middle: what was answered is there for the next one."""

import json
import os
import pty
import select
import signal
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from redmine_mailbridge.settings.load import load
from redmine_mailbridge.settings.value_types import reveal

pytestmark = pytest.mark.fault("N9")
URL = "http://127.0.0.1:1"
INIT = ["--no-discover", "--no-check"]


class Terminal:
    """A terminal with `init` on it. What it has printed is in `said`."""

    def __init__(self, child: int, master: int) -> None:
        self.child = child
        self.master = master
        self.said = ""
        self._at = 0
        self.code: int | None = None

    def until(self, words: str) -> None:
        """Read until these words stand there, behind what was read before."""
        start, deadline = self._at, time.monotonic() + 90
        while words not in self.said[start:]:
            ready, _, _ = select.select([self.master], [], [], max(deadline - time.monotonic(), 0))
            assert ready, f"no {words!r} in {self.said[start:]!r}"
            try:
                read = os.read(self.master, 4096)
            except OSError:  # the other side is closed
                read = b""
            assert read, f"it ended without {words!r}: {self.said[start:]!r}"
            self.said += read.decode("utf-8", "replace")
        self._at = self.said.index(words, start) + len(words)

    def interrupt(self, words: str) -> None:
        """Press Ctrl-C until these words stand there: Python sees one that comes just before it begins to wait for a
        line with the next key only.
        """
        start = len(self.said)
        for _ in range(10):
            os.write(self.master, b"\x03")
            while words not in self.said[start:] and select.select([self.master], [], [], 3)[0]:
                try:
                    self.said += os.read(self.master, 4096).decode("utf-8", "replace")
                except OSError:  # the other side is closed
                    break
            if words in self.said[start:]:
                self._at = self.said.index(words, start) + len(words)
                return
        raise AssertionError(f"no {words!r} in {self.said[start:]!r}")

    def answer(self, question: str, words: str) -> None:
        """Wait for a question, and type an answer."""
        self.until(question)
        os.write(self.master, f"{words}\n".encode())

    def ended(self) -> int:
        """Wait for the end; return the exit status, below 0 for a signal."""
        if self.code is None:
            self.code = os.waitstatus_to_exitcode(os.waitpid(self.child, 0)[1])
        return self.code


@contextmanager
def init(file: Path, *flags: str) -> Iterator[Terminal]:
    """Run `init` on a terminal of its own."""
    child, master = pty.fork()
    if child == 0:
        for ignored in (signal.SIGINT, signal.SIGHUP):  # as by nohup: what a terminal sends must arrive all the same
            signal.signal(ignored, signal.SIG_DFL)
        command = [sys.executable, "-m", "redmine_mailbridge", "init", "--settings", str(file), *INIT, *flags]
        os.execv(sys.executable, command)  # noqa: S606 - our own program
    made = Terminal(child, master)
    try:
        yield made
    finally:
        os.close(master)
        if made.code is None:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def begun(terminal: Terminal) -> None:
    """Answer everything up to the mail server's protection."""
    terminal.answer("Redmine's address", URL)
    terminal.answer("API key", "secret-key")
    terminal.answer("text formatting", "textile")
    terminal.answer("Email address of the mailbox", "desk@firm.example")
    terminal.answer("Protocol", "pop3")
    terminal.answer("Mail server", "mail.firm.example")
    terminal.until("Encryption")


@pytest.mark.parametrize("how", ["Ctrl-C", "Ctrl-D", "closed"])
def test_what_was_answered_is_offered_again(tmp_path: Path, how: str) -> None:
    """Ctrl-C, an end of input or a closed terminal loses nothing but secrets: the answers are kept for their owner
    alone, the next `init` shows them and goes on behind them, and once the settings are written they are gone.
    """
    file = tmp_path / "settings.toml"
    with init(file) as terminal:
        begun(terminal)
        if how == "closed":
            os.kill(terminal.child, signal.SIGHUP)  # what the kernel sends when a terminal is closed
            assert -signal.SIGHUP == terminal.ended()
        else:
            if how == "Ctrl-C":
                terminal.interrupt("are saved in")
            else:
                os.write(terminal.master, b"\x04")
                terminal.until("are saved in")
            terminal.until("the next `init` offers them")
            assert 1 == terminal.ended()
    (kept,) = tmp_path.iterdir()
    assert 0o600 == stat.S_IMODE(kept.stat().st_mode)
    assert "secret-key" not in kept.read_text("utf-8")
    assert "mail.firm.example" == json.loads(kept.read_text("utf-8"))["answers"]["host"]

    with init(file) as terminal:
        terminal.until("host: mail.firm.example")
        terminal.answer("Continue with these answers?", "")
        terminal.answer("API key", "secret-key")
        for question in ("Encryption", "Port", "Login name"):
            terminal.answer(question, "")
        terminal.answer("Password for", "secret-word")
        terminal.answer("Project for new issues", "desk")
        for question in ("Tracker", "Unknown senders"):
            terminal.answer(question, "")
        terminal.answer("Notes to mail", "never")
        terminal.answer("Does Redmine itself mail customers", "y")
        terminal.answer("Acknowledge messages that create", "n")
        terminal.until("Wrote ")
        terminal.answer("Add another mailbox?", "n")
        assert 0 == terminal.ended()
    box = load(file, {}).mailboxes["desk"]
    assert ("mail.firm.example", 995, "pop3", "secret-word") == (box.host, box.port, box.protocol, reveal(box.password))
    assert {"settings.toml", "secrets"} == {one.name for one in tmp_path.iterdir()}


def test_who_wants_them_no_more_throws_them_away(tmp_path: Path) -> None:
    """A no to the answers of before removes them, and everything is asked anew."""
    file = tmp_path / "settings.toml"
    with init(file) as terminal:
        terminal.answer("Redmine's address", URL)
        terminal.until("API key")
        terminal.interrupt("Aborted!")
        assert 1 == terminal.ended()
    with init(file) as terminal:
        terminal.answer("Continue with these answers?", "n")
        terminal.until("Redmine's address")
        terminal.interrupt("Aborted!")
        assert 1 == terminal.ended()
    assert [] == list(tmp_path.iterdir())


def _flags(tmp_path: Path) -> list[str]:
    """Flags that answer everything."""
    (tmp_path / "key").write_text("k\n", "utf-8")
    flags = ["--redmine-url", URL, "--api-key-file", str(tmp_path / "key"), "--text-format", "textile"]
    flags += ["--address", "desk@firm.example", "--protocol", "imap", "--host", "m.example", "--port", "993"]
    flags += ["--security", "tls", "--username", "desk", "--password-file", str(tmp_path / "key"), "--project", "desk"]
    flags += ["--tracker", "Bug", "--unknown-sender", "accept", "--answers", "never", "--no-received"]
    flags += ["--redmine-users", "leave_to_redmine"]
    return flags


def test_ctrl_c_at_the_last_question_is_a_no(tmp_path: Path) -> None:
    """When the settings are written, Ctrl-C at the question for a further mailbox ends `init` as a no does."""
    file = tmp_path / "settings.toml"
    with init(file, *_flags(tmp_path)) as terminal:
        terminal.until("Add another mailbox?")
        terminal.interrupt("Next: redmine-mailbridge check")
        assert 0 == terminal.ended()
    assert ["desk"] == list(load(file, {}).mailboxes)


def test_a_mailbox_that_is_added_is_kept_for_add(tmp_path: Path) -> None:
    """Broken off at a further mailbox, the settings stand as they were written, and `init --add` offers the answers."""
    file = tmp_path / "settings.toml"
    with init(file, *_flags(tmp_path)) as terminal:
        terminal.answer("Add another mailbox?", "y")
        terminal.answer("Email address of the mailbox", "sales@firm.example")
        terminal.until("Login name")
        terminal.interrupt("the next `init --add` offers them")
        assert 1 == terminal.ended()
    assert ["desk"] == list(load(file, {}).mailboxes)
    with init(file, "--add") as terminal:
        terminal.until("address: sales@firm.example")


@pytest.mark.fault("A15-3")
def test_a_password_in_an_address_is_not_kept(tmp_path: Path) -> None:
    """Who types an address with a user and a password in it has nothing of it lie there."""
    from redmine_mailbridge.cli.setup import resume

    place = tmp_path / "kept"
    typed = {"redmine_url": "https://gate:word@redmine.example", "host": "box:word@mail.example"}
    assert resume.keep(place, {"address": "desk@firm.example", "port": 993}, typed)
    assert "word" not in place.read_text("utf-8")
    found = resume.broken_off(place)
    assert found is not None
    assert ({"address": "desk@firm.example", "port": 993}, {}) == (found.answers, found.typed)


@pytest.mark.fault("A15-4")
def test_answers_that_somebody_else_laid_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers of another user, or behind a link, are not offered: the key that is asked for next would go where they
    say. A pipe in their place holds nothing up.
    """
    from redmine_mailbridge.cli.setup import resume

    place = tmp_path / "kept"
    assert resume.keep(place, {"redmine_url": "https://elsewhere.example"}, {})
    (tmp_path / "link").symlink_to(place)
    os.mkfifo(tmp_path / "pipe")
    assert resume.broken_off(place) is not None
    assert resume.broken_off(tmp_path / "link") is None
    assert resume.broken_off(tmp_path / "pipe") is None
    me = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    assert resume.broken_off(place) is None


@pytest.mark.fault("A17-3")
@pytest.mark.parametrize(
    "kept", ["[" * 100_000, '{"answers": {"port": [1]}, "typed": {}, "at": "2026-01-01T00:00:00+00:00"}', "{}", ""]
)
def test_what_no_init_has_kept(tmp_path: Path, kept: str) -> None:
    """A file in that place which no `init` can have written offers nothing, and ends nothing."""
    from redmine_mailbridge.cli.setup import resume

    place = tmp_path / "kept"
    place.write_text(kept, "utf-8")
    assert resume.broken_off(place) is None
