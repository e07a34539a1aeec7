"""All folders of an account, with the number of messages in each."""

from collections.abc import Iterator

from redmine_mailbridge.checks.advice import with_advice
from redmine_mailbridge.checks.result import Check
from redmine_mailbridge.errors import FolderMissing, MailboxError
from redmine_mailbridge.mailboxes.contract import Mailbox
from redmine_mailbridge.settings.mailbox import MailboxSettings


def folder_checks(name: str, box: MailboxSettings, mailbox: Mailbox) -> Iterator[Check]:
    """Given a mailbox's settings and the mailbox, yield each folder with its count; the connection is closed."""
    used = dict.fromkeys(box.folders, "read")
    used |= {folder: "filed to" for folder in (box.success_folder, box.failure_folder, box.junk_folder) if folder}
    try:
        mailbox.connected()
        for folder in mailbox.folders():
            try:
                count = mailbox.state(folder).messages
            except FolderMissing as error:  # a name that holds folders but no messages
                yield Check(folder, None, str(error))
                continue
            words = f"{count} message{'' if count == 1 else 's'}"
            yield Check(folder, True, words + (f", {used[folder]}" if folder in used else ""))
    except MailboxError as error:
        yield Check(f"mailbox {name}", False, with_advice(str(error)))
    finally:
        mailbox.close()
