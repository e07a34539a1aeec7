"""Alerts the admins by mail when a condition has lasted for too long, and when it is over: once each.

The mail is queued before the alert is recorded, and its Message-ID does not change on a retry: a crash in between
neither loses it nor sends it twice.
"""

import time
from collections.abc import Callable, Collection, Sequence

import structlog

from redmine_mailbridge.conditions.condition import Condition
from redmine_mailbridge.conditions.kinds import KINDS, STORE_UNAVAILABLE
from redmine_mailbridge.model.mail import Address
from redmine_mailbridge.outgoing.dates import Moment
from redmine_mailbridge.outgoing.issue_mail.mailer import IssueMailer
from redmine_mailbridge.store.observed.sent_alerts import SentAlerts

log = structlog.get_logger(__name__)

OVER = "The alert is over. `redmine-mailbridge status` says whether anything else is wrong."


class Alerts:
    """Sends alerts and all-clears. A condition is alerted after lasting for `after` seconds, measured by `steady`.
    `current` returns the list of conditions. `subjects` are what they can be about: when a mailbox or a server is no
    longer in the settings, an alert about it ends without a mail.
    """

    def __init__(
        self,
        current: Callable[[], Sequence[Condition]],
        sent: SentAlerts,
        mailer: IssueMailer,
        to: Sequence[str],
        *,
        subjects: Collection[str],
        after: float,
        clock: Callable[[], float],
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._current = current
        self._sent = sent
        self._mailer = mailer
        self._to = tuple(Address("", address) for address in to)
        self._subjects = subjects
        self._after = after
        self._clock = clock
        self._steady = steady
        self._seen: dict[tuple[str, str], tuple[float | None, float]] = {}

    def once(self) -> None:
        """Queue the alerts and all-clears that are due. Without recipients, do nothing."""
        if not self._to:
            return
        conditions = self._current()
        if any(each.key == STORE_UNAVAILABLE for each in conditions):
            return  # nothing is known of the others
        present = {(each.key, each.subject): each for each in conditions if each.kind.is_mailed}
        sent = self._sent.all()
        self._seen = {name: seen for name, seen in self._seen.items() if name in present}
        for name, condition in present.items():
            if self._lasts(condition) >= self._after and name not in sent and self._alert(condition):
                self._sent.begin(*name)
        for name, at in sent.items():
            if name not in present and (name[1] not in self._subjects or self._all_clear(*name, at)):
                self._sent.end(*name)

    def _lasts(self, condition: Condition) -> float:
        """Return for how many seconds a condition has lasted: by the wall clock up to the moment when this process
        first saw it, by the monotonic clock since then. What is dormant has yet to show whether it lasts.
        """
        now, name = self._steady(), (condition.key, condition.subject)
        if condition.dormant:
            self._seen[name] = (condition.since, now)
        seen = self._seen.get(name)
        if seen is None or seen[0] != condition.since:
            age = max(self._clock() - condition.since, 0.0) if condition.since is not None else 0.0
            seen = self._seen[name] = (condition.since, now - age)
        return now - seen[1]

    def _alert(self, condition: Condition) -> bool:
        key = f"{condition.key}/{condition.subject}/{condition.since or 0.0:.3f}/fails"
        return self._tell(key, condition.title, f"{condition.detail}\n{condition.remedy}", condition.since)

    def _all_clear(self, key: str, subject: str, alerted_at: float) -> bool:
        kind = KINDS.get(key)  # one of an earlier version has ended, too
        title = kind.over.format(subject=subject) if kind is not None else f"{key} {subject}: over"
        return self._tell(f"{key}/{subject}/{alerted_at:.3f}/works", title, OVER, self._clock())

    def _tell(self, key: str, title: str, text: str, since: float | None) -> bool:
        """Queue the mail. Return whether it is queued: a mail that a rate limit stops is retried."""
        moment = self._clock() if since is None else since
        variables = {"alert": {"title": title, "text": text, "since": Moment.of(moment)}}
        is_queued, line = self._mailer.queue_system("alert", key, self._to, variables)
        done = is_queued or not self._mailer.reaches_admins
        (log.warning if done else log.debug)("alert", title=title, reason=text.partition("\n")[0], line=line)
        return done
