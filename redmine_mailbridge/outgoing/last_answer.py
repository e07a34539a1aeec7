"""The custom field of an issue that shows the last note that was sent to the requester by mail.

Its value is computed from the outbox whenever the bridge writes to the issue, and written in the same request
(`redmine/piggyback.py`). A message counts as sent once the mail server has accepted it. A field that does not exist, or
does not take the value, is named in the log and in the history of the issue's message, and is left alone for a day: it
must never keep a message from its issue.
"""

import datetime as dt
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from redmine_mailbridge.errors import MailbridgeError
from redmine_mailbridge.mail.mime.address_syntax import spellings
from redmine_mailbridge.outgoing.dates import Moment
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.redmine.piggyback import CustomFieldValue
from redmine_mailbridge.redmine.text_cleaning import clean_line, same_text
from redmine_mailbridge.redmine.text_field import TextField, text_field
from redmine_mailbridge.store.due import APART
from redmine_mailbridge.store.issue_copy import IssueCopy, IssueRow
from redmine_mailbridge.store.outgoing.answers import REFUSED_WITHIN, MailedAnswer, MailedAnswers
from redmine_mailbridge.store.outgoing.rows import BOUNCED, DISCARDED, FAILED, LIMIT_REACHED, QUEUED, SENT
from redmine_mailbridge.util.dataclass import dataclass
from redmine_mailbridge.util.printable import printable_line

log = structlog.get_logger(__name__)

ADDRESS_LENGTH = 120
"""Characters of an address that are shown; longer ones are cut."""
SET_ASIDE = 3600.0
"""Seconds for which a field is not written after Redmine failed on a request with it."""


@dataclass(frozen=True, slots=True)
class FieldPlace:
    """The custom field of a mailbox's issues, by name or id, the time zone of its times (None: this machine's), and
    whether notes are mailed.
    """

    name: str
    zone: dt.tzinfo | None = None
    notes_are_mailed: bool = True


Place = tuple[int, str, str, str]
"""What decides whether a field can be set: the project's id, the tracker, the status, the field."""


@dataclass(frozen=True, slots=True)
class _PendingValue:
    """A value that a request sets: the row of its issue, the field by name and id, and the text as it is sent."""

    row: IssueRow
    name: str
    number: int
    value: str
    as_sent: str

    @property
    def place(self) -> Place:
        return self.row.project_id, self.row.tracker, self.row.status, self.name


def moment_in(at: float, zone: dt.tzinfo | None) -> str:
    """Given seconds since the epoch and a time zone (None: this machine's), return "2026-11-28 14:05"."""
    moment = Moment.of(at)
    return str(moment if zone is None else moment.in_zone(zone))


def last_answer(
    rows: Sequence[MailedAnswer], requester: str, zone: dt.tzinfo | None, *, held: bool, now: float = math.inf
) -> str:
    """Given the mails about an issue that contain agents' notes, newest first, its requester's address, whether a note
    is held back by a rate limit, and the time, return what the field shows; "" if there is nothing to show. Pure.

    A mail that was sent in the future, before the clock was set back, counts as older than all others. The text
    contains no words of a mail server and no text of a note: anyone who sees the field may read it.
    """
    accepted = [row for row in rows if row.sent_at is not None]
    last = max(accepted, key=lambda row: (_past(row.sent_at, now), row.id), default=None)
    parts: list[str] = []
    lost = [row for row in rows if row.state in {FAILED, BOUNCED} and row.sent_at is None]
    if last is not None:
        same = [row for row in accepted if row.message_id == last.message_id]
        parts.append(_handed_over(same, requester, zone))
        newest = max(copy.id for copy in same)
        lost = [row for row in lost if row.message_id == last.message_id or row.id > newest]
    if lost:
        parts.append(f"not delivered to {_shown(_first(lost, requester).recipient)}")
    if held or any(row.state == QUEUED and row.reason == LIMIT_REACHED for row in rows):
        parts.append("another one waits for a sending limit" if parts else "waits for a sending limit")
    return "; ".join(parts)


def _past(sent_at: float | None, now: float) -> float:
    """When a mail was sent; 0 if that is in the future."""
    return 0.0 if sent_at is None or sent_at > now + APART else sent_at


def _handed_over(rows: Sequence[MailedAnswer], requester: str, zone: dt.tzinfo | None) -> str:
    """What is shown of one message: when, to whom, and to how many more. A discarded one had been returned before."""
    returned = {BOUNCED, DISCARDED}
    first = _first(rows, requester)
    others = [row for row in rows if row is not first]
    words = f"{moment_in(first.sent_at or 0.0, zone)} to {_shown(first.recipient)}"
    words += " (not delivered)" if first.state in returned else ""
    if copies := sum(row.state == SENT for row in others):
        words += f", {copies} in Cc"
    if failures := sum(row.state in returned for row in others):
        words += f", {failures} in Cc not delivered"
    return words


def _first(rows: Sequence[MailedAnswer], requester: str) -> MailedAnswer:
    """The copy to the requester; the first one if there is none."""
    theirs = spellings(requester)
    return next((row for row in rows if row.recipient in theirs), min(rows, key=lambda row: row.id))


def _shown(address: str) -> str:
    return printable_line(address, ADDRESS_LENGTH)


class LastAnswerField:
    """The field of each mailbox (`places`). Implements `Piggyback`. Safe to share among threads."""

    def __init__(
        self,
        places: Mapping[str, FieldPlace],
        answers: MailedAnswers,
        issues: IssueCopy,
        metadata: MetadataCache,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._places = places
        self._answers = answers
        self._issues = issues
        self._metadata = metadata
        self._clock = clock
        self._lock = threading.Lock()
        self._pending: dict[int, _PendingValue] = {}
        self._refused_at: dict[Place, float] = {}
        self._set_aside: dict[int, float] = {}

    def due(self, issue: int, *, alone: bool = False) -> CustomFieldValue | None:
        """As `Piggyback.due`. No request, if the names of the project's custom fields are cached."""
        try:
            pending = self._due(issue)
        except MailbridgeError as error:
            if alone:
                raise
            log.warning("last_answer.unknown", issue=issue, reason=str(error))
            return None
        with self._lock:
            if pending is None:
                self._pending.pop(issue, None)
                return None
            self._pending[issue] = pending
        return {"id": pending.number, "value": pending.as_sent}

    def confirm(self, issue: int, issue_data: Mapping[str, Any]) -> None:
        """As `Piggyback.confirm`."""
        pending = self._take(issue)
        if pending is None:
            return
        values = {int(field["id"]): field.get("value") for field in issue_data.get("custom_fields", ())}
        if pending.number in values and same_text(pending.as_sent, str(values[pending.number] or "")):
            self._record(pending, None)
            return
        why = "rejected its value" if pending.number in values else "is not shown for this issue"
        self._refuse(pending, f"the field {why}: it may be read-only, or not visible, for the bridge's role")

    def reject(self, issue: int, why: str) -> None:
        """As `Piggyback.reject`."""
        pending = self._take(issue)
        if pending is not None:
            self._refuse(pending, why)

    def set_aside(self, issue: int) -> None:
        """As `Piggyback.set_aside`."""
        now = self._clock()
        with self._lock:
            self._pending.pop(issue, None)
            self._set_aside = {other: at for other, at in self._set_aside.items() if now - at < SET_ASIDE}
            self._set_aside[issue] = now

    def _due(self, issue: int) -> _PendingValue | None:
        row = self._issues.get(issue)
        place = self._places.get(row.mailbox) if row is not None else None
        set_aside = self._set_aside.get(issue)
        if row is None or place is None or (set_aside is not None and self._clock() - set_aside < SET_ASIDE):
            return None
        rows = self._answers.of_issue(issue)
        held = place.notes_are_mailed and self._answers.a_note_is_held(issue)
        value = last_answer(rows, row.requester, place.zone, held=held, now=self._answers.clock())
        written = self._answers.written(issue, place.name)
        if not value or (written is not None and (written.refused or written.value == value)):
            return None
        refused_at = self._refused_at.get((row.project_id, row.tracker, row.status, place.name))
        if refused_at is not None and self._clock() - refused_at < REFUSED_WITHIN:
            return None
        field = text_field(place.name, self._metadata.project(str(row.project_id)), row.tracker)
        if not isinstance(field, TextField):
            self._refuse(_PendingValue(row, place.name, 0, value, value), field)
            return None
        return _PendingValue(row, place.name, field.number, value, clean_line(value[: field.max_length or None]))

    def _take(self, issue: int) -> _PendingValue | None:
        with self._lock:
            return self._pending.pop(issue, None)

    def _refuse(self, pending: _PendingValue, why: str) -> None:
        """Record that a field did not take its value; log it once a day for all issues of its place."""
        last = self._refused_at.get(pending.place)
        first = last is None or self._clock() - last >= REFUSED_WITHIN
        self._refused_at[pending.place] = self._clock()
        if first:
            log.warning("last_answer.not_written", issue=pending.row.id, field=pending.name, reason=why)
        self._record(pending, why)

    def _record(self, pending: _PendingValue, refused: str | None) -> None:
        try:
            self._answers.put_written(pending.row.id, pending.name, pending.value, refused)
            if refused is not None:
                self._issues.record(pending.row.id, f'field "{pending.name}" not written: {refused}')
        except MailbridgeError as error:
            log.warning("last_answer.not_recorded", issue=pending.row.id, reason=str(error))
