"""What a pass says at its end."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from redmine_mailbridge.cli.output import Printer


def test_who_could_not_look_does_not_say_that_there_is_no_mail(capsys: pytest.CaptureFixture[str]) -> None:
    """A pass without mail says so; one that failed says only what went wrong, and ends with exit code 1."""
    Printer(as_json=False).end([])
    assert ("no new mail\n", "") == capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        Printer(as_json=False).end(["desk: cannot connect"])
    assert 1 == ended.value.code
    assert ("", "desk: cannot connect\n") == capsys.readouterr()


@pytest.mark.fault("A17-6")
@pytest.mark.parametrize(
    ("name", "value", "coloured"), [("NO_COLOR", "1", 0), ("TERM", "dumb", 0), ("TERM", "xterm", 1)]
)
def test_colours(name: str, value: str, coloured: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal gets colours, unless it knows none or its user wants none."""
    from redmine_mailbridge.cli.main import cli

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(name, value)
    monkeypatch.setenv("MAILBRIDGE_REDMINE__API_KEY", "k")
    password = tmp_path / "password"
    password.write_text("p", "utf-8")
    given = {
        "redmine-url": "http://127.0.0.1:1", "address": "d@example.com", "project": "p", "host": "127.0.0.1",
        "answers": "never", "redmine-users": "leave_to_redmine", "text-format": "textile", "password-file": password,
    }  # fmt: skip
    flags = ["--no-input", "--no-discover", *(f"--{one}={what}" for one, what in given.items())]
    said = CliRunner().invoke(cli, ["--settings", str(tmp_path / "s.toml"), "init", *flags], color=True)
    assert (0, coloured) == (said.exit_code, said.output.count("\x1b[32m")), said.output
