"""The proxy breaks exactly what it was told to break, exactly once."""

import queue
import socket
import socketserver
import threading
from collections.abc import Iterator

import pytest

from tests.servers.framing import HttpFramer
from tests.servers.proxy import Fault, FaultProxy

TIMEOUT = 20


class Upper(socketserver.StreamRequestHandler):
    """Answers each line in capitals and keeps what it was sent."""

    def handle(self) -> None:
        try:
            for line in self.rfile:
                self.server.lines.put_nowait(line)  # type: ignore[attr-defined]
                self.wfile.write(line.upper())
        except OSError:
            return


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self) -> None:
        self.lines: queue.Queue[bytes] = queue.Queue()
        super().__init__(("127.0.0.1", 0), Upper)

    def heard(self) -> bytes:
        return self.lines.get(timeout=TIMEOUT)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join(TIMEOUT)


@pytest.fixture
def proxy(server: Server) -> Iterator[FaultProxy]:
    with FaultProxy(server.server_address[1], "line") as running:
        yield running


def connect(proxy: FaultProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=TIMEOUT)


def ask(connection: socket.socket, line: bytes) -> bytes:
    connection.sendall(line)
    answer = b""
    while len(answer) < len(line) and (data := connection.recv(100)):
        answer += data
    return answer


def test_without_a_plan_everything_passes(proxy: FaultProxy) -> None:
    """A proxy with nothing planned changes nothing and counts what passed."""
    with connect(proxy) as connection:
        assert b"HELLO\r\n" == ask(connection, b"hello\r\n")
        assert b"AGAIN\r\n" == ask(connection, b"again\r\n")
    assert ["hello", "again"] == proxy.requests
    assert (1, 14, 14) == (proxy.connections, proxy.bytes_up, proxy.bytes_down)


def test_a_lost_response_reached_the_server(proxy: FaultProxy, server: Server) -> None:
    """`response` after 0 bytes: the server has done its work, and the client sees only a reset."""
    proxy.plan(Fault("response", match=b"two"))
    with connect(proxy) as connection:
        assert b"ONE\r\n" == ask(connection, b"one\r\n")
        with pytest.raises(ConnectionResetError):
            ask(connection, b"two\r\n")
    assert [b"one\r\n", b"two\r\n"] == [server.heard(), server.heard()]
    assert 5 == proxy.bytes_down


def test_sent_cuts_before_any_answer(proxy: FaultProxy, server: Server) -> None:
    """`sent`: the whole request goes to the server and no byte of the answer comes back."""
    proxy.plan(Fault("sent"))
    with connect(proxy) as connection, pytest.raises(ConnectionResetError):
        ask(connection, b"hello\r\n")
    assert (b"hello\r\n", 0) == (server.heard(), proxy.bytes_down)


def test_a_request_is_cut_in_the_middle(proxy: FaultProxy, server: Server) -> None:
    """`request` after 3 bytes: the server gets those three and then the end."""
    proxy.plan(Fault("request", after=3))
    with connect(proxy) as connection, pytest.raises(ConnectionResetError):
        ask(connection, b"hello\r\n")
    assert (b"hel", 3) == (server.heard(), proxy.bytes_up)


def test_an_answer_is_truncated(proxy: FaultProxy) -> None:
    """`response` with `close` after 3 bytes: the client gets three bytes and an end that looks regular."""
    proxy.plan(Fault("response", "close", after=3))
    with connect(proxy) as connection:
        assert b"HEL" == ask(connection, b"hello\r\n")


def test_an_answer_is_corrupted(proxy: FaultProxy) -> None:
    """`corrupt` after 1 byte: the bytes that follow are others, as many as were there."""
    proxy.plan(Fault("response", "corrupt", after=1, junk=b"??"))
    with connect(proxy) as connection:
        assert b"H??LO\r\n" == ask(connection, b"hello\r\n")
        assert b"HELLO\r\n" == ask(connection, b"hello\r\n")


def test_skip_lets_the_first_matches_pass(proxy: FaultProxy) -> None:
    """`skip` counts matching requests over connections, and what does not match is not counted."""
    proxy.plan(Fault("sent", match=b"move", skip=1))
    with connect(proxy) as connection:
        assert b"MOVE 1\r\n" == ask(connection, b"move 1\r\n")
        assert b"NOOP\r\n" == ask(connection, b"noop\r\n")
    with connect(proxy) as connection, pytest.raises(ConnectionResetError):
        ask(connection, b"move 2\r\n")
    proxy.wait_fired(1)


def test_a_stall_ends_when_released(proxy: FaultProxy) -> None:
    """A stalled answer stays away until `release()` and then comes whole."""
    proxy.plan(Fault("response", "stall", after=2))
    with connect(proxy) as connection:
        connection.sendall(b"hello\r\n")
        proxy.wait_fired(1)
        assert b"HE" == connection.recv(100)
        connection.setblocking(False)
        with pytest.raises(BlockingIOError):
            connection.recv(100)
        connection.settimeout(TIMEOUT)
        proxy.release()
        assert b"LLO\r\n" == connection.recv(100)


def test_refused_and_accepted_again(proxy: FaultProxy) -> None:
    """`refuse()` resets what is open and refuses what is new; `accept()` brings the same port back."""
    with connect(proxy) as connection:
        ask(connection, b"hello\r\n")
        proxy.refuse()
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    with pytest.raises(ConnectionRefusedError):
        connect(proxy)
    proxy.accept()
    with connect(proxy) as connection:
        assert b"BACK\r\n" == ask(connection, b"back\r\n")


def test_a_connection_is_reset_at_once(proxy: FaultProxy) -> None:
    """`connect` strikes the next connection, and only that one."""
    proxy.plan(Fault("connect"))
    with pytest.raises(ConnectionResetError), connect(proxy) as connection:  # in connect() or in recv()
        connection.recv(1)
    with connect(proxy) as connection:
        assert b"HELLO\r\n" == ask(connection, b"hello\r\n")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_http_requests_are_told_apart(size: int) -> None:
    """Requests with a length, with chunks and without a body are told apart, however the bytes arrive."""
    requests = [
        b"POST /a HTTP/1.1\r\nContent-Length: 5\r\n\r\n12\r\n5",
        b"PUT /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"GET /c HTTP/1.1\r\nHost: x\r\n\r\n",
    ]
    stream = b"".join(requests)
    framer, found = HttpFramer(), [b""]
    for at in range(0, len(stream), size):
        for piece in framer.feed(stream[at : at + size]):
            found[-1] += piece.data
            if piece.last:
                found.append(b"")
    assert [*requests, b""] == found
