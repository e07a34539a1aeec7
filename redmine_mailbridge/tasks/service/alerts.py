"""Alerts the admins by mail when something has been failing for too long, and when it works again: once each.

The mail is queued before the alert is recorded, and its Message-ID does not change on a retry: a crash in between
neither loses it nor sends it twice.
"""

import time
from collections.abc import Callable, Sequence

import structlog

from redmine_mailbridge.model.mail import Address
from redmine_mailbridge.outgoing.dates import Moment
from redmine_mailbridge.outgoing.issue_mail.mailer import IssueMailer
from redmine_mailbridge.store.health import REDMINE, SERVICE, Condition, Health

log = structlog.get_logger(__name__)

TITLES = {
    REDMINE: ("Redmine does not accept mail", "Redmine accepts mail again"),
    "sending": ("Mail cannot be sent", "Mail is sent again"),
    "settings": ("Mailbox {name} is paused: its settings do not fit Redmine", "Mailbox {name} is processed again"),
    "mailbox": ("Mailbox {name} cannot be read", "Mailbox {name} is read again"),
}


class Alerts:
    """Sends alerts and all-clears. A condition is alerted after failing for `after` seconds, measured by `steady`."""

    def __init__(
        self,
        health: Health,
        mailer: IssueMailer,
        to: Sequence[str],
        *,
        after: float,
        clock: Callable[[], float],
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._health = health
        self._mailer = mailer
        self._to = tuple(Address("", address) for address in to)
        self._after = after
        self._clock = clock
        self._steady = steady
        self._seen: dict[tuple[str, float], float] = {}

    def once(self) -> None:
        """Queue the alerts and all-clears that are due. Without recipients, do nothing."""
        if not self._to:
            return
        for name, condition in self._health.all().items():
            if name == SERVICE:
                continue
            since = condition.failing_since
            failing = since is not None and condition.alerted_at is None and self._lasts(name, since) >= self._after
            if since is not None and failing and self._tell(condition, f"{name}/{since:.3f}/fails", 0, since):
                self._health.alerted(name)
            over = f"{name}/{condition.alerted_at:.3f}/works" if since is None and condition.alerted_at else ""
            if over and self._tell(condition, over, 1, condition.ok_at):
                self._health.alerted(name, over=True)

    def _lasts(self, name: str, since: float) -> float:
        """Return for how many seconds a condition has been failing: by the wall clock up to the moment when this
        process first saw it, by the monotonic clock since then.
        """
        now = self._steady()
        began = self._seen.get((name, since))
        if began is None:
            self._seen = {key: at for key, at in self._seen.items() if key[0] != name}
            began = self._seen[name, since] = now - max(self._clock() - since, 0.0)
        return now - began

    def _tell(self, condition: Condition, key: str, which: int, since: float | None) -> bool:
        """Queue the mail. Return whether it is queued: a mail that a rate limit stops is retried."""
        kind, _, name = condition.name.partition(":")
        title = TITLES.get(kind, (f"{kind} fails", f"{kind} works again"))[which].format(name=name)
        text = condition.error or "It works again; pending work continues automatically."
        variables = {"alert": {"title": title, "text": text, "since": Moment.of(since)}}
        is_queued, line = self._mailer.queue_system("alert", key, self._to, variables)
        done = is_queued or not self._mailer.reaches_admins
        (log.warning if done else log.debug)("alert", title=title, reason=text, line=line)
        return done
