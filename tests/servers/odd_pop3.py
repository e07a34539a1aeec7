"""A small POP3 server (RFC 1939) whose maildrop, UIDLs and words a test sets as it likes."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.servers.odd import DO_AND_HANG_UP, HANG_UP, OddServer


@dataclass(slots=True, eq=False)
class Drop:
    """A mail: its UIDL, its bytes, and the size that LIST tells (None: the true one)."""

    uidl: str
    raw: bytes
    size: int | None = None


class OddPop3(OddServer):
    """Holds `mails` in the order in which they are listed. What QUIT deletes is deleted, unless `deletes` is False."""

    greeting = "+OK ready"

    def __init__(self) -> None:
        super().__init__()
        self.mails: list[Drop] = []
        self.deletes = True

    def append(self, uidl: str, raw: bytes, *, size: int | None = None, first: bool = False) -> None:
        """Given a UIDL and a mail, put it into the maildrop, at its beginning or its end."""
        with self.lock:
            self.mails.insert(0 if first else len(self.mails), Drop(uidl, raw, size))

    def remove(self, uidl: str) -> None:
        """Given a UIDL, remove its mails, as another program would."""
        with self.lock:
            self.mails = [mail for mail in self.mails if mail.uidl != uidl]

    def contents(self) -> list[bytes]:
        """What lies there, in the order in which it is listed."""
        with self.lock:
            return [mail.raw for mail in self.mails]

    def session(self) -> Callable[[str], bytes | None]:
        """What answers a new connection."""
        return _Session(self)


class _Session:
    """One connection: it sees what lay there at its login."""

    def __init__(self, server: OddPop3) -> None:
        self.server = server
        self.mails: list[Drop] = []
        self.doomed: list[Drop] = []

    def __call__(self, line: str) -> bytes | None:
        self.server.lines.append(line)
        wish = self.server.wish(line)
        if wish == HANG_UP:
            return None
        if wish is not None and wish != DO_AND_HANG_UP:
            return f"-ERR {wish}\r\n".encode()
        command, *arguments = line.split(" ")
        answer: bytes = getattr(self, f"do_{command.lower()}", self.unknown)(*arguments)
        return None if wish == DO_AND_HANG_UP else answer

    @staticmethod
    def unknown(*_arguments: str) -> bytes:
        return b"-ERR what?\r\n"

    @staticmethod
    def do_capa() -> bytes:
        return b"+OK\r\nUSER\r\nUIDL\r\nTOP\r\n.\r\n"

    @staticmethod
    def do_user(_name: str) -> bytes:
        return b"+OK\r\n"

    @staticmethod
    def do_noop() -> bytes:
        return b"+OK\r\n"

    def do_pass(self, _password: str) -> bytes:
        self.server.logins += 1
        self.mails = list(self.server.mails)
        return b"+OK\r\n"

    def do_list(self) -> bytes:
        return self._lines(str(len(mail.raw) if mail.size is None else mail.size) for mail in self.mails)

    def do_uidl(self) -> bytes:
        return self._lines(mail.uidl for mail in self.mails)

    def _lines(self, values: Iterator[str]) -> bytes:
        there = enumerate(zip(self.mails, values, strict=True), 1)
        lines = [f"{number} {value}\r\n" for number, (mail, value) in there if mail not in self.doomed]
        return f"+OK\r\n{''.join(lines)}.\r\n".encode()

    def do_retr(self, number: str) -> bytes:
        return self._content(self.mails[int(number) - 1].raw)

    def do_top(self, number: str, lines: str) -> bytes:
        head, _, body = self.mails[int(number) - 1].raw.partition(b"\r\n\r\n")
        return self._content(head + b"\r\n\r\n" + b"\r\n".join(body.split(b"\r\n")[: int(lines)]))

    @staticmethod
    def _content(raw: bytes) -> bytes:
        text = (raw if raw.endswith(b"\r\n") else raw + b"\r\n").replace(b"\r\n.", b"\r\n..")
        return b"+OK\r\n" + text + b".\r\n"

    def do_dele(self, number: str) -> bytes:
        self.doomed.append(self.mails[int(number) - 1])
        return b"+OK\r\n"

    def do_quit(self) -> bytes:
        if self.server.deletes:
            self.server.mails = [mail for mail in self.server.mails if mail not in self.doomed]
        return b"+OK\r\n"


@contextlib.contextmanager
def odd_pop3() -> Iterator[OddPop3]:
    """Serve a maildrop to the end of the block."""
    server = OddPop3()
    try:
        yield server
    finally:
        server.close()
