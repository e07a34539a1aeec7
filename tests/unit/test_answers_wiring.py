"""In whose name and over which server each mailbox answers, as the settings say."""

import threading
from pathlib import Path

import pytest

from redmine_mailbridge.settings.load import load
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.wiring import outgoing, sending

FILE = """
[redmine]
text_format = "common_mark"
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
[mailboxes.orders]
address = "orders@example.com"
host = "mail.example.com"
password = "incoming"
issue.project = "sales"
outgoing = { password = "outgoing", from_address = "Buy@example.com" }
[mailboxes.team]
address = "team@example.com"
host = "mail.example.com"
password = "incoming"
issue.project = "sales"
outgoing = { username = "support@example.com" }
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
    out = sending.sent_by(settings, settings.mailboxes["support"])
    config = sending.smtp_config(out, out.host or "")
    assert ("smtp.example.com", 587, "starttls") == (config.host, config.port, config.security)
    assert ("support@example.com", "incoming") == (config.username, config.password)
    assert 40 == out.daily_limit


def test_a_mailboxs_own_server_and_login(settings: Settings) -> None:
    """What stands in the mailbox's own table wins: server, port, security, name and password."""
    out = sending.sent_by(settings, settings.mailboxes["sales"])
    config = sending.smtp_config(out, out.host or "")
    assert ("smtp.example.net", 2525, "tls") == (config.host, config.port, config.security)
    assert ("seller", "outgoing") == (config.username, config.password)


@pytest.mark.parametrize(
    ("name", "login"), [("orders", ("orders@example.com", "outgoing")), ("team", ("support@example.com", "incoming"))]
)
def test_name_and_password_are_set_apart_each_by_itself(settings: Settings, name: str, login: tuple[str, str]) -> None:
    """With only a password, or only a name, the other is still the mailbox's."""
    out = sending.sent_by(settings, settings.mailboxes[name])
    config = sending.smtp_config(out, out.host or "")
    assert login == (config.username, config.password)


@pytest.mark.parametrize(
    ("line", "login"), [("", ("", "")), ("outgoing = { username = 'u', password = 'p' }", ("u", "p"))]
)
def test_a_mailbox_of_deliver_has_no_login_of_its_own(tmp_path: Path, line: str, login: tuple[str, str]) -> None:
    """A mailbox whose mail is delivered to it sends without a login, as by the mail server of this machine, unless the
    settings of sending have one.
    """
    file = tmp_path / "settings.toml"
    box = f'[mailboxes.piped]\naddress = "piped@example.com"\nprotocol = "deliver"\nissue.project = "p"\n{line}\n'
    file.write_text(FILE + box)
    file.chmod(0o600)
    settings = load(file, {})
    out = sending.sent_by(settings, settings.mailboxes["piped"])
    config = sending.smtp_config(out, out.host or "")
    assert login == (config.username or "", config.password)


def test_limits_count_by_account(settings: Settings, tmp_path: Path) -> None:
    """Mailboxes that log in to the same server as the same user share its limits."""
    store = Store.open(f"sqlite:///{tmp_path}/store.db", tmp_path / "raw")
    lines = sending.sending(settings, store, threading.Event())._lines
    store.close()
    assert {
        "support": ("support", "team"),
        "team": ("support", "team"),
        "orders": ("orders",),
        "sales": ("sales",),
    } == {name: line.account for name, line in lines.items()}


def test_nothing_is_ever_sent_to_ourselves(settings: Settings) -> None:
    """Neither to a mailbox nor to an address that we send from."""
    assert {
        "support@example.com", "orders@example.com", "buy@example.com", "team@example.com", "sales@example.com",
        "hello@example.com",
    } == outgoing.ours(settings)  # fmt: skip


def test_the_sender_that_people_see(settings: Settings) -> None:
    """Address and name of a mailbox's answers are its own, where it has them."""
    desks = outgoing.profiles(settings, secret)
    senders = {name: (desk.sender.address, desk.sender.name) for name, desk in desks.items()}
    assert {
        "support": ("support@example.com", "Example Ltd"),
        "orders": ("Buy@example.com", "Example Ltd"),
        "team": ("team@example.com", "Example Ltd"),
        "sales": ("hello@example.com", "Sales of Example"),
    } == senders


@pytest.mark.parametrize(
    ("username", "login"), [(r"EXAMPLE\anna\support", r"EXAMPLE\anna"), (r"EXAMPLE\anna", r"EXAMPLE\anna")]
)
def test_who_logs_in_for_a_shared_mailbox(settings: Settings, username: str, login: str) -> None:
    """Mail of a shared mailbox is sent by the login of who opens it, from the mailbox's address."""
    box = settings.mailboxes["support"].model_copy(update={"username": username})
    out = sending.sent_by(settings, box)
    assert login == sending.smtp_config(out, out.host or "", None, box).username
