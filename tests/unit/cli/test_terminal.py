"""What the command line prints of strangers' words, and how it takes numbers."""

import json
from pathlib import Path

import pytest
import tomlkit
from click.testing import CliRunner, Result

from redmine_mailbridge.cli.main import cli
from redmine_mailbridge.web import passwords
from tests.product import mail
from tests.unit.web.site import PASSWORD, Site, values

EVIL = "\x1b]0;owned\x07\x1b[31m\u202eword\x9b2J"
SIGNS = ("\x1b", "\x07", "\x9b", "\u202e")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A settings file whose store has a mail with a hostile name in its history."""
    made = tmp_path / "settings.toml"
    made.write_text(tomlkit.dumps(values()), "utf-8")
    passwords.keep(tmp_path / "admin-password", PASSWORD)
    with Site.of(made) as site:
        row = site.keep(mail("Printer"), subject="Printer", sender="kim@client.example")
        site.desk.store.done(row.id, "done", issue=7, created=True, lines=[f"not attached: {EVIL}.txt: too large"])
    return made


def run(file: Path, *words: str, **more: str) -> Result:
    """What a command prints on a terminal with colours."""
    return CliRunner().invoke(cli, [*words, "--settings", str(file)], color=True, **more)


@pytest.mark.fault("A19-3")
def test_a_history_steers_no_terminal(file: Path) -> None:
    """The lines of a history are printed without what a terminal would obey."""
    said = run(file, "messages", "1").output.partition("not attached: ")[2]
    assert "word" in said
    assert [] == [sign for sign in SIGNS if sign in said]


@pytest.mark.fault("A19-3")
def test_an_explanation_steers_no_terminal(file: Path) -> None:
    """Nor do the steps and the text that `explain` prints."""
    raw = (
        f"From: kim@client.example\r\nTo: support@example.com\r\nSubject: x\r\nMIME-Version: 1.0\r\n"
        f"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
        f"Tracker: {EVIL}\r\n\r\nHello {EVIL}\r\n--b\r\nContent-Type: text/plain\r\n"
        f'Content-Disposition: attachment; filename="{EVIL}.txt"\r\n\r\nx\r\n--b--\r\n'
    )
    result = run(file, "explain", "--offline", "-", input=raw)
    assert 0 == result.exit_code, result.output
    said = result.stdout.partition("\n")[2]
    assert "word" in said
    assert [] == [sign for sign in SIGNS if sign in said]


@pytest.mark.fault("A19-4")
@pytest.mark.parametrize("words", [
    ["messages", "{}"], ["messages", "accept", "{}"], ["messages", "reject", "{}"], ["messages", "retry", "{}"],
    ["messages", "retry", "1", "--issue", "{}"], ["messages", "--issue", "{}"], ["messages", "--limit", "{}"],
    ["queue", "discard", "{}"], ["queue", "retry", "{}"], ["queue", "--limit", "{}"],
    ["mailboxes", "resume", "support", "--up-to", "{}"],
], ids=" ".join)  # fmt: skip
def test_a_number_that_no_database_takes(file: Path, words: list[str]) -> None:
    """It is a mistake on the command line, said in one line, and not an error of the bridge's."""
    result = run(file, *(word.format("9" * 30) for word in words))
    assert 2 == result.exit_code, result.output
    assert "is not in the range" in result.output


@pytest.mark.fault("A19-13")
def test_a_message_that_is_not_there(file: Path) -> None:
    """Who asks for it is told so; the others are shown."""
    result = run(file, "messages", "1", "99", "--json")
    assert 1 == result.exit_code
    assert "no message with this number: 99" in result.output
    assert 1 == json.loads(result.stdout.splitlines()[0])["id"]


@pytest.mark.fault("A19-13")
def test_a_filter_beside_numbers(file: Path) -> None:
    """What filters the list is not silently ignored when messages are named by their numbers."""
    result = run(file, "messages", "--state", "held", "1")
    assert 2 == result.exit_code
    assert "--state" in result.output


@pytest.mark.fault("A19-11")
def test_a_decision_is_on_record_though_nobody_reads_on(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`messages retry 1 2 | head -0`: all of them are retried, and the page *Changes* says so."""
    from redmine_mailbridge.model.mail_state import State

    with Site.of(file) as site:
        rows = [site.keep(mail(f"Mail {n}"), subject="S", sender="s@example.net", uid=str(n)) for n in (2, 3)]
        for row in rows:
            site.desk.store.finish(row.id, State.FAILED, "why")

    def closed(*_words: object, **_more: object) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    with monkeypatch.context() as patched:
        patched.setattr("redmine_mailbridge.cli.output.click.echo", closed)
        run(file, "messages", "retry", *(str(row.id) for row in rows))
    with Site.of(file) as site:
        assert [("retry", f"{rows[0].id}, {rows[1].id}")] == [
            (line.action, line.detail) for line in site.desk.audit.lines()
        ]


@pytest.mark.fault("A19-9")
@pytest.mark.parametrize(("words", "now"), [
    (["accept", "1"], "messages accept"), (["reject", "1"], "messages reject"), (["retry", "1"], "messages retry"),
    (["release", "support"], "mailboxes resume"), (["rules", "release", "x"], "rules resume"),
], ids=lambda one: " ".join(one) if isinstance(one, list) else one)  # fmt: skip
def test_a_command_that_was_renamed(file: Path, words: list[str], now: str) -> None:
    """It is refused with the name that it has now."""
    result = CliRunner().invoke(cli, ["--settings", str(file), *words])
    assert 2 == result.exit_code
    assert f"it is called `{now}` now" in result.output


@pytest.mark.fault("A25-1")
def test_a_history_names_who_decided(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is decided by command bears the login of whoever typed it, as what is decided on the page does."""
    from redmine_mailbridge.model.mail_state import State

    monkeypatch.setenv("SUDO_USER", "olga")
    with Site.of(file) as site:
        row = site.keep(mail("Wait"), subject="S", sender="s@example.net", uid="2")
        site.desk.store.finish(row.id, State.HELD, "why")
    run(file, "messages", "accept", str(row.id))
    assert "accepted by olga" in run(file, "messages", str(row.id)).output
