"""What `check` finds, and how it is shown."""

from pathlib import Path

import pytest

from redmine_mailbridge.checks.result import Check, failed, settings_checks, show
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
    assert "contains a secret but is world-readable" in words[1]
    assert words[2].startswith("messages are not acknowledged; ")
    assert "the password is sent to mail.example.com unencrypted" == words[3]
    assert words[4].startswith('trust = "any"')


BOX = """[redmine]
url = "https://redmine.example.com"
api_key = "x"
[mailboxes.a]
address = "a@example.com"
host = "mail.example.com"
password = "x"
issue.project = "p"
issue.trust = "internal"
"""
SENDS = 'outgoing.host = "mail.example.com"\n'
ALL = SENDS + 'answers.notes = "public_notes"\n'
LEFT = 'answers.redmine_users = "leave_to_redmine"\n'


@pytest.mark.fault("N1")
@pytest.mark.parametrize(
    ("lines", "ok", "words"),
    [
        ("", False, "with a Redmine account not at all, to others not at all\nagents' notes are sent to no customer"),
        ('answers.notes = "never"\n', False, "notes are sent to no customer"),
        (SENDS, False, "notes are sent to no customer"),
        ('answers.notes = "public_notes"\n', False, "notes are sent to no customer"),
        ('issue.unknown_sender = "create"\n' + SENDS, False, "notes are sent to no customer"),
        (ALL, True, "notes are sent to customers with a Redmine account by the bridge, to others by the bridge"),
        (ALL + "answers.received = true\n", True, "messages are acknowledged by the bridge"),
        (ALL + 'issue.unknown_sender = "create"\n', True, "by the bridge, to others by the bridge"),
        (LEFT, None, "by Redmine, to others not at all\ncustomers without an account never receive"),
        (ALL + LEFT, None, "by Redmine, to others by the bridge\nthey depend on Redmine's own notifications"),
        (ALL + LEFT + 'issue.unknown_sender = "create"\n', None, "every customer has an account here"),
        (SENDS + 'answers.notes = "marked"\n', None, "sends no customer the notes that do not start with /mail"),
        (SENDS + 'answers.notes = "marked"\n' + LEFT, None, "notes that start with /mail are sent to customers with"),
    ],
)
def test_who_mails_whom(tmp_path: Path, lines: str, ok: bool | None, words: str) -> None:
    """`check` says of each mailbox who mails whom, and refuses one where nobody would, unless the settings say that it
    is meant.
    """
    file = tmp_path / "settings.toml"
    file.write_text(BOX + lines, "utf-8")
    (found,) = [one for one in settings_checks(load_with_origins(file, {})) if one.name.endswith("who mails whom")]
    assert ok == found.ok, found.words
    assert words in found.words


@pytest.mark.fault("N1")
def test_no_answer_goes_nowhere_by_default(tmp_path: Path) -> None:
    """Where agents' notes are mailed, customers with a Redmine account get them too unless the settings say not."""
    file = tmp_path / "settings.toml"
    file.write_text(BOX + ALL, "utf-8")
    assert "mail" == load_with_origins(file, {}).settings.mailboxes["a"].answers.redmine_users


@pytest.mark.fault("N13")
def test_a_missing_password_hash_is_named(tmp_path: Path) -> None:
    """A password-hash file that does not exist is named with the command that writes it; one that exists is not."""
    file = tmp_path / "settings.toml"
    file.write_text(BOX + '[admin]\npassword_hash_file = "hash"\n', "utf-8")

    def lines() -> list[str]:
        return [check.words for check in settings_checks(load_with_origins(file, {})) if "hash" in check.name]

    (line,) = lines()
    assert line.startswith(f"{tmp_path / 'hash'} does not exist: run `redmine-mailbridge admin password`")
    (tmp_path / "hash").write_text("scrypt")
    assert [] == lines()
