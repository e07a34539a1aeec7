"""What may still stop a request that is being sent: its last bytes leave only when nothing speaks against it."""

import socket
import threading

import pytest

from redmine_mailbridge.errors import LockLost
from redmine_mailbridge.outgoing.smtp_client import SmtpClient
from redmine_mailbridge.redmine.client import Client, Connection, SizedBody
from redmine_mailbridge.redmine.transport import _Connection, checked
from tests.unit.redmine.tiny import Seen, answer, serve

KEY = "0123456789abcdef"


class Check:
    """Passes so many times, and then refuses."""

    def __init__(self) -> None:
        self.calls = 0
        self.passes = 0

    def __call__(self) -> None:
        self.calls += 1
        if self.calls > self.passes:
            raise LockLost("it has ended")


def complete(seen: Seen) -> bool:
    """Did a request arrive as a whole?"""
    return len(seen.body) == int(seen.headers.get("content-length", "0"))


@pytest.mark.fault("I7")
@pytest.mark.parametrize("method", ["post", "put", "delete", "upload"])
def test_a_request_is_checked_before_each_piece_of_it(method: str) -> None:
    """A write whose lease ends before its last piece never arrives as a whole; the next one does, after a check before
    each of its pieces. Reading is not checked.
    """
    check = Check()
    with serve(lambda _seen: answer("{}")) as tiny:
        client = Client(Connection(tiny.url, KEY))
        client.before_bytes(check)

        def write() -> None:
            if method == "upload":
                client.upload((), SizedBody(lambda: iter([b"one", b"two", b"three"]), 11))
            elif method == "delete":
                client.delete("/issues/1.json")
            else:
                getattr(client, method)("/issues.json", {"issue": {"subject": "x"}})

        client.get("/issues.json")
        assert 0 == check.calls
        pieces = {"delete": 1, "upload": 4}.get(method, 2)
        for passes in range(pieces):
            check.calls, check.passes = 0, passes
            with pytest.raises(LockLost):
                write()
            assert passes + 1 == check.calls
        check.calls, check.passes = 0, pieces
        write()
        assert pieces == check.calls
        client.get("/issues.json")
    assert [method.replace("upload", "post").upper()] == [
        seen.method for seen in tiny.seen if complete(seen) and seen.method != "GET"
    ]


@pytest.mark.fault("A44-7")
def test_a_long_piece_is_checked_before_its_last_byte() -> None:
    """Sending a long text may take a while, in which the lease may end: Redmine does not get the rest of it."""
    check = Check()
    with serve(lambda _seen: answer("{}")) as tiny:
        client = Client(Connection(tiny.url, KEY))
        client.before_bytes(check)
        check.passes = 2
        with pytest.raises(LockLost):
            client.post("/issues.json", {"issue": {"description": "x" * 100_000}})
        check.calls, check.passes = 0, 3
        client.post("/issues.json", {"issue": {"description": "x" * 100_000}})
        assert 3 == check.calls
    assert [True] == [complete(seen) for seen in tiny.seen if complete(seen)]


@pytest.mark.fault("A44-7")
@pytest.mark.parametrize("protocol", ["http", "smtp"])
def test_the_last_bytes_do_not_wait_after_the_check(protocol: str) -> None:
    """Where the server takes no more for now, the check comes when it does, and not before a long wait."""
    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)
        room = near.send(bytes(1 << 24))
        if protocol == "smtp":  # the content takes the room, and the end has none
            far.recv(room, socket.MSG_WAITALL)
        near.settimeout(30)
        is_asked, was_early, smtp = threading.Event(), list[bool](), SmtpClient()
        smtp.sock, smtp.before_end = near, is_asked.set

        def take() -> None:
            was_early.append(is_asked.wait(0.5))
            while not is_asked.is_set() and far.recv(1 << 16):
                pass

        server = threading.Thread(target=take)
        server.start()
        if protocol == "http":
            connection = _Connection("127.0.0.1")
            connection.sock = near
            with checked([is_asked.set]):
                connection.send(b"the end")
        else:
            smtp.send(bytes(room) + b".\r\n")
        server.join()
    assert [False] == was_early
