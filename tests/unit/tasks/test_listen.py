"""When mailboxes are listened to and read: hints of the server, pauses after faults, further folders."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from redmine_mailbridge.tasks.listen import FolderListener
from redmine_mailbridge.tasks.mailbox_thread import MailboxThread
from tests.memory_mailbox import MemoryMailbox, MemoryServer
from tests.unit.tasks.desk import Desk, open_desk


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """The product between a mailbox in memory and a small Redmine."""
    with open_desk(tmp_path, monkeypatch) as made:
        yield made


def until(condition: threading.Condition, holds: object, seconds: float = 10.0) -> bool:
    """Wait under the condition until `holds()` is true."""
    with condition:
        return condition.wait_for(holds, timeout=seconds)  # type: ignore[arg-type]


def test_a_server_that_asks_for_a_pause_gets_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mailbox whose server asks to be left alone is not asked before that is over, whoever wakes it."""
    tried: list[float] = []
    again = threading.Event()
    connect = MemoryMailbox.connect

    def counted(box: MemoryMailbox) -> None:
        tried.append(time.monotonic())
        if len(tried) > 1:
            desk.server.down = ""
            again.set()
        connect(box)

    monkeypatch.setattr(MemoryMailbox, "connect", counted)
    desk.server.down = "Request is throttled. Suggested Backoff Time: 700 milliseconds"
    with desk.application() as made:
        thread = MailboxThread(made.receivers[0], made.shared, made.archive, listen=False)
        thread.start()
        thread.enable(True)
        while not again.wait(0.01):
            thread.wake()
        made.shared.stop.set()
        thread.wake()
        thread.join(10)
    assert 0.7 <= tried[1] - tried[0] < 10


class Woken:
    """Counts how often it was called."""

    def __init__(self) -> None:
        self.count = 0
        self.changed = threading.Condition()

    def __call__(self) -> None:
        with self.changed:
            self.count += 1
            self.changed.notify_all()


@pytest.fixture
def woken() -> Woken:
    """What a listener wakes."""
    return Woken()


def test_another_folder_is_listened_to(woken: Woken) -> None:
    """Mail in a further folder wakes the mailbox's thread; so does the beginning, for what came before it."""
    server, stop = MemoryServer(), threading.Event()
    server.create("Sales")
    listener = FolderListener(MemoryMailbox(server), "Sales", woken, stop)
    listener.start()
    assert until(woken.changed, lambda: woken.count == 1)
    server.append(b"Subject: x\r\n\r\n", folder="Sales")
    assert until(woken.changed, lambda: woken.count == 2)
    stop.set()
    listener.end()
    listener.join(10)
    assert not listener.is_alive()


def test_a_stop_ends_a_pause(woken: Woken) -> None:
    """A listener that pauses after a fault ends at the stop sign, and has woken nobody."""
    server, stop = MemoryServer(), threading.Event()
    server.down = "away"
    listener = FolderListener(MemoryMailbox(server), "INBOX", woken, stop)
    listener.start()
    stop.set()
    listener.end()
    listener.join(10)
    assert (False, 0) == (listener.is_alive(), woken.count)
