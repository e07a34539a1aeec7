"""The whole story of one mail: where it came from, each decision, what went to Redmine, and the mail itself."""

from collections.abc import Callable
from dataclasses import dataclass

from redmine_mailbridge.errors import RawUnreadable
from redmine_mailbridge.model.mail import Message
from redmine_mailbridge.model.stored_mail import MailRow, Step
from redmine_mailbridge.redmine.write_intent import Job
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.outbox import Outbox, QueuedMail
from redmine_mailbridge.store.queries.messages import Archive, MessageFilter

Read = Callable[..., Message]


@dataclass(frozen=True, slots=True)
class Story:
    """One mail: `message` is None when its bytes are gone, `sent` (subject, text) when nothing was written."""

    row: MailRow
    steps: tuple[Step, ...]
    answers: tuple[QueuedMail, ...]
    message: Message | None
    sent: tuple[str, str] | None
    files: tuple[str, ...]


def story(store: Store, archive: Archive, read: Read, mail_id: int) -> Story | None:
    """Given a mail and how its mailbox reads, return its story; None when there is no such mail."""
    rows = archive.messages(MessageFilter(ids=[mail_id], limit=1))
    if not rows:
        return None
    row = rows[0]
    answers = Outbox(store.database, store.clock).of_mail(row.id)
    job = Job.from_json(row.request) if row.request else None
    return Story(
        row,
        tuple(archive.steps(row.id)),
        tuple(answers),
        message_of(store, read, row),
        _sent(job) if job else None,
        tuple(upload.filename for upload in job.request.uploads) if job else (),
    )


def raw_of(store: Store, row: MailRow) -> bytes | None:
    """Given a mail, return its bytes as they came; None when they are gone."""
    if row.raw is None:
        return None
    try:
        return bytes(store.raw.read(row.raw))
    except RawUnreadable:
        return None


def message_of(store: Store, read: Read, row: MailRow) -> Message | None:
    """Given a mail, return it as its mailbox reads it; None when its bytes are gone or its mailbox is no more."""
    raw = raw_of(store, row)
    if raw is None:
        return None
    try:
        return read(raw, row.location.mailbox, truncated=row.truncated)
    except KeyError:
        return None


def _sent(job: Job) -> tuple[str, str]:
    """Subject and text of the request as it was, or is being, sent."""
    body = job.request.body().get("issue", {})
    return str(body.get("subject", "")), str(body.get("description") or body.get("notes") or "")
