"""What the small servers that misbehave on purpose share: lines on loopback, and a wish for each of them."""

import contextlib
import socket
import threading
from collections.abc import Callable
from io import BufferedRWPair

HANG_UP = "hang up"
"""A wish: the connection ends, and nothing has been done."""
DO_AND_HANG_UP = "do, then hang up"
"""A wish: what was asked is done, and the connection ends instead of an answer."""

Wish = Callable[[str], str | None]
"""Given a command (without its tag), return None to answer as a good server would, one of the wishes above, or the
words of a refusal (for IMAP with NO or BAD in front).
"""


class OddServer:
    """Serves one account to any number of connections. `lines` are the commands in order, `logins` how many logged in.

    `wish` may be set at any time.
    """

    greeting = "* OK ready"

    def __init__(self) -> None:
        self.wish: Wish = lambda _line: None
        self.lines: list[str] = []
        self.logins = 0
        self.lock = threading.RLock()
        self._clients: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._clients.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), client, client.makefile("rwb") as stream:
            stream.write(self.greeting.encode() + b"\r\n")
            stream.flush()
            session = self.session()
            for raw in stream:
                line = self.whole(raw, stream).decode("latin-1").rstrip("\r\n")
                with self.lock:
                    answer = session(line)
                if answer is None:
                    return
                stream.write(answer)
                stream.flush()

    def whole(self, raw: bytes, stream: BufferedRWPair) -> bytes:
        """Given a line and where the rest may come from, return the whole command."""
        del stream
        return raw

    def session(self) -> Callable[[str], bytes | None]:
        """Return what answers the lines of a new connection; None ends it."""
        raise NotImplementedError

    def close(self) -> None:
        """Take no more connections, and end those that are open."""
        self._listener.close()
        for client in self._clients:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
