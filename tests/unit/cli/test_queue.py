"""`queue`: what waits to be sent, and what did not arrive."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from redmine_mailbridge.cli.main import cli
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.outgoing.adding import NewAnswer
from redmine_mailbridge.store.outgoing.outbox import Outbox


@pytest.fixture
def settings(settings: Path) -> Path:
    """Settings whose store has one mail that waits, one that was put off and one that was refused."""
    store = Store.open(f"sqlite:///{settings.parent}/store.db", settings.parent / "mails")
    outbox = Outbox(store.database, store.clock)
    for name in ("new", "late", "gone"):
        mail = NewAnswer("support", "answer", "s@example.com", f"{name}@x.example", f"{name}@m", b"secret", _no, 7)
        outbox.queue([mail])
    rows = {row.recipient: row for row in outbox.listed()}
    outbox.later(rows["late@x.example"], "451 greylisted")
    outbox.failed(rows["gone@x.example"], "550 no such user")
    store.close()
    return settings


def _no(_count: object) -> None:
    return None


def run(settings: Path, *words: str) -> str:
    result = CliRunner().invoke(cli, ["queue", "--settings", str(settings), *words])
    assert 0 == result.exit_code, result.output
    return result.output


def test_what_waits(settings: Path) -> None:
    """Each mail that waits has a line, with why it waits and how often it was tried; nothing of its text."""
    shown = run(settings)
    assert "new@x.example" in shown
    assert "451 greylisted" in shown
    assert "tried 1 times" in shown
    assert "gone@x.example" not in shown
    assert "secret" not in shown


def test_what_did_not_arrive(settings: Path) -> None:
    """Those that were refused for good are another list."""
    shown = run(settings, "--undelivered")
    assert "550 no such user" in shown
    assert "new@x.example" not in shown


def test_json(settings: Path) -> None:
    """One object a mail, without the mail."""
    rows = [json.loads(line) for line in run(settings, "--json").splitlines()]
    assert [("new@x.example", 7, "queued", 0), ("late@x.example", 7, "queued", 1)] == [
        (row["recipient"], row["issue"], row["state"], row["tries"]) for row in rows
    ]
    assert all("content" not in row for row in rows)
