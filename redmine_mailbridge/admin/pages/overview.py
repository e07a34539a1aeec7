"""The first page: does it work, what came, what waits for a person."""

import datetime as dt

from starlette.responses import Response

from redmine_mailbridge.admin.calls import Call


def show(call: Call) -> Response:
    """Each mailbox with its piles, the last days, the sending queue."""
    desk = call.desk
    boxes = desk.settings.active_mailboxes
    today = dt.datetime.fromtimestamp(call.now, call.zone).date()
    days = desk.figures.days(boxes, today, call.zone)
    kinds = ("done", "ignored", "waiting", "failed")
    return call.render(
        "overview.html",
        title="Overview",
        boxes=boxes,
        piles=desk.figures.piles(boxes),
        days=days,
        bars=[(str(day.day), [(kind, getattr(day, kind)) for kind in kinds]) for day in days],
        queues=desk.figures.queues(call.now - 86_400),
        limits=desk.limits,
    )
