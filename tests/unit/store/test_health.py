"""How things are, as the service notes it and the list of conditions reads it."""

import pytest

from redmine_mailbridge.store.health import EVERY, SERVICE, SILENT, Health, HealthRecord, alive
from redmine_mailbridge.store.messages import Store
from tests.clocks import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def steady() -> Clock:
    return Clock(0.0)


@pytest.fixture
def health(store: Store, clock: Clock, steady: Clock) -> Health:
    return Health(store.database, clock, steady)


def _record(doing: str, at: float) -> HealthRecord:
    return HealthRecord(SERVICE, at, at, None, None, doing)


@pytest.mark.parametrize(
    ("service", "runs"),
    [
        (None, False),
        (_record("running", 1000.0), True),
        (_record("stopping", 1000.0), False),
        (_record("running", 1000.0 - SILENT + 1), True),
        (_record("running", 1000.0 - SILENT), False),
        (_record("running", 1000.0 + SILENT - 1), True),
        (_record("running", 1000.0 + SILENT), False),
    ],
)
def test_the_service_runs_while_it_has_said_so_within_a_minute(service: HealthRecord | None, *, runs: bool) -> None:
    """A time that lies more than that in the future is of a clock that was set back, and says nothing."""
    assert runs is alive(service, 1000.0)


def test_a_failure_keeps_the_time_when_it_began_and_when_it_was_last_well(health: Health, clock: Clock) -> None:
    health.note("mailbox:a", None)
    clock.now += 100
    health.note("mailbox:a", "no answer")
    clock.now += 100
    health.note("mailbox:a", "refused", refused=True)
    began = clock.now - 100
    assert {"mailbox:a": HealthRecord("mailbox:a", clock.now, began - 100, began, "refused", "", True)} == health.all()
    clock.now += 100
    health.note("mailbox:a", None)
    assert {"mailbox:a": HealthRecord("mailbox:a", clock.now, clock.now, None, None, "")} == health.all()
    clock.now += 100
    health.note("mailbox:a", None, "listening", ok_at=clock.now - 30)
    assert clock.now - 30 == health.all()["mailbox:a"].ok_at


def test_the_same_is_noted_again_after_twenty_seconds_and_anything_else_at_once(
    health: Health, clock: Clock, steady: Clock
) -> None:
    def noted_at(error: str | None, doing: str) -> float:
        health.note("mailbox:a", error, doing)
        return health.all()["mailbox:a"].at

    first = clock.now
    assert first == noted_at(None, "reading")
    clock.now += 5
    steady.now += EVERY - 1
    assert first == noted_at(None, "reading")
    assert clock.now == noted_at(None, "idle")
    clock.now += 5
    assert clock.now == noted_at("no answer", "idle")
    clock.now += 5
    assert clock.now - 5 == noted_at("no answer", "idle")
    steady.now += 20
    assert clock.now == noted_at("no answer", "idle")
    health.note("mailbox:b", "no answer", "idle")
    assert {"mailbox:a", "mailbox:b"} == health.all().keys()


def test_what_a_thing_does_changes_no_verdict(health: Health, clock: Clock) -> None:
    health.note("mailbox:a", "no answer", "waiting")
    clock.now += 7
    health.busy("mailbox:a", "reading")
    (record,) = health.all().values()
    assert ("no answer", "reading", clock.now) == (record.error, record.doing, record.at)
    assert clock.now - 7 == record.failing_since


def test_what_is_no_more_is_forgotten(health: Health) -> None:
    for name in ("mailbox:a", "mailbox:b", "redmine"):
        health.note(name, None)
    health.forget({"mailbox:b", "redmine"})
    assert {"mailbox:b", "redmine"} == health.all().keys()


def test_a_clock_that_is_set_back(health: Health, clock: Clock, steady: Clock) -> None:
    """A failure that began in the future has begun now: else it stays young until the clock is where it was."""
    health.note("mailbox:a", "no answer")
    clock.now -= 7200
    steady.now += EVERY
    health.note("mailbox:a", "no answer")
    began = clock.now
    clock.now += 600
    health.note("mailbox:a", "still none")
    assert began == health.all()["mailbox:a"].failing_since
