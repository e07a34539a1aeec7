"""Tells the admins by mail when something has been failing for too long, and when it works again: once each.

The mail is queued before it is noted that somebody was told, and its Message-ID is the same each time: a crash in
between neither loses it nor sends it twice.
"""

import time
from collections.abc import Callable, Sequence

import structlog

from redmine_mailbridge.model.mail import Address
from redmine_mailbridge.outgoing.issue_mailer import Letters
from redmine_mailbridge.outgoing.sender_profile import when
from redmine_mailbridge.store.health import REDMINE, SERVICE, Condition, Health

log = structlog.get_logger(__name__)

TITLES = {
    REDMINE: ("Redmine takes no mail", "Redmine takes mail again"),
    "sending": ("Mail cannot be sent", "Mail is sent again"),
    "settings": ("Mailbox {name} waits: its settings do not fit Redmine", "The mail of mailbox {name} goes on"),
    "mailbox": ("Mailbox {name} cannot be read", "Mailbox {name} is read again"),
}


class Alerts:
    """Looks at how everything is. `after` is in seconds, counted by `steady` as long as this process looks."""

    def __init__(
        self,
        health: Health,
        letters: Letters,
        to: Sequence[str],
        *,
        after: float,
        clock: Callable[[], float],
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._health = health
        self._letters = letters
        self._to = tuple(Address("", address) for address in to)
        self._after = after
        self._clock = clock
        self._steady = steady
        self._seen: dict[tuple[str, float], float] = {}

    def once(self) -> None:
        """Tell what is to be told. Does nothing when nobody wants to know."""
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
        """For how many seconds something fails: by the clock until it was first seen here, from then on counted."""
        now = self._steady()
        began = self._seen.get((name, since))
        if began is None:
            self._seen = {key: at for key, at in self._seen.items() if key[0] != name}
            began = self._seen[name, since] = now - max(self._clock() - since, 0.0)
        return now - began

    def _tell(self, condition: Condition, key: str, which: int, since: float | None) -> bool:
        """Queue the mail. Return whether that is done: what a limit holds back is tried again."""
        kind, _, name = condition.name.partition(":")
        title = TITLES.get(kind, (f"{kind} fails", f"{kind} works again"))[which].format(name=name)
        text = condition.error or "It works again; what waited goes on by itself."
        variables = {"alert": {"title": title, "text": text, "since": when(since)}}
        stands, line = self._letters.queue_system("alert", key, self._to, variables)
        done = stands or not self._letters.reaches_admins
        (log.warning if done else log.debug)("alert", title=title, reason=text, line=line)
        return done
