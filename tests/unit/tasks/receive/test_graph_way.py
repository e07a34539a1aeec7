"""The whole way of a mail whose mailbox is behind Microsoft Graph."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from redmine_mailbridge.mailboxes.graph.mailbox import GraphMailbox
from redmine_mailbridge.mailboxes.pop3.mailbox import FindKnown
from redmine_mailbridge.model.mailbox import MailboxConfig
from tests.mail_worlds import graph_config
from tests.product import mail
from tests.servers.graph import GraphServer, graph_server
from tests.unit.tasks.fake_redmine import FakeRedmine, open_fake_redmine


@pytest.fixture
def server() -> Iterator[GraphServer]:
    """A new account."""
    with graph_server() as made:
        yield made


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: GraphServer) -> Iterator[FakeRedmine]:
    """The product between that account and a small Redmine."""
    with open_fake_redmine(tmp_path, monkeypatch) as made:

        def opened(config: MailboxConfig, known: FindKnown) -> GraphMailbox:
            return GraphMailbox(graph_config(server, name=config.name), known)

        monkeypatch.setattr("redmine_mailbridge.wiring.mailboxes.open_mailbox", opened)
        yield made


def test_from_arrival_to_the_folder(fake: FakeRedmine, server: GraphServer) -> None:
    """Mail becomes issues and is moved, each once, also when every pass is another process."""
    server.append(mail("One"), mail("Two"))
    assert ["Processed", "Processed"] == [outcome.filed for outcome in fake.receive()]
    server.append(mail("Three"))
    assert ["Processed"] == [outcome.filed for outcome in fake.receive()]
    assert [] == fake.receive()
    assert ["One", "Three", "Two"] == sorted(issue["subject"] for issue in fake.issues)
    assert (0, 3) == (len(server.contents()), len(server.contents("Processed")))
    assert not any(r"\Seen" in flags for _, flags, _ in server.contents("Processed"))


def test_throttled_while_filing(fake: FakeRedmine, server: GraphServer) -> None:
    """When Graph throttles the filing, the pass says so; the next one files, and makes no second issue."""
    server.append(mail("Once"))
    server.refuse_at("/move", 429, "ApplicationThrottled", "Too many requests.", Retry_After="3")
    with fake.application() as made:
        result = made.receivers[0].once()
    assert "Too many requests. (retry after 3 seconds)" in str(result.error)
    assert 1 == len(server.contents())
    assert [] == fake.receive()
    assert (1, 1) == (len(fake.issues), len(server.contents("Processed")))


def begin_with(fake: FakeRedmine, **start: object) -> None:
    """Given keys of how a mailbox begins, have the settings say so."""
    box = fake.settings.mailboxes["desk"].model_copy(update=start)
    fake.settings = fake.settings.model_copy(update={"mailboxes": {"desk": box}})


@pytest.mark.fault("I11")
def test_out_of_junk_while_nothing_runs(fake: FakeRedmine, server: GraphServer) -> None:
    """A mail that was received days ago and enters the inbox now becomes an issue; what was filed is not read again."""
    server.append(mail("First"))
    fake.receive()
    server.bring_in(mail("Out of Junk"), dt.datetime.now(dt.UTC) - dt.timedelta(days=2))
    fake.receive()
    assert [] == fake.receive()
    assert ["First", "Out of Junk"] == sorted(issue["subject"] for issue in fake.issues)


@pytest.mark.fault("I11")
def test_what_lay_there_stays_and_what_enters_is_read(fake: FakeRedmine, server: GraphServer) -> None:
    """With start_from = "now" the mail that lies there stays, and an old one that is moved in later is read."""
    begin_with(fake, start_from="now")
    long_ago = dt.datetime.now(dt.UTC) - dt.timedelta(days=30)
    server.bring_in(mail("Lay there"), long_ago)
    server.bring_in(mail("Lay there too"), long_ago + dt.timedelta(days=1))
    assert [] == fake.receive()
    server.bring_in(mail("Out of Junk"), long_ago - dt.timedelta(days=1))
    server.append(mail("New"))
    assert ["New", "Out of Junk"] == sorted(str(outcome.row.subject) for outcome in fake.receive())
    assert [] == fake.receive()
    assert 2 == len(server.contents())


def test_what_an_earlier_version_left_lying(fake: FakeRedmine, server: GraphServer) -> None:
    """A folder that was begun before left mail was noted: what came before the beginning stays, what came since not."""
    begin_with(fake, start_from="now")
    server.bring_in(mail("Lay there"), dt.datetime.now(dt.UTC) - dt.timedelta(days=30))
    fake.receive()
    with fake.application() as made, made.store.database.write() as db:
        db.execute(sa.text("DELETE FROM left_lying"))
    server.append(mail("New"))
    assert ["New"] == [outcome.row.subject for outcome in fake.receive()]
    assert [] == fake.receive()
    assert 1 == len(server.contents())


def test_mail_that_lay_there_is_marked_so(fake: FakeRedmine, server: GraphServer) -> None:
    """What lies there the first time is told from what comes later, as with IMAP: it gets no automatic answer."""
    server.bring_in(mail("Lay there"), dt.datetime.now(dt.UTC) - dt.timedelta(days=30))
    fake.receive()
    server.bring_in(mail("New"), dt.datetime.now(dt.UTC) - dt.timedelta(minutes=5))  # the server's clock is slow
    fake.receive()
    assert {"Lay there": True, "New": False} == {row.subject: row.first_sync for row in fake.rows()}


@pytest.mark.fault("C3")
def test_the_success_folder_is_removed(fake: FakeRedmine, server: GraphServer) -> None:
    """A success folder that somebody removes while it runs is made anew, and the mail lies there."""
    with fake.application() as made:
        server.append(mail("First"))
        made.receivers[0].once()
        server.remove_folder("Processed")
        server.append(mail("Second"))
        made.receivers[0].once()
    assert (0, 1) == (len(server.contents()), len(server.contents("Processed")))
    assert ["Processed", "Processed"] == [row.filed_to for row in fake.rows()]
