"""What lies in the mailboxes before they are first read, where the settings leave open whether it counts."""

from collections.abc import Callable, Iterator, Mapping

from redmine_mailbridge.errors import MailbridgeError
from redmine_mailbridge.mailboxes.contract import Mailbox
from redmine_mailbridge.settings.mailbox import MailboxSettings
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.util.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class UnreadBacklog:
    """A mailbox that has never been read and does not say what counts: how many mails lie in which folder.

    `dated` is False where the server does not tell when a mail came (POP3).
    """

    mailbox: str
    folder: str
    count: int
    dated: bool = True


def backlog(
    boxes: Mapping[str, MailboxSettings],
    store: Store | None,
    opened: Callable[[str, MailboxSettings], Mailbox],
    former: Mapping[str, str],
) -> Iterator[UnreadBacklog]:
    """Given mailboxes, what is known (None: nothing), how to open one, and which of them had another name, yield where
    mail lies undecided.

    A mailbox that cannot be reached yields nothing: the pass itself says why.
    """
    for name, box in boxes.items():
        known_as = former.get(name, name)
        new = [folder for folder in box.folders if store is None or store.cursor(known_as, folder) is None]
        if not box.undecided or not new:
            continue
        mailbox = opened(name, box)
        try:
            mailbox.connect()
            for folder in new:
                mailbox.state(folder)
                if listed := mailbox.list_new(folder):
                    yield UnreadBacklog(name, folder, len(listed), any(mail.received_at is not None for mail in listed))
        except MailbridgeError:
            continue
        finally:
            mailbox.close()
