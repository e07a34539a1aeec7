"""Dates and times as people read them, in the language of the mail. Pure."""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any, Self

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_FORMS: Mapping[str, Callable[[dt.datetime], str]] = {
    "en": lambda at: f"{at.day} {_MONTHS[at.month - 1]} {at.year} at {at:%H:%M}",
    "de": lambda at: f"{at:%d.%m.%Y} um {at:%H:%M} Uhr",
}


class Moment(str):
    """A date and time. As a text "2026-05-21 09:30", "" for none; a template writes it in the language of its mail."""

    __slots__ = ("_at",)
    _at: dt.datetime | None

    def __new__(cls, at: dt.datetime | None) -> Self:
        """Given a time, in the zone to show it in, return its text."""
        made = super().__new__(cls, f"{at:%Y-%m-%d %H:%M}" if at is not None else "")
        made._at = at
        return made

    @classmethod
    def of(cls, seconds: float | None) -> Self:
        """Given seconds since the epoch, return the time in this machine's zone; an empty text for None."""
        return cls(None if seconds is None else dt.datetime.fromtimestamp(seconds).astimezone())

    def in_language(self, language: str) -> str:
        """The text in a language; in one whose form is not known, year first."""
        form = _FORMS.get(language.partition("-")[0].lower())
        return str(self) if form is None or self._at is None else form(self._at)

    def in_zone(self, zone: dt.tzinfo) -> Self:
        """The same time in another zone; one without a zone stays as it is."""
        return self if self._at is None or self._at.tzinfo is None else type(self)(self._at.astimezone(zone))


def in_zone(variables: Mapping[str, Any], zone: dt.tzinfo | None) -> Mapping[str, Any]:
    """Given template variables and the zone of dates (None: as they are), return them with each date in that zone."""
    if zone is None:
        return variables
    return {name: _moved(value, zone) for name, value in variables.items()}


def _moved(value: Any, zone: dt.tzinfo) -> Any:
    if isinstance(value, Moment):
        return value.in_zone(zone)
    if type(value) is dict:
        return in_zone(value, zone)
    if type(value) is list:
        return [_moved(entry, zone) for entry in value]
    return value
