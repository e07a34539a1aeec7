"""Installs the service on a machine with systemd: its user, its folders, file permissions, its unit.

/etc/redmine-mailbridge/        settings.toml and secrets/: written by root, readable by the service's group
/var/lib/redmine-mailbridge/    the database and the messages: owned by the service
/etc/systemd/system/            the unit, with the path of the installing program
"""

import grp
import os
import pwd
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

from redmine_mailbridge.errors import SettingsError

USER = "redmine-mailbridge"
SETTINGS = Path("/etc/redmine-mailbridge/settings.toml")
STATE = Path("/var/lib/redmine-mailbridge")
UNIT = Path("/etc/systemd/system/redmine-mailbridge.service")
STORE_URL = f"sqlite:///{STATE}/mailbridge.db"
_PROGRAM = "/opt/redmine-mailbridge/bin/redmine-mailbridge"
_SETTINGS_LINE = f"MAILBRIDGE_SETTINGS={SETTINGS}"


def require_root() -> None:
    """Raise SettingsError unless run by root: a user and a unit are created."""
    if os.geteuid() != 0:
        raise SettingsError("init --service creates a user and a systemd unit: run it as root (sudo)")


def prepare(settings: Path = SETTINGS) -> None:
    """Create the service's user and folders, if absent. Raise SettingsError when that fails."""
    try:
        pwd.getpwnam(USER)
    except KeyError:
        _make_user()
    user = pwd.getpwnam(USER)
    try:
        settings.parent.mkdir(parents=True, exist_ok=True)
        STATE.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.chown(STATE, user.pw_uid, user.pw_gid)
        STATE.chmod(0o700)
    except OSError as error:
        raise SettingsError(f"{error.filename}: {error.strerror}") from error


def _make_user() -> None:
    program = shutil.which("useradd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if program is None:
        raise SettingsError(f"user {USER} does not exist and useradd is missing: create a system user of that name")
    command = [program, "--system", "--user-group", "--home-dir", str(STATE), "--shell", "/usr/sbin/nologin", USER]
    completed = subprocess.run(command, capture_output=True, text=True, check=False)
    if completed.returncode != 0:
        raise SettingsError(f"cannot create the user {USER}: {completed.stderr.strip()}")


def hand_over(settings: Path = SETTINGS) -> None:
    """Make settings and secrets readable for the service and root only."""
    group = grp.getgrnam(USER).gr_gid
    secrets = settings.parent / "secrets"
    for place in (settings.parent, settings, secrets, *(secrets.iterdir() if secrets.is_dir() else ())):
        if place.exists():
            os.chown(place, 0, group)
            place.chmod(0o750 if place.is_dir() else 0o640)


def is_handed_over(settings: Path) -> bool:
    """Is this settings file owned by root and readable by the service?"""
    try:
        group = grp.getgrnam(USER).gr_gid
    except KeyError:
        return False
    return settings.is_file() and settings.stat().st_gid == group and os.geteuid() == 0


def install_unit(settings: Path = SETTINGS) -> None:
    """Write the unit for this program and these settings, and reload systemd if it is running."""
    text = files("redmine_mailbridge").joinpath("systemd", UNIT.name).read_text("utf-8")
    text = text.replace(_PROGRAM, str(program())).replace(_SETTINGS_LINE, f"MAILBRIDGE_SETTINGS={settings.resolve()}")
    UNIT.parent.mkdir(parents=True, exist_ok=True)
    UNIT.write_text(text, "utf-8")
    UNIT.chmod(0o644)
    if Path("/run/systemd/system").is_dir():
        subprocess.run(["systemctl", "daemon-reload"], check=False)


def program() -> Path:
    """The console script of the running installation."""
    return Path(sys.executable).with_name("redmine-mailbridge")
