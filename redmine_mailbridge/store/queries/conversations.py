"""The mails of an issue's conversation, as the store knows them: what came, and what we sent."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from redmine_mailbridge.mail.mime.address_syntax import spellings
from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.issue_copy import by_machine
from redmine_mailbridge.store.outbox import FAILED
from redmine_mailbridge.store.tables import journal, mail, outbox


@dataclass(frozen=True, slots=True)
class TalkMail:
    """A mail that led to an issue or a note on it. `request` is the job that wrote it, in JSON; `raw` where its bytes
    are, None when they were forgotten. `journal` is the note that it made, None for the mail that made the issue.
    `customers`: it came from the customer's side.
    """

    id: int
    mailbox: str
    message_id: str
    subject: str
    sender: str
    raw: str | None
    truncated: bool
    request: str | None
    journal: int | None
    customers: bool


class Talk:
    """Reads conversations; changes nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def came(self, issue: int, requester: str) -> list[TalkMail]:
        """Given an issue and its requester's address, return its mails, oldest first, but for machines' answers."""
        query = (
            sa.select(
                mail.c.id, mail.c.mailbox, mail.c.message_id, mail.c.subject, mail.c.sender, mail.c.raw,
                mail.c.truncated, mail.c.request, mail.c.journal, mail.c.created_issue, journal.c.side,
            )
            .outerjoin(journal, journal.c.id == mail.c.journal)
            .where(mail.c.issue == issue, mail.c.message_id.is_not(None))
            .where(sa.or_(mail.c.created_issue == issue, mail.c.journal.is_not(None)))
            .order_by(mail.c.id)
        )  # fmt: skip
        with self._database.read() as db:
            rows = db.execute(query).all()
        return [
            TalkMail(
                row.id, row.mailbox, row.message_id, row.subject or "", row.sender or "", row.raw, row.truncated,
                row.request, row.journal,
                row.created_issue == issue or (row.side or _side(row.sender, requester)) == "customer",
            )
            for row in rows if not by_machine(row.request)
        ]  # fmt: skip

    def sent(self, issue: int, recipient: str) -> Sequence[tuple[str, float]]:
        """Given an issue and an address, return the Message-IDs of what we sent there about it, and when; in order."""
        query = sa.select(outbox.c.message_id, outbox.c.created_at).where(
            outbox.c.issue == issue, outbox.c.recipient.in_(spellings(recipient)), outbox.c.state != FAILED
        )
        with self._database.read() as db:
            return [(row.message_id, row.created_at) for row in db.execute(query.order_by(outbox.c.id))]


def _side(sender: str | None, requester: str) -> str:
    return "customer" if (sender or "").lower() == requester.lower() else "agent"
