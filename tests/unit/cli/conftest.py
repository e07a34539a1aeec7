"""Settings for commands that ask no server."""

from pathlib import Path

import pytest

FILE = """
[redmine]
text_format = "common_mark"
url = "https://redmine.example.com"
api_key = "k"
[store]
url = "sqlite:///{folder}/store.db"
[mailboxes.support]
address = "support@example.com"
host = "mail.example.com"
password = "p"
issue.project = "support"
"""


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """Settings with one mailbox and a store, `store.db`, in the same folder."""
    file = tmp_path / "settings.toml"
    file.write_text(FILE.format(folder=tmp_path))
    file.chmod(0o600)
    return file
