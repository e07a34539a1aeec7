"""What the command line changes stands on the page *Changes*."""

from pathlib import Path

import pytest
import tomlkit
from click.testing import CliRunner

from redmine_mailbridge.cli.main import cli
from redmine_mailbridge.web import passwords
from tests.product import mail
from tests.unit.web.site import PASSWORD, Site, values


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A settings file with a local password."""
    made = tmp_path / "settings.toml"
    made.write_text(tomlkit.dumps(values()), "utf-8")
    passwords.keep(tmp_path / "admin-password", PASSWORD)
    return made


@pytest.mark.fault("N12")
def test_the_page_shows_what_the_command_line_did(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command that changes something leaves a line with who ran it, what it changed, and that it was a command."""
    monkeypatch.setenv("SUDO_USER", "olga")
    with Site.of(file) as site:
        row = site.keep(mail("Printer"), subject="Printer")
    for command in (
        ["stop"],
        ["start"],
        ["tasks", "set", "receive", "--every", "7m"],
        ["tasks", "reset", "receive"],
        ["messages", "retry", str(row.id)],
    ):
        result = CliRunner().invoke(cli, [*command, "--settings", str(file)])
        assert 0 == result.exit_code, result.output
    with Site.of(file) as site:
        site.sign_in()
        lines = [(line.who, line.address, line.action, line.detail) for line in reversed(site.desk.audit.lines())]
        page = site.browser.get("/changes").text
    assert [
        ("olga", "command line", "stop", ""),
        ("olga", "command line", "start", ""),
        ("olga", "command line", "set", "receive: every = 7m"),
        ("olga", "command line", "reset", "receive"),
        ("olga", "command line", "retry", str(row.id)),
    ] == lines[:5]
    assert "command line" in page
    assert "receive: every = 7m" in page


def test_a_command_that_only_looks_leaves_no_line(file: Path) -> None:
    """What changes nothing is not listed: a list, a dry run, a decision about a mail that does not exist."""
    for command in (["messages"], ["tasks", "list"], ["messages", "retry", "99"], ["queue"]):
        CliRunner().invoke(cli, [*command, "--settings", str(file)])
    with Site.of(file) as site:
        assert [] == site.desk.audit.lines()
