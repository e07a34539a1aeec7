"""Which mail server authenticates the senders in a mailbox, as far as the existing messages show."""

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from redmine_mailbridge.errors import MailbridgeError
from redmine_mailbridge.mail.vouching import NAMELESS, voucher
from redmine_mailbridge.mailboxes.contract import Mailbox
from redmine_mailbridge.model.mailbox import Listed
from redmine_mailbridge.util.dataclass import dataclass

LOOKED_AT = 20
"""How many of the newest messages are examined."""
MANY = 5
"""The number of messages, all with the same name, from which on that name is offered as the answer."""
_HEAD = 64 * 1024


@dataclass(frozen=True, slots=True)
class VouchingCount:
    """Of the messages that were `looked` at, `times` carry the result of a sender check by the server `name`; "" if
    none does.
    """

    name: str = ""
    times: int = 0
    looked: int = 0

    @property
    def summary(self) -> str:
        """What was seen, in words."""
        how = (
            "a mail server without a name (such as Microsoft 365)"
            if self.name == NAMELESS
            else f'the mail server "{self.name}"'
        )
        mails = "the only message" if self.looked == 1 else f"{self.times} of the {self.looked} newest messages"
        return f"{how} reports its check of the sender in {mails}"

    @property
    def always(self) -> bool:
        """Does it say so in each of many messages? In a few, an outsider may have forged the header, or someone may
        have tried out the new mailbox from elsewhere.
        """
        return self.times == self.looked >= MANY


def vouched(mailbox: Mailbox, listed: list[Listed]) -> VouchingCount:
    """Given a connected mailbox and messages of one folder, return which server authenticates senders in the newest of
    them. What cannot be fetched is skipped.
    """
    newest = sorted(listed, key=lambda mail: mail.received_at.timestamp() if mail.received_at else 0.0)[-LOOKED_AT:]
    names: Counter[str] = Counter()
    looked = 0
    with TemporaryDirectory(prefix="mailbridge-") as spool:
        try:
            for raw in mailbox.fetch(newest, Path(spool), max_size=_HEAD):
                looked += 1
                server = voucher(_head(raw.content, raw.path))
                names.update([server] if server else [])
        except MailbridgeError:
            pass
    name, times = next(iter(names.most_common(1)), ("", 0))
    return VouchingCount(name, times, looked)


def _head(content: bytes | None, path: Path | None) -> bytes:
    if content is not None:
        return content[:_HEAD]
    assert path is not None, "a message is bytes or a file"  # noqa: S101 - model/mailbox.py says so
    with path.open("rb") as file:
        return file.read(_HEAD)
