"""Wires the store, and what keeps each kind of record in it."""

from typing import TYPE_CHECKING

from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.store.database import BUSY_SECONDS
from redmine_mailbridge.store.health import Health
from redmine_mailbridge.store.issue_copy import IssueCopy
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.outgoing.outbox import Outbox
from redmine_mailbridge.store.pauses import MailboxPauses
from redmine_mailbridge.store.queries.messages import MessageQueries
from redmine_mailbridge.store.sender_list import SenderList
from redmine_mailbridge.store.task_state import TaskState
from redmine_mailbridge.util.process_owner import become_owner

if TYPE_CHECKING:
    from redmine_mailbridge.store.admin_sessions import Audit, LogBuffer
    from redmine_mailbridge.store.observed.certificates import Certificates


def open_store(settings: Settings, *, patience: float = BUSY_SECONDS) -> Store:
    """The store, its tables brought up to date. A root process continues as the owner of its folder. `patience`: for
    how many seconds a database that is locked, or does not accept a connection, is waited for.
    """
    file = settings.store.sqlite_file
    become_owner(file.parent if file is not None else None)
    url, folder = settings.store.database_url(), settings.store.raw_folder
    seconds = settings.store.lease_duration.total_seconds()
    in_database = settings.store.raw_in_database
    return Store.open(url, folder, raw_in_database=in_database, lease_seconds=seconds, busy_seconds=patience)


def message_queries(store: Store) -> MessageQueries:
    """What finds stored mails."""
    return MessageQueries(store.database)


def audit(store: Store) -> "Audit":
    """The record of what was changed by hand."""
    from redmine_mailbridge.store.admin_sessions import Audit

    return Audit(store.database, store.clock)


def sender_list(store: Store) -> SenderList:
    """The senders that a person has blocked or allowed."""
    return SenderList(store.database, store.clock)


def outbox(store: Store) -> Outbox:
    """The mails that wait to be sent, and what became of those before."""
    return Outbox(store.database, store.clock)


def task_book(store: Store) -> TaskState:
    """The runs of the tasks, and what a person has set for them."""
    return TaskState(store.database, store.clock)


def health(store: Store) -> Health:
    """What works and what does not, and since when."""
    return Health(store.database, store.clock)


def certificates(store: Store) -> "Certificates":
    """Until when the servers' certificates are valid."""
    from redmine_mailbridge.store.observed.certificates import Certificates

    return Certificates(store.database, store.clock)


def issues(store: Store) -> IssueCopy:
    """The copy of Redmine's issues."""
    return IssueCopy(store.database, store.clock)


def pauses(store: Store) -> MailboxPauses:
    """The mailboxes that are paused, since their settings do not fit Redmine."""
    return MailboxPauses(store)


def log_buffer_of(store: Store) -> "LogBuffer":
    """The last lines of the log, for the pages."""
    from redmine_mailbridge.store.admin_sessions import LogBuffer

    return LogBuffer(store.database)
