"""Wires everything that works on mail: `build` shows who knows whom.

Nothing here decides or does anything. Each thing has a file of its own beside this one.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import field
from functools import cache
from typing import TYPE_CHECKING

from redmine_mailbridge.mailboxes.login_limit import LoginLimits
from redmine_mailbridge.model.task_result import TaskStepResult
from redmine_mailbridge.outgoing.issue_mail.mailer import IssueMailer
from redmine_mailbridge.outgoing.outbox_sender import OutboxSender
from redmine_mailbridge.redmine.client import Client
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.queries.messages import MessageQueries
from redmine_mailbridge.store.raw_mails.retention import forget_raw
from redmine_mailbridge.tasks.receive.acknowledgements import AutoReplies
from redmine_mailbridge.tasks.receive.held_replies import ReplyHold
from redmine_mailbridge.tasks.receive.planner import Planner
from redmine_mailbridge.tasks.receive.receiver import Receiver, SharedResources
from redmine_mailbridge.tasks.service.mailbox_thread import MailboxThread
from redmine_mailbridge.tasks.service.service import Service, ServiceTasks
from redmine_mailbridge.tasks.update.issue_sync import IssueSync
from redmine_mailbridge.tasks.update.rule_runner import RuleRunner
from redmine_mailbridge.util.dataclass import dataclass
from redmine_mailbridge.util.lazy import lazy_import
from redmine_mailbridge.wiring.answers import answer_reports
from redmine_mailbridge.wiring.core import core_of
from redmine_mailbridge.wiring.mailboxes import OpenMailbox, mailbox_opener
from redmine_mailbridge.wiring.oauth import needed_sign_ins
from redmine_mailbridge.wiring.outgoing import agent_answers, asking, mailer, ours, profiles
from redmine_mailbridge.wiring.receive import handler_of, receivers_of, shared_of
from redmine_mailbridge.wiring.redmine import with_text_format
from redmine_mailbridge.wiring.schedule import scheduled
from redmine_mailbridge.wiring.sending import sending
from redmine_mailbridge.wiring.store import open_store
from redmine_mailbridge.wiring.synchronization import synchronization
from redmine_mailbridge.wiring.time_rules import time_rules

if TYPE_CHECKING:
    from redmine_mailbridge.tasks.aggregate.aggregate import Aggregator
    from redmine_mailbridge.wiring import aggregate
else:  # hours and reports are loaded when their task runs: most passes have none
    aggregate = lazy_import("redmine_mailbridge.wiring.aggregate")


@dataclass(slots=True)
class Application:
    """Everything that works on mail, wired. Made by `build`; `close` it at the end."""

    settings: Settings
    store: Store
    message_queries: MessageQueries
    client: Client
    metadata: MetadataCache
    planner: Planner
    shared: SharedResources
    receivers: tuple[Receiver, ...]
    sending: OutboxSender
    tasks: ServiceTasks
    issue_sync: IssueSync
    mailer: IssueMailer
    rules: RuleRunner
    make_hours: "Callable[[], Aggregator]" = field(repr=False)
    pool: ThreadPoolExecutor = field(repr=False)
    open_reader: OpenMailbox = field(repr=False)

    @property
    def hours(self) -> "Aggregator":
        """The aggregate task, made on first use."""
        return self.make_hours()

    def service(self, *, listen: bool = True) -> Service:
        """The threads and the schedule of `run`."""
        from redmine_mailbridge.wiring.service import listeners_of, pulse_of  # `receive` has no use for it

        threads = [
            MailboxThread(receiver, self.shared, self.message_queries, listen=listen) for receiver in self.receivers
        ]
        opened = self.open_reader
        heard = threads if listen else []
        watchers = [watcher for each in heard for watcher in listeners_of(each, self.settings, self.shared, opened)]
        health_monitor = pulse_of(self.settings, self.store, self.shared, self.sending, self.mailer)
        return Service(threads, self.shared, self.sending, self.tasks, health_monitor, watchers=watchers)

    def upkeep(self) -> int:
        """Delete expired raw mails, orphaned files and times from a wrong clock. Return the number of mails."""
        self.store.hurry_filing()
        self.store.raw.sweep()
        keep = self.settings.store.raw_retention.total_seconds()
        return forget_raw(self.store, older_than=time.time() - keep)

    def close(self) -> None:
        """Let the mail in hand end, close what is open."""
        self.shared.stop.set()
        self.pool.shutdown(wait=True)
        for receiver in self.receivers:
            receiver.mailbox.close()
        self.client.close()
        self.store.close()


def build(settings: Settings, *, only: Sequence[str] = (), logins: LoginLimits | None = None) -> Application:
    """Given settings, and the names of the mailboxes to work on (none: all active ones), wire everything. `logins` are
    those counted by an application before it.

    Nothing is connected yet, but the store is open and its tables are up to date; where the settings do not say how
    Redmine formats texts, it has been asked. Raise SettingsError if the format stays unknown.
    """
    settings = with_text_format(settings)
    store = open_store(settings)
    core = core_of(settings, store)
    client, metadata = core.client, core.metadata
    sender_profiles = profiles(settings, store.secret)
    signs = needed_sign_ins(settings, store.database)
    limits = logins or LoginLimits()
    opened = mailbox_opener(settings, store, signs, limits)

    pool = ThreadPoolExecutor(settings.receive.workers, thread_name_prefix="mail", initializer=_share_memory)
    shared, replies = shared_of(core, pool), ReplyHold()
    handler = handler_of(core, shared, AutoReplies(sender_profiles, ours=ours(settings)), replies)

    post = mailer(settings, store, core.planner, sender_profiles, client, metadata)
    issue_sync = synchronization(settings, store, client, metadata)
    piggyback = core.piggyback
    reports = answer_reports(settings, store, client, metadata, piggyback)
    agents = agent_answers(settings, store, client, metadata, issue_sync=issue_sync, mailer=post, piggyback=piggyback)
    rules = time_rules(settings, store, client, metadata, issue_sync=issue_sync, mailer=post, piggyback=piggyback)

    @cache
    def hours() -> "Aggregator":
        return aggregate.aggregator(
            settings, store, client, metadata, issue_sync=issue_sync, mailer=post, piggyback=piggyback
        )

    def aggregate_once(stop: threading.Event) -> TaskStepResult:
        return hours().once(stop)

    return Application(
        settings=settings,
        store=store,
        message_queries=core.message_queries,
        client=client,
        metadata=metadata,
        planner=core.planner,
        shared=shared,
        receivers=receivers_of(core, shared, handler, opened, only),
        sending=sending(settings, store, shared.stop, signs, asking(store, post, client.whoami), limits=limits),
        tasks=scheduled(settings, store, (reports, agents, rules), replies, aggregate=aggregate_once),
        issue_sync=issue_sync,
        mailer=post,
        rules=rules,
        make_hours=hours,
        pool=pool,
        open_reader=opened,
    )


def _share_memory() -> None:
    """With the first message, since a pass without any does without."""
    from redmine_mailbridge.util.memory import share_freed_memory

    share_freed_memory()
