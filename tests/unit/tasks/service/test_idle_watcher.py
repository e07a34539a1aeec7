"""When mailboxes are listened to and read: hints of the server, pauses after faults, further folders."""

import dataclasses
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from redmine_mailbridge.mailboxes.contract import Mailbox
from redmine_mailbridge.mailboxes.imap.mailbox import ImapMailbox
from redmine_mailbridge.model.mailbox import MailboxConfig, Security
from redmine_mailbridge.store.health import Health, of_mailbox
from redmine_mailbridge.store.observed.certificates import Certificates
from redmine_mailbridge.tasks.service.health_monitor import HealthMonitor
from redmine_mailbridge.tasks.service.idle_watcher import IdleWatcher
from redmine_mailbridge.tasks.service.mailbox_thread import MailboxThread
from redmine_mailbridge.wiring import application as app
from tests.memory_mailbox import MemoryMailbox, MemoryServer
from tests.product import mail
from tests.unit.tasks.fake_redmine import FakeRedmine, open_fake_redmine


def until(condition: threading.Condition, holds: object, seconds: float = 10.0) -> bool:
    """Wait under the condition until `holds()` is true."""
    with condition:
        return condition.wait_for(holds, timeout=seconds)  # type: ignore[arg-type]


def test_a_server_that_asks_for_a_pause_gets_it(fake: FakeRedmine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mailbox whose server asks to be left alone is not asked before that is over, whoever wants a pass."""
    tried: list[float] = []
    connect = MemoryMailbox.connect

    def counted(box: MemoryMailbox) -> None:
        tried.append(time.monotonic())
        connect(box)

    monkeypatch.setattr(MemoryMailbox, "connect", counted)
    fake.server.down = "Request is throttled. Suggested Backoff Time: 700 milliseconds"
    with fake.application() as made, listening(made) as threads:
        first = threads["desk"].request().result(10)
        fake.server.down = ""
        put_off = threads["desk"].request().result(10)
        while threads["desk"].request().result(10).error is not None:
            assert len(tried) == 1
    assert (True, True) == ("throttled" in str(first.error), "next attempt in" in str(put_off.error))
    assert 0.7 <= tried[1] - tried[0] < 10


@contextmanager
def listening(made: app.Application) -> Iterator[dict[str, MailboxThread]]:
    """The threads of the mailboxes, at work, by name."""
    threads = {
        one.mailbox.name: MailboxThread(one, made.shared, made.message_queries, listen=False) for one in made.receivers
    }
    try:
        for thread in threads.values():
            thread.start()
            thread.enable(True)
        yield threads
    finally:
        made.shared.stop.set()
        for thread in threads.values():
            thread.wake()
            thread.join(10)


def test_a_hung_server_holds_up_no_other_mailbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one mail server takes the connection and says nothing, mail of another mailbox becomes its issue."""
    with (
        socket.create_server(("127.0.0.1", 0)) as hung,
        open_fake_redmine(tmp_path, monkeypatch, boxes=("desk", "hung")) as fake,
    ):
        where = {"host": "127.0.0.1", "port": hung.getsockname()[1], "security": Security.NONE, "password": "p"}

        def opened(config: MailboxConfig, **_known: object) -> Mailbox:
            memory = MemoryMailbox(fake.server, config.name)
            return ImapMailbox(dataclasses.replace(config, **where)) if config.name == "hung" else memory

        monkeypatch.setattr("redmine_mailbridge.wiring.mailboxes.open_mailbox", opened)
        fake.server.append(mail("Not held up"))
        with fake.application() as made, listening(made) as threads:
            client, _ = hung.accept()
            assert threads["desk"].request().result(10).error is None
            assert ["Not held up"] == [issue["subject"] for issue in fake.issues]
            assert "receiving" == threads["hung"].doing
            client.close()


def test_a_refused_login_is_a_signal(fake: FakeRedmine) -> None:
    """A login that is refused (a sign-in that ended, too) shows in the health with its line, until it is well again."""
    words = "oauth desk: deactivated: invalid_grant; run redmine-mailbridge oauth login desk"
    fake.server.refuse_login = words
    with fake.application() as made, listening(made) as threads:
        health = Health(made.store.database, made.store.clock)
        pulse = HealthMonitor(
            health, made.shared.breaker, made.sending, Certificates(made.store.database, made.store.clock)
        )
        seen = []
        for _ in range(2):
            threads["desk"].request().result(10)
            pulse.once(list(threads.values()))
            record = health.all()[of_mailbox("desk")]
            seen.append((record.error, record.refused))
            fake.server.refuse_login = ""
    assert [(f"mailbox desk: {words}", True), (None, False)] == seen


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
    listener = IdleWatcher(MemoryMailbox(server), "Sales", woken, stop)
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
    listener = IdleWatcher(MemoryMailbox(server), "INBOX", woken, stop)
    listener.start()
    stop.set()
    listener.end()
    listener.join(10)
    assert (False, 0) == (listener.is_alive(), woken.count)
