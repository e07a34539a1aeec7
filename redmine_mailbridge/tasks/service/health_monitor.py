"""Feels the pulse of the running service every few seconds, and notes it in the store for whoever wants to know."""

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import Protocol

from redmine_mailbridge.outgoing.outbox_sender import Sending
from redmine_mailbridge.store.health import REDMINE, SERVICE, Health, of_mailbox, of_settings
from redmine_mailbridge.tasks.receive.circuit_breaker import Gate

SENDING = "sending"


class Watched(Protocol):
    """A mailbox's thread, as far as it is watched."""

    @property
    def name_of_mailbox(self) -> str:
        """Its mailbox."""

    error: str | None
    doing: str
    tried: bool
    certificate_until: float | None


@dataclass(frozen=True, slots=True)
class Pulse:
    """What is looked at: the mailboxes' threads, the way to Redmine, the sending. `after` is done behind each look;
    `paused` tells why a mailbox is paused, since its settings do not fit Redmine.
    """

    health: Health
    gate: Gate
    sending: Sending
    after: Callable[[], object] = lambda: None
    paused: Callable[[str], str | None] = lambda _name: None

    def begin(self, threads: Sequence[Watched]) -> None:
        """The service starts: forget what is not there any more."""
        names = [thread.name_of_mailbox for thread in threads]
        self.health.forget({SERVICE, REDMINE, SENDING, *map(of_mailbox, names), *map(of_settings, names)})
        self.once(threads)

    def once(self, threads: Sequence[Watched]) -> None:
        """Look at everything once."""
        self.health.note(SERVICE, None, "running")
        noted = self.health.all()
        for thread in threads:
            name = of_mailbox(thread.name_of_mailbox)
            if thread.doing and (thread.tried or thread.error is not None):
                self.health.note(name, thread.error, thread.doing, certificate_until=thread.certificate_until)
            elif thread.doing:
                self.health.busy(name, thread.doing)
            self._note_settings(thread.name_of_mailbox, noted)
        if self.gate.words is not None or self.gate.asked:
            self.health.note(REDMINE, self.gate.words, "answers" if self.gate.words is None else "takes nothing")
        if self.sending.last is not None:
            self.health.note(SENDING, self.sending.last.error, f"{self.sending.last.waiting} waiting")
        self.after()

    def _note_settings(self, mailbox: str, noted: Container[str]) -> None:
        """Whether the mailbox's settings fit Redmine, from the first time on that they did not."""
        name, why = of_settings(mailbox), self.paused(mailbox)
        if why is not None or name in noted:
            self.health.note(name, why, "paused" if why is not None else "")

    def end(self) -> None:
        """The service stops."""
        self.health.note(SERVICE, None, "stopped")
