"""What stands beside the package agrees with it."""

import re
from pathlib import Path

from redmine_mailbridge.settings import schema
from redmine_mailbridge.settings.models import Settings

ROOT = Path(__file__).parents[2]


def test_unit_hands_over_secrets_that_exist() -> None:
    """Each LoadCredential of the systemd unit is named as the secrets layer reads it."""
    unit = (ROOT / "contrib" / "redmine-mailbridge.service").read_text("utf-8")
    names = re.findall(r"^LoadCredential=([\w.]+):", unit, flags=re.MULTILINE)

    assert 2 == len(names)
    for name in names:
        field = schema.field_at(Settings, tuple(name.split(".")))
        assert field is not None, name
        assert schema.holds_secret(field.annotation), name
