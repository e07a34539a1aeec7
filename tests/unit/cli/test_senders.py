"""`senders`: who is blocked and allowed beside the settings, with who did it and when."""

import json
from pathlib import Path

from click.testing import CliRunner, Result

from redmine_mailbridge.cli.main import cli
from redmine_mailbridge.store.admin_sessions import Audit
from redmine_mailbridge.store.messages import Store


def run(settings: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["senders", *arguments, "--settings", str(settings)], env={"SUDO_USER": "olga"})


def test_the_list_says_who_did_what(settings: Path) -> None:
    """Blocked, allowed over it, removed: one entry a pattern, and each change is in the record of changes."""
    assert "no sender is blocked" in run(settings).output
    assert 0 == run(settings, "block", "Spam@Example.com", "*.bad.example.com").exit_code
    assert 0 == run(settings, "allow", "spam@example.com").exit_code
    (first, second) = (json.loads(line) for line in run(settings, "--json").output.splitlines())
    assert ("*.bad.example.com", "block", "olga") == (first["pattern"], first["listing"], first["who"])
    assert ("spam@example.com", "allow", "olga") == (second["pattern"], second["listing"], second["who"])
    assert "allow  spam@example.com" in run(settings).output
    assert 0 == run(settings, "remove", "spam@example.com").exit_code
    assert "spam@example.com" not in run(settings).output
    store = Store.open(f"sqlite:///{settings.parent}/store.db", settings.parent / "mails")
    changes = [(line.who, line.action, line.detail) for line in Audit(store.database, store.clock).lines()]
    store.close()
    assert [
        ("olga", "remove sender", "spam@example.com"),
        ("olga", "allow sender", "spam@example.com"),
        ("olga", "block sender", "spam@example.com, *.bad.example.com"),
    ] == changes


def test_what_is_no_sender_is_refused(settings: Path) -> None:
    """The others are taken, and the exit status tells."""
    result = run(settings, "block", "co.uk", "kim@example.com")
    assert 1 == result.exit_code
    assert "co.uk: is neither an address nor a domain that somebody owns" in result.output
    assert "kim@example.com: is blocked from now on" in result.output
    assert 1 == run(settings, "remove", "who@example.com").exit_code
