"""Loading: what wins, what is refused, and in which words."""

import datetime as dt
from pathlib import Path

import pytest

from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.settings.load import load, reload
from redmine_mailbridge.settings.value_types import reveal
from tests.unit.settings.given import GOOD, problems, write


def test_defaults(folder: Path) -> None:
    """A file that gives only what is required loads, with the defaults that fit it."""
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

    assert "the key" == reveal(settings.redmine.api_key)
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
    text = GOOD.replace("[redmine]", '[redmine]\ntext_format = "rst"\ntimeout = 30')
    text = text.replace("[mailboxes.my-box]", '[mailboxes.my-box]\nport = "many"\nfolders = "INBOX"')

    assert [
        'settings.toml:2: [redmine] text_format = "rst": must be "common_mark", "textile" or "markdown"',
        'settings.toml:3: [redmine] timeout = 30: must be a time span such as "90s", "5m", "12h", "14d" or "1d 12h"',
        'settings.toml:8: [mailboxes.my-box] port = "many": must be a whole number',
        'settings.toml:9: [mailboxes.my-box] folders = "INBOX": must be a list in brackets, such as ["…", "…"]',
    ] == problems(folder, text)


def test_key_in_the_wrong_table(folder: Path) -> None:
    """A key that exists elsewhere is sent there."""
    text = GOOD.replace('host = "mail', 'tracker = "Support"\nhost = "mail')

    assert [
        "settings.toml:7: [mailboxes.my-box] tracker: unknown key here, it belongs in [mailboxes.my-box.issue]"
    ] == problems(folder, text)


def test_missing_key_and_table(folder: Path) -> None:
    """What is required is asked for with its description."""
    text = GOOD.replace('host = "mail.example.com"\n', "")

    assert [
        "settings.toml: [redmine]: this table is missing (The Redmine in which issues and notes are created.)",
        "settings.toml:1: [mailboxes.my-box] host: is missing (The host name of the mail server.)",
    ] == problems(folder, text[text.index("[mailboxes") :])


def test_no_way_to_a_project(folder: Path) -> None:
    """A mailbox whose mail could never find a project is refused."""
    (line,) = problems(folder, GOOD.replace("project =", "tracker ="))

    assert line.startswith("settings.toml:10: [mailboxes.my-box.issue] project: is missing: set it, name")


def test_no_mailboxes(folder: Path) -> None:
    """Settings without a mailbox are refused."""
    assert ["settings.toml: [mailboxes.NAME]: this table is missing (The accounts to read, by name.)"] == problems(
        folder, GOOD.partition("[mailboxes")[0]
    )


def test_syntax_error(folder: Path) -> None:
    """A text that is no TOML is refused with the line and the key or table that it begins with."""
    assert [
        'settings.toml:6: invalid value: address …: text must be in double quotes, such as address = "…"'
    ] == problems(folder, GOOD.replace('"support@example.com"', "support@example.com"))
    assert ["settings.toml:1: expected ']' at the end of a table declaration: [redmine …"] == problems(
        folder, GOOD.replace("[redmine]", "[redmine")
    )


SHOWN_ONCE = [
    "password: hunter2", 'password "hunter2"', 'outgoing = { password = "hunter2"', "hunter2", "password.hunter2",
    "hunter2 = x", "'password' 'hunter2'",
]  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [pytest.param(one, marks=pytest.mark.fault("O11")) for one in SHOWN_ONCE]
    + ['password = """\nhunter2\nx', 'password = "a\\q hunter2"', "password = hunter2"],
)
def test_a_syntax_error_shows_no_secret(folder: Path, line: str) -> None:
    """Where the text is no TOML nobody can tell what of it is a secret: only keys and tables that there are are shown,
    whatever is wrong with the line.
    """
    found = problems(folder, f"{GOOD}\n[mailboxes.other]\n{line}\n")
    assert [] == [one for one in found if "hunter2" in one]
    assert 1 == len(found)


@pytest.mark.fault("L4")
def test_a_mark_at_the_beginning_of_the_file(folder: Path) -> None:
    """Editors of Windows begin a file of UTF-8 with a mark (BOM): it is no part of the settings."""
    file = folder / "settings.toml"
    file.write_text("\ufeff" + file.read_text("utf-8"), "utf-8")
    assert load(file, {})


@pytest.mark.fault("L11")
@pytest.mark.parametrize("key", ["hours", "most_carried"])
@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "-nan"])
def test_hours_that_are_no_number(folder: Path, key: str, number: str) -> None:
    """A budget of no number of hours is refused."""
    other = "most_carried" if key == "hours" else "hours"
    text = f'{GOOD}\n[[budgets]]\nname = "b"\nproject = "support"\n{key} = {number}\n{other} = 5\n'
    (line,) = problems(folder, text)
    assert line.endswith(f"{key} = {number.removeprefix('-') if 'nan' in number else number}: must be a number")


@pytest.mark.fault("O22")
@pytest.mark.parametrize("year", ["0001", "0206", "9999"])
def test_a_budget_that_begins_in_another_age(folder: Path, year: str) -> None:
    """Its periods are counted from its first day on: that is a day of this age."""
    text = (
        f'{GOOD}\n[[budgets]]\nname = "b"\nproject = "support"\nhours = 5\ncarry_over = "all"\nstart = {year}-12-01\n'
    )
    (line,) = problems(folder, text)
    assert "must be in the years 2000 to 2199" in line


@pytest.mark.fault("L5")
@pytest.mark.parametrize("table", ["outgoing", "mailboxes.my-box.outgoing"])
def test_a_folder_of_templates_that_is_not_there(folder: Path, table: str) -> None:
    """It is refused with how to make it: customers would get our words in place of one's own."""
    (line,) = problems(folder, f'{GOOD}\n[{table}]\ntemplates = "own"\n')
    assert f"[{table}] templates" in line
    assert "folder own does not exist; `redmine-mailbridge templates copy own` creates it" in line
    (folder / "own").mkdir()
    assert load(folder / "settings.toml", {})


@pytest.mark.fault("V18")
@pytest.mark.parametrize("host", ["redmine.example.com", "10.0.0.5", "[2001:db8::1]:3000", "127.0.0.1.example.com"])
def test_a_redmine_elsewhere_in_the_clear(folder: Path, host: str) -> None:
    """A Redmine on another machine without TLS is refused, unless the settings say that it is meant."""
    text = GOOD.replace("https://redmine.example.com/", f"http://{host}/redmine")
    (line,) = problems(folder, text)
    assert "unencrypted: use https://, or set allow_cleartext = true" in line
    assert load(write(folder / "settings.toml", text.replace("[redmine]", "[redmine]\nallow_cleartext = true")), {})


@pytest.mark.parametrize("host", ["127.0.0.1:3000", "localhost", "[::1]", "redmine.localhost"])
def test_a_redmine_on_this_machine_in_the_clear(folder: Path, host: str) -> None:
    """What stays on this machine needs no TLS."""
    assert load(write(folder / "settings.toml", GOOD.replace("https://redmine.example.com", f"http://{host}")), {})


def test_named_file_must_exist(tmp_path: Path) -> None:
    """A file that was named and is not there is an error, not silence."""
    for path, environ in ((tmp_path / "no.toml", {}), (None, {"MAILBRIDGE_SETTINGS": str(tmp_path / "no.toml")})):
        with pytest.raises(SettingsError, match=r"no\.toml: settings file not found"):
            load(path, environ)


def test_no_file_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a file and without variables the error says where it looked."""
    monkeypatch.chdir(tmp_path)

    with pytest.raises(SettingsError, match=r"looked for settings\.toml, /etc/redmine-mailbridge/settings\.toml"):
        load(None, {})


def test_reload_swaps_or_changes_nothing(folder: Path) -> None:
    """A good file gives new settings; a bad one, or another database, raises."""
    old = load(folder / "settings.toml", {})
    new = reload(old, write(folder / "settings.toml", GOOD + 'tracker = "Bug"\n'), {})

    assert "Bug" == new.mailboxes["my-box"].issue.tracker
    with pytest.raises(SettingsError, match="unknown key"):
        reload(old, write(folder / "settings.toml", GOOD + 'traker = "Bug"\n'), {})
    with pytest.raises(SettingsError, match="cannot change while the service runs"):
        reload(old, write(folder / "settings.toml", GOOD + '[store]\nurl = "sqlite:///other.db"\n'), {})


@pytest.mark.fault("N13")
@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (
            'tracker = "Bug"\n[mailboxes.my-box.rules]\nname = "r"',
            "settings.toml:13: [mailboxes.my-box.rules]: must be a list of tables: "  # noqa: ISC004 - one line
            "write its header in double brackets, [[mailboxes.my-box.rules]]",
        ),
        (
            '[redmine]\nurl = "https://other.example"',
            "settings.toml:12: cannot declare this table twice: [redmine] …",
        ),
        (
            "[mailboxes.my-box.answers]\nreceived = yes",
            "settings.toml:13: invalid value: received …: must be true or false",
        ),
        (
            "tracker = Support",
            'settings.toml:12: invalid value: tracker …: text must be in double quotes, such as tracker = "…"',
        ),
        (
            "tracker = 127.0.0.1",
            "settings.toml:12: expected newline or end of document after a statement: tracker …: "  # noqa: ISC004
            'text must be in double quotes, such as tracker = "…"',
        ),
        (
            "due_in = 3d",
            "settings.toml:12: expected newline or end of document after a statement: due_in …: "  # noqa: ISC004
            'text must be in double quotes, such as due_in = "…"',
        ),
    ],
)
def test_slips_of_toml_say_what_to_write(folder: Path, line: str, problem: str) -> None:
    """Single brackets for a list of tables, `yes` for true, and text without quotes each say what to write."""
    assert [problem] == problems(folder, f"{GOOD}{line}\n")


@pytest.mark.parametrize("sign", ["\x85", "\u2028", "\u2029"])
def test_signs_that_end_no_line_of_toml(tmp_path: Path, sign: str) -> None:
    """A sign that is a line end elsewhere does not move the numbers of the lines behind it."""
    file = tmp_path / "settings.toml"
    file.write_text(f"# a note{sign} of ours\n[redmine]\nurl = nonsense\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"settings\.toml:3: "):
        load(file, {})


def test_the_home_directory_of_nobody_there(tmp_path: Path) -> None:
    """A path that begins with the home directory of an unknown user is reported, with its line and key."""
    file = tmp_path / "settings.toml"
    file.write_text('[redmine]\nurl = "https://redmine.example"\napi_key_file = "~nobodyx/key"\n', encoding="utf-8")
    with pytest.raises(SettingsError, match=r'settings\.toml:3: .*api_key_file.*home directory of "~nobodyx"'):
        load(file, {})
