"""Clocks that are set while the service runs, or between its lives: what waits is done at its time all the same."""

import datetime as dt
import queue
import threading
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import time_machine

from redmine_mailbridge.conditions.current import current_conditions
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.task_result import TaskStepResult
from redmine_mailbridge.settings.load import load
from redmine_mailbridge.store.health import SERVICE, Health, alive
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.observed.sent_alerts import SentAlerts
from redmine_mailbridge.store.outgoing.adding import NewAnswer
from redmine_mailbridge.store.outgoing.outbox import Outbox
from redmine_mailbridge.store.queries.messages import MessageFilter
from redmine_mailbridge.store.task_state import TaskState
from redmine_mailbridge.tasks.service.alerts import Alerts
from redmine_mailbridge.tasks.service.mailbox_thread import MailboxThread
from redmine_mailbridge.tasks.service.schedule import Scheduler
from redmine_mailbridge.tasks.service.task_runner import TaskRunner
from redmine_mailbridge.tasks.service.task_status import plans
from tests.product import mail
from tests.unit.tasks.fake_redmine import FakeRedmine
from tests.unit.tasks.service.test_task_runner import TEXT

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
BACK = [pytest.param(move, marks=pytest.mark.fault("C2"), id=name) for move, name in ((-DAY, "-1d"), (-HOUR, "-1h"))]
MOVES = [*BACK, pytest.param(HOUR, id="+1h"), pytest.param(DAY, id="+1d")]


@pytest.fixture
def ran() -> "queue.SimpleQueue[str]":
    """What ran, in order."""
    return queue.SimpleQueue()


class Clocks:
    """A clock that cannot be set, and the one on the wall, which can."""

    def __init__(self, wall: str) -> None:
        self.seconds = 5000.0
        self.at = dt.datetime.fromisoformat(wall).replace(tzinfo=dt.UTC)

    def clock(self) -> float:
        return self.seconds

    def wall(self) -> dt.datetime:
        return self.at

    def time(self) -> float:
        return self.at.timestamp()

    def go(self, span: dt.timedelta) -> None:
        """Time passes."""
        self.seconds += span.total_seconds()
        self.at += span


@pytest.mark.parametrize("move", MOVES)
def test_an_interval_is_kept_whatever_happens_to_the_clock(ran: "queue.SimpleQueue[str]", move: dt.timedelta) -> None:
    """A task that runs all the time goes on running, neither never nor without a pause, when the clock is set."""
    scheduler = Scheduler()
    scheduler.every("often", dt.timedelta(seconds=0.4), lambda: ran.put("often"))
    scheduler.start()
    try:
        ran.get(timeout=10)
        with time_machine.travel(dt.datetime.now(dt.UTC) + move):
            for _ in range(3):
                ran.get(timeout=10)
            now = dt.datetime.now(dt.UTC)
            upcoming = scheduler.next_run("often")
            assert upcoming is not None
            assert abs(upcoming - now) < dt.timedelta(seconds=1)
    finally:
        scheduler.stop()
    assert ran.qsize() <= 2


def at_turns(scheduler: Scheduler, clocks: Clocks, ran: "queue.SimpleQueue[str]", span: dt.timedelta) -> list[str]:
    """Let time pass minute by minute. Return when the task ran."""
    times = []
    for _ in range(int(span / dt.timedelta(minutes=1))):
        scheduler.turn()
        scheduler.wait()
        while not ran.empty():
            ran.get()
            times.append(f"{clocks.at:%d %H:%M}")
        clocks.go(dt.timedelta(minutes=1))
    return times


@pytest.mark.parametrize(
    ("line", "move", "then", "expected"),
    [
        # set back by an hour at 08:35: what runs all day follows the new time at once, a fixed hour does not come twice
        ("*/30 * * * *", -HOUR, 2 * HOUR, ["01 08:00", "01 08:30", "01 08:00", "01 08:30", "01 09:00", "01 09:30"]),
        ("15 8 * * *", -HOUR, DAY, ["01 08:15"]),
        ("15 8 * * *", -HOUR, DAY + HOUR, ["01 08:15", "02 08:15"]),
        # by a day: the new time is the right one
        ("15 8 * * *", -DAY, DAY, ["01 08:15", "01 08:15"]),
        # set forward by two hours: what was due meanwhile runs once
        ("0 9,10 * * *", 2 * HOUR, DAY - HOUR, ["01 10:35", "02 09:00"]),
        ("*/30 * * * *", 2 * HOUR, HOUR, ["01 08:00", "01 08:30", "01 10:35", "01 11:00", "01 11:30"]),
    ],
)
def test_a_crontab_line_follows_a_clock_that_is_set(
    ran: "queue.SimpleQueue[str]", line: str, move: dt.timedelta, then: dt.timedelta, expected: list[str]
) -> None:
    """A change of less than three hours is a correction, by cron's rule: no fixed hour comes twice, and none never."""
    clocks = Clocks("2026-12-01 08:00")
    scheduler = Scheduler(clock=clocks.clock, wall=clocks.wall)
    scheduler.cron("cron", line, lambda: ran.put("cron"), zone=ZoneInfo("UTC"))
    times = at_turns(scheduler, clocks, ran, dt.timedelta(minutes=35))
    clocks.at += move
    assert expected == times + at_turns(scheduler, clocks, ran, then)


def test_a_time_that_was_asked_for_stays(ran: "queue.SimpleQueue[str]") -> None:
    """A next run that somebody named comes at that time on the wall, whatever happens to the clock before."""
    clocks = Clocks("2026-12-01 08:00")
    scheduler = Scheduler(clock=clocks.clock, wall=clocks.wall)
    at = clocks.at + 2 * HOUR
    scheduler.every("asked", DAY, lambda: ran.put("asked"), first_at=at)
    scheduler.turn()
    clocks.at -= HOUR
    scheduler.turn()
    assert at == scheduler.next_run("asked")
    clocks.at = at
    scheduler.turn()
    scheduler.wait()
    assert 1 == ran.qsize()
    assert at + DAY == scheduler.next_run("asked")


# ------------------------------------------------------------------ what waits in the store


@pytest.mark.parametrize("move", MOVES)
def test_a_deferred_mail_is_tried_at_its_time(fake: FakeRedmine, move: dt.timedelta) -> None:
    """A mail that waited for a quarter of a minute is tried within that, by the new clock as by the old."""
    fake.always = lambda _body: (502, "")
    fake.server.append(mail("Deferred"))
    fake.receive(hurry=False)
    fake.always = lambda _body: None
    with time_machine.travel(dt.datetime.now(dt.UTC) + move) as clock:
        clock.shift(dt.timedelta(seconds=16))
        fake.receive(hurry=False)
        assert [State.DONE] == [row.state for row in fake.rows()]
    assert ["Deferred"] == [issue["subject"] for issue in fake.issues]


@pytest.mark.parametrize("move", MOVES)
def test_the_next_due_mail_wakes_the_mailbox(fake: FakeRedmine, move: dt.timedelta) -> None:
    """A running mailbox comes back to a deferred mail at its time, although the clock was set in between, and once."""
    fake.always = lambda _body: (502, "")
    fake.server.append(mail("Deferred"))
    with fake.application() as made:
        (receiver,) = made.receivers
        receiver.once()
        (row,) = made.message_queries.messages(MessageFilter())
        made.store.defer(row.id, "later", after=1.0, counts=False)
        passes, began, wrote = [], threading.Event(), threading.Event()
        once = receiver.once

        def counted(**how: object) -> object:
            passes.append(how)
            began.set()
            return once(**how)  # type: ignore[arg-type]

        receiver.once = counted  # type: ignore[method-assign, assignment]
        thread = MailboxThread(receiver, made.shared, made.message_queries, listen=False)
        thread.start()
        thread.enable(True)
        assert began.wait(20)
        fake.always = lambda _body: wrote.set()
        with time_machine.travel(dt.datetime.now(dt.UTC) + move):
            thread.wake()
            assert wrote.wait(20)
        made.shared.stop.set()
        thread.wake()
        thread.join(20)
    assert len(passes) < 6


@pytest.mark.parametrize("move", BACK)
def test_a_queued_answer_is_sent(tmp_path: Path, move: dt.timedelta) -> None:
    """What waited in the outbox for a minute does not wait for a day when the clock is set back by one."""
    now = [2_000_000.0]
    store = Store.open(f"sqlite:///{tmp_path}/db", tmp_path / "raw", clock=lambda: now[0])
    outbox = Outbox(store.database, store.clock)
    outbox.queue([NewAnswer("desk", "note", "a@x.example", "b@x.example", "m@x.example", b"x", lambda _count: None)])
    (queued,) = outbox.claim("desk", limit=10)
    outbox.later(queued, "greylisted")
    now[0] += move.total_seconds()
    assert [queued.id] == [one.id for one in outbox.claim("desk", limit=10)]
    store.close()


@pytest.mark.parametrize("move", BACK)
def test_a_limit_a_minute_holds_for_a_minute(tmp_path: Path, move: dt.timedelta) -> None:
    """What was sent before the clock was set back does not count as sent within the last minute until then."""
    now = [2_000_000.0]
    store = Store.open(f"sqlite:///{tmp_path}/db", tmp_path / "raw", clock=lambda: now[0])
    outbox = Outbox(store.database, store.clock)
    outbox.queue([NewAnswer("desk", "note", "a@x.example", "b@x.example", "m@x.example", b"x", lambda _count: None)])
    (queued,) = outbox.claim("desk", limit=10)
    outbox.sent(queued, "250 ok")
    assert 1 == outbox.sent_since(["desk"], 60.0)
    now[0] += move.total_seconds()
    assert 0 == outbox.sent_since(["desk"], 60.0)
    store.close()


def test_the_list_of_tasks_says_the_next_run_by_the_new_clock(tmp_path: Path) -> None:
    """When the clock is set, the time that is shown for the next run is another one, and said anew."""
    path = tmp_path / "settings.toml"
    path.write_text(TEXT)
    settings, stop = load(path, {}), threading.Event()
    store = Store.open(f"sqlite:///{tmp_path / 'db'}", tmp_path / "raw")
    book = TaskState(store.database, store.clock)
    runner = TaskRunner(
        book, lambda: plans(settings, book.overrides()), lambda _name: TaskStepResult(), lambda _p, _s: None, stop
    )
    runner.start()
    try:
        said = _next_of(book, "aggregate", lambda at: at is not None)
        with time_machine.travel(dt.datetime.now(dt.UTC) - DAY):
            again = _next_of(book, "aggregate", lambda at: at is not None and at < said - 3600)
            assert 0 <= again - dt.datetime.now(dt.UTC).timestamp() <= 3601
    finally:
        stop.set()
        runner.stop()
        runner.wait()
        store.close()


def _next_of(book: TaskState, name: str, holds: object) -> float:
    """Look until the store says so of a task's next run."""
    for _ in range(400):
        at = book.next_runs().get(name)
        if holds(at):  # type: ignore[operator]
            return float(at or 0)
        threading.Event().wait(0.05)
    raise AssertionError(f"{name}: {book.next_runs()}")


@pytest.mark.parametrize("move", [-DAY, -HOUR, HOUR, DAY], ids=["-1d", "-1h", "+1h", "+1d"])
def test_the_service_is_seen_to_run(tmp_path: Path, move: dt.timedelta) -> None:
    """How things are is noted every few seconds by a clock that cannot be set, with the time as it is then."""
    store, clocks = Store.open(f"sqlite:///{tmp_path}/db", tmp_path / "raw"), Clocks("2026-12-01 08:00")
    health = Health(store.database, clocks.time, clocks.clock)
    health.note(SERVICE, None, "running")
    clocks.at += move
    clocks.go(dt.timedelta(seconds=21))
    health.note(SERVICE, None, "running")
    assert alive(health.all()[SERVICE], clocks.at.timestamp())
    store.close()


@pytest.mark.parametrize("move", [-DAY, -HOUR, HOUR, DAY], ids=["-1d", "-1h", "+1h", "+1d"])
def test_an_alert_comes_after_its_time(tmp_path: Path, move: dt.timedelta) -> None:
    """Somebody is told when something has failed for as long as the settings say, whatever the wall says."""
    store, clocks = Store.open(f"sqlite:///{tmp_path}/db", tmp_path / "raw"), Clocks("2026-12-01 08:00")
    health, told = Health(store.database, clocks.time, clocks.clock), list[str]()
    store.clock, path = clocks.time, tmp_path / "settings.toml"
    path.write_text(TEXT)
    settings = load(path, {})
    alerts = Alerts(
        lambda: current_conditions(store, settings), SentAlerts(store.database, clocks.time), _Letters(told),  # type: ignore[arg-type]
        ["admin@example.com"], subjects=[""], after=900.0, clock=clocks.time, steady=clocks.clock,
    )  # fmt: skip
    health.note("redmine", "away", "away")
    alerts.once()
    clocks.at += move
    clocks.go(dt.timedelta(seconds=890))
    alerts.once()
    assert [] == told
    clocks.go(dt.timedelta(seconds=11))
    alerts.once()
    assert 1 == len(told)
    store.close()


class _Letters:
    """Takes what is to be mailed."""

    reaches_admins = True

    def __init__(self, told: list[str]) -> None:
        self._told = told

    def queue_system(self, kind: str, key: str, _to: object, _variables: object) -> tuple[bool, str]:
        self._told.append(key)
        return True, kind
