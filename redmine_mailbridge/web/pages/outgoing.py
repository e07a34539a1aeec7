"""The mails that go out: what waits, what failed and in whose words, what was sent; send again, discard."""

from email.parser import BytesHeaderParser
from email.policy import default

from starlette.responses import Response

from redmine_mailbridge.errors import RedmineError
from redmine_mailbridge.store.outgoing.rows import BOUNCED, DISCARDED, FAILED, QUEUED, SENT, QueuedMail
from redmine_mailbridge.web.request import PageRequest

PAGE = 50
VIEWS = {"queued": (QUEUED,), "failed": (FAILED, BOUNCED), "sent": (SENT,), "discarded": (DISCARDED,)}
"""The lists of the page, by name, with the states of the mails in each."""


def show(call: PageRequest) -> Response:
    """One list, newest first; without a choice what failed, if anything did, else what waits."""
    counts = call.context.outbox.counts()
    totals = {name: sum(counts.get(state, 0) for state in states) for name, states in VIEWS.items()}
    chosen = call.query("state")
    if chosen not in VIEWS:
        chosen = "failed" if totals["failed"] else "queued"
    mailbox = call.query("mailbox")
    mailbox = mailbox if mailbox in call.context.settings.mailboxes else ""
    rows = call.context.outbox.newest(
        states=VIEWS[chosen], mailbox=mailbox or None, before=call.number("before"), limit=PAGE + 1
    )
    shown = rows[:PAGE]
    return call.render(
        "outgoing.html",
        title=call.words("Outgoing mail"),
        chosen=chosen,
        mailbox=mailbox,
        totals=totals,
        rows=[(row, _subject(row)) for row in shown],
        older=shown[-1].id if len(rows) > PAGE else None,
        accounts=call.context.limits,
    )


def decide(call: PageRequest) -> Response:
    """Send the selected mails again, or discard them."""
    ids = call.typed_numbers("id")
    if not ids:
        return call.back(call.words("Select at least one mail first."), "/outgoing")
    if call.typed("decision") == "retry":
        lines = _retry(call, ids)
    elif call.typed("decision") == "discard":
        rows = call.context.outbox.discard(ids, by=call.who)
        if rows:
            call.audit("discard outgoing", ", ".join(str(row.id) for row in rows))
        lines = [call.words("{who}: discarded", who=row.recipient) for row in rows]
    else:
        return call.back("", "/outgoing")
    lines = lines or [call.words("Nothing changed: the selected mails are in another state now.")]
    if len(lines) > 10:
        lines = [*lines[:10], call.words("… and {n} more", n=len(lines) - 10)]
    return call.back("\n".join(lines), "/outgoing")


def _retry(call: PageRequest, ids: tuple[int, ...]) -> list[str]:
    """As `queue retry`: Redmine is asked first whether the recipient may still read it. Return what to say."""
    try:
        rows = call.context.send_again(ids, call.who)
    except RedmineError as error:
        return [call.words("Nothing is sent: Redmine must be asked first, and cannot be."), str(error)]
    queued = [row for row, why_not in rows if not why_not]
    if queued:
        call.audit("retry outgoing", ", ".join(str(row.id) for row in queued))
    others = len(ids) - len(rows)
    bounced = [call.words("Only failed mails can be sent again, not bounced ones: {n} unchanged.", n=others)]
    return [
        call.words("{who}: not sent again: {why}", who=row.recipient, why=call.step(why_not))
        if why_not
        else call.words("{who}: queued again", who=row.recipient)
        for row, why_not in rows
    ] + (bounced if others else [])


def _subject(row: QueuedMail) -> str:
    """The subject, "" if the mail's text has been deleted."""
    header = BytesHeaderParser(policy=default).parsebytes(row.content)
    return " ".join(str(header["Subject"] or "").split())
