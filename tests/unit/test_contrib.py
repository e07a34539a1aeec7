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
