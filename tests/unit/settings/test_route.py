"""A mailbox's whole route as it is written in the file."""

import datetime as dt
from pathlib import Path

import pytest

from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.settings.load import load
from redmine_mailbridge.settings.models import Settings

GOOD = """\
[redmine]
url = "https://redmine.example.com/"
api_key = "the key"

[mailboxes.box]
address = "support@example.com"
host = "mail.example.com"
password = "p"
start_from = 2026-01-31
first_sync_limit = 100
accept_automatic = true

[mailboxes.box.issue]
project = "support"
custom_fields = { Order = "{match.order}" }
bundle_window = "1h"
allow_override = "priority, Due date"

[mailboxes.box.senders]
block = ["Spam@Example.net", "*.example.org"]

[mailboxes.box.senders.domains."client.example"]
project = "client"

[mailboxes.box.senders.create]
login = "local"

[[mailboxes.box.rules]]
name = "orders"
subject = '/order (?P<order>\\d+)/'
larger_than = "5MB"
"""


def loaded(folder: Path, text: str, environ: dict[str, str] | None = None) -> Settings:
    """Given a text, return the settings that it makes."""
    file = folder / "settings.toml"
    file.write_text(text, "utf-8")
    file.chmod(0o600)
    return load(file, environ or {})


def test_a_whole_route_loads(tmp_path: Path) -> None:
    """Issue, senders, domains and rules of a file come out as one route."""
    box = loaded(tmp_path, GOOD).mailboxes["box"]
    route = box.route

    assert dt.date(2026, 1, 31) == box.start_from
    assert 100 == box.first_sync_limit
    assert route.accept_automatic
    assert {"priority", "due_date"} == route.issue.overrides
    assert ("spam@example.net", "*.example.org") == route.senders.block
    assert "client" == route.senders.domains["client.example"].project
    assert "local" == route.senders.create.login
    assert ("orders", 5_000_000) == (route.rules[0].name, route.rules[0].larger_than)


def test_what_is_new_and_risky_is_off(tmp_path: Path) -> None:
    """Without a word of the admin no user is made, nothing reopened, no keyword counts, nobody told."""
    text = GOOD.partition("[mailboxes.box.issue]")[0].replace("accept_automatic = true\n", "")
    route = loaded(tmp_path, text + '[mailboxes.box.issue]\nproject = "support"\n').mailboxes["box"].route

    assert ("accept", "authenticated", "note") == (
        route.issue.unknown_sender, route.issue.trust, route.issue.closed_reply)  # fmt: skip
    assert frozenset() == route.issue.overrides
    assert dt.timedelta(0) == route.issue.bundle_window
    assert not route.issue.answer_refused
    assert not route.accept_automatic
    assert "none" == route.senders.create.notice


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('name = "orders"', 'nam = "orders"', 'did you mean "name"?'),
        ("subject = '/order (?P<order>\\d+)/'", "subject = '/order (?=x)/'", "look-around"),
        ('login = "local"', 'login = "loc"', "create"),
        ('"*.example.org"', '"two words"', "an address, a domain"),
        ('bundle_window = "1h"', "bundle_window = 60", "time span"),
        ('project = "support"\n', "", "project"),
    ],
)
def test_slips_are_named(tmp_path: Path, old: str, new: str, words: str) -> None:
    """A slip anywhere in a route is named with what would be right."""
    assert old in GOOD
    text = GOOD.replace(old, new)
    if not new:
        text = text.replace('project = "client"\n', "")
    with pytest.raises(SettingsError, match=words.replace("?", r"\?")):
        loaded(tmp_path, text)


def test_a_mailbox_whose_mail_finds_a_project_otherwise(tmp_path: Path) -> None:
    """A mailbox needs no project when a rule, a domain, a subaddress or a keyword line names it."""
    assert loaded(tmp_path, GOOD.replace('project = "support"\n', "")).mailboxes["box"].issue.project is None
