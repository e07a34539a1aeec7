"""What the pages work with: the settings in force, the store, and the ways to ask and to steer."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

from anyio import CapacityLimiter

from redmine_mailbridge.oauth.sign_in_service import SignIns
from redmine_mailbridge.reports.overview import Overview
from redmine_mailbridge.settings.load import Loaded
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.store.admin_sessions import Audit, LogRing, Sessions
from redmine_mailbridge.store.health import Health
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.queries.messages import Archive
from redmine_mailbridge.store.queries.statistics import Figures
from redmine_mailbridge.tasks.receive.planner import Decider
from redmine_mailbridge.web.authentication import Door, Rights
from redmine_mailbridge.web.background_jobs import Jobs
from redmine_mailbridge.web.read_messages import Seen

SIGN_INS, LOCAL_SIGN_INS = 4, 2
"""Sign-ins that are looked at at once, in threads of their own: Redmine may be slow, which is when the local password
is needed; its hash costs 32 MB.
"""
MENU = (
    ("/", "Overview", "home"),
    ("/messages", "Messages", "mail"),
    ("/not-imported", "Not imported", "stop"),
    ("/tasks", "Tasks", "clock"),
    ("/mailboxes", "Mailboxes", "inbox"),
    ("/oauth", "Sign-ins", "key"),
    ("/reports", "Reports", "chart"),
    ("/templates", "Templates", "pen"),
    ("/explain", "Explain", "search"),
    ("/log", "Log", "list"),
    ("/settings", "Settings", "file"),
    ("/changes", "Changes", "history"),
)


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything that a page may ask or have done. `limits` are the mails a day that each mailbox may send;
    `reports` those of the last minute; `sign_ins`
    and `local_sign_ins` are the threads that strangers may take."""

    loaded: Loaded
    store: Store
    archive: Archive
    figures: Figures
    health: Health
    decider: Decider
    seen: Seen
    sessions: Sessions
    audit: Audit
    ring: LogRing
    door: Door
    rights: Rights
    jobs: Jobs
    signs: SignIns
    limits: Mapping[str, int]
    sign_ins: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(SIGN_INS))
    local_sign_ins: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(LOCAL_SIGN_INS))
    reports: dict[Hashable, tuple[float, Overview]] = field(default_factory=dict)

    @property
    def menu(self) -> tuple[tuple[str, str, str], ...]:
        """The pages of the navigation: address, name, picture."""
        return MENU

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.loaded.settings
