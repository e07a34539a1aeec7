"""One list feeds all that say what is wrong: commands, probes, alerts, the overview and `check`."""

import contextlib
import json
import re
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import tomlkit
from click.testing import CliRunner

from redmine_mailbridge.cli.main import cli
from redmine_mailbridge.conditions.current import current_conditions
from redmine_mailbridge.conditions.kinds import KINDS
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.settings.load import load
from redmine_mailbridge.store.health import REDMINE, SENDING, SERVICE, Health, of_mailbox
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.observed.sent_alerts import SentAlerts
from redmine_mailbridge.store.outgoing.adding import NewAnswer
from redmine_mailbridge.store.pauses import MailboxPauses
from redmine_mailbridge.store.tables import meta
from redmine_mailbridge.store.task_state import STOPPED
from redmine_mailbridge.web import passwords
from redmine_mailbridge.wiring import application as app
from tests.product import mail
from tests.servers.processes import free_port
from tests.unit.web.site import PASSWORD, Site

DAY = 86_400.0


def settings_file(folder: Path, mailboxes: int = 2) -> Path:
    """Write settings whose servers are away. Return the file."""
    port = free_port()
    box = {"host": "127.0.0.1", "port": port, "password": "do-not-show", "issue": {"project": "support"}}
    values: dict[str, Any] = {
        "redmine": {"url": f"http://127.0.0.1:{port}", "api_key": "do-not-show", "text_format": "common_mark"},
        "outgoing": {"transport": "console"},
        "admin": {
            "listen": "127.0.0.1:8025", "password_hash_file": "admin-password",
            "alert_to": ["admin@example.org"], "alert_after": "1s",
        },
        "mailboxes": {f"m{number}": box | {"address": f"m{number}@example.com"} for number in range(mailboxes)},
    }  # fmt: skip
    file = folder / "settings.toml"
    file.write_text(tomlkit.dumps(values), "utf-8")
    file.chmod(0o600)
    passwords.keep(folder / "admin-password", PASSWORD)
    return file


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """The pages on a store in which something of everything is wrong."""
    with Site.of(settings_file(tmp_path)) as made:
        store = made.desk.store
        early = Health(store.database, lambda: time.time() - 300)
        early.note(of_mailbox("m0"), "no route to host")
        early.note(REDMINE, "401", refused=True)
        early.note(SENDING, "535 no")
        Health(store.database, store.clock).note(SERVICE, None, "running")
        store.finish(made.keep(mail("Fails"), mailbox="m0", uid="1").id, State.FAILED, "why")
        MailboxPauses(store).pause("m1", made.keep(mail("Waits"), mailbox="m1", uid="2").id, ["no project"], None)
        store.brake("m1", 700)
        made.desk.outbox.queue(
            [NewAnswer("m0", "answer", "s@example.com", "a@x.example", "1@m", b"x", lambda _count: None, 7)]
        )
        (row,) = made.desk.outbox.claim("m0", limit=9)
        made.desk.outbox.failed(row, "550 no")
        server = f"127.0.0.1:{made.desk.settings.mailboxes['m0'].port}"
        made.desk.certificates.note({server: time.time() + 3 * DAY})
        yield made


def run(site: Site, *words: str) -> str:
    """Run a command on the same store. Return what it prints."""
    file = str(site.desk.loaded.path)
    return CliRunner().invoke(cli, [*words[:1], "--settings", file, *words[1:]]).output


def test_all_show_the_same(site: Site) -> None:
    """`status`, `health`, `/readyz`, `/health`, the overview, `check` and the alerts name the same conditions."""
    expected = {condition.name for condition in current_conditions(site.desk.store, site.desk.settings)}
    assert 8 == len(expected)
    keys = {name.partition(" ")[0] for name in expected}
    assert 8 == len(keys)

    listed = [json.loads(line) for line in run(site, "status", "--json").splitlines()]
    assert expected == {f"{each['key']} {each['subject']}".strip() for each in listed}
    assert expected == set(
        re.findall(r"^(?:critical|warning|ok) +(\S.*?)  since", run(site, "status"), re.MULTILINE)
    ) | {"too-many-new-mails m1"}
    assert expected == set(re.findall(r"^\[[A-Z]+\] ([^:]+(?::\d+)?):", run(site, "health"), re.MULTILINE))
    checked = [json.loads(line) for line in run(site, "check", "--json").splitlines()]
    assert expected == {each["name"] for each in checked} & expected

    site.sign_in()
    assert keys == {line.split()[1] for line in site.browser.get("/readyz").text.splitlines()[1:]}
    told = site.browser.get("/health").json()
    assert expected == {f"{each['key']} {each['subject']}".strip() for each in told["conditions"]}
    assert expected == shown(site.browser.get("/").text, {name.partition(" ")[2] for name in expected})

    application = app.build(load(site.desk.loaded.path, {}))
    try:
        monitor, alerted, deadline = application.service()._health_monitor, set[str](), time.monotonic() + 30
        while alerted != expected and time.monotonic() < deadline:  # each after a second
            monitor.after()
            alerted = {
                f"{key} {subject}".strip() for key, subject in SentAlerts(application.store.database, time.time).all()
            }
    finally:
        application.close()
    assert expected == alerted


def shown(page: str, subjects: set[str]) -> set[str]:
    """Given the overview, return the conditions on it that are about one of these subjects."""
    return {
        f"{kind.key} {subject}".strip()
        for kind in KINDS.values()
        for subject in subjects
        if ("{subject}" in kind.title) == bool(subject) and f"<b>{kind.title.format(subject=subject)}</b>: " in page
    }


def test_exit_codes(site: Site, tmp_path: Path) -> None:
    """`health` ends with what Nagios and Checkmk read: 2 critical, 1 warning, 3 unknown; `/health` with 503 or 200."""
    file = str(site.desk.loaded.path)
    done = CliRunner().invoke(cli, ["health", "--settings", file])
    assert (2, True) == (done.exit_code, done.output.startswith("MAILBRIDGE CRITICAL - "))
    assert "do-not-show" not in done.output
    assert 503 == site.browser.get("/health").status_code
    for broken in ("nothing = 1", "["):
        (tmp_path / "broken.toml").write_text(broken)
        done = CliRunner().invoke(cli, ["health", "--settings", str(tmp_path / "broken.toml")])
        assert (3, True) == (done.exit_code, done.output.startswith("MAILBRIDGE UNKNOWN - ")), done.output
    folder = tmp_path / "new"
    folder.mkdir()
    new = settings_file(folder)
    done = CliRunner().invoke(cli, ["health", "--settings", str(new)])
    assert (1, "MAILBRIDGE WARNING - service-not-running") == (done.exit_code, done.output.partition(" |")[0])
    assert not list(folder.glob("*.db"))
    assert "nothing is wrong" not in CliRunner().invoke(cli, ["status", "--settings", str(new)]).output


def test_what_a_single_pass_has_found(tmp_path: Path) -> None:
    """Where `receive` is run by a timer, without a service, its passes note how mailboxes and Redmine are."""
    file = str(settings_file(tmp_path, 1))
    assert 1 == CliRunner().invoke(cli, ["receive", "--once", "--settings", file]).exit_code
    printed = CliRunner().invoke(cli, ["status", "--json", "--settings", file]).output
    assert {"mailbox-not-read", "redmine-unavailable"} == {json.loads(line)["key"] for line in printed.splitlines()}


@pytest.mark.parametrize("words", [["--unknown"], ["and-more"], ["--settings"]])
def test_wrong_usage_is_unknown(words: list[str]) -> None:
    """A mistake in the configuration of the monitoring system is not what Nagios reads as critical."""
    done = CliRunner().invoke(cli, ["health", *words])
    assert (3, True) == (done.exit_code, done.stdout.startswith("MAILBRIDGE UNKNOWN - ")), done.output
    assert 0 == CliRunner().invoke(cli, ["health", "--help"]).exit_code


def test_an_unexpected_error_is_unknown(site: Site) -> None:
    """What goes wrong in `health` itself is not what Nagios reads as a warning; the first line is its."""
    with site.desk.store.database.write() as db:
        db.execute(sa.insert(meta).values(key=STOPPED, value="not a time"))
    done = CliRunner().invoke(cli, ["health", "--settings", str(site.desk.loaded.path)])
    assert (3, "MAILBRIDGE UNKNOWN - internal error (ValueError); see the log and please report it") == (
        done.exit_code,
        done.stdout.splitlines()[0],
    )
    assert "observations.py" in done.stderr
    assert "not a time" not in done.stderr


def test_a_store_that_cannot_be_read(site: Site) -> None:
    """A store that does not answer is the one condition that is known, everywhere."""
    with site.desk.store.database.write() as db:
        db.execute(sa.text("DROP TABLE certificate"))
    (line,) = run(site, "status", "--json").splitlines()
    assert ("store-unavailable", "critical") == (json.loads(line)["key"], json.loads(line)["severity"])
    assert 503 == site.browser.get("/readyz").status_code
    checked = [json.loads(line) for line in run(site, "check", "--json").splitlines()]
    assert [False] == [each["ok"] for each in checked if each["name"] == "store-unavailable"]


def test_who_may_read_it(site: Site) -> None:
    """`/health` names mailboxes and shows words of servers: it is for those who may read the numbers."""
    assert 403 == site.browser.get("/health", headers={"X-Forwarded-For": "192.0.2.1"}).status_code
    assert 421 == site.browser.get("/health", headers={"Host": "evil.example"}).status_code


@pytest.mark.parametrize("mailboxes", [2, 60])
def test_the_statements_do_not_grow(tmp_path: Path, mailboxes: int) -> None:
    """The list costs nine statements, a BEGIN included, however many mailboxes there are, and writes nothing."""
    settings = load(settings_file(tmp_path, mailboxes), {})
    store = Store.open(f"sqlite:///{tmp_path}/store.db", tmp_path / "raw")
    health = Health(store.database, store.clock)
    health.note(SERVICE, None, "running")
    for name in settings.mailboxes:
        health.note(of_mailbox(name), "no route to host")
        store.brake(name, 5)
    statements: list[str] = []
    sa.event.listen(store.database.engine, "before_cursor_execute", lambda *event: statements.append(str(event[2])))
    assert mailboxes == len(current_conditions(store, settings))
    assert len(statements) <= 9
    assert {"BEGIN", "SELECT"} >= {statement.split()[0] for statement in statements}
    store.close()


@pytest.mark.fault("A44-4")
def test_a_locked_store_is_reported_in_time(tmp_path: Path) -> None:
    """`health` says so before a monitoring system ends it, which happens after ten seconds."""
    file = settings_file(tmp_path)
    with Site.of(file):
        pass
    (database,) = tmp_path.glob("*.db")
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        other.execute("CREATE TABLE taken (number)")
        began = time.monotonic()
        said = CliRunner().invoke(cli, ["health", "--settings", str(file)])
    assert (2, True) == (said.exit_code, "store-unavailable" in said.output), said.output
    assert time.monotonic() - began < 9
