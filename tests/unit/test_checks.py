"""What `check` finds, and how it is shown."""

from pathlib import Path

import pytest

from redmine_mailbridge.checks.values import Check, failed, settings_checks, show
from redmine_mailbridge.settings.load import load_with_origins


def test_shown_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    """A check is one line, and further words stand below."""
    show(Check("mailbox a: login", False, "AUTHENTICATIONFAILED\nIs the password right?"))
    show(Check("redmine", True))

    assert (
        "FAIL mailbox a: login: AUTHENTICATIONFAILED\n     Is the password right?\nok   redmine\n"
        == capsys.readouterr().out
    )


def test_shown_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json a check is one object."""
    show(Check("redmine", None, "ß"), as_json=True)

    assert '{"name": "redmine", "ok": null, "words": "ß"}\n' == capsys.readouterr().out


def test_warnings_are_no_failure() -> None:
    """Only what does not work makes `check` fail."""
    assert not failed([Check("a", True), Check("b", None)])
    assert failed([Check("a", True), Check("b", False)])


def test_settings_checks(tmp_path: Path) -> None:
    """Settings that load but hold a risk, or that do nothing, are pointed out."""
    file = tmp_path / "settings.toml"
    file.write_text(
        '[redmine]\nurl = "https://redmine.example.com"\napi_key = "x"\n[mailboxes.a]\naddress = "a@example.com"\n'
        'host = "mail.example.com"\npassword = "x"\nsecurity = "none"\nallow_cleartext = true\n'
        '[mailboxes.a.issue]\nproject = "p"\ntrust = "any"\n',
        "utf-8",
    )
    file.chmod(0o644)
    words = [check.words for check in settings_checks(load_with_origins(file, {}))]

    assert f"{file}: 1 active mailbox of 1" == words[0]
    assert "everybody on this machine can read it" in words[1]
    assert "the password goes to mail.example.com in the clear" == words[2]
    assert words[3].startswith('trust = "any"')
