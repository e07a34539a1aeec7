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
    status = folder.stat()
    if status.st_uid == 0:
        return
    try:
        os.initgroups(pwd.getpwuid(status.st_uid).pw_name, status.st_gid)
    except KeyError:
        os.setgroups([])
    os.setgid(status.st_gid)
    os.setuid(status.st_uid)
