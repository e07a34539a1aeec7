"""`init --service`: what a service needs is there, with the rights that it needs."""

import os
import pwd
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from redmine_mailbridge.cli import service_install
from redmine_mailbridge.cli.main import cli
from redmine_mailbridge.settings.load import load

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


def modes(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(one.relative_to(folder)): (one.stat().st_gid, stat.S_IMODE(one.stat().st_mode)) for one in folder.rglob("*")
    }


@pytest.mark.fault("N2")
def test_the_service_may_read_what_init_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings and secrets are read by the service's group, and by nobody else."""
    monkeypatch.setattr(service_install, "USER", "games")
    settings = tmp_path / "etc" / "settings.toml"
    (settings.parent / "secrets").mkdir(parents=True)
    for file in (settings, settings.parent / "secrets" / "support"):
        file.write_text("x")
        file.chmod(0o600)
    service_install.hand_over(settings)

    group = pwd.getpwnam("games").pw_gid
    assert {
        "settings.toml": (group, 0o640),
        "secrets": (group, 0o750),
        "secrets/support": (group, 0o640),
    } == modes(settings.parent)


@pytest.mark.fault("N9")
def test_a_mailbox_that_is_added_keeps_the_rights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`init --add` leaves the settings, and the new secret, for the service to read."""
    monkeypatch.setattr(service_install, "USER", "games")
    settings = tmp_path / "etc" / "settings.toml"
    flags = ["--redmine-users", "leave_to_redmine", "--no-input", "--host", "localhost", "--project", "p"]
    (tmp_path / "pw").write_text("p")
    own = ["--password-file", str(tmp_path / "pw"), "--settings", str(settings)]
    first = ["--redmine-url", "http://127.0.0.1:1", "--api-key-file", str(tmp_path / "pw"), "--text-format", "textile"]
    runner = CliRunner()
    made = runner.invoke(cli, ["init", *flags, *own, *first, "--address", "a@example.com"])
    assert 0 == made.exit_code, made.output
    service_install.hand_over(settings)
    added = runner.invoke(cli, ["init", "--add", *flags, *own, "--address", "b@example.com"])
    assert 0 == added.exit_code, added.output
    assert ["a", "b"] == list(load(settings, {}).mailboxes)
    assert {"settings.toml": (pwd.getpwnam("games").pw_gid, 0o640)} == modes(settings.parent)


@pytest.mark.fault("N2")
def test_the_unit_starts_this_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The unit that is installed names the program that installed it, and the settings that it wrote."""
    monkeypatch.setattr(service_install, "UNIT", tmp_path / "systemd" / "redmine-mailbridge.service")
    service_install.install_unit(tmp_path / "settings.toml")
    unit = service_install.UNIT.read_text("utf-8")
    assert f"ExecStart={service_install.program()} run\n" in unit
    assert f"Environment=MAILBRIDGE_SETTINGS={tmp_path}/settings.toml\n" in unit
    assert "User=redmine-mailbridge\n" in unit


@pytest.mark.fault("N2")
def test_root_works_as_the_owner_of_the_store() -> None:
    """What a command of root's writes into the service's folder belongs to the service."""
    games = pwd.getpwnam("games")
    code = "import sys, pathlib; f = pathlib.Path(sys.argv[1])"
    code += "; from redmine_mailbridge.util.process_owner import become_owner"
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chown(folder, games.pw_uid, games.pw_gid)
        command = [sys.executable, "-c", f"{code}; become_owner(f); (f / 'made').write_text('x')", folder]
        subprocess.run(command, check=True)
        assert games.pw_uid == (Path(folder) / "made").stat().st_uid
