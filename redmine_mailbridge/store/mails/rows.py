"""How a mail's row of the database becomes the value that the store hands out."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.mailbox import Location
from redmine_mailbridge.model.stored_mail import MailRow
from redmine_mailbridge.store.tables import mail

_NAMES = {field.name for field in fields(MailRow)} | {field.name for field in fields(Location)}
COLUMNS = tuple(column for column in mail.c if column.name in _NAMES)
"""The columns that `as_row` takes."""


def as_row(row: Any) -> MailRow:
    """Given a database row with COLUMNS, or its values by name, return the value."""
    values = dict(row if isinstance(row, Mapping) else row._mapping)
    place = Location(values.pop("mailbox"), values.pop("folder"), values.pop("validity"), values.pop("uid"))
    values["state"] = State(values["state"])
    return MailRow(location=place, **values)
