"""What `init` asks about what it finds: projects of a large Redmine, an SMTP server without logins, who vouches."""

import base64
from collections.abc import Callable, Mapping
from pathlib import Path

import click
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from click.testing import CliRunner

from tests.helpdesk import post
from tests.servers.processes import free_port
from tests.unit.redmine.tiny import Seen, answer, serve

MANY = {
    f"project-{number:04}": f"team {number}: {'plant' if number % 500 == 7 else 'office'}" for number in range(2000)
}


def chosen(names: Mapping[str, str], *typed: str) -> tuple[str, str]:
    """Choose among names by what is typed. Return what was chosen, and what was said."""
    from redmine_mailbridge.cli.setup.choosing import Choice
    from redmine_mailbridge.cli.setup.form import Form

    form = Form({})
    one = Choice(form, "project", names)

    @click.command()
    def ask() -> None:
        click.echo(one.begin())
        form.until_right(("project",), lambda: form.ask("project", "Project"), one.settle)

    said = CliRunner().invoke(ask, input="\n".join([*typed, ""]))
    assert 0 == said.exit_code, said.output
    return str(form["project"]), said.output


@pytest.mark.fault("N9")
@pytest.mark.parametrize(
    ("typed", "expected", "words"),
    [
        (("project-1507",), "project-1507", "and 1980 more"),
        (("PROJECT-1507",), "project-1507", ""),
        (("team 12: office",), "project-0012", ""),
        (("plant", "2"), "project-0507", '4 projects contain "plant":'),
        (
            ("1507", ""),
            "project-1507",
            'One project contains "1507": project-1507 (team 1507: plant) (press Enter to use it)',
        ),
        (("3",), "project-0002", ""),
        (("office", "999", "project-0999"), "project-0999", "and 1976 more"),
        (("projekt-0001", "project-0001"), "project-0001", 'did you mean "project-0001"?'),
    ],
)
def test_a_project_of_two_thousand(typed: tuple[str, ...], expected: str, words: str) -> None:
    """A part of a project's name or identifier shows those that hold it; a number picks one of those shown."""
    found, said = chosen(MANY, *typed)
    assert (expected, True) == (found, words in said), said
    assert max(map(len, said.split("Project:"))) < 3000


def test_few_projects_are_named_at_once() -> None:
    """Where they are few, all stand there, and each is typed as it is."""
    found, said = chosen({"desk": "help desk", "sales": "sales"}, "Help Desk")
    assert ("desk", True) == (found, "Projects: desk (help desk), sales\n" in said)


class _Nobody:
    """Handles no mail."""


@pytest.mark.fault("N9")
def test_whether_an_smtp_server_wants_a_login_is_asked_of_the_server() -> None:
    """The server's EHLO tells whether there is a login at all: nobody is refused first to find that out."""
    from redmine_mailbridge.checks.outgoing import asks_for_login
    from redmine_mailbridge.outgoing.smtp_config import SmtpConfig

    with post() as open_to_all:
        assert not asks_for_login(SmtpConfig("127.0.0.1", open_to_all.port, "none"))
    closed = Controller(
        _Nobody(), "127.0.0.1", free_port(), authenticator=lambda *_: AuthResult(success=False), auth_require_tls=False
    )
    closed.start()
    try:
        assert asks_for_login(SmtpConfig("127.0.0.1", closed.port, "none"))
    finally:
        closed.stop()


RECEIVED = "Received: from out.example by mx.example.com; Sat, 28 Nov 2026 02:00:00 +0000"

GOOGLES = (
    "Received: from out.example (out.example [192.0.2.1]) by mx.google.com with ESMTPS id x; "
    "Sat, 28 Nov 2026 02:00:00 +0000"
)


@pytest.mark.fault("N9", "A17-4")
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (["Authentication-Results: mx.example.com; spf=pass smtp.mailfrom=a.example", RECEIVED], "mx.example.com"),
        (
            [GOOGLES, "Authentication-Results: MX.google.com;\r\n dkim=pass header.i=@a.example", RECEIVED],
            "mx.google.com",
        ),
        (
            [
                "Received: by 2002:a05:6402:1a2:b0:1:2:3 with SMTP id x; Sat, 28 Nov 2026 02:00:00 +0000",
                GOOGLES,
                "Authentication-Results: mx.google.com; dkim=pass header.i=@a.example",
                RECEIVED,
            ],
            "mx.google.com",
        ),
        (["Authentication-Results: spf=pass smtp.mailfrom=a.example", RECEIVED], "*"),
        (["Return-Path: <a@a.example>", RECEIVED, RECEIVED, "Authentication-Results: evil.example; none"], None),
        ([RECEIVED, "Authentication-Results: evil.example; dmarc=pass header.from=a.example"], None),
        ([RECEIVED, "Authentication-Results: spf=pass smtp.mailfrom=a.example"], None),
        (["Authentication-Results: mx.example.com; (open", RECEIVED], None),
        ([RECEIVED, "Subject: x", "", "Authentication-Results: evil.example; none"], None),
        ([], None),
    ],
)
def test_the_name_of_who_vouches(fields: list[str], expected: str | None) -> None:
    """The name is that of the topmost field which the mailbox's own server can have written: none that came along, in
    however many mails of one stranger.
    """
    from redmine_mailbridge.mail.vouching import voucher

    assert expected == voucher("\r\n".join([*fields, "From: a@a.example", "", "x"]).encode())


def asked(typed: str, name: str, times: int, looked: int) -> tuple[object, str]:
    """What is answered about who vouches, and what was said."""
    from redmine_mailbridge.checks.vouching import VouchingCount
    from redmine_mailbridge.cli.setup.form import Form
    from redmine_mailbridge.cli.setup.vouching import ask_who_vouches

    form = Form({"address": "desk@example.com"})
    ask: Callable[[], None] = lambda: ask_who_vouches(form, VouchingCount(name, times, looked))  # noqa: E731 - a command
    said = CliRunner().invoke(click.command()(ask), input=typed)
    assert 0 == said.exit_code, said.output
    return form["trusted_authserv_ids"] or "", said.output


@pytest.mark.fault("N9")
def test_who_vouches_is_confirmed_or_typed() -> None:
    """What the mails say is shown and confirmed, by Enter only where each of many says so; where none lies there the
    name is asked for; without one it is said that nobody is proven, and which line changes that.
    """
    assert ("mx.example.com", True) == ((found := asked("\n", "mx.example.com", 9, 9))[0], "9 of the 9" in found[1])
    assert "" == asked("\n\n", "mx.example.com", 3, 9)[0]
    assert "mx.example.com" == asked("y\n", "mx.example.com", 1, 1)[0]
    assert "mx.example.com" == asked("mx.example.com\n", "", 0, 0)[0]
    for typed, looked in (("\n", 0), ("", 5)):
        found = asked(typed, "", 0, looked)
        assert "" == found[0]
        assert "no sender can be authenticated" in found[1]
        assert '[mailboxes.desk] reading.trusted_authserv_ids = ["mx.example.com"]' in found[1]


@pytest.mark.fault("A15-5")
@pytest.mark.parametrize(("looked", "taken"), [(2, ""), (4, ""), (5, "elsewhere.example")])
def test_few_mails_do_not_say_who_vouches(looked: int, taken: str) -> None:
    """Two mails of one stranger, to a new mailbox whose server writes no such header, bring one along: Enter takes it
    only where many say it, and it is said each time that a mail may bring it.
    """
    answered, said = asked("\n\n", "elsewhere.example", looked, looked)
    assert taken == answered
    assert "answer yes only if you know that name" in said


@pytest.mark.fault("N9")
def test_check_says_what_it_means_that_nobody_vouches(tmp_path: Path) -> None:
    """`check` says so of the settings, with the line to add."""
    file = tmp_path / "settings.toml"
    file.write_text(
        '[redmine]\nurl = "http://127.0.0.1:1"\napi_key = "k"\n'
        '[mailboxes.desk]\naddress = "d@example.com"\nhost = "127.0.0.1"\npassword = "p"\nissue.project = "p"\n',
        "utf-8",
    )
    from redmine_mailbridge.checks.result import settings_checks
    from redmine_mailbridge.settings.load import load_with_origins

    words = "\n".join(one.words for one in settings_checks(load_with_origins(file, {})))
    assert "no message acts for a Redmine user" in words
    assert '[mailboxes.desk] reading.trusted_authserv_ids = ["' in words


def _gateway(seen: Seen) -> bytes:
    """A gateway that wants bridge:words, and a Redmine without projects behind it, which knows one key."""
    if seen.headers.get("authorization") != "Basic " + base64.b64encode(b"bridge:words").decode():
        return answer("<html>", "401 Unauthorized", Content_Type="text/html", WWW_Authenticate='Basic realm="Staff"')
    if seen.headers.get("x-redmine-api-key") != "the-key":
        return answer("", "401 Unauthorized", WWW_Authenticate='Basic realm="Redmine API"')
    if seen.path == "/users/current.json":
        return answer('{"user": {"id": 5, "login": "bridge", "admin": true, "api_key": "the-key", "status": 1}}')
    return answer('{"projects": [], "total_count": 0}')


@pytest.mark.fault("M13", "N9")
def test_a_gateway_before_redmine(tmp_path: Path) -> None:
    """A gateway that asks for a login of its own is told as one, asked about, and written with its password apart."""
    from redmine_mailbridge.cli.setup.drafting import draft_of
    from redmine_mailbridge.cli.setup.form import Form
    from redmine_mailbridge.cli.setup.redmine import Offers, ask_for_redmine

    form = Form({"address": "d@example.com", "project": "p", "protocol": "imap", "store_url": "sqlite:///x.db"})
    ask: Callable[[], None] = lambda: ask_for_redmine(form, Offers())  # noqa: E731 - a command
    with serve(_gateway) as tiny:
        typed = [tiny.url, "", "bridge", "wrong", "", "", "words", "the-key", "textile", ""]
        said = CliRunner().invoke(click.command()(ask), input="\n".join(typed))
    assert 0 == said.exit_code, said.output
    assert "a gateway in front of Redmine requires a separate login" in said.output
    assert "does not accept [redmine] gateway_user and its password" in said.output
    assert "the key belongs to bridge, an administrator." in said.output
    assert "words" not in said.output
    names = ("preset", "host", "port", "security", "username", "client_id", "tracker", "unknown_sender", "answers")
    form.answers |= {name: form[name] for name in (*names, "redmine_users", "smtp_host", "smtp_port")}
    draft = draft_of(form.answers, tmp_path / "settings.toml", whole=True)
    assert ("bridge", "words") == (draft.values["redmine", "gateway_user"], draft.secrets["redmine-gateway"])


@pytest.mark.fault("N9")
def test_a_wrong_password_does_not_take_the_certificate_back() -> None:
    """Once a file with an own authority's certificate was given, it stays the answer, by Enter, while something else is
    asked again; "-" is how to say that there is none.
    """
    from redmine_mailbridge.cli.setup.form import Form

    form = Form({})
    wrongs = iter(["the certificate is not accepted", "the login is refused", "the login is refused again", ""])
    tried: list[tuple[object, object]] = []

    def ask() -> None:
        form.ask_for_authority("ca_file", needed=bool(tried) and "certificate" in said[-1])
        form.ask("password", "Password")

    def trial() -> str:
        tried.append((form["ca_file"], form["password"]))
        said.append(next(wrongs))
        return said[-1]

    said: list[str] = [""]
    typed = ["a", "own.pem", "b", "", "c", "-", "d"]
    found = CliRunner().invoke(
        click.command()(lambda: form.until_right(("ca_file", "password"), ask, trial)), input="\n".join([*typed, ""])
    )
    assert 0 == found.exit_code, found.output
    assert [(None, "a"), ("own.pem", "b"), ("own.pem", "c"), ("", "d")] == tried
    assert "[own.pem]" in found.output


@pytest.mark.fault("N9")
def test_what_cannot_be_the_name_of_who_vouches_is_asked_again() -> None:
    """A mail address, or more of the header than its name, would never be found in a mail: it is asked again."""
    for typed in ("desk@example.com", "mx.example.com; spf=pass", "mx.example.com 1"):
        found = asked(f"{typed}\nmx.example.com\n", "", 0, 0)
        assert "mx.example.com" == found[0]
        assert "must be only the name" in found[1]


@pytest.mark.fault("N9")
def test_an_address_is_no_name_of_who_vouches() -> None:
    """The settings refuse it too, with what to write."""
    from redmine_mailbridge.settings.reading import ReadingSettings

    with pytest.raises(ValueError, match="must be only the name"):
        ReadingSettings(trusted_authserv_ids=("desk@example.com",))
    assert ("*", "mx.example.com") == ReadingSettings(trusted_authserv_ids=("*", "mx.example.com")).trusted_authserv_ids
