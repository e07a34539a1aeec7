"""Settings that load, and what is wrong with others."""

from pathlib import Path

import pytest

from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.settings.load import load

GOOD = """\
[redmine]
url = "https://redmine.example.com/"
api_key_file = "secrets/key"

[mailboxes.my-box]
address = "support@example.com"
host = "mail.example.com"
password = "from file"

[mailboxes.my-box.issue]
project = "support"
"""


def write(file: Path, text: str) -> Path:
    file.write_text(text, "utf-8")
    file.chmod(0o600)
    return file


def problems(folder: Path, text: str, environ: dict[str, str] | None = None) -> list[str]:
    """The problems of a text, without the folder's name."""
    with pytest.raises(SettingsError) as caught:
        load(write(folder / "settings.toml", text), environ or {})
    return [line.replace(f"{folder}/", "") for line in caught.value.problems]
