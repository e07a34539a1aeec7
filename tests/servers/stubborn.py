"""A real mail server made stubborn: a proxy before it that says now and then what a table says, and counts.

The dialogue is the real server's, except where a quirk steps in, so that a row of the table is one misbehaviour and
nothing else.
"""

import contextlib
import re
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BufferedReader
from typing import Literal

from tests.servers.faults import listener, shut

Words = str | Callable[[], str]
Edit = tuple[bytes, bytes | Callable[[re.Match[bytes]], bytes]]

LITERAL = re.compile(rb"\{(\d+)\}\r\n$")
MANY_LINES = ("CAPA", "RETR", "TOP")
LISTINGS = ("LIST", "UIDL")


@dataclass(frozen=True, slots=True)
class Quirk:
    """What happens to a command that begins with what `on` fits (a regular expression, upper case, no tag; "" is the
    greeting), after `skip` such commands have passed unharmed.

    `says`: this is the answer, and the server never sees the command. `edits`: the server's answer goes through these
    substitutions, line by line (a line with its literals is one). `then`: said behind the server's answer; behind its
    `+` when it is IDLE. `repeats`: said there again and again until the next command. At last the connection `ends`,
    or is `mute` for ever. `{tag}` stands for the command's tag, `{idle}` for that of the IDLE before; a line break is
    CR LF, and half a line is one without.
    """

    on: str
    says: Words | None = None
    edits: tuple[Edit, ...] = ()
    then: Words | None = None
    repeats: Words | None = None
    ends: bool = False
    mute: bool = False
    skip: int = 0


class StubbornServer:
    """Stands in front of a mail server on loopback, with its quirks; counts `connections`, `logins` and `commands`."""

    def __init__(self, target_port: int, quirks: Sequence[Quirk], protocol: Literal["imap", "pop3"] = "imap") -> None:
        self.target_port = target_port
        self.quirks = quirks
        self.protocol = protocol
        self.connections = 0
        self.attempts = 0
        self.lines: list[str] = []
        self._met: Counter[int] = Counter()
        self._lock = threading.Lock()
        self._links: list[Link] = []
        self._listener = listener(0)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def logins(self) -> int:
        """How often somebody tried to log in; a connection that does not come so far is a try as well."""
        return max(self.connections, self.attempts)

    @property
    def commands(self) -> int:
        """How many commands came."""
        return len(self.lines)

    def quirk(self, command: str) -> Quirk | None:
        """Given a command, note it, and return the quirk that it meets."""
        with self._lock:
            if command:
                self.lines.append(command)
                login = r"LOGIN|AUTHENTICATE" if self.protocol == "imap" else r"PASS|APOP|AUTH"
                self.attempts += re.match(login, command.upper()) is not None
            for number, quirk in enumerate(self.quirks):
                fits = re.match(quirk.on, command.upper()) if quirk.on else None
                if fits if command else not quirk.on:
                    self._met[number] += 1
                    return quirk if self._met[number] > quirk.skip else None
        return None

    def close(self) -> None:
        """Take no more connections, and end those that are open."""
        shut(self._listener)
        for link in list(self._links):
            link.end()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                with self._lock:
                    self.connections += 1
                link = Link(self, client)
                self._links.append(link)
                threading.Thread(target=link.run, daemon=True).start()


class Link:
    """One connection: what the client says goes up, what the server says comes down, and quirks come between."""

    def __init__(self, server: StubbornServer, client: socket.socket) -> None:
        self._server = server
        self._client = client
        self._up: socket.socket | None = None
        self._writing = threading.Lock()
        self._mute = False
        self._tag = self._verb = self._idle_tag = ""
        self._quirk: Quirk | None = None
        self._open = False
        """Has the server not answered the command in hand to its end?"""
        self._inside = False
        """Are we inside an answer of many lines (POP3)?"""
        self._next_command = threading.Event()

    def run(self) -> None:
        """Serve it to its end."""
        try:
            self._quirk = self._server.quirk("")
            if self._quirk is not None and (self._quirk.says is not None or self._quirk.mute):
                self._instead(self._quirk)
                self._swallow()
                return
            self._up = socket.create_connection(("127.0.0.1", self._server.target_port))
            self._open = True
            threading.Thread(target=self._down, args=(self._up,), daemon=True).start()
            self._serve(self._up)
        except (OSError, ValueError):
            return
        finally:
            self.end()

    def end(self) -> None:
        """Hang up on both sides."""
        self._next_command.set()
        for side in (self._client, self._up):
            if side is not None:
                shut(side)

    # ------------------------------------------------------------------ what the client says

    def _serve(self, up: socket.socket) -> None:
        with self._client.makefile("rb") as said:
            while line := said.readline():
                if self._mute:
                    continue
                if self._open and self._verb in {"AUTHENTICATE", "AUTH"}:
                    up.sendall(line)
                elif not self._command(line, up) and (literal := LITERAL.search(line)) is not None:
                    up.sendall(said.read(int(literal[1])) + said.readline())

    def _swallow(self) -> None:
        while self._client.recv(4096):
            pass

    def _command(self, line: bytes, up: socket.socket) -> bool:
        """Given a line of the client, pass it on, or say something instead. Return whether it went no further."""
        text = line.decode("latin-1").rstrip("\r\n")
        self._next_command.set()
        self._next_command = threading.Event()
        if self._server.protocol == "imap" and text.upper() != "DONE":
            self._tag, _, text = text.partition(" ")
        self._verb = text.partition(" ")[0].upper()
        self._idle_tag = self._tag if self._verb == "IDLE" else self._idle_tag
        self._inside = False
        self._listing = self._verb in LISTINGS and " " not in text.strip()
        self._quirk = quirk = self._server.quirk(text)
        if quirk is not None and (quirk.says is not None or (quirk.mute and not quirk.then and not quirk.edits)):
            self._instead(quirk)
            return True
        self._open = True
        up.sendall(line)
        return False

    def _instead(self, quirk: Quirk) -> None:
        self._open = False
        self._say(quirk.says)
        self._after(quirk)

    # ------------------------------------------------------------------ what the server says

    def _down(self, up: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), up.makefile("rb") as said:
            for unit in units(said, self._server.protocol):
                self._pass(unit)
        self.end()

    def _pass(self, unit: bytes) -> None:
        quirk = self._quirk
        begins_idle = self._verb == "IDLE" and unit.startswith(b"+")
        last = self._open and self._is_last(unit)
        if last:
            self._open = False
        if quirk is not None:
            for pattern, put in quirk.edits:
                unit = re.sub(pattern, put, unit, flags=re.DOTALL)
        if unit:
            self._send(unit)
        if quirk is not None and (begins_idle or (last and self._verb != "IDLE")):
            self._quirk = None
            self._say(quirk.then)
            self._after(quirk)

    def _is_last(self, unit: bytes) -> bool:
        """Given what the server says, is it the end of its answer to the command in hand?"""
        if not self._verb:
            return True  # the greeting
        if self._server.protocol == "imap":
            return unit.startswith(
                (self._tag.encode() + b" ", self._idle_tag.encode() + b" " if self._idle_tag else b"\0")
            )
        if self._inside:
            return unit == b".\r\n"
        self._inside = unit.startswith(b"+OK") and (self._verb in MANY_LINES or self._listing)
        return not self._inside and not unit.startswith(b"+ ")

    def _after(self, quirk: Quirk) -> None:
        if quirk.repeats is not None:
            threading.Thread(target=self._repeat, args=(quirk.repeats, self._next_command), daemon=True).start()
        self._mute = self._mute or quirk.mute
        if quirk.ends:
            self.end()

    def _repeat(self, words: Words, until: threading.Event) -> None:
        with contextlib.suppress(OSError, ValueError):
            while not until.wait(0.05):
                self._say(words)

    def _say(self, words: Words | None) -> None:
        if words is None:
            return
        text = words if isinstance(words, str) else words()
        text = text.replace("{tag}", self._tag).replace("{idle}", self._idle_tag)
        self._send(text.replace("\n", "\r\n").encode("latin-1"))

    def _send(self, data: bytes) -> None:
        if not self._mute and data:
            with self._writing:
                self._client.sendall(data)


def units(said: BufferedReader, protocol: str) -> Iterator[bytes]:
    """Given what a server says, yield it line by line, an IMAP line with its literals and what follows them."""
    while line := said.readline():
        while protocol == "imap" and (literal := LITERAL.search(line)) is not None:
            line += said.read(int(literal[1])) + said.readline()
        yield line
