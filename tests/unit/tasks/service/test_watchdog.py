"""Keep-alive messages to systemd: in time, only from a living process, and none where nobody watches."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from redmine_mailbridge.tasks.service.watchdog import Watchdog

SYSTEMD = "NOTIFY_SOCKET"


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket that systemd listens on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(str(tmp_path / "notify"))
        made.setblocking(False)
        yield made


def taken(systemd: socket.socket) -> list[bytes]:
    """The messages that have come."""
    found = []
    try:
        while True:
            found.append(systemd.recv(100))
    except BlockingIOError:
        return found


def test_a_message_a_third_of_the_interval(systemd: socket.socket) -> None:
    """Messages go out three times in the interval after which systemd would restart the service, not more often."""
    watchdog = Watchdog({SYSTEMD: systemd.getsockname(), "WATCHDOG_USEC": "90000000"})
    for _ in range(3):
        watchdog.tell()
    assert ([b"WATCHDOG=1"], 30.0) == (taken(systemd), watchdog.every)
    assert [30.0, 30.0, 5.0] == [watchdog.within(seconds) for seconds in (None, 600.0, 5.0)]


def test_a_process_that_hangs_sends_nothing(systemd: socket.socket) -> None:
    """Without a sign of life no message goes out, so that systemd restarts the service; at its end none is needed."""
    watchdog = Watchdog({SYSTEMD: systemd.getsockname(), "WATCHDOG_USEC": "1"})
    watchdog.ask = lambda: False
    watchdog.tell()
    assert [] == taken(systemd)
    watchdog.ask_nothing()
    watchdog.tell()
    assert [b"WATCHDOG=1"] == taken(systemd)


def test_an_abstract_socket() -> None:
    """systemd may listen on a name that is not in the file system, which begins with @."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind("\0mailbridge-test")
        made.settimeout(10)
        Watchdog({SYSTEMD: "@mailbridge-test", "WATCHDOG_USEC": "3000000"}).tell()
        assert b"WATCHDOG=1" == made.recv(100)


@pytest.mark.parametrize(
    "environ", [{}, {SYSTEMD: "/x"}, {"WATCHDOG_USEC": "3"}, {SYSTEMD: "/x", "WATCHDOG_USEC": "soon"}]
)
def test_nobody_watches(environ: dict[str, str]) -> None:
    """Outside of systemd, or without WatchdogSec, nothing is sent and no wait is shortened."""
    watchdog = Watchdog(environ)
    watchdog.tell()
    assert [None, 600.0] == [watchdog.within(None), watchdog.within(600.0)]


def test_systemd_is_gone(tmp_path: Path) -> None:
    """A socket that is not there any more does not end the service."""
    Watchdog({SYSTEMD: str(tmp_path / "gone"), "WATCHDOG_USEC": "3000000"}).tell()
