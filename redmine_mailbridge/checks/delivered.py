"""What `check` says of a mailbox whose mail is handed to `deliver`: its spool, who may write there, what waits."""

import grp
import pwd
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from redmine_mailbridge.checks.result import Check
from redmine_mailbridge.errors import MailboxError, MailbridgeError
from redmine_mailbridge.mailboxes.contract import Mailbox
from redmine_mailbridge.mailboxes.delivered.drop import INDEX, NEW, NotKept, folder_of, read_index
from redmine_mailbridge.mailboxes.delivered.folders import NAME
from redmine_mailbridge.settings.mailbox import MailboxSettings


def delivered_checks(name: str, box: MailboxSettings, mailbox: Mailbox) -> Iterator[Check]:
    """Given a mailbox's settings and the mailbox, yield each result. Writes nothing."""
    here, spool = f"mailbox {name}", box.spool_dir
    folder = spool / folder_of(box.address)
    if not (spool / INDEX).exists():
        words = f"{spool} is not prepared yet: the service does that when it starts; until then `deliver` exits with 75"
        yield Check(f"{here}: spool", None, words)
        return
    try:
        mailbox.connected()
        yield Check(f"{here}: spool", True, str(folder))
        yield _writers(f"{here}: deliver", spool, folder / NEW)
        waiting = mailbox.state(box.folders[0]).messages
        others = sum(1 for _ in (folder / NEW).iterdir()) - waiting
        words = f"{waiting} message{'' if waiting == 1 else 's'}"
        if others > 0:
            words += f", and {others} other file{'' if others == 1 else 's'}, which no one receives"
        yield Check(f"{here}: folder INBOX", None if others > 0 else True, words)
        index = read_index(str(spool))
        if index.get(name, {}).get("folder") != folder.name:
            words = f"{spool / INDEX} does not name this mailbox yet: reload the service"
            yield Check(f"{here}: deliver", None, words)
        yield from _orphans(here, spool, {str(known["folder"]) for known in index.values()})
    except NotKept as error:
        yield Check(f"{here}: spool", False, str(error))
    except (MailboxError, OSError) as error:
        words = str(error) if isinstance(error, MailbridgeError) else f"{folder}: {error.strerror}"
        yield Check(f"{here}: spool", False, words)


def left_in_the_spool(name: str, box: MailboxSettings) -> Iterator[Check]:
    """Given a mailbox that is read from a server, yield what `deliver` still does for it, and what waits in the spool
    since its protocol was another: no one receives that.
    """
    folder = box.spool_dir / folder_of(box.address)
    try:
        count = sum(1 for path in (folder / NEW).iterdir() if NAME.fullmatch(path.name))
        index = read_index(str(box.spool_dir))
    except (OSError, NotKept):
        return
    takers = {mailbox for mailbox, known in index.items() if known["folder"] == folder.name}
    if takers - {name} or not (count or takers):
        return
    words = f"{folder / NEW} has {count} message{'' if count == 1 else 's'}, which no one receives"
    more = (
        f', and `deliver` accepts more: remove {box.spool_dir / INDEX}, or set protocol = "deliver"' if takers else ""
    )
    yield Check(f"mailbox {name}: spool", False if takers else None, words + more)


def _writers(title: str, spool: Path, folder: Path) -> Check:
    """Who may deliver, by the modes of the spool and of the folder."""
    status, of_spool = folder.stat(), spool.stat()
    owner = _name_of(pwd.getpwuid, status.st_uid)
    if status.st_mode & stat.S_IWOTH:
        return Check(title, False, f"every user of this machine may write to {folder}; remove that right")
    if of_spool.st_mode & stat.S_ISGID and status.st_gid != of_spool.st_gid:
        group = _name_of(grp.getgrgid, of_spool.st_gid)
        return Check(
            title, False, f"the group {group} of the spool may not write to {folder}: chgrp -R {group} {spool}"
        )
    if status.st_mode & stat.S_IWGRP:
        return Check(
            title, True, f"may run as {owner}, and as a member of the group {_name_of(grp.getgrgid, status.st_gid)}"
        )
    return Check(title, True, f"may run as {owner} only")


def _name_of(lookup: Callable[[int], Sequence[object]], number: int) -> str:
    """Given how users or groups are looked up, return the name of one; its number if it has none."""
    try:
        return str(lookup(number)[0])
    except KeyError:
        return str(number)


def _orphans(here: str, spool: Path, folders: set[str]) -> Iterator[Check]:
    """Mails for addresses that no mailbox has any more: they stay there until one has."""
    for folder in spool.iterdir():
        waiting = folder / NEW
        if folder.name not in folders and waiting.is_dir() and (count := sum(1 for _ in waiting.iterdir())):
            words = f"{waiting} has {count} message{'' if count == 1 else 's'} for an address that no mailbox has"
            yield Check(f"{here}: spool", None, words)
