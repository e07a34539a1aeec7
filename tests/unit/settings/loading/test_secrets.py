"""Secrets by reference: which one wins, what is refused, and that none is ever shown."""

from pathlib import Path

import pytest

from redmine_mailbridge.settings.load import load, load_with_origins
from redmine_mailbridge.settings.value_types import reveal
from tests.unit.settings.given import GOOD, problems, write


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


def test_what_cannot_be_looked_at(folder: Path) -> None:
    """What is private to the service, so that others may not look at it, keeps nobody from loading the settings."""
    (folder / "private").mkdir(mode=0)  # which keeps all but root out; a name that is too long, root too
    more = f'[store]\nraw_dir = "{"x" * 300}"\n[admin]\npassword_hash_file = "private/password"\n'

    assert () == load_with_origins(write(folder / "settings.toml", GOOD + more), {}).warnings
    templates = "y" * 300
    (problem,) = problems(folder, f'{GOOD}[outgoing]\ntemplates = "{templates}"\n')
    assert f"folder {templates}" in problem


def test_environment_replaces_a_reference(folder: Path) -> None:
    """A secret in the environment replaces the file's reference, and a reference there the file's secret."""
    write(folder / "other", "by reference")
    settings = load(
        folder / "settings.toml",
        {"MAILBRIDGE_REDMINE__API_KEY": "direct", "MAILBRIDGE_MAILBOXES__MY_BOX__PASSWORD_FILE": "other"},
    )

    assert "direct" == reveal(settings.redmine.api_key)
    assert "by reference" == reveal(settings.mailboxes["my-box"].password)


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

    assert "ours" == reveal(settings.mailboxes["my-box"].password)
    assert "systemd" == reveal(settings.redmine.api_key)


def test_stray_file_among_the_secrets(folder: Path) -> None:
    """A file in our secrets directory that is no secret of ours is refused, with the name that was meant."""
    (folder / "ours").mkdir()
    write(folder / "ours" / "redmine.apikey", "x")

    assert ['ours/redmine.apikey: unknown secret redmine.apikey, did you mean "redmine.api_key"?'] == problems(
        folder, GOOD, {"MAILBRIDGE_SECRETS_DIR": str(folder / "ours")}
    )


@pytest.mark.parametrize(
    ("content", "words"), [(b"", "is empty"), (b"\xff\xfe", "is not UTF-8 text"), (None, "No such file or directory")]
)
def test_secret_file_that_gives_no_secret(folder: Path, content: bytes | None, words: str) -> None:
    """A reference that leads to no secret is refused, whatever the reason."""
    key = folder / "secrets" / "key"
    key.unlink()
    if content is not None:
        key.write_bytes(content)

    assert [f'settings.toml:3: [redmine] api_key_file = "secrets/key": secrets/key: {words}'] == problems(folder, GOOD)


def test_secret_and_reference_together(folder: Path) -> None:
    """One file that gives a secret twice is refused: which one is meant?"""
    text = GOOD.replace("api_key_file", 'api_key = "x"\napi_key_file')

    assert ["settings.toml:3: [redmine] api_key: set either api_key or api_key_file, not both"] == problems(
        folder, text
    )


@pytest.mark.fault("L4")
def test_a_mark_at_the_beginning_of_a_secret(folder: Path) -> None:
    """Editors of Windows begin a file of UTF-8 with a mark (BOM): it is no part of the secret."""
    (folder / "secrets" / "key").write_text("\ufeffthe key\r\n", "utf-8")
    assert "the key" == reveal(load(folder / "settings.toml", {}).redmine.api_key)


def test_missing_secret(folder: Path) -> None:
    """A secret that is nowhere is asked for with all ways to give it."""
    (line,) = problems(folder, GOOD.replace('password = "from file"\n', ""))

    assert (
        "settings.toml:5: [mailboxes.my-box] password: is missing: set password_file, the variable "
        "MAILBRIDGE_MAILBOXES__MY_BOX__PASSWORD, or the file mailboxes/my-box/password in the secrets directory"
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

    assert f"{folder}/secrets/key: contains a secret but is world-readable; run chmod 600 {folder}/secrets/key" == key
    assert file.startswith(f"{folder}/settings.toml: contains a secret")


def test_a_secret_that_is_read_twice_is_told_of_once(folder: Path) -> None:
    """A password's file that two mailboxes log in with, and send with, makes one warning."""
    (folder / "password").write_text("x", "utf-8")
    (folder / "password").chmod(0o644)
    box = 'address = "{0}@example.com"\nhost = "h"\npassword_file = "password"\nissue.project = "p"\n'
    text = GOOD + "".join(f"\n[mailboxes.{name}]\n" + box.format(name) for name in ("one", "two"))
    told = load_with_origins(write(folder / "settings.toml", text), {}).warnings
    assert 1 == len([line for line in told if "/password:" in line])


@pytest.mark.fault("V21")
def test_what_lies_there_already_and_everybody_may_read(folder: Path) -> None:
    """A database, its log, the mails, the password's hash and a certificate's key that lay there before with rights for
    everybody make a warning each; such as the bridge makes them they make none.
    """
    admin = '[admin]\npassword_hash_file = "hash"\ncertificate_file = "c.pem"\ncertificate_key_file = "key.pem"\n'
    write(folder / "settings.toml", GOOD + admin)
    places = [folder / name for name in ("mailbridge.db", "mailbridge.db-wal", "hash", "key.pem")]
    for place in places:
        write(place, "x")
    (folder / "mails").mkdir(mode=0o700)
    assert () == load_with_origins(folder / "settings.toml", {}).warnings
    for place in places:
        place.chmod(0o644)
    (folder / "mails").chmod(0o755)
    found = load_with_origins(folder / "settings.toml", {}).warnings
    assert sorted(str(place) for place in (*places, folder / "mails")) == sorted(one.partition(":")[0] for one in found)


def test_secrets_stay_out_of_every_text(folder: Path) -> None:
    """Neither repr nor dump of the settings shows a secret."""
    settings = load(folder / "settings.toml", {})

    for text in (repr(settings), str(settings.model_dump()), settings.model_dump_json()):
        assert "the key" not in text
        assert "from file" not in text
