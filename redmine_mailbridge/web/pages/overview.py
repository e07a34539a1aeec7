"""The first page: does it work, what came, what waits for a person."""

import datetime as dt

from starlette.responses import Response

from redmine_mailbridge.settings.who_mails import who_mails
from redmine_mailbridge.store.health import REDMINE, SERVICE, alive, of_mailbox, of_settings
from redmine_mailbridge.web.pages.tasks import book
from redmine_mailbridge.web.request import Call

DAYS = 14
KINDS = ("done", "ignored", "waiting", "held", "failed")


def show(call: Call) -> Response:
    """Each mailbox with its piles, the last days, the sending queue."""
    desk = call.desk
    boxes = desk.settings.active_mailboxes
    health = desk.health.all()
    today = dt.datetime.fromtimestamp(call.now, call.zone).date()
    days = desk.figures.days(boxes, today, call.zone, DAYS)
    return call.render(
        "overview.html",
        title=call.words("Overview"),
        boxes=boxes,
        health={name: health.get(of_mailbox(name)) for name in boxes},
        paused={name: health.get(of_settings(name)) for name in boxes},
        service=alive(health.get(SERVICE), call.now),
        stopped=book(call).stopped,
        redmine=health.get(REDMINE),
        sending=health.get("sending"),
        tellers={name: who_mails(box, desk.settings.outgoing) for name, box in boxes.items()},
        piles=desk.figures.piles(boxes),
        days=days,
        kinds=KINDS,
        bars=[(str(day.day), [(kind, getattr(day, kind)) for kind in KINDS]) for day in days],
        ignored=desk.figures.ignored(call.now - DAYS * 86_400),
        queues=desk.figures.queues(call.now - 86_400),
        limits=desk.limits,
    )
