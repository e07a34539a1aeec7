"""Who vouches for senders in a mailbox, as far as the mails tell that lie there."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from redmine_mailbridge.errors import MailbridgeError
from redmine_mailbridge.mail.vouching import NAMELESS, voucher
from redmine_mailbridge.mailboxes.contract import Mailbox
from redmine_mailbridge.model.mailbox import Listed

LOOKED_AT = 20
"""How many of the newest mails are looked at."""
MANY = 5
"""Mails which a name must stand in, each of them, to be offered as the answer."""
_HEAD = 64 * 1024


@dataclass(frozen=True, slots=True)
class Vouched:
    """Of how many mails that were `looked` at it is the server `name` that says, in `times` of them, what it found out
    about the sender; "" when none says it.
    """

    name: str = ""
    times: int = 0
    looked: int = 0

    @property
    def said(self) -> str:
        """What was seen, in words."""
        how = "without a name, as Microsoft 365 does," if self.name == NAMELESS else f'as "{self.name}"'
        mails = "the one mail" if self.looked == 1 else f"{self.times} of the {self.looked} newest mails"
        return f"In {mails} there, a mail server says {how} what it found out about the sender"

    @property
    def always(self) -> bool:
        """Does it say so of each of many mails? Of a few, one stranger may have brought it along, or whoever tried out
        the new mailbox from elsewhere.
        """
        return self.times == self.looked >= MANY


def vouched(mailbox: Mailbox, listed: list[Listed]) -> Vouched:
    """Given a mailbox that is connected and mails of one folder, return who vouches in the newest of them. What cannot
    be fetched says nothing.
    """
    newest = sorted(listed, key=lambda one: one.received_at.timestamp() if one.received_at else 0.0)[-LOOKED_AT:]
    names: Counter[str] = Counter()
    looked = 0
    with TemporaryDirectory(prefix="mailbridge-") as spool:
        try:
            for raw in mailbox.fetch(newest, Path(spool), max_size=_HEAD):
                looked += 1
                found = voucher(_head(raw.content, raw.path))
                names.update([found] if found else [])
        except MailbridgeError:
            pass
    name, times = next(iter(names.most_common(1)), ("", 0))
    return Vouched(name, times, looked)


def _head(content: bytes | None, path: Path | None) -> bytes:
    if content is not None:
        return content[:_HEAD]
    assert path is not None, "a mail is bytes or a file"  # noqa: S101 - model/mailbox.py says so
    with path.open("rb") as file:
        return file.read(_HEAD)
