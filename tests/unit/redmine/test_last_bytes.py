"""What may still stop a request that is being sent: its last bytes leave only when nothing speaks against it."""

import pytest

from redmine_mailbridge.errors import LockLost
from redmine_mailbridge.redmine.client import Client, Connection, SizedBody
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
