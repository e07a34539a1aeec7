"""Tells copies: what mails say of themselves goes into the store, and what has only been changed on the way is found.

A copy has the same Message-ID and the same content (`content_key`: what stays the same on the way), or much the same
(mail/similarity.py). Without a Message-ID, the same content within the same minutes. A mail whose sender is proven is
never a copy of one whose sender is not. The rest stands in store/mails/copies.py.
"""

from collections.abc import Sequence

from redmine_mailbridge.errors import RawUnreadable
from redmine_mailbridge.mail import similarity
from redmine_mailbridge.model.mail import Message
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.stored_mail import Description, MailRow
from redmine_mailbridge.policy.sender import believed
from redmine_mailbridge.settings.issue import Route
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.tasks.receive.planner import Decider

SAME_RECEIPT = 1.5
"""Seconds within which two times of receipt are one: protocols round them."""
COMPARED = 5
"""How many mails of one Message-ID a mail is compared with."""


class CopyFinder:
    """Finds, for mails that are to be worked on, those that are copies of others. Safe to share among threads."""

    def __init__(self, store: Store, decider: Decider) -> None:
        self._store = store
        self._decider = decider

    def find(self, read: Sequence[tuple[MailRow, Message]]) -> dict[int, MailRow]:
        """Given mails and what they say, note it. Return, for each that is a copy of another, that other."""
        copies = self._store.describe([self._description(row, message) for row, message in read])
        otherwise = [one for one in read if one[0].id in copies and self._adds(*one, copies[one[0].id])]
        for row, _ in otherwise:
            del copies[row.id]
        copies |= self._store.describe([self._description(*one, as_read=True) for one in otherwise])
        own = {row.id: (row, message) for row, message in read if row.id not in copies and not message.message_id_made}
        for number, others in self._store.namesakes(own, limit=COMPARED).items():
            row, message = own[number]
            if row.state is State.KEPT and row.wish is None:
                earlier = [other for other in others if other.id not in own or other.id < number]
                speaker = self._much_the_same(row, message, earlier)
                copies |= {number: speaker} if speaker is not None else {}
        return copies

    def _description(self, row: MailRow, message: Message, *, as_read: bool = False) -> Description:
        """What a mail says of itself; where each mailbox makes an issue of its own, copies count within one only.

        `as_read`: only mails that are read as this one is are its copies.
        """
        mailbox = row.location.mailbox
        key, proof = message.content_key, None
        if as_read:
            key = f"{key}~{similarity.as_read(message)}"
        if message.message_id_made:
            key = f"{'traced' if message.header('received') else 'bare'}:{key}"
        context = self._decider.contexts.get(mailbox)
        if context is not None:
            key = f"{mailbox}/{key}" if context.route.issue.several_mailboxes == "each" else key
            proof = _proof(message, context.route)
        return Description(row.id, message.message_id, key, message.sender.key, message.subject, proof)

    def _adds(self, row: MailRow, message: Message, speaker: MailRow) -> bool:
        """Does a copy say more than the mail with the same body, since it is read otherwise?"""
        if speaker.raw is None or speaker.raw == row.raw or row.truncated or speaker.truncated:
            return False
        try:
            raw = self._store.raw.read(speaker.raw)
        except RawUnreadable:
            return False
        if not similarity.adds(message, self._decider.read(raw, row.location.mailbox, truncated=False)):
            return False
        self._store.say_once(row.id, f"it has the bytes of mail {speaker.id}, but says more as it is read: no copy")
        return True

    def _much_the_same(self, row: MailRow, message: Message, others: Sequence[MailRow]) -> MailRow | None:
        """Given a mail and others of its Message-ID, return the one that it is a copy of. Those that it is no copy of
        are named in its record.
        """
        for other in others:
            if self._apart(row, other):
                continue
            why = self._difference(row, message, other)
            if not why and self._store.join(row.id, other.id):
                speaker = self._store.speaker(row.id)
                if speaker is not None:
                    self._store.say_once(row.id, f"mail {other.id} with a few words of a list or gateway")
                return speaker
            if why:
                self._store.say_once(row.id, f"it bears the Message-ID of mail {other.id}, but has {why}: no copy")
        return None

    def _apart(self, row: MailRow, other: MailRow) -> bool:
        """Does each mailbox make an issue of its own?"""
        context = self._decider.contexts.get(row.location.mailbox)
        each = context is not None and context.route.issue.several_mailboxes == "each"
        return each and row.location.mailbox != other.location.mailbox

    def _difference(self, row: MailRow, message: Message, other: MailRow) -> str:
        """What tells two mails of one Message-ID apart. Where the bytes of one are forgotten, the moment of its receipt
        tells it: a mail that comes again from another server, or over another protocol, brings that along.
        """
        try:
            raw = self._store.raw.read(other.raw or "") if other.raw is not None else None
        except RawUnreadable:
            raw = None
        if raw is None:
            return "" if _same_receipt(row, message, other) else "content that is not known any more"
        return similarity.difference(
            message, self._decider.read(raw, other.location.mailbox, truncated=other.truncated)
        )


def _same_receipt(row: MailRow, message: Message, other: MailRow) -> bool:
    """Was a mail received when the other was, from the same author and about the same?"""
    if row.received_at is None or other.received_at is None or abs(row.received_at - other.received_at) >= SAME_RECEIPT:
        return False
    return (other.sender, other.subject) == (message.sender.key, message.subject[:1000])


def _proof(message: Message, route: Route) -> int:
    """How far the sender of a mail is proven: 0 known to be forged, 1 not proven, 2 proven. That trust = "any" believes
    everybody proves nobody: of two mails with the same words neither is the genuine one then.
    """
    if message.authenticity.verdict == "failed":
        return 0
    internal = route.issue.trust == "internal" and bool(believed(message, route))
    return 2 if message.authenticity.verdict == "passed" or internal else 1
