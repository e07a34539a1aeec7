"""Who works on a store: whoever owns its folder, also when root gives the command."""

import os
import pwd
from pathlib import Path


def become_owner(folder: Path | None) -> None:
    """Given the folder of the database (None: it is elsewhere), go on as its owner where root is about to write there.

    Otherwise root would leave files that the service, which runs as a user of its own, cannot open. There is no way
    back: what root alone can do must have been done before.
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
