"""In whose name and over which server each mailbox answers, as the settings say."""

from pathlib import Path

import pytest

from redmine_mailbridge import speaking
from redmine_mailbridge.settings.load import load
from redmine_mailbridge.settings.models import Settings

FILE = """
[redmine]
url = "https://redmine.example.com"
api_key = "k"
[outgoing]
host = "smtp.example.com"
daily_limit = 40
from_name = "Example Ltd"
[mailboxes.support]
address = "support@example.com"
host = "mail.example.com"
password = "incoming"
issue.project = "support"
answers.received = true
[mailboxes.sales]
address = "sales@example.com"
host = "mail.example.com"
password = "incoming"
issue.project = "sales"
[mailboxes.sales.outgoing]
host = "smtp.example.net"
port = 2525
security = "tls"
username = "seller"
password = "outgoing"
from_address = "hello@example.com"
from_name = "Sales of Example"
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    file = tmp_path / "settings.toml"
    file.write_text(FILE)
    file.chmod(0o600)
    return load(file)


def secret(name: str) -> str:
    return name.ljust(32, "-")


def test_the_default_for_all_mailboxes(settings: Settings) -> None:
    """A mailbox without a table of its own sends over [outgoing], with its incoming name and password."""
    out = speaking.sent_by(settings, settings.mailboxes["support"])
    config = speaking.smtp_config(out, out.host or "")
    assert ("smtp.example.com", 587, "starttls") == (config.host, config.port, config.security)
    assert ("support@example.com", "incoming") == (config.username, config.password)
    assert 40 == out.daily_limit


def test_a_mailboxs_own_server_and_login(settings: Settings) -> None:
    """What stands in the mailbox's own table wins: server, port, security, name and password."""
    out = speaking.sent_by(settings, settings.mailboxes["sales"])
    config = speaking.smtp_config(out, out.host or "")
    assert ("smtp.example.net", 2525, "tls") == (config.host, config.port, config.security)
    assert ("seller", "outgoing") == (config.username, config.password)


def test_the_sender_that_people_see(settings: Settings) -> None:
    """Address and name of a mailbox's answers are its own, where it has them."""
    answers = speaking.answers(settings, secret)
    senders = {name: (desk.sender.address, desk.sender.name) for name, desk in answers._desks.items()}
    assert {
        "support": ("support@example.com", "Example Ltd"),
        "sales": ("hello@example.com", "Sales of Example"),
    } == senders
