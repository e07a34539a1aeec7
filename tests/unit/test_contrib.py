"""What stands beside the package agrees with it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from redmine_mailbridge.settings import schema
from redmine_mailbridge.settings.models import Settings

UNIT = Path(__file__).parents[2] / "redmine_mailbridge" / "systemd" / "redmine-mailbridge.service"


def test_unit_hands_over_secrets_that_exist() -> None:
    """Each LoadCredential that the systemd unit shows is named as the secrets layer reads it."""
    unit = UNIT.read_text("utf-8")
    names = re.findall(r"^#? ?LoadCredential=([\w.]+):", unit, flags=re.MULTILINE)

    assert 1 == len(names)
    for name in names:
        field = schema.field_at(Settings, tuple(name.split(".")))
        assert field is not None, name
        assert schema.holds_secret(field.annotation), name


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_unit_is_understood(tmp_path: Path) -> None:
    """systemd finds nothing to say about the unit, but that the program is not installed here."""
    text = UNIT.read_text("utf-8")
    file = tmp_path / "redmine-mailbridge.service"
    file.write_text(text.replace("/opt/redmine-mailbridge/bin/redmine-mailbridge", "/bin/true"), "utf-8")
    ran = subprocess.run(["systemd-analyze", "verify", str(file)], capture_output=True, text=True, check=False)
    assert (0, "") == (ran.returncode, ran.stderr)


@pytest.mark.fault("V21")
def test_the_unit_bounds_what_it_may_use_and_watches_it() -> None:
    """Memory, threads, files and cores are bounded, and a service that hangs is begun anew."""
    keys = dict(line.split("=", 1) for line in UNIT.read_text("utf-8").splitlines() if "=" in line and line[0] != "#")
    assert {"MemoryMax", "TasksMax", "LimitNOFILE", "LimitCORE", "WatchdogSec", "NotifyAccess"} <= keys.keys()


@pytest.mark.fault("V21")
def test_signs_of_life(tmp_path: Path) -> None:
    """While its schedule turns the service gives signs of life, three times as often as they are waited for; when it
    hangs it gives none, and where nobody waits it says nothing.
    """
    import socket
    import time

    from redmine_mailbridge.tasks.service.watchdog import Watchdog

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(10)
        watchdog = Watchdog({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "300000"})
        watchdog.tell()
        assert b"WATCHDOG=1" == manager.recv(64)
        assert (0.1, 0.05, 0.1) == tuple(watchdog.within(given) for given in (None, 0.05, 5.0))
        turns = False
        watchdog.ask = lambda: turns
        manager.setblocking(False)
        end = time.monotonic() + 0.3
        while time.monotonic() < end:
            watchdog.tell()
        with pytest.raises(BlockingIOError):
            manager.recv(64)
        turns = True
        watchdog.tell()
        assert b"WATCHDOG=1" == manager.recv(64)
    assert Watchdog({}).every is None
    assert Watchdog({}).within(None) is None
