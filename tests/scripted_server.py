"""A server that says what a test wrote down: for words that no real server can be made to say on demand."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from io import BufferedRWPair

Reply = str | Callable[[str], str]


class ScriptedServer:
    """Speaks lines on loopback. Given a greeting and answers by the beginning of a command (without its tag, upper
    case), answers each line with the first that fits; `{tag}` stands for its tag and `{idle}` for that of the IDLE or
    AUTHENTICATE before it. What fits nothing is OK. `lines` holds what the client said, without tags; `connections`
    counts those that came.
    """

    def __init__(
        self, greeting: str, answers: Mapping[str, Reply], *, tagged: bool = True, tls: ssl.SSLContext | None = None
    ) -> None:
        self.tagged = tagged
        self._tls = tls
        self.greeting = greeting
        self.answers = answers
        self.lines: list[str] = []
        self._clients: list[socket.socket] = []
        self.connections = 0
        self._idle_tag = ""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                if self._tls is not None:
                    try:
                        client = self._tls.wrap_socket(client, server_side=True)
                    except OSError:  # the client did not like the certificate
                        client.close()
                        continue
                self._clients.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), client, client.makefile("rwb") as stream:
            stream.write(self.greeting.encode() + b"\r\n")
            stream.flush()
            for raw in stream:
                text = self._whole(raw, stream).decode("latin-1").rstrip("\r\n")
                tag, _, line = text.partition(" ") if self.tagged else ("", "", text)
                self.lines.append(line)
                stream.write(self._reply(tag, line).encode("latin-1"))
                stream.flush()

    def _whole(self, raw: bytes, stream: BufferedRWPair) -> bytes:
        """Given a line that may end with the size of a literal, return it with the literal in its place."""
        if not raw.rstrip().endswith(b"}"):
            return raw
        line, _, size = raw.rstrip().rpartition(b"{")
        stream.write(b"+ go on\r\n")
        stream.flush()
        return line + stream.read(int(size[:-1])) + stream.readline()

    def _reply(self, tag: str, line: str) -> str:
        for beginning, reply in self.answers.items():
            if (line or tag).upper().startswith(beginning):
                text = reply if isinstance(reply, str) else reply(line or tag)
                self._idle_tag = tag if line.upper().startswith(("IDLE", "AUTHENTICATE")) else self._idle_tag
                return text.replace("{tag}", tag).replace("{idle}", self._idle_tag).replace("\n", "\r\n")
        return f"{tag} OK done\r\n"

    def close(self) -> None:
        """Take no more connections, and end those that are open."""
        self._listener.close()
        for client in self._clients:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def scripted(
    answers: Mapping[str, Reply],
    greeting: str = "* OK ready",
    *,
    tagged: bool = True,
    tls: ssl.SSLContext | None = None,
) -> Iterator[ScriptedServer]:
    """Given answers and a greeting, serve them to the end of the block; `tagged` is IMAP, else POP3."""
    server = ScriptedServer(greeting, answers, tagged=tagged, tls=tls)
    try:
        yield server
    finally:
        server.close()
