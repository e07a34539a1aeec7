"""Records the health of the running service in the store every few seconds."""

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from redmine_mailbridge.outgoing.outbox_sender import OutboxSender
from redmine_mailbridge.store.health import REDMINE, SENDING, SERVICE, Health, of_mailbox
from redmine_mailbridge.store.observed.certificates import Certificates
from redmine_mailbridge.tasks.receive.circuit_breaker import CircuitBreaker
from redmine_mailbridge.util.certificates import take_noted
from redmine_mailbridge.util.dataclass import dataclass


class MonitoredThread(Protocol):
    """The part of a mailbox's thread that the monitor reads."""

    @property
    def name_of_mailbox(self) -> str:
        """Its mailbox."""

    error: str | None
    login_refused: bool
    doing: str
    tried: bool
    read_at: float | None


@dataclass(frozen=True, slots=True)
class HealthMonitor:
    """Monitors the mailboxes' threads, the connection to Redmine, the outgoing mail, and the certificates of `servers`.
    `after` is called after each check.
    """

    health: Health
    breaker: CircuitBreaker
    sending: OutboxSender
    certificates: Certificates
    servers: Collection[str] = ()
    after: Callable[[], object] = lambda: None

    def begin(self, threads: Sequence[MonitoredThread]) -> None:
        """Called when the service starts: delete the records of what is no longer configured."""
        self.health.forget({SERVICE, REDMINE, SENDING, *(of_mailbox(thread.name_of_mailbox) for thread in threads)})
        self.certificates.forget(self.servers)
        self.once(threads)

    def once(self, threads: Sequence[MonitoredThread]) -> None:
        """Check everything once."""
        self.health.note(SERVICE, None, "running")
        for thread in threads:
            name = of_mailbox(thread.name_of_mailbox)
            if thread.doing and (thread.tried or thread.error is not None):
                refused = thread.login_refused and thread.error is not None
                self.health.note(name, thread.error, thread.doing, refused=refused, ok_at=thread.read_at)
            elif thread.doing:
                self.health.busy(name, thread.doing)
        self.breaker.note_in(self.health)
        last = self.sending.last
        if last is not None and (last.is_known or last.error is not None):
            self.health.note(SENDING, last.error, f"{last.waiting} waiting")
        self.certificates.note({name: until for name, until in take_noted().items() if name in self.servers})
        self.after()

    def end(self) -> None:
        """Called when the service stops."""
        self.health.note(SERVICE, None, "stopped")
