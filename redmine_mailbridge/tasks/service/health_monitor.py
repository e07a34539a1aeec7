"""Records the health of the running service in the store every few seconds."""

from collections.abc import Callable, Container, Sequence
from typing import Protocol

from redmine_mailbridge.outgoing.outbox_sender import OutboxSender
from redmine_mailbridge.store.health import REDMINE, SERVICE, Health, of_mailbox, of_settings
from redmine_mailbridge.tasks.receive.circuit_breaker import CircuitBreaker
from redmine_mailbridge.util.dataclass import dataclass

SENDING = "sending"


class MonitoredThread(Protocol):
    """The part of a mailbox's thread that the monitor reads."""

    @property
    def name_of_mailbox(self) -> str:
        """Its mailbox."""

    error: str | None
    doing: str
    tried: bool
    certificate_until: float | None


@dataclass(frozen=True, slots=True)
class HealthMonitor:
    """Monitors the mailboxes' threads, the connection to Redmine and the outgoing mail. `after` is called after each
    check; `paused` returns why a mailbox is paused when its settings do not fit Redmine.
    """

    health: Health
    breaker: CircuitBreaker
    sending: OutboxSender
    after: Callable[[], object] = lambda: None
    paused: Callable[[str], str | None] = lambda _name: None

    def begin(self, threads: Sequence[MonitoredThread]) -> None:
        """Called when the service starts: delete the records of what is no longer configured."""
        names = [thread.name_of_mailbox for thread in threads]
        self.health.forget({SERVICE, REDMINE, SENDING, *map(of_mailbox, names), *map(of_settings, names)})
        self.once(threads)

    def once(self, threads: Sequence[MonitoredThread]) -> None:
        """Check everything once."""
        self.health.note(SERVICE, None, "running")
        noted = self.health.all()
        for thread in threads:
            name = of_mailbox(thread.name_of_mailbox)
            if thread.doing and (thread.tried or thread.error is not None):
                self.health.note(name, thread.error, thread.doing, certificate_until=thread.certificate_until)
            elif thread.doing:
                self.health.busy(name, thread.doing)
            self._note_settings(thread.name_of_mailbox, noted)
        if self.breaker.words is not None or self.breaker.asked:
            self.health.note(REDMINE, self.breaker.words, "answers" if self.breaker.words is None else "takes nothing")
        if self.sending.last is not None:
            self.health.note(SENDING, self.sending.last.error, f"{self.sending.last.waiting} waiting")
        self.after()

    def _note_settings(self, mailbox: str, noted: Container[str]) -> None:
        """Record whether the mailbox's settings fit Redmine, once they have not done so for the first time."""
        name, why = of_settings(mailbox), self.paused(mailbox)
        if why is not None or name in noted:
            self.health.note(name, why, "paused" if why is not None else "")

    def end(self) -> None:
        """Called when the service stops."""
        self.health.note(SERVICE, None, "stopped")
