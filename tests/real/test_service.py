"""The service as a process: signals, two copies, what happens by itself."""

import contextlib
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import tomlkit

from tests.product import ANNA, Product, mail, product
from tests.servers import clocks
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox
from tests.servers.processes import free_port
from tests.servers.proxy import Fault, FaultProxy
from tests.servers.selection import NOT_RUN
from tests.servers.trees import Unavailable

pytestmark = [pytest.mark.real, pytest.mark.newest]  # the process and its threads


@pytest.fixture
def bridge(tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str) -> Product:
    """The bridge with an administrator's key, trusting every From line."""
    return product(tmp_path, redmine, mailbox, project)


def subjects(redmine: Redmine, project: str) -> list[str]:
    """The subjects of the project's issues, in order."""
    return sorted(issue["subject"] for issue in redmine.admin.issues(project))


def test_arrival(bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str) -> None:
    """The service takes what lies there at its start, then what arrives, at once, and stops cleanly on SIGTERM."""
    mailbox.append(mail("Was there", sender=ANNA))
    with bridge.service() as service:
        service.wait_for("mail")
        mailbox.deliver(mail("Arrives", sender=ANNA))
        service.wait_for("mail", 2, seconds=20)
        service.signal(signal.SIGTERM)
        assert 0 == service.wait()
        service.wait_for("service.stopped")

    assert ["Arrives", "Was there"] == subjects(redmine, project)
    assert 2 == mailbox.count()["Processed"]


def test_schedule(bridge: Product, mailbox: Mailbox) -> None:
    """Without listening the mailbox is read again by schedule."""
    bridge.change({"tasks": {"receive": {"every": "1s"}}})
    with bridge.service("--no-listen") as service:
        service.wait_for("receive.first_sync")
        mailbox.deliver(mail("Later", sender=ANNA))
        service.wait_for("mail", seconds=20)


def test_mail_in_hand(
    bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str, redmine_proxy: FaultProxy
) -> None:
    """SIGTERM lets the mail in hand end, filing included, and starts no other."""
    bridge.change({"redmine": {"url": redmine_proxy.url, "timeout": "30s"}, "receive": {"workers": 1}})
    mailbox.append(*(mail(f"Mail {n}", sender=ANNA) for n in range(5)))
    redmine_proxy.plan(Fault("response", "stall", match=b"POST /issues.json"))
    with bridge.service() as service:
        redmine_proxy.wait_fired()
        service.signal(signal.SIGTERM)
        assert service.process.poll() is None
        redmine_proxy.release()
        assert 0 == service.wait()

    assert ["Mail 0"] == subjects(redmine, project)
    assert (4, 1) == (mailbox.count()["INBOX"], mailbox.count()["Processed"])
    bridge.receive()
    assert [f"Mail {n}" for n in range(5)] == subjects(redmine, project)


def test_new_settings(bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str) -> None:
    """SIGHUP with a file that is wrong changes nothing and says what is wrong; with a good one it takes over."""
    with bridge.service() as service:
        service.wait_for("receive.first_sync")
        good = bridge.file.read_text("utf-8")
        bridge.file.write_text(good + "\n[redmin]\nurl = 1\n", "utf-8")
        service.signal(signal.SIGHUP)
        (line,) = service.wait_for("settings.unchanged")
        assert 'did you mean "redmine"' in line["reason"]
        mailbox.deliver(mail("Still running", sender=ANNA))
        service.wait_for("mail")

        bridge.file.write_text(tomlkit.dumps(bridge.values), "utf-8")
        bridge.issue(tracker="Feature")
        service.signal(signal.SIGHUP)
        service.wait_for("service.started", 2)
        mailbox.deliver(mail("By new rules", sender=ANNA))
        service.wait_for("mail", 2)
        service.signal(signal.SIGTERM)
        assert 0 == service.wait()

    trackers = {issue["subject"]: issue["tracker"]["name"] for issue in redmine.admin.issues(project)}
    assert {"Still running": "Bug", "By new rules": "Feature"} == trackers


@pytest.mark.fault("C8")
def test_new_settings_while_the_database_is_locked(bridge: Product, mailbox: Mailbox) -> None:
    """SIGHUP while another program writes to the database for long ends nothing: the service goes on, and works by the
    new settings when the database is free."""
    database = bridge.folder / "locked.db"
    bridge.change({"store": {"url": f"sqlite:///{database}?timeout=1"}})
    with bridge.service() as service:
        service.wait_for("receive.first_sync")
        with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            bridge.issue(tracker="Feature")
            service.signal(signal.SIGHUP)
            service.wait_for("settings.reloaded", seconds=30)
            service.wait_for("service.started", 2)
            assert service.process.poll() is None
            other.execute("ROLLBACK")
        mailbox.deliver(mail("Afterwards", sender=ANNA))
        (line,) = [one for one in service.wait_for("mail") if one["state"] == "done"]
        assert line["issue"]
        service.signal(signal.SIGTERM)
        assert 0 == service.wait()


def test_two_copies(bridge: Product) -> None:
    """A second copy on the same store says so and does not start; with --wait it starts when the first one ends."""
    with bridge.service() as service:
        service.wait_for("service.started")
        refused = bridge.quick("receive", "--once")
        second = bridge.command("run")
        assert (1, 1) == (refused.exit_code, second.returncode)
        assert "another redmine-mailbridge process is using" in refused.stderr
        assert "another redmine-mailbridge process is using" in second.stderr

        with bridge.service("--wait", "60") as waiting:
            service.signal(signal.SIGTERM)
            assert 0 == service.wait()
            waiting.wait_for("service.started")
            waiting.signal(signal.SIGTERM)
            assert 0 == waiting.wait()


def test_redmine_away_at_the_start(
    bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str, redmine_proxy: FaultProxy
) -> None:
    """A Redmine that is away when the service starts keeps no mail from being fetched, and is asked again by itself."""
    bridge.change({"redmine": {"url": redmine_proxy.url}})
    redmine_proxy.refuse()
    mailbox.append(mail("Patience", sender=ANNA))
    with bridge.service() as service:
        service.wait_for("settings.names_not_checked")
        (line,) = service.wait_for("mail")
        assert "stored" == line["state"]
        redmine_proxy.accept()
        service.wait_for("mail", 2, seconds=90)

    assert ["Patience"] == subjects(redmine, project)


def test_mail_server_away(
    bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str, imap_proxy: FaultProxy
) -> None:
    """A mail server that goes away and comes back is connected to again by itself."""
    bridge.support(port=imap_proxy.port)
    bridge.change({"tasks": {"receive": {"every": "2s"}}})
    with bridge.service() as service:
        service.wait_for("receive.first_sync")
        imap_proxy.refuse()
        service.wait_for("receive.interrupted")
        imap_proxy.accept()
        mailbox.deliver(mail("After the pause", sender=ANNA))
        service.wait_for("mail", seconds=60)

    assert ["After the pause"] == subjects(redmine, project)


def test_unknown_names_are_said_first(bridge: Product, mailbox: Mailbox) -> None:
    """An unknown project is a line of the log before the first mail is read, and its mail is held, not refused."""
    bridge.issue(project="suport")
    mailbox.append(mail(sender=ANNA))
    with bridge.service() as service:
        service.wait_for("mail")
        events = [line["event"] for line in service.lines]
        (line,) = service.logged("settings.unknown_name")

    assert 'no project is called "suport"' in line["reason"]
    assert events.index("settings.unknown_name") < events.index("receive.first_sync")
    assert {"INBOX": 1, "Failed": 0, "Processed": 0} == mailbox.count()


@pytest.mark.fault("N1")
def test_answers_that_nobody_sends_are_warned_of(bridge: Product) -> None:
    """Where agents' notes reach no customer, `run` warns of it by the mailbox's name, and continues."""
    del bridge.values["mailboxes"]["support"]["answers"]
    with bridge.service() as service:
        (line,) = service.wait_for("answers.not_configured")
        service.wait_for("receive.first_sync")

    assert ("support", "agents' notes are sent to no customer") == (
        line["mailbox"],
        line["reason"].partition(":")[0],
    )


def test_settings_that_cannot_be_used(bridge: Product) -> None:
    """A settings file that is wrong ends `run` at once, with exit code 2 and the line to mend."""
    bridge.support(prot=free_port())
    done = bridge.command("run")

    assert 2 == done.returncode
    assert "[mailboxes.support] prot = " in done.stderr
    assert "unknown key, did you mean" in done.stderr


def test_arrival_in_another_folder(bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str) -> None:
    """Mail that comes into a further folder is taken at once too."""
    mailbox.create("Sales")
    bridge.support(folders=["INBOX", "Sales"])
    bridge.change({"tasks": {"receive": {"every": "1h"}}})
    with bridge.service() as service:
        service.wait_for("receive.first_sync", 2)
        mailbox.append(mail("Into the other", sender=ANNA), folder="Sales")
        service.wait_for("mail", seconds=20)
        mailbox.deliver(mail("Into the first", sender=ANNA))
        service.wait_for("mail", 2, seconds=20)
        service.signal(signal.SIGTERM)
        assert 0 == service.wait()

    assert ["Into the first", "Into the other"] == subjects(redmine, project)


@pytest.fixture
def set_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the clock of processes that the test starts from now on, also while they run."""
    file = tmp_path / "clock"
    clocks.set_ahead(file, 0)
    try:
        library = clocks.host_library()
    except Unavailable as why:
        pytest.skip(f"{NOT_RUN}{why}")
    for name, value in clocks.variables(library, file).items():
        monkeypatch.setenv(name, value)
    return lambda seconds: clocks.set_ahead(file, seconds)


@pytest.mark.fault("C2")
def test_a_clock_that_is_set_while_it_runs(
    bridge: Product, mailbox: Mailbox, set_clock: Callable[[float], None]
) -> None:
    """Set back or forth by an hour or a day, the service reads mail at its interval, neither never nor all the time."""
    bridge.change({"tasks": {"receive": {"every": "2s"}}})
    moves = [0, -3600, -86400, 3600, 86400, 0]
    with bridge.service("--no-listen") as service:
        service.wait_for("receive.first_sync")
        began = time.monotonic()
        for number, ahead in enumerate(moves):
            set_clock(ahead)
            mailbox.deliver(mail(f"Mail {number}", sender=ANNA))
            service.wait_for("mail", number + 1, seconds=30)
        took = time.monotonic() - began
        service.signal(signal.SIGTERM)
        assert 0 == service.wait()
    with bridge.application() as made:
        runs = [run for run in made.tasks.book.runs("receive", limit=1000) if not run.skipped]
    assert len(runs) <= took / 2 + 4
