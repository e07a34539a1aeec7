"""One mailbox, one task, one thread that gets nowhere keeps none of the others from their work."""

import datetime as dt
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from redmine_mailbridge.model.mailbox import MailboxConfig
from redmine_mailbridge.store.task_state import TaskRun
from redmine_mailbridge.tasks.service import service as services
from redmine_mailbridge.tasks.service.idle_watcher import IdleWatcher
from redmine_mailbridge.tasks.service.mailbox_thread import MailboxThread
from redmine_mailbridge.tasks.service.service import Service
from redmine_mailbridge.wiring import application as app
from tests.memory_mailbox import MemoryMailbox, MemoryServer
from tests.product import mail
from tests.unit.tasks.fake_redmine import FakeRedmine, open_fake_redmine


class HungMailbox(MemoryMailbox):
    """A mailbox whose server takes the connection and says nothing until the test lets it go."""

    let_go = threading.Event()

    def connect(self) -> None:
        self.let_go.wait(60)
        super().connect()


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task waits for a mailbox for as long as a test can."""
    monkeypatch.setattr(services, "PATIENCE", 0.3, raising=False)


def change(fake: FakeRedmine, name: str, **values: object) -> None:
    """Given keys of a mailbox, set them."""
    box = fake.settings.mailboxes[name].model_copy(update=values)
    fake.settings = fake.settings.model_copy(update={"mailboxes": fake.settings.mailboxes | {name: box}})


def receive_every(fake: FakeRedmine, seconds: float) -> None:
    """Have the task receive run so often."""
    receive = fake.settings.tasks.receive.model_copy(update={"every": dt.timedelta(seconds=seconds)})
    tasks = fake.settings.tasks.model_copy(update={"receive": receive})
    fake.settings = fake.settings.model_copy(update={"tasks": tasks})


@contextmanager
def serving(
    fake: FakeRedmine, monkeypatch: pytest.MonkeyPatch, others: Mapping[str, Callable[[], MemoryMailbox]]
) -> Iterator[tuple[app.Application, Service]]:
    """The service between the fake Redmine and its mailboxes, those of `others` made by these."""
    HungMailbox.let_go = threading.Event()

    def opened(config: MailboxConfig, **_known: object) -> MemoryMailbox:
        return others[config.name]() if config.name in others else MemoryMailbox(fake.server, config.name)

    monkeypatch.setattr("redmine_mailbridge.wiring.mailboxes.open_mailbox", opened)
    with fake.application() as made:
        service = made.service(listen=False)
        service.start(upkeep=lambda: None)
        try:
            yield made, service
        finally:
            HungMailbox.let_go.set()
            service.stop()


def until(holds: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Look again and again whether something holds."""
    for _ in range(int(seconds / 0.05)):
        if holds():
            return True
        threading.Event().wait(0.05)
    return holds()


@pytest.mark.fault("B9")
def test_many_mailboxes_at_a_hung_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With 25 mailboxes that have their own interval at a server that hangs, mail is sent, health is noted, what an
    admin asks for is done."""
    hung = [f"hung{number}" for number in range(25)]
    with open_fake_redmine(tmp_path, monkeypatch, boxes=("desk", *hung)) as fake:
        for name in hung:
            change(fake, name, every=dt.timedelta(minutes=1))
        boxes = {name: (lambda name=name: HungMailbox(MemoryServer(), name)) for name in hung}
        with serving(fake, monkeypatch, boxes) as (made, service):
            assert until(lambda: len([one for one in service.threads if one.doing == "receiving"]) >= 25)
            made.sending.last = None
            made.tasks.book.request_run("aggregate")
            assert until(lambda: made.sending.last is not None)
            assert until(lambda: [run for run in made.tasks.book.runs("aggregate") if run.planned_at is None] != [])


def ended(runs: Sequence[TaskRun]) -> int:
    """How many of these runs came to their end."""
    return len([run for run in runs if run.ended_at is not None and not run.skipped])


@pytest.mark.fault("B6")
@pytest.mark.parametrize("how", ["importing", "throttled"])
def test_one_slow_mailbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """While one mailbox imports for an hour, or is asked to be left alone, a mailbox that does not push is read at its
    interval, and the update comes behind it."""
    with open_fake_redmine(tmp_path, monkeypatch, boxes=("desk", "slow")) as fake:
        receive_every(fake, 0.5)
        server = MemoryServer()
        if how == "throttled":
            server.down = "Request is throttled. Suggested Backoff Time: 3600000 milliseconds"
            slow: Callable[[], MemoryMailbox] = lambda: MemoryMailbox(server, "slow")  # noqa: E731 - one of two
        else:
            slow = lambda: HungMailbox(server, "slow")  # noqa: E731 - one of two
        with serving(fake, monkeypatch, {"slow": slow}) as (made, service):
            (thread,) = [one for one in service.threads if one.name_of_mailbox == "slow"]
            doing = "receiving" if how == "importing" else "waiting to try again"
            assert until(lambda: thread.doing == doing)
            for number in range(3):
                fake.server.append(mail(f"Mail {number}"))
                assert until(lambda: len(fake.issues) == number + 1)  # noqa: B023 - looked at within the turn
            assert until(lambda: ended(made.tasks.book.runs("update")) > 1)


@pytest.mark.fault("B6")
def test_a_throttled_mailbox_goes_on_with_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a server asks to be left alone, what the store holds of it becomes issues, and nothing is asked of it."""
    with open_fake_redmine(tmp_path, monkeypatch) as fake:
        fake.down = True
        fake.server.append(mail("Kept already"))
        fake.receive(hurry=False)
        fake.server.down = "Request is throttled. Suggested Backoff Time: 3600000 milliseconds"
        with fake.application() as made:
            (receiver,) = made.receivers
            thread = MailboxThread(receiver, made.shared, made.message_queries, listen=False)
            thread.start()
            try:
                assert "throttled" in (thread.request().result(20).error or "")
                fake.down = False
                made.store.retry(1)
                made.shared.breaker.record_success()
                assert "throttled" in (thread.request().result(20).error or "")
                assert ["Kept already"] == [issue["subject"] for issue in fake.issues]
                assert 1 == len(fake.server.contents("INBOX"))
            finally:
                made.shared.stop.set()
                thread.wake()
                thread.join(20)


@pytest.mark.fault("B12")
def test_no_connection_to_the_store_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mailbox's thread that finds all connections to the store in use goes on when they are free; nobody who
    asked it for a pass waits for ever."""
    with open_fake_redmine(tmp_path, monkeypatch) as fake, fake.application() as made:
        engine = made.store.database.engine
        monkeypatch.setattr(engine.pool, "_timeout", 0.2)
        (receiver,) = made.receivers
        thread = MailboxThread(receiver, made.shared, made.message_queries, listen=False)
        thread.start()
        thread.enable(True)
        try:
            assert thread.request().result(20).error is None
            held = []
            while engine.pool.checkedout() < 40:  # as many as its pool gives
                held.append(engine.connect())
            result = thread.request().result(20)
            assert "in use" in (result.error or "")
            for connection in held:
                connection.close()
            fake.server.append(mail("Afterwards"))
            assert thread.request().result(20).error is None
        finally:
            made.shared.stop.set()
            thread.wake()
            thread.join(20)
        assert ["Afterwards"] == [issue["subject"] for issue in fake.issues]


@pytest.mark.fault("B12")
def test_a_thread_that_falls_is_started_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever ends a mailbox's thread, it is said, shown as the mailbox's trouble, and the thread goes on; who waited
    for a pass is told."""
    with open_fake_redmine(tmp_path, monkeypatch) as fake, fake.application() as made:
        (receiver,) = made.receivers
        once, falls = receiver.once, [SystemExit("out of the blue"), ZeroDivisionError("nobody expects it")]

        def falling(**how: object) -> object:
            if falls:
                raise falls.pop()
            return once(**how)  # type: ignore[arg-type]

        monkeypatch.setattr(receiver, "once", falling)
        thread = MailboxThread(receiver, made.shared, made.message_queries, listen=False)
        thread.start()
        try:
            first = thread.request().exception(20)
            assert isinstance(first, ZeroDivisionError)
            assert until(lambda: "internal error (ZeroDivisionError)" in (thread.error or ""))
            assert isinstance(thread.request().exception(20), SystemExit)
            fake.server.append(mail("Afterwards"))
            assert thread.request().result(20).error is None
        finally:
            made.shared.stop.set()
            thread.wake()
            thread.join(20)
    assert ["Afterwards"] == [issue["subject"] for issue in fake.issues]


@pytest.mark.fault("B12")
def test_a_listener_that_falls_is_started_anew() -> None:
    """What ends the thread that listens to a further folder does not end the listening."""
    server, stop, woken = MemoryServer(), threading.Event(), threading.Event()
    server.create("Sales")
    falls = [ZeroDivisionError("nobody expects it")]

    class Falling(MemoryMailbox):
        def wait(self, folder: str, seconds: float) -> bool:
            if falls:
                raise falls.pop()
            return super().wait(folder, seconds)

    listener = IdleWatcher(Falling(server), "Sales", woken.set, stop)
    listener.start()
    assert woken.wait(20)
    stop.set()
    listener.end()
    listener.join(20)
    assert not listener.is_alive()


@pytest.mark.fault("B12")
def test_a_mail_that_cannot_be_read_or_noted_stops_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mail on which the reading falls, or whose words the database does not take, is set aside after its tries; the
    others of its mailbox become issues meanwhile."""
    with open_fake_redmine(tmp_path, monkeypatch, max_attempts=3) as fake:
        fake.server.append(mail("Unreadable"), mail("Unnotable"), mail("Good"))
        for _ in range(4):
            with fake.application() as made:
                decider, describe = made.planner.read, made.store.describe

                def read(content: bytes, mailbox: str, **how: bool) -> object:
                    if b"Unreadable" in content:
                        raise ZeroDivisionError
                    return decider(content, mailbox, **how)  # noqa: B023 - called within the turn

                def noted(descriptions: Sequence[object]) -> object:
                    if any(getattr(one, "subject", "") == "Unnotable" for one in descriptions):
                        raise UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")
                    return describe(descriptions)  # type: ignore[arg-type]  # noqa: B023 - likewise

                monkeypatch.setattr(made.planner, "read", read)
                monkeypatch.setattr(made.store, "describe", noted)
                with made.store.database.write() as db:
                    db.exec_driver_sql("UPDATE mail SET next_try_at = 0")
                assert made.receivers[0].once().error is None
        states = [row.state.value for row in fake.rows()]
    assert ["Good"] == [issue["subject"] for issue in fake.issues]
    assert ["failed", "failed", "done"] == states
