"""What the pages work with: the settings in force, the store, and the ways to ask and to steer."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import field

from anyio import CapacityLimiter

from redmine_mailbridge.conditions.condition import Condition
from redmine_mailbridge.conditions.current import current_conditions
from redmine_mailbridge.oauth.sign_in_service import SignIns
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.settings.load import Loaded
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.store.admin_sessions import AdminSessions, Audit, LogBuffer
from redmine_mailbridge.store.health import Health
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.observed.certificates import Certificates
from redmine_mailbridge.store.outgoing.outbox import Outbox
from redmine_mailbridge.store.queries.messages import MessageQueries
from redmine_mailbridge.store.queries.statistics import Statistics
from redmine_mailbridge.store.sender_list import SenderList
from redmine_mailbridge.store.task_state import TaskState
from redmine_mailbridge.tasks.receive.planner import Planner
from redmine_mailbridge.util.dataclass import dataclass
from redmine_mailbridge.web.authentication import Authenticator, RightsCheck
from redmine_mailbridge.web.background_jobs import BackgroundJobs
from redmine_mailbridge.web.read_messages import MessageViews
from redmine_mailbridge.web.report_cache import ReportCache
from redmine_mailbridge.wiring.outgoing import SendAgain
from redmine_mailbridge.wiring.sending import SendingLimit

SIGN_INS, LOCAL_SIGN_INS = 4, 2
"""Sign-ins that are looked at at once, in threads of their own: Redmine may be slow, which is when the local password
is needed; its hash costs 32 MB.
"""
MENU = (
    ("/", "Overview", "home"),
    ("/messages", "Messages", "mail"),
    ("/not-imported", "Not imported", "stop"),
    ("/outgoing", "Outgoing mail", "send"),
    ("/senders", "Senders", "check"),
    ("/mailboxes", "Mailboxes", "inbox"),
    ("/tasks", "Tasks", "clock"),
    ("/oauth", "Sign-ins", "key"),
    ("/reports", "Reports", "chart"),
    ("/templates", "Templates", "pen"),
    ("/explain", "Explain", "search"),
    ("/log", "Log", "list"),
    ("/settings", "Settings", "file"),
    ("/changes", "Changes", "history"),
)


RECENT = 5.0
"""Seconds for which a list of conditions is valid for strangers."""


class RecentConditions:
    """The last list of conditions, computed by one thread at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: tuple[float, list[Condition]] | None = None

    def get(self, compute: Callable[[], list[Condition]], now: float) -> list[Condition]:
        """Given what computes the list, and the time in epoch seconds, return it, or the last one while it is valid."""
        with self._lock:
            if self._last is None or abs(now - self._last[0]) >= RECENT:
                self._last = now, compute()
            return self._last[1]


@dataclass(frozen=True, slots=True)
class AppContext:
    """Everything that a page may ask or have done.

    `limits` are the accounts that send mail; `reload` has the process read its settings again and serve new pages, None
    where nothing can; `reports` and `recent` are the last ones; `sign_ins` and `local_sign_ins` are the threads that
    strangers may take.
    """

    loaded: Loaded
    store: Store
    message_queries: MessageQueries
    outbox: Outbox
    book: TaskState
    statistics: Statistics
    health: Health
    certificates: Certificates
    planner: Planner
    metadata: MetadataCache
    seen: MessageViews
    sessions: AdminSessions
    audit: Audit
    senders: SenderList
    log_buffer: LogBuffer
    door: Authenticator
    rights: RightsCheck
    jobs: BackgroundJobs
    signs: SignIns
    send_again: SendAgain
    limits: Sequence[SendingLimit]
    sign_ins: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(SIGN_INS))
    local_sign_ins: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(LOCAL_SIGN_INS))
    reload: Callable[[], None] | None = None
    reports: ReportCache = field(default_factory=ReportCache)
    recent: RecentConditions = field(default_factory=RecentConditions)

    @property
    def menu(self) -> tuple[tuple[str, str, str], ...]:
        """The pages of the navigation: address, name, picture."""
        return MENU

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.loaded.settings

    def conditions(self) -> list[Condition]:
        """What is wrong now, the worst first."""
        return current_conditions(self.store, self.settings)

    def recent_conditions(self) -> list[Condition]:
        """The same, at most `RECENT` seconds old: strangers may ask as often as they like."""
        return self.recent.get(self.conditions, self.store.clock())
