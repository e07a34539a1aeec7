"""What the service does for `deliver`: it creates the folders of the spool, and writes whose mail goes where.

Who may deliver is decided by the folder that the admin created: if it is setgid, its group may write to `tmp` and
`new`, which are sticky, so that no one removes the mails of others. Otherwise only the service's own user may. The
service itself never sets the setgid bit, which its systemd unit forbids (RestrictSUIDSGID).
"""

import contextlib
import json
import os
import secrets
import stat
from collections.abc import Collection
from pathlib import Path
from typing import cast

from redmine_mailbridge.mailboxes.delivered.drop import INDEX, NEW, TMP, folder_of
from redmine_mailbridge.mailboxes.delivered.folders import NAME

ALONE = 0o700
OF_GROUP, WRITABLE_FOR_GROUP = 0o750, 0o1770


def prepare(spool: Path, mailboxes: dict[str, dict[str, object]], name: str | None = None) -> None:
    """Given the spool, what its index is to say (see `drop.read_index`), and the mailbox that is about to be read
    (None: all), create what is missing. Raise OSError, but not for a folder of another mailbox.
    """
    spool.mkdir(mode=0o755, parents=True, exist_ok=True)
    shared = bool(spool.stat().st_mode & stat.S_ISGID)
    for each in [each for each, mailbox in mailboxes.items() if mailbox["folder"] is not None]:
        folder = spool / str(mailboxes[each]["folder"])
        with contextlib.suppress(*(() if name in {None, each} else (OSError,))):
            _make(spool, folder, OF_GROUP if shared else ALONE)
            for place in (TMP, NEW):
                _make(spool, folder / place, WRITABLE_FOR_GROUP if shared else ALONE)
    text = json.dumps({"mailboxes": mailboxes}, indent=1, sort_keys=True)
    index = spool / INDEX
    if not _says(index, text):
        _write(index, text)
    folders = {mailbox["folder"] for mailbox in mailboxes.values()}
    for each, mailbox in mailboxes.items():
        if mailbox["folder"] is not None and name in {None, each}:
            _take_over(spool, mailbox, folders)


def _says(index: Path, text: str) -> bool:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return index.read_text("utf-8") == text
    return False


def _take_over(spool: Path, mailbox: dict[str, object], folders: Collection[object]) -> None:
    """Given a mailbox, and the folders of all: mails for its former address, which is an alias now, are its mails:
    those that wait, also if `deliver` stored them by the former index meanwhile, and those that were filed.

    Raise OSError.
    """
    for former in {folder_of(address) for address in cast("list[str]", mailbox["addresses"])} - set(folders):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            for folder in list((spool / former).iterdir()):
                if folder.name != TMP and folder.is_dir() and not folder.is_symlink():
                    _move(folder, spool / str(mailbox["folder"]) / folder.name)


def _move(folder: Path, target: Path) -> None:
    """Move the mails of one folder to another one, which is made if it is needed. Raise OSError."""
    if mails := [path for path in folder.iterdir() if NAME.fullmatch(path.name)]:
        if not target.exists():
            make_folder(target)
        for path in mails:
            if not os.path.lexists(target / path.name):  # whoever may write there gave it that name
                path.rename(target / path.name)
        sync(target)


def _make(spool: Path, path: Path, mode: int) -> None:
    """Make a folder with this mode, or give it the mode if it belongs to this user. Raise OSError for a link.

    It is made in the spool itself, whose group it inherits there, and then moved to its place.
    """
    if not os.path.lexists(path):
        made = spool / f".{secrets.token_hex(8)}"
        made.mkdir(mode=ALONE)
        try:
            give(made)
            made.chmod(mode)
            made.rename(path)
        except OSError:
            made.rmdir()
            raise
        sync(path.parent)
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        status = os.fstat(folder)
        if status.st_uid == os.geteuid() and stat.S_IMODE(status.st_mode) & ~stat.S_ISGID != mode:
            os.fchmod(folder, mode)
    finally:
        os.close(folder)


def make_folder(folder: Path) -> None:
    """Make a folder for the service alone, durably. Raise OSError."""
    folder.mkdir(mode=ALONE)
    give(folder)
    sync(folder.parent)


def give(folder: Path) -> None:
    """Root, for whom a command may run, gives a folder that it made to whom the folder above belongs: the service."""
    if os.geteuid() == 0:
        above = folder.parent.stat()
        os.chown(folder, above.st_uid, above.st_gid)


def _write(index: Path, text: str) -> None:
    """Replace the index in one step: `deliver` reads the old one or the new one."""
    partial = index.with_name(f".{INDEX}.{secrets.token_hex(8)}")
    try:
        partial.write_text(text, "utf-8")
        partial.chmod(0o644)
        sync(partial)
        partial.replace(index)
        sync(index.parent)
    finally:
        partial.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Make a file, or the names in a folder, durable. Raise OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
