"""When waiting rows are due: recorded times, compared with a clock that may have been changed since.

A pause is stored as the time of its end, so that it survives a crash. If the clock was set back meanwhile, or another
machine's is ahead, that end is further away than the pause was long: it then counts as over.
"""

from typing import Any, Final

import sqlalchemy as sa

from redmine_mailbridge.model.mail_state import LONGEST_PAUSE
from redmine_mailbridge.store.tables import mail

NEVER: Final = 4_102_444_800.0
"""The time of the next try of a reply that waits for the update task: the year 2100."""
UNTIL_FIT: Final = NEVER - 86_400.0
"""The next try of a message whose mailbox is paused because its settings do not fit: the day before."""
APART: Final = 60.0
"""Seconds by which the clocks of machines that share a store may differ."""


def mail_is_due(now: float) -> sa.ColumnElement[bool]:
    """Given the time, the condition that an open message is due: its pause is over, or started in the future."""
    return sa.or_(mail.c.next_try_at <= now, _noted_later(now))


def mail_due_at(now: float) -> sa.ColumnElement[float]:
    """Given the time, when an open message is due; `NEVER` while it waits for the update task, and
    `UNTIL_FIT` while its mailbox is paused.
    """
    return sa.case((_noted_later(now), 0.0), else_=mail.c.next_try_at)


def _noted_later(now: float) -> sa.ColumnElement[bool]:
    return sa.and_(mail.c.changed_at > now + APART, mail.c.next_try_at < NEVER)


def within(at: sa.Column[Any], now: float, seconds: float) -> sa.ColumnElement[bool]:
    """Given the column of a time, the current time, and seconds, the condition that it is within the last seconds.
    A time in the future, from before the clock was set back, is not.
    """
    return at.between(now - seconds, now + APART)


def pause_is_over(ends_at: sa.Column[Any], now: float, longest: float = LONGEST_PAUSE) -> sa.ColumnElement[bool]:
    """Given the column of a pause's end, the time, and the maximum length of such a pause (seconds), the condition that
    it is over: it has ended, or it ends later than any pause that starts now.
    """
    return sa.or_(ends_at <= now, ends_at > now + longest + APART)
