"""`init --service`: what a service needs is there, with the rights that it needs."""

import os
import pwd
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from redmine_mailbridge import installing

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


def modes(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(one.relative_to(folder)): (one.stat().st_gid, stat.S_IMODE(one.stat().st_mode)) for one in folder.rglob("*")
    }


@pytest.mark.fault("N2")
def test_the_service_may_read_what_init_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings and secrets are read by the service's group, and by nobody else."""
    monkeypatch.setattr(installing, "USER", "games")
    settings = tmp_path / "etc" / "settings.toml"
    (settings.parent / "secrets").mkdir(parents=True)
    for file in (settings, settings.parent / "secrets" / "support"):
        file.write_text("x")
        file.chmod(0o600)
    installing.hand_over(settings)

    group = pwd.getpwnam("games").pw_gid
    assert {
        "settings.toml": (group, 0o640),
        "secrets": (group, 0o750),
        "secrets/support": (group, 0o640),
    } == modes(settings.parent)


@pytest.mark.fault("N2")
def test_the_unit_starts_this_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The unit that is installed names the program that installed it, and the settings that it wrote."""
    monkeypatch.setattr(installing, "UNIT", tmp_path / "systemd" / "redmine-mailbridge.service")
    installing.install_unit(tmp_path / "settings.toml")
    unit = installing.UNIT.read_text("utf-8")
    assert f"ExecStart={installing.program()} run\n" in unit
    assert f"Environment=MAILBRIDGE_SETTINGS={tmp_path}/settings.toml\n" in unit
    assert "User=redmine-mailbridge\n" in unit


@pytest.mark.fault("N2")
def test_root_works_as_the_owner_of_the_store() -> None:
    """What a command of root's writes into the service's folder belongs to the service."""
    games = pwd.getpwnam("games")
    code = "import sys, pathlib; f = pathlib.Path(sys.argv[1]); from redmine_mailbridge.owner import become_owner"
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chown(folder, games.pw_uid, games.pw_gid)
        command = [sys.executable, "-c", f"{code}; become_owner(f); (f / 'made').write_text('x')", folder]
        subprocess.run(command, check=True)
        assert games.pw_uid == (Path(folder) / "made").stat().st_uid
