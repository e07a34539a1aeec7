"""All folders of an account, and how many mails lie in each."""

from collections.abc import Iterator

from redmine_mailbridge.checks.mailbox import advised
from redmine_mailbridge.checks.result import Check
from redmine_mailbridge.errors import FolderMissing, MailboxError
from redmine_mailbridge.mailboxes.contract import Mailbox
from redmine_mailbridge.settings.mailbox import MailboxSettings


def folder_checks(name: str, box: MailboxSettings, mailbox: Mailbox) -> Iterator[Check]:
    """Given a mailbox's settings and the mailbox, yield each folder with its count; the connection is closed."""
    used = dict.fromkeys(box.folders, "read")
    used |= {folder: "filed to" for folder in (box.success_folder, box.failure_folder) if folder}
    try:
        mailbox.connected()
        for folder in mailbox.folders():
            try:
                count = mailbox.state(folder).messages
            except FolderMissing as error:  # a name that holds folders and no mails
                yield Check(folder, None, str(error))
                continue
            words = f"{count} mail{'' if count == 1 else 's'}"
            yield Check(folder, True, words + (f", {used[folder]}" if folder in used else ""))
    except MailboxError as error:
        yield Check(f"mailbox {name}", False, advised(error))
    finally:
        mailbox.close()
