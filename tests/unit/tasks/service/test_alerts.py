"""An admin is told once that something keeps failing, and once that it works again."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import tomlkit

from redmine_mailbridge.conditions.current import current_conditions
from redmine_mailbridge.conditions.servers import configured_subjects
from redmine_mailbridge.outgoing.outbox_sender import SendResult
from redmine_mailbridge.settings.load import load
from redmine_mailbridge.store.health import REDMINE, SERVICE, Health, alive, of_mailbox
from redmine_mailbridge.store.observed.certificates import Certificates
from redmine_mailbridge.store.observed.sent_alerts import SentAlerts
from redmine_mailbridge.store.outgoing.outbox import Outbox
from redmine_mailbridge.store.task_state import TaskState
from redmine_mailbridge.tasks.receive.circuit_breaker import CircuitBreaker
from redmine_mailbridge.tasks.service.alerts import Alerts
from redmine_mailbridge.tasks.service.health_monitor import HealthMonitor
from redmine_mailbridge.wiring import application as app
from redmine_mailbridge.wiring import outgoing as speaking


class World:
    """A store, its clock, and what is noted in it."""

    def __init__(self, folder: Path) -> None:
        box = {"address": "support@example.com", "host": "mail.example.com", "password": "p", "issue": {"project": "s"}}
        boxes = {f"box{number}": box | {"address": f"box{number}@example.com"} for number in range(12)}
        values = {
            "redmine": {"url": "https://redmine.example.com", "api_key": "k", "text_format": "common_mark"},
            "outgoing": {"transport": "console"},
            "mailboxes": {"support": box} | boxes,
        }
        file = folder / "settings.toml"
        file.write_text(tomlkit.dumps(values), "utf-8")
        self.application = app.build(load(file, {}))
        self.store = self.application.store
        self.now = 1_800_000_000.0
        self.store.clock = lambda: self.now
        self.health = Health(self.store.database, lambda: self.now)
        settings = self.application.settings
        desks = speaking.profiles(settings, self.store.secret)
        letters = speaking.mailer(
            settings, self.store, self.application.planner, desks, self.application.client, self.application.metadata
        )
        to = ("admin@example.org", "second@example.org")
        self.sent_alerts = SentAlerts(self.store.database, lambda: self.now)
        self.alerts = Alerts(
            lambda: current_conditions(self.store, settings), self.sent_alerts, letters, to,
            subjects=configured_subjects(settings), after=1800, clock=lambda: self.now, steady=lambda: self.now,
        )  # fmt: skip

    def monitor(self, gate: CircuitBreaker | None = None, health: Health | None = None) -> HealthMonitor:
        """What notes how things are, and then sends alerts."""
        certificates = Certificates(self.store.database, lambda: self.now)
        return HealthMonitor(
            health or self.health, gate or CircuitBreaker(), self.application.sending, certificates,
            after=self.alerts.once,
        )  # fmt: skip

    def sent(self) -> list[str]:
        """To whom a mail is queued, and its subject, oldest first."""
        outbox = Outbox(self.store.database, self.store.clock)
        lines = []
        for mail in outbox.claim("support", limit=99):
            outbox.sent(mail, "ok")
            lines.append(f"{mail.recipient}: {mail.content.partition(b'Subject: ')[2].splitlines()[0].decode()}")
        return lines

    def subjects(self) -> list[str]:
        """The subjects of these mails to the first admin."""
        return [line.partition("bridge: ")[2] for line in self.sent() if line.startswith("admin@")]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.application.close()


def test_one_mail_when_it_fails_and_one_when_it_works_again(world: World) -> None:
    """What fails for longer than the set time is told once to each admin, and its recovery once."""
    for _ in range(100):
        world.health.note(of_mailbox("support"), "login refused: NO wrong password", "waiting to try again")
        world.alerts.once()
        world.now += 30
    assert [
        "admin@example.org: redmine-mailbridge: Mailbox support cannot be read",
        "second@example.org: redmine-mailbridge: Mailbox support cannot be read",
    ] == world.sent()

    for _ in range(10):
        world.health.note(of_mailbox("support"), None, "listening")
        world.alerts.once()
        world.now += 30
    assert [
        "admin@example.org: redmine-mailbridge: Mailbox support is read again",
        "second@example.org: redmine-mailbridge: Mailbox support is read again",
    ] == world.sent()


def test_what_a_limit_holds_back_is_told_later(world: World) -> None:
    """When more fails at once than may be mailed at once, the rest is told when the limit lets it."""
    for number in range(12):
        world.health.note(of_mailbox(f"box{number}"), "no route to host", "waiting to try again")
    world.now += 1801
    for _ in range(3):
        world.alerts.once()
    assert 10 * 2 == len(world.sent())
    world.now += 601
    world.alerts.once()
    assert 2 * 2 == len(world.sent())


def test_short_failures_are_not_told(world: World) -> None:
    """What fails again and again, but never for the set time, is told to nobody."""
    for number in range(200):
        world.health.note(REDMINE, "no answer" if number % 20 else None, "x")
        world.alerts.once()
        world.now += 60
    assert [] == world.sent()


def test_a_second_failure_is_told_anew(world: World) -> None:
    """After a recovery the next failure is told again."""
    for error in ("down", None, "down again"):
        for _ in range(70):
            world.health.note("sending", error, "x")
            world.alerts.once()
            world.now += 30
    assert ["Mail cannot be sent", "Mail is sent again", "Mail cannot be sent"] == world.subjects()


def test_a_crash_between_queueing_and_noting(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the process dies after the mail is queued and before that is noted, the mail goes out once."""
    world.health.note(REDMINE, "down", "away")
    world.now += 1801
    with monkeypatch.context() as patch:
        patch.setattr(world.sent_alerts, "begin", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            world.alerts.once()
    world.alerts.once()
    assert 2 == len(world.sent())


def test_the_pulse(world: World) -> None:
    """The running service notes itself, its mailboxes, Redmine and the sending; ended, it is seen as ended."""
    application = world.application
    gate = CircuitBreaker()
    pulse = world.monitor(gate)
    thread = application.service().threads[0]
    thread.error, thread.doing = "no route to host", "waiting to try again"
    application.sending.last = SendResult(error="535 wrong password", waiting=3)
    gate.record_failure(None, "connection refused")
    pulse.begin([thread])

    seen = world.health.all()
    assert alive(seen[SERVICE], world.now)
    assert not alive(seen[SERVICE], world.now + 61)
    errors = {name: condition.error for name, condition in seen.items() if name != SERVICE}
    assert {
        "mailbox:support": "no route to host",
        "redmine": "connection refused",
        "sending": "535 wrong password",
    } == errors
    gate.record_success()
    pulse.once([thread])
    assert world.health.all()[REDMINE].error is None
    pulse.end()
    assert not alive(world.health.all()[SERVICE], world.now)


def test_a_stop_is_no_recovery(world: World) -> None:
    """While processing is stopped, no mailbox is read again, and none has a problem that is new: when it starts, what
    failed before has its time to recover.
    """
    world.health.note(of_mailbox("support"), "wrong password", "waiting to try again")
    world.now += 1900
    world.alerts.once()
    book = TaskState(world.store.database, lambda: world.now)
    book.stop()
    world.health.note(of_mailbox("box1"), "wrong password", "waiting to try again")
    for _ in range(5):
        world.now += 1900
        world.alerts.once()
    assert ["Mailbox support cannot be read"] == world.subjects()
    book.start()
    world.alerts.once()
    assert [] == world.subjects()
    world.now += 1801
    world.alerts.once()
    assert ["Mailbox box1 cannot be read"] == world.subjects()


def test_a_mailbox_that_is_removed_is_no_recovery(world: World) -> None:
    """An alert about what the settings no longer contain ends in silence: it was not mended."""
    for key, subject in (
        ("mailbox-not-read", "gone"),
        ("certificate-ends", "gone.example.com:993"),
        ("mail-failed", "box1"),
    ):
        world.sent_alerts.begin(key, subject)
    world.alerts.once()
    assert ["No mail of mailbox box1 has failed of late"] == world.subjects()
    assert {} == world.sent_alerts.all()


def test_a_restart_is_no_recovery(world: World) -> None:
    """A service that starts while a mailbox fails says nothing until its first pass has ended: no false recovery."""
    world.health.note(of_mailbox("support"), "wrong password", "waiting to try again")
    world.now += 1900
    world.alerts.once()
    assert 2 == len(world.sent())

    thread = world.application.service().threads[0]
    again = Health(world.store.database, lambda: world.now)
    pulse = world.monitor(health=again)
    thread.doing = "receiving"
    pulse.begin([thread])
    seen = again.all()[of_mailbox("support")]
    assert ("wrong password", "receiving", world.now - 1900) == (seen.error, seen.doing, seen.failing_since)
    assert [] == world.sent()

    thread.tried, thread.doing = True, "listening"
    pulse.once([thread])
    assert ["works", "works"] == ["works" if "is read again" in line else line for line in world.sent()]


def test_what_has_never_worked_was_never_well(world: World) -> None:
    """A mailbox that is read for the first time is neither well nor failing until that has come to an end."""
    world.health.busy(of_mailbox("support"), "receiving")
    seen = world.health.all()[of_mailbox("support")]
    assert (None, None, None) == (seen.ok_at, seen.failing_since, seen.error)
