"""The first page: does it work, what came, what waits for a person."""

import datetime as dt

from starlette.responses import Response

from redmine_mailbridge.settings.who_mails import who_mails
from redmine_mailbridge.store.health import REDMINE, of_mailbox
from redmine_mailbridge.web.pages.tasks import halted
from redmine_mailbridge.web.request import PageRequest

DAYS = 14
KINDS = ("done", "ignored", "waiting", "held", "failed")


def show(call: PageRequest) -> Response:
    """Each mailbox with its counts, the last days, the sending queue."""
    context = call.context
    boxes = context.settings.active_mailboxes
    health = context.health.all()
    today = dt.datetime.fromtimestamp(call.now, call.zone).date()
    queues, limits = context.statistics.outbox_counts(call.now - 86_400), context.limits
    days = context.statistics.days(boxes, today, call.zone, DAYS)
    return call.render(
        "overview.html",
        title=call.words("Overview"),
        boxes=boxes,
        health={name: health.get(of_mailbox(name)) for name in boxes},
        conditions=call.context.conditions(),
        halted=halted(call),
        stopped=call.context.book.stopped,
        redmine=health.get(REDMINE),
        who_mails={name: who_mails(box, context.settings.outgoing) for name, box in boxes.items()},
        counts=context.statistics.mailbox_counts(boxes),
        days=days,
        kinds=KINDS,
        bars=[(str(day.day), [(kind, getattr(day, kind)) for kind in KINDS]) for day in days],
        ignored=context.statistics.ignored(call.now - DAYS * 86_400),
        outgoing=context.outbox.counts(),
        accounts=[
            (limit, sum(queues[name].sent_today for name in limit.mailboxes if name in queues)) for limit in limits
        ],
    )
