"""The settings in force and where each comes from: searched, only what was changed, and read again."""

import re

from starlette.responses import Response

from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.settings.effective import EffectiveValue, values
from redmine_mailbridge.settings.load import reload
from redmine_mailbridge.store.health import SERVICE, alive
from redmine_mailbridge.web.request import PageRequest

AFTER = 5
"""Seconds after which the browser asks for the pages again, which the new settings have replaced."""


def show(call: PageRequest) -> Response:
    """All settings but the mailboxes', which have pages of their own; a search finds those too."""
    return _page(call)


def read_again(call: PageRequest) -> Response:
    """Check the settings as they are now, and have them read again when they can be used."""
    context = call.context
    try:
        reload(context.settings, context.loaded.path)
    except SettingsError as error:
        return _page(call, problem=str(error), status=400)
    call.audit("reload settings")
    service = alive(context.health.all().get(SERVICE), call.now)
    answer = call.render("reloading.html", title=call.words("Settings"), service=service)
    answer.headers["Refresh"] = f"{AFTER}; url={call.path('/settings')}"
    if context.reload is not None:
        context.reload()
    return answer


def _page(call: PageRequest, *, problem: str = "", status: int = 200) -> Response:
    search_text, changed = call.query("q"), call.query("changed") == "1"
    listed_values = [
        value for value in values(call.context.loaded) if _fits(value, search_text.lower(), changed=changed)
    ]
    if not (search_text or changed):
        listed_values = [value for value in listed_values if not value.table.startswith("mailboxes.")]
    return call.render(
        "settings.html",
        status,
        title=call.words("Settings"),
        problem=problem,
        tables=by_table(listed_values, ""),
        anchor=anchor,
        search_text=search_text,
        changed=changed,
        path_of=call.context.loaded.path,
    )


def _fits(value: EffectiveValue, search_text: str, *, changed: bool) -> bool:
    if changed and value.origin.kind == "default":
        return False
    text = f"{value.table}.{value.key} {value.text} {value.description}".lower()
    return all(word in text for word in search_text.split())


def by_table(listed_values: list[EffectiveValue], above: str) -> dict[str, list[EffectiveValue]]:
    """Given values, return them by their table, without the part of its name that all share."""
    tables: dict[str, list[EffectiveValue]] = {}
    for value in listed_values:
        tables.setdefault(value.table.removeprefix(above).lstrip("."), []).append(value)
    return tables


def anchor(table: str) -> str:
    """Given a table's name, return what the jump list calls its place on the page."""
    return "t-" + re.sub(r"[^a-z0-9]+", "-", table.lower()).strip("-")
