"""The values in force and their origin."""

from pathlib import Path

import pytest

from redmine_mailbridge.settings.effective import values
from redmine_mailbridge.settings.load import load_with_origins

TEXT = """\
[redmine]
url = "https://redmine.example.com"
[receive]
max_mail_size = "20MB"
[store]
url = "postgresql+psycopg://bridge:streng@db.example.com/bridge"
raw_dir = "mails"
[mailboxes.a]
address = "a@example.com"
host = "mail.example.com"
password = "hunter2"
[mailboxes.a.issue]
project = "p"
"""


def test_values_say_where_they_come_from(tmp_path: Path) -> None:
    """Each value is shown as TOML writes it, with file and line, variable, secret or default; secrets only as set."""
    file = tmp_path / "settings.toml"
    file.write_text(TEXT, "utf-8")
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "redmine.api_key").write_text("geheim", "utf-8")
    environ = {"MAILBRIDGE_SECRETS_DIR": str(tmp_path / "s"), "MAILBRIDGE_MAILBOXES__A__TIMEOUT": "90s"}
    found = {(v.table, v.key): (v.text, str(v.origin)) for v in values(load_with_origins(file, environ))}

    assert ('"https://redmine.example.com"', f"{file}:2") == found["redmine", "url"]
    assert ("set", f"secret {tmp_path}/s/redmine.api_key") == found["redmine", "api_key"]
    assert ("set", f"{file}:11") == found["mailboxes.a", "password"]
    assert ("not set", "default") == found["store", "password"]
    assert ('"20MB"', f"{file}:4") == found["receive", "max_mail_size"]
    assert ('"1m 30s"', "environment MAILBRIDGE_MAILBOXES__A__TIMEOUT") == found["mailboxes.a", "timeout"]
    assert ('["INBOX"]', "default") == found["mailboxes.a", "folders"]
    assert '"postgresql+psycopg://…@db.example.com/bridge"' == found["store", "url"][0]
    assert "hunter2" not in str(found)
    assert "geheim" not in str(found)


@pytest.mark.fault("V21")
@pytest.mark.parametrize("query", ["code=hunter2", "a=1&sig=hunter2", "hunter2", "p=x&hunter2", "pw=hunter2&p=x"])
def test_no_address_shows_what_stands_behind_its_question_mark(query: str) -> None:
    """Whatever a provider calls the secret in its endpoint's address, it is not shown; options of a database are."""
    from redmine_mailbridge.settings.loading.problems import shown

    assert "hunter2" not in shown(f"https://id.example/token?{query}")
    assert "sslmode=require" in shown("postgresql+psycopg://db.example/x?sslmode=require")


@pytest.mark.fault("O11")
@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql+psycopg://me:hun/ter2@db.example/bridge", '"postgresql+psycopg://…@db.example/bridge"'),
        ("postgresql+psycopg://db.example/bridge?user=me&password=hunter2", "password=…"),
        ("https://id.example/token?client_secret=hunter2", "client_secret=…"),
    ],
)
def test_no_address_shows_its_password(url: str, said: str) -> None:
    """A password within an address is not shown, whatever it holds and wherever in the address it stands."""
    from redmine_mailbridge.settings.loading.problems import shown

    assert ("hunter2" in shown(url), "ter2" in shown(url), said in shown(url)) == (False, False, True)
