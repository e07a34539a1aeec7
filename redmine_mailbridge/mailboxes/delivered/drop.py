"""The spool of `deliver`: how a mail gets into it, so that it is there completely or not at all.

    SPOOL/mailboxes.json     who gets mail for which address; written by the service, read by `deliver`
    SPOOL/ADDRESS/tmp/       mails that are being written
    SPOOL/ADDRESS/new/       mails to receive: complete, and synced to the disk
    SPOOL/ADDRESS/cur/       mails that are done and stay in INBOX
    SPOOL/ADDRESS/FOLDER/    mails that were filed

As in Maildir, a mail is written to `tmp`, synced, moved to `new` in one step, and `new` is synced. Uses the standard
library alone, since a mail server starts one process per mail.
"""

import contextlib
import errno
import json
import os
import time
from collections.abc import Iterable

from redmine_mailbridge.side_effects import SideEffect, side_effect

INDEX = "mailboxes.json"
TMP, NEW, CUR = "tmp", "new", "cur"
LARGEST_INDEX = 4 << 20
MADE_TO_BE_READ = 0o640
"""The mode of a mail, whatever the umask: the service reads mails of another user by their group."""
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789@+_=-")


class NotKept(Exception):
    """The mail is not in the spool, but may be accepted later; the text is one line for the mail server."""


class TooLarge(Exception):
    """The mail is larger than the limit."""


def folder_of(address: str) -> str:
    """Given a mailbox's address, return the name of its folder in the spool: ASCII, no slash, no dot in front.

    It depends on the address alone, so that mails that wait are not lost when a mailbox gets another name.
    """
    name = address.lower()
    return "".join(
        char if char in _PLAIN or (char == "." and at) else "".join(f"%{byte:02X}" for byte in char.encode())
        for at, char in enumerate(name)
    )


def read_index(spool: str) -> dict[str, dict[str, object]]:
    """Given the spool, return by mailbox name what the service wrote about it: `folder` (None: it takes no mail from
    here), `addresses`, `max_size`. Raise NotKept.
    """
    try:
        with open(f"{spool}/{INDEX}", "rb") as file:  # noqa: PTH123 - pathlib takes a tenth of the time of `deliver`
            index = json.loads(file.read(LARGEST_INDEX))
        mailboxes = index["mailboxes"]
        for mailbox in mailboxes.values():
            folder = mailbox["folder"] or "-"
            if "/" in folder or folder.startswith("."):
                raise ValueError(folder)
            [address.encode() for address in mailbox["addresses"]]
            int(mailbox["max_size"])
    except FileNotFoundError:
        raise NotKept(f"the spool {spool} is not prepared: start the service, or run `receive` once") from None
    except OSError as error:
        raise NotKept(f"the spool {spool} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise NotKept(f"the spool {spool} has a damaged {INDEX}") from None
    return dict(mailboxes)


def add(spool: str, folder: str, chunks: Iterable[bytes], *, max_size: int) -> str:
    """Given a mailbox's folder in the spool and the bytes of a mail, store the mail. Return its name there.

    When this returns, the mail is on the disk. Raise NotKept, or TooLarge beyond `max_size` bytes.
    """
    with contextlib.ExitStack() as opened:
        try:
            tmp, new = (_directory(opened, f"{spool}/{folder}/{name}") for name in (TMP, NEW))
            part, name = _name(), _name()  # whoever sees the first one in tmp must not take the second one in new
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            mail = os.open(part, flags, 0o600, dir_fd=tmp)
            opened.callback(_remove, part, tmp)  # does nothing once the mail has been moved
            try:
                _write(mail, chunks, max_size)
                _hand_over(mail, os.fstat(new))
                os.fsync(mail)
            finally:
                os.close(mail)
            with side_effect(SideEffect.DELIVER):
                os.rename(part, name, src_dir_fd=tmp, dst_dir_fd=new)
                _sync_names(name, new)
        except OSError as error:
            raise NotKept(f"the spool {spool} did not take the mail: {error.strerror}") from None
    return name


def _name() -> str:
    return f"{time.time_ns():020d}.{os.getpid()}.{os.urandom(8).hex()}"


def _directory(opened: contextlib.ExitStack, path: str) -> int:
    """Given a path, open the directory and return its descriptor. Raise OSError, also if it is a symbolic link."""
    descriptor = os.open(path, _DIRECTORY)
    opened.callback(os.close, descriptor)
    return descriptor


def _sync_names(name: str, new: int) -> None:
    """Make the name of a mail durable. Else take the mail back, since it will be delivered again. Raise OSError."""
    try:
        os.fsync(new)
    except OSError as error:
        if error.errno != errno.EINVAL:  # EINVAL: a file system that syncs no directories
            _remove(name, new)
            raise


def _remove(name: str, directory: int) -> None:
    with contextlib.suppress(OSError):
        os.unlink(name, dir_fd=directory)


def _write(mail: int, chunks: Iterable[bytes], max_size: int) -> None:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > max_size:
            raise TooLarge
        view = memoryview(chunk)
        while view:
            view = view[os.write(mail, view) :]


def _hand_over(mail: int, folder: os.stat_result) -> None:
    """Make a mail readable for the owner of the folder. Raise NotKept if that is impossible."""
    with contextlib.suppress(PermissionError):
        os.fchown(mail, folder.st_uid if os.geteuid() == 0 else -1, folder.st_gid)
    os.fchmod(mail, MADE_TO_BE_READ)
    status = os.fstat(mail)
    if status.st_uid != folder.st_uid and status.st_gid != folder.st_gid:
        raise NotKept("the service could not read the mail: the spool belongs to another user and group")
