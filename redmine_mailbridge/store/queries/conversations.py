"""The messages of an issue's conversation in the store: received and sent."""

from collections.abc import Collection, Sequence

import sqlalchemy as sa

from redmine_mailbridge.mail.message_ids import THIRD_PARTY
from redmine_mailbridge.mail.mime.address_syntax import spellings
from redmine_mailbridge.mail.mime.mailable import comparable
from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.issue_copy import WHOSE, is_neutral
from redmine_mailbridge.store.mails.requesters import former_requesters
from redmine_mailbridge.store.outgoing.rows import DISCARDED, FAILED
from redmine_mailbridge.store.queries.third_parties import third_parties
from redmine_mailbridge.store.recipient_changes import CcChanges, cc_changes_of
from redmine_mailbridge.store.tables import journal, mail, outbox
from redmine_mailbridge.util.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class ConversationMail:
    """A message that became an issue or a note. `request` is the intent that wrote it, in JSON; `raw` identifies its
    bytes, None if they were deleted. `journal` is the note that it became, None for the message that created the issue.
    `author` is its From address, `sender` the address on whose behalf it was handled. `customers`: it came from the
    customer's side.
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
    author: str
    customers: bool


class ConversationQueries:
    """Reads conversations; read-only."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def incoming(self, issue: int, requester: str) -> list[ConversationMail]:
        """Given an issue and its requester's address, return its messages, oldest first, except those of machines and
        of third parties, and those of the requesters before.
        """
        query = (
            sa.select(
                mail.c.id, mail.c.mailbox, mail.c.message_id, mail.c.subject, WHOSE.label("sender"), mail.c.raw,
                mail.c.sender.label("author"),
                mail.c.truncated, mail.c.request, mail.c.journal, mail.c.created_issue, journal.c.side,
            )
            .outerjoin(journal, journal.c.id == mail.c.journal)
            .where(mail.c.issue == issue, mail.c.message_id.is_not(None))
            .where(sa.or_(mail.c.created_issue == issue, mail.c.journal.is_not(None)))
            .order_by(mail.c.id)
        )  # fmt: skip
        with self._database.read() as db:
            rows = db.execute(query).all()
            left_out = former_requesters(db, issue, requester)
        return [
            ConversationMail(
                row.id, row.mailbox, row.message_id, row.subject or "", row.sender or "", row.raw, row.truncated,
                row.request, row.journal, row.author or "",
                row.created_issue == issue or (row.side or _side(row.sender, requester)) == "customer",
            )
            for row in rows if not is_neutral(row.request) and comparable(row.sender or "") not in left_out
        ]  # fmt: skip

    def former_requesters(self, issue: int, requester: str) -> frozenset[str]:
        """Given an issue and its requester, return the requesters before (lower case): answers do not go to them."""
        with self._database.read() as db:
            return former_requesters(db, issue, requester)

    def cc_changes(self, issue: int) -> CcChanges:
        """Given an issue, return whom agents have added to its Cc, and removed from it."""
        with self._database.read() as db:
            return cc_changes_of(db, issue)

    def outgoing(self, issue: int, recipient: str) -> Sequence[tuple[str, float]]:
        """Given an issue and an address, return the Message-IDs of messages sent there about it, and when; in order."""
        query = sa.select(outbox.c.message_id, outbox.c.created_at).where(
            outbox.c.issue == issue,
            outbox.c.recipient.in_(spellings(recipient)),
            outbox.c.kind != THIRD_PARTY,
            outbox.c.state.not_in([FAILED, DISCARDED]),
        )
        with self._database.read() as db:
            return [(row.message_id, row.created_at) for row in db.execute(query.order_by(outbox.c.id))]

    def third_parties(self, issue: int, requester: str) -> frozenset[str]:
        """Given an issue and its requester's address, return the addresses (lower case) of its third parties, who get
        no mail to the customer.
        """
        with self._database.read() as db:
            return third_parties(db, [issue], {issue: requester})[issue]

    def third_party_ids(self, issue: int) -> frozenset[str]:
        """Given an issue, return the Message-IDs of the mail to and from its third parties."""
        sent = sa.select(outbox.c.message_id).where(outbox.c.issue == issue, outbox.c.kind == THIRD_PARTY)
        came = sa.select(mail.c.message_id).where(mail.c.issue == issue, mail.c.third_party, mail.c.message_id != "")
        with self._database.read() as db:
            return frozenset(db.execute(sent.union(came)).scalars())

    def third_party_thread(self, issue: int, recipients: Collection[str]) -> tuple[str, ...]:
        """Given an issue and addresses, return the Message-IDs of the mails to third parties that went to exactly
        these, in order.
        """
        query = sa.select(outbox.c.message_id, outbox.c.recipient).where(
            outbox.c.issue == issue, outbox.c.kind == THIRD_PARTY
        )
        sent: dict[str, set[str]] = {}
        with self._database.read() as db:
            for row in db.execute(query.order_by(outbox.c.id)):
                sent.setdefault(row.message_id, set()).add(row.recipient)
        exactly = {address.lower() for address in recipients}
        return tuple(message_id for message_id, people in sent.items() if people == exactly)


def _side(sender: str | None, requester: str) -> str:
    return "customer" if (sender or "").lower() == requester.lower() else "agent"
