"""The log: its last lines, live; and who changed what."""

import json
from collections.abc import Iterator
from typing import Any

from starlette.responses import Response, StreamingResponse

from redmine_mailbridge.store.admin_sessions import KEPT_ENTRIES, LEVELS, LogEntry
from redmine_mailbridge.web.request import PageRequest

SHOWN = 500


def show(call: PageRequest) -> Response:
    """The last lines, newest first."""
    entries = _entries(call, SHOWN)
    return call.render("log.html", title=call.words("Log"), entries=entries, newest=_newest(entries), **_filter(call))


def new(call: PageRequest) -> Response:
    """The lines since one: what the page asks for again and again."""
    after = call.number("after") or 0
    entries = _entries(call, SHOWN, after=after)
    return call.render("log_new.html", entries=entries, newest=_newest(entries) or after, **_filter(call))


def download(call: PageRequest) -> Response:
    """All lines that are kept, oldest first, one JSON object a line."""
    headers = {"Content-Disposition": 'attachment; filename="redmine-mailbridge-log.jsonl"'}
    return StreamingResponse(_lines(_entries(call, KEPT_ENTRIES)), headers=headers, media_type="application/x-ndjson")


def changes(call: PageRequest) -> Response:
    """Who changed what."""
    lines = call.context.audit.lines(100, before=call.number("before"))
    return call.render(
        "audit.html", title=call.words("Changes"), lines=lines, older=lines[-1].id if len(lines) == 100 else None
    )


def _lines(entries: list[LogEntry]) -> Iterator[str]:
    for entry in reversed(entries):
        own = {"timestamp": entry.at, "level": entry.level, "event": entry.event}
        mailbox = {"mailbox": entry.mailbox} if entry.mailbox else {}
        yield json.dumps(own | mailbox | dict(entry.values), ensure_ascii=False) + "\n"


def _entries(call: PageRequest, limit: int, after: int | None = None) -> list[LogEntry]:
    chosen = _filter(call)
    return call.context.log_buffer.entries(limit, level=chosen["level"], mailbox=chosen["mailbox"] or None, after=after)


def _filter(call: PageRequest) -> dict[str, Any]:
    level = call.query("level")
    return {"level": level if level in LEVELS else "info", "mailbox": call.query("mailbox")}


def _newest(entries: list[LogEntry]) -> int:
    return entries[0].id if entries else 0
