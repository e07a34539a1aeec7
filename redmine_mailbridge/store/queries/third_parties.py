"""The third parties of issues: suppliers and the like, to whom an agent's private note was mailed, or who replied."""

from collections.abc import Collection, Mapping

import sqlalchemy as sa

from redmine_mailbridge.mail.message_ids import THIRD_PARTY
from redmine_mailbridge.mail.mime.address_syntax import is_among
from redmine_mailbridge.store.mails.copies import PROVEN
from redmine_mailbridge.store.tables import issue, mail, outbox


def third_parties(
    db: sa.Connection, issues: Collection[int], requesters: Mapping[int, str] | None = None
) -> dict[int, frozenset[str]]:
    """Given an open transaction and issues, return the addresses (lower case) of the third parties of each: those whom
    an agent named, whatever became of the mail, and others who replied to such a mail, if the mail server proves it: a
    forged reply must not keep anybody out of the conversation. Not the requester, according to
    `requesters` if they are given, whom a note may be about to change.
    """
    by_issue: dict[int, set[str]] = {number: set() for number in issues}
    named = sa.select(outbox.c.issue, outbox.c.recipient).where(outbox.c.issue.in_(issues))
    replied = sa.select(mail.c.issue, mail.c.sender).where(
        mail.c.issue.in_(issues), mail.c.third_party, mail.c.proof == PROVEN, mail.c.requester.is_(None)
    )
    for number, address in (*db.execute(named.where(outbox.c.kind == THIRD_PARTY).distinct()), *db.execute(replied)):
        by_issue[number].add(str(address or "").lower())
    if requesters is None:
        query = sa.select(issue.c.id, issue.c.requester).where(issue.c.id.in_(issues))
        requesters = {row.id: row.requester for row in db.execute(query)}
    return {
        number: frozenset(
            address for address in them if address and not is_among(address, [requesters.get(number, "").lower()])
        )
        for number, them in by_issue.items()
    }
