"""Settings from the environment."""

from pathlib import Path

import pytest

from redmine_mailbridge.settings.load import load, load_with_origins
from tests.unit.settings.given import GOOD, problems


def test_environment_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything can be given by the environment, without a file."""
    monkeypatch.chdir(tmp_path)
    settings = load(
        None,
        {
            "MAILBRIDGE_REDMINE__URL": "https://redmine.example.com",
            "MAILBRIDGE_REDMINE__API_KEY": "k",
            "MAILBRIDGE_MAILBOXES__SALES__ADDRESS": "sales@example.com",
            "MAILBRIDGE_MAILBOXES__SALES__HOST": "mail.example.com",
            "MAILBRIDGE_MAILBOXES__SALES__PASSWORD": "p",
            "MAILBRIDGE_MAILBOXES__SALES__FOLDERS": "INBOX, Web",
            "MAILBRIDGE_MAILBOXES__SALES__ALIASES": '["a@example.com"]',
            "MAILBRIDGE_MAILBOXES__SALES__ISSUE__PROJECT": "sales",
        },
    )

    assert ("INBOX", "Web") == settings.mailboxes["sales"].folders
    assert ("a@example.com",) == settings.mailboxes["sales"].aliases
    assert "sales" == settings.mailboxes["sales"].issue.project


def test_environment_wins(folder: Path) -> None:
    """A variable replaces the file's value, finds the mailbox in any case, and is named as origin."""
    loaded = load_with_origins(folder / "settings.toml", {"MAILBRIDGE_MAILBOXES__MY_BOX__PORT": "143"})

    assert ["my-box"] == list(loaded.settings.mailboxes)
    assert 143 == loaded.settings.mailboxes["my-box"].port
    assert "environment MAILBRIDGE_MAILBOXES__MY_BOX__PORT" == str(loaded.origins["mailboxes", "my-box", "port"])
    assert f"{folder}/settings.toml:7" == str(loaded.origins["mailboxes", "my-box", "host"])


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("MAILBRIDGE_REDMINE_URL", "MAILBRIDGE_REDMINE__URL"),
        ("MAILBRIDGE_MAILBOXES__MY_BOX__PROT", "MAILBRIDGE_MAILBOXES__MY_BOX__PROTOCOL"),
        ("MAILBRIDGE_LOG__LEVLE", "MAILBRIDGE_LOG__LEVEL"),
        ("MAILBRIDGE_SETTING", "MAILBRIDGE_SETTINGS"),
    ],
)
def test_misspelt_variable(folder: Path, variable: str, meant: str) -> None:
    """A variable with our prefix that means nothing is refused, with the one that was meant."""
    (line,) = problems(folder, GOOD, {variable: "x"})

    assert line.startswith(f"environment {variable}: unknown setting, did you mean ")
    assert meant in line


def test_misspelt_mailbox_in_a_variable(folder: Path) -> None:
    """A variable for a mailbox that does not exist makes no half mailbox."""
    (line,) = problems(folder, GOOD, {"MAILBRIDGE_MAILBOXES__MYBOX__PORT": "1"})

    assert (
        "environment MAILBRIDGE_MAILBOXES__MYBOX__PORT: mailbox 'mybox' does not exist, "
        "did you mean MAILBRIDGE_MAILBOXES__MY_BOX__PORT?"
    ) == line


def test_wrong_value_in_a_variable(folder: Path) -> None:
    """A wrong value is reported under the variable's name."""
    assert ['environment MAILBRIDGE_RECEIVE__WORKERS = "many": must be a whole number'] == problems(
        folder, GOOD, {"MAILBRIDGE_RECEIVE__WORKERS": "many"}
    )
