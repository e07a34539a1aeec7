"""`[mailbox_defaults]`: what mailboxes share, and whose mistake a mistake in it is."""

from pathlib import Path

import pytest

from redmine_mailbridge.settings.effective import values
from redmine_mailbridge.settings.load import load, load_with_origins
from redmine_mailbridge.settings.value_types import reveal
from tests.unit.settings.given import problems, write

pytestmark = pytest.mark.fault("N9")

REDMINE = '[redmine]\nurl = "https://redmine.example.com"\napi_key = "k"\n'
SHARED = """[mailbox_defaults]
host = "mail.example.com"
port = 1993
password_file = "secrets/key"
folders = ["INBOX", "More"]
reading.trusted_authserv_ids = ["mail.example.com"]
issue.unknown_sender = "hold"
issue.project = "desk"
outgoing.host = "out.example.com"
"""
PASSWORD = 'password = "x"'
BOXES = """[mailboxes.support]
address = "support@example.com"
[mailboxes.sales]
address = "sales@example.com"
host = "other.example.com"
password = "own"
issue.project = "sales"
outgoing = { port = 2525, password = "out" }
"""


def test_what_is_shared_holds_where_a_mailbox_says_nothing_else(folder: Path) -> None:
    """Each key of a mailbox outweighs the shared one, in its tables too; the rest holds for all."""
    boxes = load(write(folder / "settings.toml", REDMINE + SHARED + BOXES), {}).mailboxes
    support, sales = boxes["support"], boxes["sales"]
    assert ("mail.example.com", 1993, "the key") == (support.host, support.port, reveal(support.password))
    assert ("other.example.com", 1993, "own") == (sales.host, sales.port, reveal(sales.password))
    assert [("INBOX", "More")] * 2 == [one.folders for one in boxes.values()]
    assert [("mail.example.com",)] * 2 == [one.reading.trusted_authserv_ids for one in boxes.values()]
    assert [("desk", "hold"), ("sales", "hold")] == [(b.issue.project, b.issue.unknown_sender) for b in boxes.values()]
    assert ("out.example.com", 2525, "out") == (
        sales.outgoing.host,
        sales.outgoing.port,
        reveal(sales.outgoing.password),
    )


def test_the_environment_outweighs_both(folder: Path) -> None:
    """A variable says what is shared, or what one mailbox has instead."""
    environ = {"MAILBRIDGE_MAILBOX_DEFAULTS__HOST": "a.example", "MAILBRIDGE_MAILBOXES__SALES__HOST": "b.example"}
    boxes = load(write(folder / "settings.toml", REDMINE + SHARED + BOXES), environ).mailboxes
    assert ("a.example", "b.example") == (boxes["support"].host, boxes["sales"].host)


def test_a_provider_or_protocol_of_its_own(folder: Path) -> None:
    """A mailbox with a preset takes no shared server, one with another protocol nothing that only the other has."""
    more = '[mailboxes.g]\naddress = "g@gmail.com"\npreset = "gmail"\n'
    more += '[mailboxes.p]\naddress = "p@example.com"\nprotocol = "pop3"\n'
    boxes = load(write(folder / "settings.toml", REDMINE + SHARED + more), {}).mailboxes
    assert ("imap.gmail.com", 993, "out.example.com") == (boxes["g"].host, boxes["g"].port, boxes["g"].outgoing.host)
    assert ("mail.example.com", 995, "delete") == (boxes["p"].host, boxes["p"].port, boxes["p"].after_success)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('hots = "x"', 'settings.toml:5: [mailbox_defaults] hots = "x": unknown key, did you mean "host"?'),
        ("port = 0", "settings.toml:5: [mailbox_defaults] port = 0: must be at least 1"),
        (
            'issue.trust = "anyone"',
            'settings.toml:5: [mailbox_defaults.issue] trust = "anyone": must be "authenticated"',
        ),
        ("keep_days = 3", "settings.toml:5: [mailbox_defaults] keep_days = 3: applies only with"),
        ('address = "a@example.com"', "settings.toml:5: [mailbox_defaults] address: differs per mailbox"),
        ("[mailbox_defaults.isue]", 'settings.toml:5: [mailbox_defaults.isue]: unknown table, did you mean "issue"?'),
    ],
)
def test_mistakes_name_the_right_table(folder: Path, line: str, problem: str) -> None:
    """A mistake in what is shared is told once, by its own line and table, however many mailboxes have it."""
    rest = 'password = "p"\nissue.project = "p"\n'
    boxes = "".join(f'[mailboxes.{n}]\naddress = "{n}@example.com"\nhost = "h"\n{rest}' for n in ("a", "b"))
    (found,) = problems(folder, f"{REDMINE}[mailbox_defaults]\n{line}\n{boxes}")
    assert found.startswith(problem), found


def test_where_a_shared_value_comes_from(folder: Path) -> None:
    """`settings show` names the line of the shared table."""
    loaded = load_with_origins(write(folder / "settings.toml", REDMINE + SHARED + BOXES), {})
    (host,) = [one for one in values(loaded) if (one.table, one.key) == ("mailboxes.support", "host")]
    assert str(host.origin).endswith("settings.toml:5")


def test_a_secret_there_is_given_once(folder: Path) -> None:
    """A password beside a password_file in the shared table is refused there."""
    (found,) = problems(folder, f"{REDMINE}{SHARED.replace('port = 1993', PASSWORD)}{BOXES}")
    assert "[mailbox_defaults] password" in found
    assert "not both" in found


def test_a_mailbox_of_deliver_inherits_no_server(folder: Path) -> None:
    """A mailbox whose mail is delivered to it takes none of what the others share about their server and login."""
    box = '[mailboxes.piped]\naddress = "piped@example.com"\nprotocol = "deliver"\n'
    shared = SHARED.replace("port = 1993\n", 'port = 1993\nusername = "u"\nca_file = "secrets/key"\nlogin = "plain"\n')
    made = load(write(folder / "settings.toml", REDMINE + shared + box), {}).mailboxes["piped"]
    assert ("localhost", "piped@example.com", None, None) == (made.host, made.username, made.password, made.ca_file)
    assert (("INBOX",), "desk") == (made.folders, made.issue.project)
