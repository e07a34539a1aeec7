"""Detects copies: stores descriptions of mails and finds mails that differ only by changes made in transit.

A copy has the same Message-ID and the same content (`content_key`: the parts that transit does not change) or similar
content (mail/similarity.py). Without a Message-ID, it has the same content within the same minutes. A mail whose sender
is proven is never a copy of one whose sender is not. See also store/mails/copies.py.
"""

from collections.abc import Sequence

from redmine_mailbridge.errors import RawUnreadable
from redmine_mailbridge.mail import similarity
from redmine_mailbridge.model.mail import Message
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.stored_mail import Description, StoredMail
from redmine_mailbridge.policy.sender import believed
from redmine_mailbridge.settings.issue import Route
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.tasks.receive.planner import Planner

SAME_RECEIPT = 1.5
"""Two times of receipt within this many seconds count as equal, since protocols round them."""
COMPARED = 5
"""The maximum number of mails with the same Message-ID that a mail is compared with."""


class CopyFinder:
    """Finds mails that are copies of others before they are processed. Safe to share among threads."""

    def __init__(self, store: Store, planner: Planner) -> None:
        self._store = store
        self._planner = planner

    def find(self, mails: Sequence[tuple[StoredMail, Message]]) -> dict[int, StoredMail]:
        """Given mails and their messages, store their descriptions. Return, for each copy, the original."""
        copies = self._store.describe([self._description(row, message) for row, message in mails])
        adding = [mail for mail in mails if mail[0].id in copies and self._adds(*mail, copies[mail[0].id])]
        for row, _ in adding:
            del copies[row.id]
        copies |= self._store.describe([self._description(*mail, as_read=True) for mail in adding])
        own = {row.id: (row, message) for row, message in mails if row.id not in copies and not message.message_id_made}
        for number, others in self._store.namesakes(own, limit=COMPARED).items():
            row, message = own[number]
            if row.state is State.STORED and row.manual_decision is None:
                earlier = [other for other in others if other.id not in own or other.id < number]
                speaker = self._much_the_same(row, message, earlier)
                copies |= {number: speaker} if speaker is not None else {}
        return copies

    def _description(self, row: StoredMail, message: Message, *, as_read: bool = False) -> Description:
        """The description of a mail. If each mailbox creates its own issue, copies are found within a mailbox only.

        `as_read`: only mails that were parsed in the same way are its copies.
        """
        mailbox = row.location.mailbox
        key, proof = message.content_key, None
        if as_read:
            key = f"{key}~{similarity.as_read(message)}"
        if message.message_id_made:
            key = f"{'traced' if message.header('received') else 'bare'}:{key}"
        context = self._planner.contexts.get(mailbox)
        if context is not None:
            key = f"{mailbox}/{key}" if context.route.issue.several_mailboxes == "each" else key
            proof = _proof(message, context.route)
        return Description(row.id, message.message_id, key, message.sender.key, message.subject, proof)

    def _adds(self, row: StoredMail, message: Message, speaker: StoredMail) -> bool:
        """Whether a mail contains more text than the original with the same body, because it is parsed differently."""
        if speaker.raw is None or speaker.raw == row.raw or row.truncated or speaker.truncated:
            return False
        try:
            raw = self._store.raw.read(speaker.raw)
        except RawUnreadable:
            return False
        if not similarity.adds(message, self._planner.read(raw, row.location.mailbox, truncated=False)):
            return False
        self._store.say_once(
            row.id, f"same content as mail {speaker.id}, but this mailbox reads more of it: not a copy"
        )
        return True

    def _much_the_same(self, row: StoredMail, message: Message, others: Sequence[StoredMail]) -> StoredMail | None:
        """Given a mail and others with its Message-ID, return the original that it is a copy of. The history names
        those of which it is not a copy.
        """
        for other in others:
            if self._apart(row, other):
                continue
            why = self._difference(row, message, other)
            if not why and self._store.join(row.id, other.id):
                speaker = self._store.speaker(row.id)
                if speaker is not None:
                    self._store.say_once(row.id, f"copy of mail {other.id} with text added by a list or gateway")
                return speaker
            if why:
                self._store.say_once(row.id, f"same Message-ID as mail {other.id}, but {why}: not a copy")
        return None

    def _apart(self, row: StoredMail, other: StoredMail) -> bool:
        """Whether each mailbox creates its own issue."""
        context = self._planner.contexts.get(row.location.mailbox)
        each = context is not None and context.route.issue.several_mailboxes == "each"
        return each and row.location.mailbox != other.location.mailbox

    def _difference(self, row: StoredMail, message: Message, other: StoredMail) -> str:
        """The difference between two mails with one Message-ID. If the content of one is no longer stored, the time of
        receipt decides: it stays the same when a mail arrives again from another server or over another protocol.
        """
        try:
            raw = self._store.raw.read(other.raw or "") if other.raw is not None else None
        except RawUnreadable:
            raw = None
        if raw is None:
            return "" if _same_receipt(row, message, other) else "the content of that mail is no longer stored"
        return similarity.difference(
            message, self._planner.read(raw, other.location.mailbox, truncated=other.truncated)
        )


def _same_receipt(row: StoredMail, message: Message, other: StoredMail) -> bool:
    """Whether two mails have the same time of receipt, author and subject."""
    if row.received_at is None or other.received_at is None or abs(row.received_at - other.received_at) >= SAME_RECEIPT:
        return False
    return (other.sender, other.subject) == (message.sender.key, message.subject[:1000])


def _proof(message: Message, route: Route) -> int:
    """How far a mail is believed: 0 forged, or spam that is not accepted, 1 not proven, 2 proven. trust = "any" proves
    no sender: neither of two mails with the same text counts as the genuine one then.
    """
    if message.authenticity.verdict == "failed" or (message.spam.spam and route.senders.spam != "accept"):
        return 0
    internal = route.issue.trust == "internal" and bool(believed(message, route))
    return 2 if message.authenticity.verdict == "passed" or internal else 1
