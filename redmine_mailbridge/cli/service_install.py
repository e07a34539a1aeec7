"""Puts the service on a machine with systemd: its user, its folders, the rights of its files, its unit.

/etc/redmine-mailbridge/        settings.toml and secrets/: root writes, the service's group reads
/var/lib/redmine-mailbridge/    the database and the mails: the service's own
/etc/systemd/system/            the unit, with the path of the program that installs it
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
    """Raise SettingsError unless root runs this: a user and a unit are made."""
    if os.geteuid() != 0:
        raise SettingsError("init --service makes a user and a systemd unit: run it as root (sudo)")


def prepare(settings: Path = SETTINGS) -> None:
    """Make the service's user and its folders, where they are not there yet. Raise SettingsError when that fails."""
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
        raise SettingsError(f"there is no user {USER}, and no useradd to make one: make a system user of that name")
    command = [program, "--system", "--user-group", "--home-dir", str(STATE), "--shell", "/usr/sbin/nologin", USER]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        raise SettingsError(f"the user {USER} could not be made: {made.stderr.strip()}")


def hand_over(settings: Path = SETTINGS) -> None:
    """Let the service read its settings and secrets, and nobody else but root."""
    group = grp.getgrnam(USER).gr_gid
    secrets = settings.parent / "secrets"
    for place in (settings.parent, settings, secrets, *(secrets.iterdir() if secrets.is_dir() else ())):
        if place.exists():
            os.chown(place, 0, group)
            place.chmod(0o750 if place.is_dir() else 0o640)


def is_handed_over(settings: Path) -> bool:
    """Is a settings file one that root writes and the service reads?"""
    try:
        group = grp.getgrnam(USER).gr_gid
    except KeyError:
        return False
    return settings.is_file() and settings.stat().st_gid == group and os.geteuid() == 0


def install_unit(settings: Path = SETTINGS) -> None:
    """Write the unit for this program and these settings, and tell systemd of it where it runs."""
    text = files("redmine_mailbridge").joinpath("systemd", UNIT.name).read_text("utf-8")
    text = text.replace(_PROGRAM, str(program())).replace(_SETTINGS_LINE, f"MAILBRIDGE_SETTINGS={settings.resolve()}")
    UNIT.parent.mkdir(parents=True, exist_ok=True)
    UNIT.write_text(text, "utf-8")
    UNIT.chmod(0o644)
    if Path("/run/systemd/system").is_dir():
        subprocess.run(["systemctl", "daemon-reload"], check=False)


def program() -> Path:
    """The console script of the installation that runs now."""
    return Path(sys.executable).with_name("redmine-mailbridge")
