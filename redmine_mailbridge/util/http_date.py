"""Dates in header fields of HTTP."""

import datetime as dt
from email.utils import parsedate_to_datetime


def http_date(value: str) -> dt.datetime | None:
    """Given a field's value, return the time that it names (RFC 9110 section 5.6.7), or None."""
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return moment.replace(tzinfo=moment.tzinfo or dt.UTC)
