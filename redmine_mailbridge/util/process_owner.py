"""The user of a process that works on a store: the owner of its folder, also if root runs the command."""

import os
import pwd
from pathlib import Path


def become_owner(folder: Path | None) -> None:
    """Given the folder of the database (None: it is elsewhere), switch to its owner if root is about to write there.

    Otherwise root would leave files that the service, which runs as another user, cannot open. This cannot be
    undone: whatever requires root must be done before.
    """
    if folder is None or os.geteuid() != 0 or not folder.is_dir():
        return
    there = folder.stat()
    if there.st_uid == 0:
        return
    try:
        os.initgroups(pwd.getpwuid(there.st_uid).pw_name, there.st_gid)
    except KeyError:
        os.setgroups([])
    os.setgid(there.st_gid)
    os.setuid(there.st_uid)
