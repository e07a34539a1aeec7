"""How values look on a page: times in the viewer's zone, sizes, states. Pure."""

import datetime as dt
import re
from dataclasses import replace
from functools import cache
from pathlib import PurePath
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from markupsafe import Markup

from redmine_mailbridge.settings.loading.origins import ValueOrigin
from redmine_mailbridge.web.i18n import Translations

TONES: Final = {
    "done": "good",
    "stored": "wait",
    "write_pending": "wait",
    "held": "warn",
    "rejected": "bad",
    "failed": "bad",
    "ignored": "mute",
    "queued": "wait",
    "sent": "good",
    "bounced": "bad",
    "discarded": "mute",
}
_STEPS = ((60, "seconds"), (3600, "minutes"), (86_400, "hours"), (30 * 86_400, "days"))
_WORDS = {
    ("seconds", -1): "just now",
    ("minutes", -1): "{n} min ago",
    ("hours", -1): "{n} h ago",
    ("days", -1): "{n} d ago",
    ("seconds", 1): "in a moment",
    ("minutes", 1): "in {n} min",
    ("hours", 1): "in {n} h",
    ("days", 1): "in {n} d",
}

_NUMBER = re.compile(r"([+-]?[0-9]+(?:\.[0-9]+)?)(?: (min|h|d|s))?")


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def zone_of(name: str | None) -> ZoneInfo:
    """Given what a browser says of its zone, return that zone, UTC when it says nothing that is one."""
    return ZoneInfo(name if name and name in _zones() else "UTC")


def moment(at: float | dt.datetime | None, words: Translations, zone: ZoneInfo, now: float) -> Markup:
    """Given a time (epoch seconds or aware), return it relative, with the exact time in the viewer's zone on hover."""
    if at is None:
        return Markup('<span class="mute">{}</span>').format("–")
    seconds = at.timestamp() if isinstance(at, dt.datetime) else at
    exact = dt.datetime.fromtimestamp(seconds, zone)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        exact.isoformat(timespec="seconds"), exact.strftime("%Y-%m-%d %H:%M:%S %Z"), relative(seconds, words, zone, now)
    )


def relative(seconds: float, words: Translations, zone: ZoneInfo, now: float) -> str:
    """Given a time in epoch seconds, return how far it is from now in words, or its day when that is long ago."""
    away = abs(seconds - now)
    sign = 1 if seconds > now + 1 else -1
    below = 1
    for limit, unit in _STEPS:
        if away < limit:
            return words(_WORDS[unit, sign], n=max(int(away / below), 1))
        below = limit if unit != "days" else below
    return dt.datetime.fromtimestamp(seconds, zone).strftime("%Y-%m-%d")


def clock(at: float, zone: ZoneInfo) -> str:
    """Given epoch seconds, return the exact time, to the millisecond: for logs and steps."""
    return dt.datetime.fromtimestamp(at, zone).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def number(text: str, words: Translations) -> str:
    """Given a number as a report has it (72.86, 2.6 d, 45 min), return it as this language writes it."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        return text
    digits = match[1].replace(".", words("."))
    return words(f"{{n}} {match[2]}", n=digits) if match[2] else digits


def size(count: int) -> str:
    """Given bytes, return them in two or three digits: 812 B, 12 kB, 3.4 MB."""
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if value >= 10 or unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def timing(text: str, words: Translations) -> str:
    """Given when a task runs, as the task says it ("every 5m", "after each receive"), return it in this language."""
    every, _, span = text.partition(" ")
    return words("every {span}", span=span) if every == "every" else text if every == "cron" else words(text)


def short_origin(origin: ValueOrigin) -> str:
    """Given where a setting comes from, return it without the folders of a file."""
    return str(replace(origin, name=PurePath(origin.name).name)) if origin.kind == "file" else str(origin)


def state_of(state: str, issue: int | None) -> str:
    """Given a mail's state and issue, return the word that people see: a mail done without an issue was ignored."""
    return "ignored" if state == "done" and issue is None else state
