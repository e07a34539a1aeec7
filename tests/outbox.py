"""What tests look at in the outbox."""

from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.outgoing.outbox import Outbox
from redmine_mailbridge.store.outgoing.rows import BOUNCED, FAILED, QUEUED, SENT, QueuedMail


def mails_about(store: Store, issue: int) -> list[QueuedMail]:
    """Given an issue, return the mails about it, whatever became of them, oldest first."""
    every = Outbox(store.database, store.clock).listed(states=(QUEUED, SENT, FAILED, BOUNCED), limit=100_000)
    return sorted((one for one in every if one.issue == issue), key=lambda one: one.id)
