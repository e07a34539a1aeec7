"""What a command loads is what it uses: the modules of whole processes, counted."""

import subprocess
import sys
from pathlib import Path

import pytest

OF_NO_USE = {
    "alembic", "asn1crypto", "authlib", "chameleon", "charset_normalizer.api", "cryptography", "holidays",
    "jinja2", "joserfc", "lxml", "psycopg", "rich.console", "scramp", "spnego", "starlette",
    "tenacity", "uvicorn",
}  # fmt: skip
"""What a pass over an IMAP mailbox with a password, SQLite and nobody to answer has no use for."""
SETTINGS = """
[redmine]
url = "http://127.0.0.1:9"
api_key = "k"
text_format = "common_mark"
[store]
url = "sqlite:///{folder}/mailbridge.db"
[mailboxes.support]
address = "support@example.com"
host = "127.0.0.1"
port = 9
security = "none"
password = "p"
issue = {{ project = "support" }}
"""


def loaded(*arguments: str) -> set[str]:
    """Given a command line, return the modules that it has loaded at its end."""
    command = [sys.executable, "-X", "importtime", "-m", "redmine_mailbridge", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    lines = [line for line in ended.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


@pytest.mark.fault("P17-3")
def test_help() -> None:
    """`--help` loads nothing of ours but the command line, and nobody's libraries but click."""
    found = loaded("--help")
    assert "click" in found
    assert not {name for name in found if name.startswith("redmine_mailbridge.") and ".cli" not in name} - {
        "redmine_mailbridge.errors"
    }
    assert not {"pydantic", "sqlalchemy", "structlog", "rich", "requests", "redminelib"} & found
    assert len(found) <= 150


@pytest.mark.fault("P17-3")
def test_a_pass(tmp_path: Path) -> None:
    """`receive --once` loads no library that this pass has no use for, nor ours for it: OAuth's, the migrations' of a
    store that is up to date, the pages', templates', other databases' and other protocols'; nor what reads mails, as it
    finds none.
    """
    settings = tmp_path / "settings.toml"
    settings.write_text(SETTINGS.format(folder=tmp_path))
    settings.chmod(0o600)
    loaded("--settings", str(settings), "receive", "--once")  # makes the store
    found = loaded("--settings", str(settings), "receive", "--once")
    assert "redmine_mailbridge.tasks.receive.receiver" in found
    assert not OF_NO_USE & found
    assert "sqlalchemy.dialects.postgresql" not in found
    unneeded = ("web", "mailboxes.graph", "oauth", "mail.parse", "mail.mime.structure", "mail.html")
    assert not {name for name in found if name.startswith(tuple(f"redmine_mailbridge.{one}" for one in unneeded))}
    assert len(found) <= 948


PLAIN = """
import sys
from redmine_mailbridge.mail.parse import parse
from redmine_mailbridge.model.mail import ReadingOptions
parsed = parse(b"From: a@example.com\\r\\nSubject: s\\r\\n\\r\\nHello\\r\\n", ReadingOptions())
print(parsed.subject, [name for name in sys.modules if name.startswith(("lxml", "redmine_mailbridge.mail.html.read"))])
"""


def test_a_plain_text() -> None:
    """A mail without HTML is read without lxml, which takes 4 MB of memory."""
    ended = subprocess.run([sys.executable, "-c", PLAIN], capture_output=True, text=True, timeout=120, check=True)
    assert "s []\n" == ended.stdout


COUNTED = """
import gc, sys
from redmine_mailbridge.cli.main import main
sys.argv = ["redmine-mailbridge", *sys.argv[1:]]
try:
    main()
finally:
    print(gc.get_stats()[2]["collections"], file=sys.stderr)
"""


@pytest.mark.fault("P17-3")
def test_garbage(tmp_path: Path) -> None:
    """While a command loads what it needs, which stays, Python looks through all of it for garbage once at most."""
    settings = tmp_path / "settings.toml"
    settings.write_text(SETTINGS.format(folder=tmp_path))
    settings.chmod(0o600)
    command = [sys.executable, "-c", COUNTED, "--settings", str(settings), "receive", "--once"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert int(ended.stderr.split()[-1]) <= 1, ended.stderr
