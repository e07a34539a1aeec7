"""What each kind of mailbox keeps of its account."""

from dataclasses import replace

from redmine_mailbridge.mailboxes.wakeup import Wakeup
from redmine_mailbridge.model.mailbox import MailboxConfig


class Account:
    """An account's name and configuration, how many commands were sent to its server, and what ends a wait for it."""

    def __init__(self, config: MailboxConfig) -> None:
        self.name = config.name
        self.commands = 0
        self.config = replace(config, on_command=self._count)
        self._wakeup = Wakeup()

    def _count(self) -> None:
        self.commands += 1

    def interrupt(self) -> None:
        """End the present `wait`, or the next."""
        self._wakeup.set()
