"""Converts a message's database row to the value that the store returns."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.mailbox import Location
from redmine_mailbridge.model.stored_mail import StoredMail
from redmine_mailbridge.store.tables import mail

_NAMES = {field.name for field in fields(StoredMail)} | {field.name for field in fields(Location)}
COLUMNS = tuple(column for column in mail.c if column.name in _NAMES)
"""The columns that `as_row` needs."""


def as_row(row: Any) -> StoredMail:
    """Given a database row with COLUMNS, or its values by name, return the value."""
    values = dict(row if isinstance(row, Mapping) else row._mapping)
    place = Location(values.pop("mailbox"), values.pop("folder"), values.pop("uid_validity"), values.pop("uid"))
    values["state"] = State(values["state"])
    return StoredMail(location=place, **values)
