"""Wires the service: what listens to the further folders of mailboxes, its health and the alerts about it."""

from collections.abc import Iterator

from redmine_mailbridge.conditions.current import current_conditions
from redmine_mailbridge.conditions.servers import configured_servers, configured_subjects
from redmine_mailbridge.outgoing.issue_mail.mailer import IssueMailer
from redmine_mailbridge.outgoing.outbox_sender import OutboxSender
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.observed.sent_alerts import SentAlerts
from redmine_mailbridge.tasks.receive.receiver import SharedResources
from redmine_mailbridge.tasks.service.alerts import Alerts
from redmine_mailbridge.tasks.service.health_monitor import HealthMonitor
from redmine_mailbridge.tasks.service.idle_watcher import IdleWatcher
from redmine_mailbridge.tasks.service.mailbox_thread import MailboxThread
from redmine_mailbridge.wiring.mailboxes import OpenMailbox
from redmine_mailbridge.wiring.store import certificates, health


def listeners_of(
    thread: MailboxThread, settings: Settings, shared: SharedResources, opened: OpenMailbox
) -> Iterator[IdleWatcher]:
    """What listens to the further folders of a mailbox: one connection each."""
    name = thread.receiver.mailbox.name
    box = settings.mailboxes[name]
    for folder in box.folders[1:]:
        yield IdleWatcher(opened(name, box), folder, thread.wake, shared.stop, quiet=lambda: thread.backoff.pause)


def pulse_of(
    settings: Settings, store: Store, shared: SharedResources, sending: OutboxSender, mailer: IssueMailer
) -> HealthMonitor:
    """What records the health of all, and alerts an admin of lasting failures."""
    admin = settings.admin
    alerts = Alerts(
        lambda: current_conditions(store, settings), SentAlerts(store.database, store.clock), mailer, admin.alert_to,
        subjects=configured_subjects(settings), after=admin.alert_after.total_seconds(), clock=store.clock,
    )  # fmt: skip
    servers = configured_servers(settings)
    return HealthMonitor(health(store), shared.breaker, sending, certificates(store), servers, after=alerts.once)
