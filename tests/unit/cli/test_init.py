"""`init` writes settings that load."""

import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from redmine_mailbridge.cli.main import cli
from redmine_mailbridge.discovery import find
from redmine_mailbridge.discovery.dns_records import Records
from redmine_mailbridge.discovery.find import LookupMethods
from redmine_mailbridge.discovery.http import Web
from redmine_mailbridge.settings.load import load
from redmine_mailbridge.settings.value_types import reveal
from tests.servers.web import Answer, name_server, web_server

FLAGS = [
    "--redmine-url",
    "http://127.0.0.1:1",
    "--address",
    "support@example.com",
    "--host",
    "mail.example.com",
]
FLAGS += ["--project", "support", "--redmine-users", "leave_to_redmine"]

PUBLISHED = b"""<?xml version="1.0"?>
<clientConfig version="1.1"><emailProvider id="firm.example"><domain>firm.example</domain>
<incomingServer type="imap"><hostname>in.firm.example</hostname><port>993</port><socketType>SSL</socketType>
<username>%EMAILLOCALPART%</username></incomingServer>
<outgoingServer type="smtp"><hostname>out.firm.example</hostname><port>587</port><socketType>STARTTLS</socketType>
<username>%EMAILADDRESS%</username></outgoingServer></emailProvider></clientConfig>"""


def init(file: Path, *flags: str, answers: str = "", env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(cli, ["init", "--settings", str(file), *flags], input=answers, env=env)


def test_asked_for_everything(tmp_path: Path) -> None:
    """From typed answers it writes settings that load, typed secrets in files of their own, none readable by others."""
    answers = [
        "http://127.0.0.1:1",
        "the key",
        "textile",
        "help.desk@example.com",
        "",
        "",
        "",
        "",
        "",
        "the pass word",
    ]
    answers += ["support", "Bug", "create", "marked", "n", "", "smtp.example.com", "", "", ""]
    file = tmp_path / "etc" / "settings.toml"
    result = init(file, "--no-discover", "--no-check", answers="\n".join(answers) + "\n")

    assert 0 == result.exit_code, result.output
    settings = load(file, {})
    box = settings.mailboxes["help-desk"]
    assert ("the key", "the pass word") == (reveal(settings.redmine.api_key), reveal(box.password))
    assert ("imap.example.com", 993, "textile") == (box.host, box.port, settings.redmine.text_format)
    assert ("support", "Bug", "create") == (box.issue.project, box.issue.tracker, box.issue.unknown_sender)
    modes = {f.name: stat.S_IMODE(f.stat().st_mode) for f in (file, *(file.parent / "secrets").iterdir())}
    assert {"settings.toml": 0o600, "redmine-api-key": 0o600, "help-desk": 0o600} == modes
    assert "the key" not in result.output + file.read_text("utf-8")
    assert ["secrets", "settings.toml"] == sorted(f.name for f in file.parent.iterdir())


@pytest.mark.fault("N4")
def test_the_text_format_is_never_guessed(tmp_path: Path) -> None:
    """Where Redmine does not tell how it formats texts, nothing is written about it, and what to write is said."""
    env = {"MAILBRIDGE_REDMINE__API_KEY": "k", "MAILBRIDGE_MAILBOXES__SUPPORT__PASSWORD": "p"}
    result = init(tmp_path / "settings.toml", *FLAGS, "--no-input", env=env)
    assert 0 == result.exit_code
    assert "text_format is not set, and this Redmine does not report it" in result.output
    assert "text_format" not in (tmp_path / "settings.toml").read_text("utf-8")


@pytest.mark.fault("N4")
def test_the_text_format_is_found_out(tmp_path: Path) -> None:
    """Where Redmine tells it, that is what is written."""
    env = {"MAILBRIDGE_REDMINE__API_KEY": "k", "MAILBRIDGE_MAILBOXES__SUPPORT__PASSWORD": "p"}
    page = "http://redmine.example/help/wiki_syntax/detailed"
    with web_server({page: Answer(content=b"<title>Textile formatting</title>")}) as web:
        address = web.locate("http://redmine.example")
        result = init(tmp_path / "settings.toml", *FLAGS, "--redmine-url", address, "--no-input", env=env)
    assert 0 == result.exit_code, result.output
    assert "textile" == load(tmp_path / "settings.toml", env).redmine.text_format


@pytest.mark.fault("N15")
def test_the_markdown_of_older_redmines(tmp_path: Path) -> None:
    """The Markdown of Redmine up to 5.1, which is not CommonMark, is a text format of its own."""
    env = {"MAILBRIDGE_REDMINE__API_KEY": "k", "MAILBRIDGE_MAILBOXES__SUPPORT__PASSWORD": "p"}
    result = init(tmp_path / "settings.toml", *FLAGS, "--text-format", "markdown", "--no-input", env=env)
    assert 0 == result.exit_code, result.output
    assert "markdown" == load(tmp_path / "settings.toml", env).redmine.text_format


def test_from_flags(tmp_path: Path) -> None:
    """With flags it asks nothing, and refers to the secret files that it is given."""
    for name in ("key", "pw"):
        (tmp_path / name).write_text(f"from {name}\n", "utf-8")
    flags = [*FLAGS, "--api-key-file", str(tmp_path / "key"), "--password-file", str(tmp_path / "pw"), "--no-input"]
    result = init(tmp_path / "settings.toml", *flags, "--protocol", "pop3", "--mailbox", "desk", "--port", "1100")

    assert 0 == result.exit_code, result.output
    settings = load(tmp_path / "settings.toml", {})
    assert ("from key", "from pw") == (
        reveal(settings.redmine.api_key),
        reveal(settings.mailboxes["desk"].password),
    )
    assert ("pop3", 1100) == (settings.mailboxes["desk"].protocol, settings.mailboxes["desk"].port)


def test_secrets_in_the_environment_stay_there(tmp_path: Path) -> None:
    """Secrets that the environment gives are neither asked for nor written."""
    env = {"MAILBRIDGE_REDMINE__API_KEY": "geheim", "MAILBRIDGE_MAILBOXES__SUPPORT__PASSWORD": "hunter2"}
    result = init(tmp_path / "settings.toml", *FLAGS, "--no-input", env=env)

    assert 0 == result.exit_code, result.output
    assert ["settings.toml"] == [f.name for f in tmp_path.iterdir()]
    assert "geheim" not in (tmp_path / "settings.toml").read_text("utf-8")


def test_a_known_provider(tmp_path: Path) -> None:
    """The provider of the address is found out: its preset is written, and nobody is asked for servers."""
    file = tmp_path / "settings.toml"
    answers = ["http://127.0.0.1:1", "the key", "common_mark", "desk@gmail.com", "app password", "support"]
    result = init(file, "--no-check", answers="\n".join([*answers, "", "accept", "public_notes", "", "", ""]) + "\n")

    assert 0 == result.exit_code, result.output
    assert "found preset       gmail" in result.output
    assert "create an app password" in result.output
    box = load(file, {}).mailboxes["desk"]
    assert ("gmail", "imap.gmail.com", "smtp.gmail.com") == (box.preset, box.host, box.outgoing.host)
    assert "\nhost" not in file.read_text("utf-8")


def test_a_known_provider_without_questions(tmp_path: Path) -> None:
    """Without questions too; a preset that is given is taken as it is."""
    env = {"MAILBRIDGE_REDMINE__API_KEY": "k", "MAILBRIDGE_MAILBOXES__DESK__PASSWORD": "p"}
    flags = ["--redmine-url", "http://127.0.0.1:1", "--project", "support", "--no-input", "--answers", "marked"]
    assert 0 == init(tmp_path / "a.toml", *flags, "--address", "desk@posteo.de", env=env).exit_code
    assert "posteo.de" == load(tmp_path / "a.toml", env).mailboxes["desk"].host
    own = ["--address", "desk@example.com", "--preset", "fastmail", "--protocol", "pop3"]
    assert 0 == init(tmp_path / "b.toml", *flags, *own, env=env).exit_code
    assert ("pop.fastmail.com", "pop3") == (
        load(tmp_path / "b.toml", env).mailboxes["desk"].host,
        load(tmp_path / "b.toml", env).mailboxes["desk"].protocol,
    )


def test_servers_that_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a domain publishes its servers these are written, for reading and for sending, and nobody is asked."""
    url = "https://autoconfig.firm.example/mail/config-v1.1.xml"
    with web_server({url: Answer(content=PUBLISHED)}) as web, name_server({}) as names:
        ways = LookupMethods(Web(web.locate), Records(names), lambda _host, _port: False)
        monkeypatch.setattr(find, "LookupMethods", lambda: ways)
        file = tmp_path / "settings.toml"
        flags = ["--redmine-url", "http://127.0.0.1:1", "--address", "desk@firm.example", "--project", "p"]
        env = {"MAILBRIDGE_REDMINE__API_KEY": "k", "MAILBRIDGE_MAILBOXES__DESK__PASSWORD": "p"}
        result = init(file, *flags, "--no-input", "--answers", "marked", env=env)
    assert 0 == result.exit_code, result.output
    assert "found autoconfig   imap in.firm.example:993 tls, smtp out.firm.example:587 starttls" in result.output
    box = load(file, env).mailboxes["desk"]
    assert ("in.firm.example", 993, "tls", "desk") == (box.host, box.port, box.security, box.username)
    out = box.outgoing
    assert ("out.firm.example", 587, "starttls", "desk@firm.example") == (
        out.host,
        out.port,
        out.security,
        out.username,
    )


def test_a_provider_that_takes_no_passwords(tmp_path: Path) -> None:
    """Where only tokens are taken, it asks for the application instead of a password, and says to sign in next."""
    file = tmp_path / "settings.toml"
    answers = ["http://127.0.0.1:1", "the key", "textile", "desk@firm.onmicrosoft.com", "11111111-2222", "support"]
    result = init(file, "--no-check", answers="\n".join([*answers, "", "", "", "", "", ""]) + "\n")
    assert 0 == result.exit_code, result.output
    assert "Password" not in result.output
    assert "Next: redmine-mailbridge oauth login desk" in result.output
    settings = load(file, {})
    assert ("microsoft365", "11111111-2222") == (
        settings.mailboxes["desk"].oauth,
        settings.oauth["microsoft365"].client_id,
    )


def test_a_provider_that_takes_no_passwords_without_questions(tmp_path: Path) -> None:
    """Without questions the application must be given as well; a password by the environment is taken as meant."""
    flags = [*FLAGS[:2], "--address", "desk@outlook.com", *FLAGS[-4:], "--no-input"]
    env = {"MAILBRIDGE_REDMINE__API_KEY": "k"}
    refused = init(tmp_path / "a.toml", *flags, env=env)
    assert (2, True) == (refused.exit_code, "--client-id" in refused.stderr)
    assert 0 == init(tmp_path / "b.toml", *flags, "--client-id", "abc", env=env).exit_code
    assert "microsoft365" == load(tmp_path / "b.toml", env).mailboxes["desk"].oauth
    env |= {"MAILBRIDGE_MAILBOXES__DESK__PASSWORD": "p"}
    assert 0 == init(tmp_path / "c.toml", *flags, env=env).exit_code


def test_missing_flags(tmp_path: Path) -> None:
    """Without questions it names the flags that are missing."""
    result = init(tmp_path / "settings.toml", "--no-input", "--host", "x")

    assert 2 == result.exit_code
    assert "--redmine-url, --address, --project" in result.stderr


def test_nobody_who_answers(tmp_path: Path) -> None:
    """Where nobody answers its questions, it says so and names the way without them, and writes nothing."""
    result = init(tmp_path / "settings.toml")

    assert 2 == result.exit_code
    assert "pass the answers as options with --no-input" in result.stderr
    assert [] == list(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """A file that is there stays, unless --force is given."""
    file = tmp_path / "settings.toml"
    file.write_text("mine", "utf-8")
    env = {"MAILBRIDGE_REDMINE__API_KEY": "k", "MAILBRIDGE_MAILBOXES__SUPPORT__PASSWORD": "p"}
    result = init(file, *FLAGS, "--no-input", env=env)

    assert (2, "mine") == (result.exit_code, file.read_text("utf-8"))
    assert "--force" in result.stderr
    assert 0 == init(file, *FLAGS, "--no-input", "--force", env=env).exit_code
    assert "support@example.com" in file.read_text("utf-8")


@pytest.mark.parametrize("existing", [True, False])
def test_answers_that_do_not_load_leave_nothing(tmp_path: Path, existing: bool) -> None:
    """Answers that make no settings are refused in the file's name; what was there before stays as it was."""
    file = tmp_path / "settings.toml"
    if existing:
        file.write_text("mine", "utf-8")
    env = {"MAILBRIDGE_REDMINE__API_KEY": "k", "MAILBRIDGE_MAILBOXES__SUPPORT__PASSWORD": "p"}
    result = init(file, *FLAGS, "--no-input", "--force", "--security", "none", env=env)

    assert 2 == result.exit_code
    assert f"{file}:" in result.stderr
    assert 'security = "none": would send the password' in result.stderr
    assert (["settings.toml"] if existing else []) == [f.name for f in tmp_path.iterdir()]


@pytest.mark.fault("N1")
def test_answers_that_nobody_sends_are_refused(tmp_path: Path) -> None:
    """Settings under which nobody tells customers what agents answer are not written, unless that is said."""
    env = {"MAILBRIDGE_REDMINE__API_KEY": "k", "MAILBRIDGE_MAILBOXES__SUPPORT__PASSWORD": "p"}
    refused = init(tmp_path / "settings.toml", *FLAGS[:-2], "--no-input", env=env)
    assert (2, []) == (refused.exit_code, list(tmp_path.iterdir()))
    assert "customers would not get the answers of agents" in refused.stderr
    assert 0 == init(tmp_path / "settings.toml", *FLAGS, "--no-input", env=env).exit_code
    assert "leave_to_redmine" == load(tmp_path / "settings.toml", env).mailboxes["support"].answers.redmine_users


@pytest.mark.fault("N1")
def test_redmines_own_mails_are_asked_for(tmp_path: Path) -> None:
    """`init` asks whether Redmine mails those with an account; else we do, as it is without a word."""
    answers = ["http://127.0.0.1:1", "the key", "common_mark", "desk@gmail.com", "app password", "support", "", "", ""]
    for said, wanted in (("y", "leave_to_redmine"), ("n", "mail")):
        file = tmp_path / said / "settings.toml"
        result = init(file, "--no-check", answers="\n".join([*answers, said, "", ""]) + "\n")
        assert 0 == result.exit_code, result.output
        box = load(file, {}).mailboxes["desk"]
        assert (wanted, "public_notes") == (box.answers.redmine_users, box.answers.notes)


@pytest.mark.fault("A14-1")
def test_what_may_be_left_empty_may_be_so_again() -> None:
    """A tracker that was typed wrong is no default, where Enter means none: the question says so."""
    from redmine_mailbridge.cli.setup.form import Form

    form = Form({"tracker": None})

    def ask() -> None:
        form.ask("tracker", "Tracker (empty: the first)", "", show_default=False)

    with CliRunner().isolation(input="Bgu\n\n"):
        form.until_right(("tracker",), ask, lambda: "unknown" if form["tracker"] else "")
    assert "" == form["tracker"]
