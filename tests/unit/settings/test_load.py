"""Loading: what wins, what is refused, and in which words."""

import datetime as dt
from pathlib import Path

import pytest

from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.settings.load import load, load_with_origins, reload

GOOD = """\
[redmine]
url = "https://redmine.example.com/"
api_key_file = "secrets/key"

[mailboxes.my-box]
address = "support@example.com"
host = "mail.example.com"
password = "from file"

[mailboxes.my-box.issue]
project = "support"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with settings that load, and the secret that they refer to."""
    (tmp_path / "secrets").mkdir()
    write(tmp_path / "secrets" / "key", "the key\n")
    write(tmp_path / "settings.toml", GOOD)
    return tmp_path


def write(file: Path, text: str) -> Path:
    file.write_text(text, "utf-8")
    file.chmod(0o600)
    return file


def problems(folder: Path, text: str, environ: dict[str, str] | None = None) -> list[str]:
    """The problems of a text, without the folder's name."""
    with pytest.raises(SettingsError) as caught:
        load(write(folder / "settings.toml", text), environ or {})
    return [line.replace(f"{folder}/", "") for line in caught.value.problems]


def test_defaults(folder: Path) -> None:
    """A file that gives only what must be given loads, with the defaults that fit it."""
    settings = load(folder / "settings.toml", {})
    box = settings.mailboxes["my-box"]

    assert 993 == box.port
    assert "support@example.com" == box.username
    assert ("INBOX",) == box.folders
    assert "Processed" == box.success_folder
    assert dt.timedelta(minutes=5) == settings.tasks.receive.every
    assert 50_000_000 == settings.receive.max_mail_size
    assert "https://redmine.example.com" == settings.redmine.url


def test_relative_paths_start_at_the_file(folder: Path) -> None:
    """Secrets, the database and the raw mails lie beside the settings file, wherever the bridge is started."""
    settings = load(folder / "settings.toml", {})

    assert settings.redmine.api_key is not None
    assert "the key" == settings.redmine.api_key.get_secret_value()
    assert f"sqlite:///{folder}/mailbridge.db" == settings.store.url
    assert folder / "mails" == settings.store.raw_folder


def test_unknown_key_names_its_place_and_the_right_key(folder: Path) -> None:
    """An unknown key is named with file, line, table, its value and the key that was probably meant."""
    text = GOOD.replace('host = "mail', 'prot = "imap"\nhost = "mail')

    assert ['settings.toml:7: [mailboxes.my-box] prot = "imap": unknown key, did you mean "protocol"?'] == problems(
        folder, text
    )


def test_all_problems_at_once(folder: Path) -> None:
    """Every wrong key is named in one go, in the order of the file."""
    text = GOOD.replace("[redmine]", '[redmine]\ntext_format = "markdown"\ntimeout = 30')
    text = text.replace("[mailboxes.my-box]", '[mailboxes.my-box]\nport = "many"\nfolders = "INBOX"')

    assert [
        'settings.toml:2: [redmine] text_format = "markdown": must be "common_mark" or "textile"',
        'settings.toml:3: [redmine] timeout = 30: must be a span of time such as "90s", "5m", "12h", "14d" or "1d 12h"',
        'settings.toml:8: [mailboxes.my-box] port = "many": must be a whole number',
        'settings.toml:9: [mailboxes.my-box] folders = "INBOX": must be a list in brackets, such as ["…", "…"]',
    ] == problems(folder, text)


def test_key_in_the_wrong_table(folder: Path) -> None:
    """A key that exists elsewhere is sent there."""
    text = GOOD.replace('host = "mail', 'tracker = "Support"\nhost = "mail')

    assert [
        "settings.toml:7: [mailboxes.my-box] tracker: unknown key here, it belongs in [mailboxes.my-box.issue]"
    ] == problems(folder, text)


def test_misspelt_secret_is_not_shown(folder: Path) -> None:
    """The value of a misspelt secret stays out of the error text."""
    for wrong in ("pasword", "passwd", "secret", "user_pass", "apikey"):
        text = GOOD.replace("password =", f"{wrong} =").replace("from file", "hunter2")

        assert "hunter2" not in "".join(problems(folder, text))


def test_secret_of_a_wrong_type_is_not_shown(folder: Path) -> None:
    """A secret that is no text is refused without its value."""
    text = GOOD.replace('"from file"', "[4711]")

    assert ['settings.toml:8: [mailboxes.my-box] password: must be text in quotes, such as "…"'] == problems(
        folder, text
    )


def test_missing_key_and_table(folder: Path) -> None:
    """What must be given is asked for with its description."""
    text = GOOD.replace('host = "mail.example.com"\n', "").replace("[mailboxes.my-box.issue]\nproject", "# project")

    assert [
        "settings.toml:5: [mailboxes.my-box] host: is missing (The mail server's name.)",
        "settings.toml:5: [mailboxes.my-box.issue]: this table is missing (What becomes of the mail.)",
    ] == problems(folder, text)


def test_no_mailboxes(folder: Path) -> None:
    """Settings without a mailbox are refused."""
    assert ["settings.toml: [mailboxes.NAME]: this table is missing (The accounts to read, by name.)"] == problems(
        folder, GOOD.partition("[mailboxes")[0]
    )


def test_syntax_error(folder: Path) -> None:
    """A text that is no TOML is refused with the line and its text."""
    assert ["settings.toml:6: invalid value: address = support@example.com"] == problems(
        folder, GOOD.replace('"support@example.com"', "support@example.com")
    )


def test_syntax_error_beside_a_secret(folder: Path) -> None:
    """A secret that lacks a quote is not shown."""
    assert "hunter2" not in "".join(problems(folder, GOOD.replace('"from file"', "hunter2")))


def test_named_file_must_exist(tmp_path: Path) -> None:
    """A file that was named and is not there is an error, not silence."""
    for path, environ in ((tmp_path / "no.toml", {}), (None, {"MAILBRIDGE_SETTINGS": str(tmp_path / "no.toml")})):
        with pytest.raises(SettingsError, match=r"no\.toml: there is no such settings file"):
            load(path, environ)


def test_no_file_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a file and without variables the error says where it looked."""
    monkeypatch.chdir(tmp_path)

    with pytest.raises(SettingsError, match=r"looked for settings\.toml, /etc/redmine-mailbridge/settings\.toml"):
        load(None, {})


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


def test_environment_replaces_a_reference(folder: Path) -> None:
    """A secret in the environment replaces the file's reference, and a reference there the file's secret."""
    write(folder / "other", "by reference")
    settings = load(
        folder / "settings.toml",
        {"MAILBRIDGE_REDMINE__API_KEY": "direct", "MAILBRIDGE_MAILBOXES__MY_BOX__PASSWORD_FILE": "other"},
    )

    assert settings.redmine.api_key is not None
    assert "direct" == settings.redmine.api_key.get_secret_value()
    password = settings.mailboxes["my-box"].password
    assert password is not None
    assert "by reference" == password.get_secret_value()


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
        "environment MAILBRIDGE_MAILBOXES__MYBOX__PORT: there is no mailbox 'mybox', "
        "did you mean MAILBRIDGE_MAILBOXES__MY_BOX__PORT?"
    ) == line


def test_wrong_value_in_a_variable(folder: Path) -> None:
    """A wrong value is reported under the variable's name."""
    assert ['environment MAILBRIDGE_RECEIVE__WORKERS = "many": must be a whole number'] == problems(
        folder, GOOD, {"MAILBRIDGE_RECEIVE__WORKERS": "many"}
    )


def test_secrets_directories(folder: Path) -> None:
    """A secrets directory gives secrets by nested or dotted names and wins over the file; ours wins over systemd's."""
    ours, systemd = folder / "ours", folder / "systemd"
    (ours / "mailboxes" / "my-box").mkdir(parents=True)
    systemd.mkdir()
    write(ours / "mailboxes" / "my-box" / "password", "ours\n")
    write(systemd / "mailboxes.my-box.password", "systemd")
    write(systemd / "redmine.api_key", "systemd")
    write(systemd / "something.else", "not for us")
    settings = load(
        folder / "settings.toml", {"MAILBRIDGE_SECRETS_DIR": str(ours), "CREDENTIALS_DIRECTORY": str(systemd)}
    )

    password, key = settings.mailboxes["my-box"].password, settings.redmine.api_key
    assert password is not None
    assert key is not None
    assert ("ours", "systemd") == (password.get_secret_value(), key.get_secret_value())


def test_stray_file_among_the_secrets(folder: Path) -> None:
    """A file in our secrets directory that is no secret of ours is refused, with the name that was meant."""
    (folder / "ours").mkdir()
    write(folder / "ours" / "redmine.apikey", "x")

    assert ['ours/redmine.apikey: no secret is called redmine.apikey, did you mean "redmine.api_key"?'] == problems(
        folder, GOOD, {"MAILBRIDGE_SECRETS_DIR": str(folder / "ours")}
    )


@pytest.mark.parametrize(
    ("content", "words"), [(b"", "is empty"), (b"\xff\xfe", "is no UTF-8 text"), (None, "No such file or directory")]
)
def test_secret_file_that_gives_no_secret(folder: Path, content: bytes | None, words: str) -> None:
    """A reference that leads to no secret is refused, whatever the reason."""
    key = folder / "secrets" / "key"
    key.unlink()
    if content is not None:
        key.write_bytes(content)

    assert [f"secrets/key: {words}"] == problems(folder, GOOD)


def test_secret_and_reference_together(folder: Path) -> None:
    """One file that gives a secret twice is refused: which one is meant?"""
    text = GOOD.replace("api_key_file", 'api_key = "x"\napi_key_file')

    assert ["settings.toml:3: [redmine] api_key: give either api_key or api_key_file, not both"] == problems(
        folder, text
    )


def test_missing_secret(folder: Path) -> None:
    """A secret that is nowhere is asked for with all ways to give it."""
    (line,) = problems(folder, GOOD.replace('password = "from file"\n', ""))

    assert (
        "settings.toml:5: [mailboxes.my-box] password: is missing: give password_file, the variable "
        "MAILBRIDGE_MAILBOXES__MY_BOX__PASSWORD, or mailboxes/my-box/password in the secrets directory"
    ) == line


def test_inactive_mailbox_needs_no_secret(folder: Path) -> None:
    """A mailbox that is switched off may lack its password."""
    text = GOOD.replace('password = "from file"', 'active = false\npassword_file = "not/there"')

    assert not load(write(folder / "settings.toml", text), {}).active_mailboxes


def test_secrets_that_everybody_may_read(folder: Path) -> None:
    """A readable secret file, and a readable settings file that holds a secret, make warnings."""
    (folder / "secrets" / "key").chmod(0o644)
    (folder / "settings.toml").chmod(0o644)
    key, file = load_with_origins(folder / "settings.toml", {}).warnings

    assert (
        f"{folder}/secrets/key: everybody on this machine can read this secret; chmod 600 {folder}/secrets/key" == key
    )
    assert file.startswith(f"{folder}/settings.toml: holds a secret")


def test_secrets_stay_out_of_every_text(folder: Path) -> None:
    """Neither repr nor dump of the settings shows a secret."""
    settings = load(folder / "settings.toml", {})

    for text in (repr(settings), str(settings.model_dump()), settings.model_dump_json()):
        assert "the key" not in text
        assert "from file" not in text


def test_reload_swaps_or_changes_nothing(folder: Path) -> None:
    """A good file gives new settings; a bad one, or another database, raises."""
    old = load(folder / "settings.toml", {})
    new = reload(old, write(folder / "settings.toml", GOOD + 'tracker = "Bug"\n'), {})

    assert "Bug" == new.mailboxes["my-box"].issue.tracker
    with pytest.raises(SettingsError, match="unknown key"):
        reload(old, write(folder / "settings.toml", GOOD + 'traker = "Bug"\n'), {})
    with pytest.raises(SettingsError, match="cannot change while the service runs"):
        reload(old, write(folder / "settings.toml", GOOD + '[store]\nurl = "sqlite:///other.db"\n'), {})
