"""The command line's frame."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from redmine_mailbridge import __version__
from redmine_mailbridge.cli.main import Commands, cli

GOOD = """\
[redmine]
text_format = "common_mark"
url = "https://redmine.example.com"
api_key = "geheim"
[mailboxes.a]
address = "a@example.com"
host = "mail.example.com"
password = "hunter2"
[mailboxes.a.issue]
project = "p"
"""
HEAVY = (
    "pydantic",
    "sqlalchemy",
    "structlog",
    "requests",
    "redminelib",
    "imap_tools",
    "apscheduler",
    "rich",
    "jinja2",
    "lxml",
)


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    file = tmp_path / "settings.toml"
    file.write_text(GOOD, "utf-8")
    file.chmod(0o600)
    return file


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(a) for a in arguments])


def names() -> list[str]:
    assert isinstance(cli, Commands)
    return cli.list_commands()


@pytest.mark.parametrize("arguments", [["--help"], *([name, "--help"] for name in names())])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    """--help answers at once, because no heavy library is imported for it."""
    script = (
        "import sys\nfrom redmine_mailbridge.cli.main import cli\n"
        f"try: cli({arguments!r})\nexcept SystemExit as end: assert not end.code\n"
        f"print(sorted(set(sys.modules) & set({HEAVY!r})))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert "[]" == done.stdout.splitlines()[-1]
    assert "Usage:" in done.stdout


def every_command(above: click.Group, context: click.Context, way: str = "") -> Iterator[tuple[str, click.Command]]:
    for name in above.list_commands(context):
        command = above.get_command(context, name)
        assert command is not None
        yield f"{way}{name}", command
        if isinstance(command, click.Group):
            yield from every_command(command, context, f"{way}{name} ")


def test_one_line_helps_fit_their_line() -> None:
    """The list of commands shows each one's first line whole, on a terminal of 80 columns."""
    assert isinstance(cli, Commands)
    everything = dict(every_command(cli, click.Context(cli)))

    assert {} == {
        name: one.get_short_help_str(200) for name, one in everything.items() if "..." in one.get_short_help_str(62)
    }
    assert {"messages accept", "messages reject", "messages retry", "messages show", "mailboxes resume"} < set(
        everything
    )


def test_a_number_is_a_message_to_show(settings: Path) -> None:
    """`messages 7` is `messages show 7`; anything else is a command, or an error that names one."""
    assert "no message with this number: 7" in run("messages", "7", "--settings", settings).output
    assert "no message with this number: 7, 8" in run("messages", "--json", "7", "8", "--settings", settings).output
    wrong = run("messages", "acept", "7")
    assert (2, True) == (wrong.exit_code, "acept" in wrong.output)


def test_version_and_module() -> None:
    """`python -m redmine_mailbridge --version` prints the version."""
    done = subprocess.run(
        [sys.executable, "-m", "redmine_mailbridge", "--version"], capture_output=True, text=True, check=True
    )

    assert f"redmine-mailbridge, version {__version__}\n" == done.stdout


@pytest.mark.parametrize("before", [True, False])
def test_settings_option_stands_before_or_behind_the_command(settings: Path, before: bool) -> None:
    """--settings is understood on both sides of the command."""
    option = ["--settings", settings]
    result = run(*option, "settings", "show") if before else run("settings", "show", *option)

    assert 0 == result.exit_code
    assert 'url = "https://redmine.example.com"' in result.output


def test_settings_show_hides_secrets(settings: Path) -> None:
    """`settings show` prints values with their origin, and of secrets only that they are set."""
    result = run("settings", "show", "--settings", settings, "--json")

    assert '{"table": "mailboxes.a", "key": "password", "value": "set"' in result.output
    assert "hunter2" not in result.output
    assert "geheim" not in result.output


def test_bad_settings_end_with_two(settings: Path) -> None:
    """Settings that cannot be used end with exit code 2 and one line per problem, without a traceback."""
    settings.write_text(GOOD + 'trackr = "x"\n', "utf-8")
    result = run("settings", "show", "--settings", settings)

    line = f'{settings}:11: [mailboxes.a.issue] trackr = "x": unknown key, did you mean "tracker"?\n'
    assert (2, "", line) == (result.exit_code, result.stdout, result.stderr)


def test_misspelt_command() -> None:
    """A command that does not exist is answered with the one that was meant."""
    result = run("setings")

    assert 2 == result.exit_code
    assert 'unknown command "setings", did you mean "settings"?' in result.stderr


PROGRAM = [sys.executable, "-m", "redmine_mailbridge"]


def ended(line: str, settings: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a line of the shell in which $RUN is the program with these settings."""
    run = " ".join([*PROGRAM, "--settings", str(settings)])
    given = {"PATH": "/usr/bin:/bin", "HOME": str(settings.parent), "RUN": run, "PYTHONPATH": sys.path[0]} | environment
    return subprocess.run(["bash", "-c", line], env=given, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.fault("L6")
@pytest.mark.parametrize("command", ["settings show", "--help", "messages --help"])
def test_an_output_that_is_full(settings: Path, command: str) -> None:
    """A disk that is full below the output ends the command with a line, and no traceback."""
    done = ended(f"$RUN {command} > /dev/full", settings)
    assert (1, "standard output: No space left on device\n") == (done.returncode, done.stderr)


@pytest.mark.fault("A44-3")
@pytest.mark.parametrize("rest", ["> /dev/full", "--wrong > /dev/full", "> /dev/full 2>&1", "| true"])
def test_an_answer_that_nobody_gets(settings: Path, rest: str) -> None:
    """Where `health` cannot print, a monitoring system gets the code for "unknown", not the one for a warning."""
    done = ended(f"$RUN health {rest}; exit ${{PIPESTATUS[0]}}", settings)
    assert 3 == done.returncode
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", "<&-", "<&- >&- 2>&-"])
def test_what_is_closed(settings: Path, closed: str) -> None:
    """A closed input or output is no fault, and no file takes its place: what is said goes into none."""
    done = ended(f"$RUN messages {closed}", settings)
    assert (0, "") == (done.returncode, done.stderr)
    database = settings.parent / "mailbridge.db"
    assert b"SQLite format 3" == database.read_bytes()[:15]


@pytest.mark.fault("L6")
def test_an_encoding_that_lacks_a_letter(settings: Path) -> None:
    """In a Latin-1 locale what cannot be written comes as an escape."""
    text = settings.read_text("utf-8").replace('project = "p"', 'project = "p"\ncategory = "Ошибки"')
    settings.write_text(text, "utf-8")
    done = ended("$RUN settings show --changed", settings, PYTHONIOENCODING="latin-1", PYTHONUTF8="0")
    assert (0, True) == (done.returncode, "\\u041e" in done.stdout), done.stderr


@pytest.mark.fault("L6")
def test_postgresql_without_its_driver(settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without psycopg a store on PostgreSQL is refused with what to install."""
    text = settings.read_text("utf-8") + '[store]\nurl = "postgresql+psycopg://u@127.0.0.1/x"\nraw_dir = "mails"\n'
    settings.write_text(text, "utf-8")
    monkeypatch.setitem(sys.modules, "psycopg", None)
    done = run("messages", "--settings", settings)
    assert (2, True) == (done.exit_code, "pip install 'redmine-mailbridge[postgresql]'" in done.output), done.output


@pytest.mark.fault("L6")
@pytest.mark.parametrize("place", ["[outgoing]", "[mailboxes.a.outgoing]"])
def test_a_name_that_no_host_can_have(settings: Path, place: str) -> None:
    """A server's name with an empty label is a line of `check`, and no traceback."""
    text = (
        settings.read_text("utf-8")
        .replace('"mail.example.com"', '"imap..x"')
        .replace("https://redmine.example.com", "http://127.0.0.1:1")
    )
    text += f'[mailboxes.a.answers]\nreceived = true\n{place}\nhost = "smtp..x"\n'
    settings.write_text(text, "utf-8")
    done = run("check", "--settings", settings)
    assert (1, SystemExit) == (done.exit_code, type(done.exception))
    assert "smtp..x:587: " in done.output


@pytest.mark.fault("N9")
def test_tasks_alone_lists_them(settings: Path) -> None:
    """`tasks` without a word after it shows the tasks, as the README says."""
    alone, listed = run("tasks", "--settings", settings), run("tasks", "list", "--settings", settings)
    assert (0, 0) == (alone.exit_code, listed.exit_code), alone.output
    names = [line.split()[0] for line in listed.stdout.splitlines() if not line.startswith(" ")]
    assert names == [line.split()[0] for line in alone.stdout.splitlines() if not line.startswith(" ")]
    assert {"receive", "update"} <= set(names)


@pytest.mark.parametrize("group", ["rules", "settings", "templates"])
def test_a_group_alone_lists(settings: Path, group: str) -> None:
    """As `tasks`, `messages` and `mailboxes` do: a group without a command lists what it has."""
    alone = run("--settings", settings, group)
    listed = run("--settings", settings, group, "show" if group == "settings" else "list")
    assert (0, listed.output) == (alone.exit_code, alone.output)
    assert "Usage" not in alone.output


def test_mailboxes_say_that_all_is_paused(settings: Path) -> None:
    """After `stop`, the list of mailboxes says so: they are not ok in the meantime."""
    assert "paused" not in run("--settings", settings, "mailboxes").output
    assert 0 == run("--settings", settings, "stop").exit_code
    assert "processing is paused; run `redmine-mailbridge start`" in run("--settings", settings, "mailboxes").output


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("templates", "preview", "foo"), 'unknown template "foo"; the templates are received, '),
        (("receive", "--mailbox", "foo"), 'no active mailbox is called "foo"; the active mailboxes are a'),
        (("messages", "retry", "x"), "'x' is not a valid number."),
        (("init", "--port", "x"), "'x' is not a valid number."),
    ],
)
def test_a_wrong_value_is_answered_with_the_possible_ones(settings: Path, words: tuple[str, ...], answer: str) -> None:
    """A name that is like none is answered with all of them, and no error speaks of an "integer range"."""
    assert answer in run("--settings", settings, *words).output


@pytest.mark.fault("N13")
def test_explain_reads_standard_input(settings: Path) -> None:
    """`explain -` explains the message on standard input."""
    words = ["--settings", str(settings), "explain", "--offline", "-"]
    result = CliRunner().invoke(cli, words, input=b"From: c@example.com\nSubject: No ink\n\nIt is empty.\n")

    assert 0 == result.exit_code
    assert "-: No ink" == result.output.splitlines()[0]
    assert "It is empty." in result.output


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ("", 'auto-reply "received" is not enabled'),
        ("answers.received = true\n", 'auto-reply "received" is not enabled'),
        ('answers.received = true\noutgoing.host = "mail.example.com"\n', 'auto-reply "received" will be sent'),
    ],
)
def test_explain_knows_which_auto_replies_are_sent(settings: Path, more: str, line: str) -> None:
    """An auto-reply is promised only where the mailbox sends it: it is enabled, and there is a server to send it by."""
    settings.write_text(GOOD.replace("[mailboxes.a.issue]", f"{more}[mailboxes.a.issue]"), "utf-8")
    words = ["--settings", str(settings), "explain", "--offline", "-"]
    result = CliRunner().invoke(cli, words, input=b"From: c@example.com\nSubject: No ink\n\nIt is empty.\n")
    assert line in result.output, result.output
