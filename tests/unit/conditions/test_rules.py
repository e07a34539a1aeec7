"""Each condition appears when something is wrong, and disappears when it is not; its time says how bad it is."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import tomlkit

from redmine_mailbridge.conditions import kinds
from redmine_mailbridge.conditions.condition import Condition, Severity, worst
from redmine_mailbridge.conditions.current import conditions_without_store, current_conditions
from redmine_mailbridge.conditions.kinds import KINDS
from redmine_mailbridge.conditions.rules import DAY, HOUR, PATIENCE
from redmine_mailbridge.conditions.servers import configured_servers
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.mailbox import Listed, Location, RawMail
from redmine_mailbridge.settings.load import load
from redmine_mailbridge.store.health import REDMINE, SENDING, SERVICE, Health, of_mailbox
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.observed.certificates import Certificates
from redmine_mailbridge.store.outgoing.adding import NewAnswer
from redmine_mailbridge.store.outgoing.outbox import Outbox
from redmine_mailbridge.store.pauses import MailboxPauses
from redmine_mailbridge.store.tables import health
from redmine_mailbridge.store.task_state import TaskState
from tests.clocks import Clock
from tests.product import merged

SERVER = "mail.example.com:993"
ALERT_AFTER = 1800.0


def values() -> dict[str, Any]:
    """A settings file as a tree: two mailboxes on one server, one that is not active, and one to send by."""
    box = {"host": "mail.example.com", "password": "do-not-show", "issue": {"project": "support"}}
    return {
        "redmine": {"url": "https://redmine.example.com", "api_key": "do-not-show", "text_format": "common_mark"},
        "outgoing": {"host": "smtp.example.com", "security": "starttls"},
        "mailboxes": {
            "support": box | {"address": "support@example.com"},
            "sales": box | {"address": "sales@example.com"},
            "old": box | {"address": "old@example.com", "active": False},
        },
    }


class World:
    """A store, its clock, and what is noted in it by a service that runs."""

    def __init__(self, folder: Path, store: Store, clock: Clock) -> None:
        self._file = folder / "settings.toml"
        self.set({})
        self.store, self.clock = store, clock
        self.health = Health(store.database, clock, Clock())
        self.runs()

    def set(self, changes: dict[str, Any]) -> None:
        """The settings are those of `values`, with these changes."""
        self._file.write_text(tomlkit.dumps(merged(values(), changes)), "utf-8")
        self.settings = load(self._file, {})

    def runs(self, doing: str = "running") -> None:
        """The service says that it runs, or what else it does."""
        Health(self.store.database, self.clock).note(SERVICE, None, doing)

    def listed(self) -> list[Condition]:
        """The conditions, while the service runs."""
        self.runs()
        return current_conditions(self.store, self.settings)

    def severities(self) -> dict[str, str]:
        """How bad each is, by key and subject."""
        return {condition.name: condition.severity.word for condition in self.listed()}

    def keep(self, mailbox: str, uid: int, state: State) -> int:
        """Keep a mail that ends in a state. Return its number."""
        place = Location(mailbox, "INBOX", "1", str(uid))
        (row,) = self.store.add([RawMail(Listed(place, 5), f"{mailbox} {uid}".encode())])
        self.store.finish(row.id, state, "why")
        return row.id

    def queue(self, name: str, kind: str = "answer") -> Outbox:
        """Queue a mail to someone. Return the outbox."""
        outbox = Outbox(self.store.database, self.clock)
        address = f"{name}@x.example"
        outbox.queue([NewAnswer("support", kind, "s@example.com", address, address, b"x", lambda _count: None, 7)])
        return outbox


@pytest.fixture
def clock() -> Clock:
    return Clock(1_800_000_000.0)


@pytest.fixture
def world(tmp_path: Path, store: Store, clock: Clock) -> Iterator[World]:
    return World(tmp_path, store, clock)


def test_nothing_is_wrong(world: World) -> None:
    """Where all works there is no condition, and the severity is ok."""
    world.health.note(of_mailbox("support"), None, "listening")
    world.health.note(REDMINE, None, "answers")
    world.health.note(SENDING, None, "0 waiting")
    assert ([], Severity.OK) == (world.listed(), worst(world.listed()))


def test_the_service(world: World, clock: Clock) -> None:
    """One that gives no sign of life has ended; one that was stopped may be about to start again."""
    service = lambda: {  # noqa: E731 - asked while it does not run
        each.name: each.severity.word for each in current_conditions(world.store, world.settings)
    }
    assert {} == service()
    clock.now += 61
    assert {"service-not-running": "critical"} == service()
    world.runs("stopped")
    assert {"service-not-running": "ok"} == service()
    clock.now += PATIENCE
    assert {"service-not-running": "warning"} == service()
    clock.now += ALERT_AFTER
    assert {"service-not-running": "critical"} == service()
    world.runs()
    assert {} == service()


def test_a_service_that_has_never_run(world: World, clock: Clock) -> None:
    """Before the first run, with and without a store, that is a warning; not where `receive` reads the mailboxes."""
    (alone,) = conditions_without_store(world.settings, clock.now)
    with world.store.database.write() as db:
        db.execute(sa.delete(health))
    assert [alone] == current_conditions(world.store, world.settings)
    assert ("service-not-running", Severity.WARNING) == (alone.name, alone.severity)
    world.health.note(of_mailbox("support"), "no route to host")
    clock.now += PATIENCE
    (unread,) = current_conditions(world.store, world.settings)
    assert ("mailbox-not-read support", Severity.WARNING) == (unread.name, unread.severity)


def test_what_an_ended_service_noted_holds_no_longer(world: World, clock: Clock) -> None:
    """What failed when the service ended is not known to fail now; what a pass by hand has met since then is."""
    world.health.note(of_mailbox("support"), "no route to host")
    world.health.note(REDMINE, "502")
    world.runs("stopped")
    assert [kinds.SERVICE_NOT_RUNNING] == [each.key for each in current_conditions(world.store, world.settings)]
    clock.now += 5
    world.health.note(of_mailbox("sales"), "no route to host")
    assert {"service-not-running", "mailbox-not-read sales"} == {
        each.name for each in current_conditions(world.store, world.settings)
    }


def test_stopped_by_a_person(world: World) -> None:
    """What is stopped says so; that a mailbox cannot be read is no problem then, however long, but not over either."""
    book = TaskState(world.store.database, world.clock)
    world.health.note(of_mailbox("support"), "no route to host")
    book.stop()
    stopped_at = world.clock.now
    world.clock.now += DAY
    assert {"processing-stopped": "warning", "mailbox-not-read support": "ok"} == world.severities()
    assert [stopped_at, stopped_at] == [each.since for each in world.listed()]
    book.start()
    assert {"mailbox-not-read support": "critical"} == world.severities()


@pytest.mark.parametrize(
    ("record", "key"),
    [(REDMINE, "redmine-unavailable"), (of_mailbox("support"), "mailbox-not-read support"), (SENDING, "sending-fails")],
)
def test_a_failure_grows_worse(world: World, clock: Clock, record: str, key: str) -> None:
    """A failure is none at first, then a warning, and critical when an alert is due; a clock set back makes it none."""
    world.health.note(record, "mailbox support: no route\nto host", "waiting to try again")
    began, severities = clock.now, []
    for seconds in (0.0, PATIENCE - 1, PATIENCE, ALERT_AFTER - 1, ALERT_AFTER, -DAY):
        clock.now = began + seconds
        severities.append(world.severities()[key])
    assert ["ok", "ok", "warning", "warning", "critical", "ok"] == severities
    (condition,) = world.listed()
    assert (began, True) == (condition.since, condition.problem.endswith("no route to host"))
    world.health.note(record, None)
    assert {} == world.severities()


@pytest.mark.parametrize(
    ("record", "key"), [(REDMINE, "redmine-unavailable"), (of_mailbox("support"), "mailbox-not-read support")]
)
def test_a_refusal_is_critical_at_once(world: World, record: str, key: str) -> None:
    """A login or a key that is not accepted does not mend itself."""
    world.health.note(record, "401", refused=True)
    assert {key: "critical"} == world.severities()
    world.health.note(record, "no answer")
    assert {key: "ok"} == world.severities()


def test_a_pass_that_does_not_end(world: World, clock: Clock) -> None:
    """A mailbox without an error, of which no pass ends for two hours, is not read; one that is switched off is not."""
    read_at = clock.now
    clock.now += 2 * HOUR - 1
    world.health.note(of_mailbox("support"), None, "receiving", ok_at=read_at)
    world.health.note(of_mailbox("sales"), None, "not active", ok_at=read_at)
    assert {} == world.severities()
    clock.now += 1
    assert {"mailbox-not-read support": "warning"} == world.severities()


def test_mailboxes_that_are_not_active(world: World) -> None:
    """What was noted of a mailbox that is not active, or no longer configured, is no condition."""
    for name in ("old", "gone"):
        world.health.note(of_mailbox(name), "no route to host", refused=True)
    assert {} == world.severities()


def test_paused_mailboxes(world: World) -> None:
    """A mailbox whose settings do not fit, or with too many new messages, waits for a person."""
    pauses = MailboxPauses(world.store)
    pauses.pause("support", world.keep("support", 1, State.DONE), ["project desk is closed", "no tracker Bug"], None)
    world.store.brake("sales", 700)
    assert {"mailbox-paused support": "critical", "too-many-new-mails sales": "warning"} == world.severities()
    paused, many = world.listed()
    assert paused.problem.endswith("fit Redmine: project desk is closed; no tracker Bug")
    world.health.note(of_mailbox("sales"), "700 new mails at once, more than max_new_mails", "waiting to try again")
    world.clock.now += DAY
    assert {"mailbox-paused support", "too-many-new-mails sales"} == world.severities().keys()
    world.health.note(of_mailbox("sales"), None, "listening")
    assert ("700 are new", None) == (many.detail, many.since)
    assert "mailboxes resume sales" in many.remedy
    pauses.end(["support"])
    world.store.end_brake("sales")
    assert {} == world.severities()


def test_failed_and_held_mail(world: World, clock: Clock) -> None:
    """Failed mail is a warning for a week, held mail after a day."""
    began = clock.now
    world.keep("support", 1, State.FAILED)
    clock.now += 60
    world.keep("support", 2, State.FAILED)
    world.keep("sales", 3, State.HELD)
    world.keep("sales", 4, State.REJECTED)
    assert {"mail-failed support": "warning"} == world.severities()
    (failed,) = world.listed()
    assert (began, "2 mails") == (failed.since, failed.detail)
    clock.now += DAY
    assert {"mail-failed support": "warning", "mail-held sales": "warning"} == world.severities()
    clock.now += 6 * DAY + 1
    assert {"mail-held sales": "warning"} == world.severities()


def test_outgoing_mail_that_waits(world: World, clock: Clock) -> None:
    """Mail that waits for an hour is a warning, for a day critical; one that is queued again has its turn first."""
    outbox = world.queue("anna")
    clock.now += HOUR
    assert {} == world.severities()
    clock.now += 1
    assert {"outbox-waiting support": "warning"} == world.severities()
    clock.now += DAY - HOUR
    assert {"outbox-waiting support": "critical"} == world.severities()
    (row,) = outbox.claim("support", limit=9)
    outbox.failed(row, "550 no")
    outbox.retry([row.id], by="an admin")
    assert {} == world.severities()
    (row,) = outbox.claim("support", limit=9)
    outbox.later(row, "451 greylisted", offered=True)
    clock.now += 60
    assert {} == world.severities()
    clock.now += HOUR
    assert {"outbox-waiting support": "warning"} == world.severities()
    (row,) = outbox.claim("support", limit=9)
    outbox.sent(row, "ok")
    assert {} == world.severities()


def test_outgoing_mail_that_was_given_up(world: World, clock: Clock) -> None:
    """Mail that was rejected is a warning for a day, or until a person decides about it, however old it is."""
    outbox = world.queue("anna")
    clock.now += 5 * DAY
    (row,) = outbox.claim("support", limit=9)
    outbox.failed(row, "550 no")
    assert {"outbox-failed support": "warning"} == world.severities()
    clock.now += DAY
    assert {"outbox-failed support": "warning"} == world.severities()
    assert [clock.now - DAY] == [each.since for each in world.listed()]
    clock.now += 1
    assert {} == world.severities()
    clock.now -= 2
    outbox.discard([row.id], by="an admin")
    assert {} == world.severities()


def test_alerts_that_were_rejected(world: World, clock: Clock) -> None:
    """A rejected alert is a condition of its own, which causes no alert: each would be rejected in turn."""
    outbox = world.queue("admin", kind="alert")
    (row,) = outbox.claim("support", limit=9)
    outbox.failed(row, "550 no such user")
    assert {"alert-failed": "warning"} == world.severities()
    (rejected,) = world.listed()
    assert ("1 mail", clock.now, False) == (rejected.detail, rejected.since, rejected.kind.is_mailed)
    clock.now += DAY + 1
    assert {} == world.severities()


def test_a_paused_task(world: World, clock: Clock) -> None:
    """A task that a person has paused is a warning, until it is resumed; not one that the settings do not run, nor one
    whose schedule is changed alone.
    """
    book = TaskState(world.store.database, clock)
    book.override("update", lambda old: replace(old, active=False))
    book.override("aggregate", lambda old: replace(old, every=60.0))
    book.override("receive:sales", lambda old: replace(old, active=False))  # it has no schedule of its own
    assert {"task-paused update": "warning"} == world.severities()
    (paused,) = world.listed()
    assert (clock.now, "Run `redmine-mailbridge tasks resume update`.") == (paused.since, paused.remedy)
    world.set({"mailboxes": {"sales": {"every": "1m"}}})
    assert {"task-paused receive:sales", "task-paused update"} == world.severities().keys()
    world.set(
        {"mailboxes": {"sales": {"every": "1m"}}, "tasks": {name: {"active": False} for name in ("receive", "update")}}
    )
    assert {} == world.severities()


def test_a_mailbox_whose_task_is_paused(world: World, clock: Clock) -> None:
    """While it is not to be read, its last error is no problem, as nobody tries again; but it is not over either."""
    world.health.note(of_mailbox("support"), "no route to host", "waiting to try again", refused=True)
    assert {"mailbox-not-read support": "critical"} == world.severities()
    world.health.note(of_mailbox("support"), "no route to host", "not active", refused=True)
    assert {"mailbox-not-read support": "ok"} == world.severities()


def test_certificates(world: World, clock: Clock) -> None:
    """A certificate that ends in three weeks is a warning, in one week critical, and when it has ended; not of a server
    that is not configured, nor of one that was not connected to for a week, unless the last connection saw it end.
    """
    certificates = Certificates(world.store.database, clock, Clock())
    texts, severities = [], []
    for days in (21, 20.9, 7, 6.9, 1.5, 0, -3):
        certificates.note({SERVER: clock.now + days * DAY, "mail.example.org:993": clock.now})
        severities.append(world.severities().get(f"certificate-ends {SERVER}"))
        texts += [each.detail.partition(", ")[2] or each.detail[:11] for each in world.listed()]
    assert [None, "warning", "warning", "critical", "critical", "critical", "critical"] == severities
    assert ["in 20 days", "in 7 days", "in 6 days", "in 1 day", "it ended on", "it ended on"] == texts
    clock.now += 7 * DAY + 1
    assert {f"certificate-ends {SERVER}": "critical"} == world.severities()
    certificates.note({SERVER: clock.now + 25 * DAY})
    clock.now += 7 * DAY
    assert {f"certificate-ends {SERVER}": "warning"} == world.severities()
    clock.now += 1
    assert {} == world.severities()


def test_servers_of_the_settings(world: World) -> None:
    """Redmine, the server of the mailboxes, and the one to send by, each with its port."""
    assert {SERVER, "redmine.example.com:443", "smtp.example.com:587"} == configured_servers(world.settings)


def test_the_worst_is_first(world: World) -> None:
    """The worst condition is listed first; none contains a secret."""
    world.keep("support", 1, State.FAILED)
    world.health.note(of_mailbox("sales"), "login refused", refused=True)
    world.health.note(SENDING, "no answer")
    listed = world.listed()
    assert ["mailbox-not-read sales", "mail-failed support", "sending-fails"] == [each.name for each in listed]
    assert Severity.CRITICAL is worst(listed)
    assert "do-not-show" not in str([each.as_json() for each in listed])


def test_each_kind_is_whole() -> None:
    """Each kind has its texts, and only what keeps the service from its work makes it unready."""
    for kind in KINDS.values():
        texts = (kind.title, kind.over, kind.meaning, kind.remedy)
        assert all(texts)
        assert all(text.format(subject="x") for text in texts)
        assert kind.title[-1] != "."
    assert {kinds.STORE_UNAVAILABLE, kinds.SERVICE_NOT_RUNNING} == {k.key for k in KINDS.values() if k.unready}
