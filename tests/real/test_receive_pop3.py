"""The whole way of a mail over POP3, on a real Dovecot and a real Redmine: deleted, left for some days, refused."""

import datetime as dt
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import time_machine

from tests.product import STRANGER, Product, mail, product
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox
from tests.servers.proxy import Fault, FaultProxy

pytestmark = pytest.mark.real


@pytest.fixture
def proxy(mailbox: Mailbox) -> Iterator[FaultProxy]:
    """A proxy in front of Dovecot's plain POP3 port."""
    with FaultProxy(mailbox.server["pop3_port"], "line") as found:
        yield found


@pytest.fixture
def bridge(tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str, proxy: FaultProxy) -> Product:
    """The bridge over POP3 through the proxy."""
    made = product(tmp_path, redmine, mailbox, project)
    made.support(protocol="pop3", port=proxy.port)
    return made


def subjects(redmine: Redmine, project: str) -> list[str]:
    """The subjects of a project's issues, oldest first."""
    return [issue["subject"] for issue in redmine.admin.issues(project)]


def test_done_is_deleted(bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str) -> None:
    """By default a mail that is done is deleted from the server, once its issue is there."""
    mailbox.append(mail("One"), mail("Two"))
    filed = [outcome.filed for outcome in bridge.receive()]

    assert ["deleted from the server"] * 2 == filed
    assert ["One", "Two"] == sorted(subjects(redmine, project))
    assert [] == mailbox.mails()


@pytest.mark.parametrize("where", ["request", "sent"])
def test_no_second_issue_when_the_end_is_cut(  # noqa: PLR0917 - one fixture or column each
    bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str, proxy: FaultProxy, where: str
) -> None:
    """When the connection breaks before the deletion is confirmed, the next start deletes, and makes nothing."""
    mailbox.append(mail("Once"))
    proxy.plan(Fault(where, "reset", match=b"QUIT"))  # type: ignore[arg-type]
    bridge.passes()
    proxy.wait_fired()
    assert ["DELE 1", "QUIT"] == proxy.requests[-2:]
    assert (1 if where == "request" else 0) == len(mailbox.mails())

    assert [] == bridge.receive()
    assert ["Once"] == subjects(redmine, project)
    assert [] == mailbox.mails()


@pytest.mark.fault("C7")
def test_a_pass_logs_in_once(bridge: Product, mailbox: Mailbox, proxy: FaultProxy) -> None:
    """Many servers count logins: a pass costs one, whether there was something new or not."""
    mailbox.append(mail("One"))
    bridge.receive()
    assert 1 == proxy.requests.count("QUIT")
    assert [] == bridge.receive()
    assert 2 == proxy.requests.count("QUIT")


def test_no_second_issue_after_a_crash_before_the_end(
    bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str, proxy: FaultProxy
) -> None:
    """A process that is killed before QUIT leaves the mail on the server; the next one deletes it and makes nothing."""
    mailbox.append(mail("Once"))
    proxy.plan(Fault("sent", "stall", match=b"DELE"))
    with bridge.service() as service:
        proxy.wait_fired()
        service.signal(signal.SIGKILL)
        service.wait()
    proxy.release()
    assert 1 == len(mailbox.mails())

    assert [] == bridge.receive()
    assert ["Once"] == subjects(redmine, project)
    assert [] == mailbox.mails()


def test_left_for_some_days(bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str) -> None:
    """With keep_days a mail that is done stays so long, is not read again, and is then deleted; others stay."""
    bridge.support(after_success="keep", keep_days=7)
    mailbox.append(mail("Week"))
    now = dt.datetime.now(dt.UTC)
    assert [None] == [outcome.filed for outcome in bridge.receive()]
    with time_machine.travel(now + dt.timedelta(days=6, hours=23)):
        mailbox.append(mail("Later"))
        bridge.receive()
    assert 2 == len(mailbox.mails())
    with time_machine.travel(now + dt.timedelta(days=7, minutes=1)):
        bridge.receive()
        (kept,) = mailbox.mails()

    assert b"Subject: Later" in kept
    assert ["Later", "Week"] == sorted(subjects(redmine, project))
    with bridge.application() as made:
        steps = [step.line for row in bridge.rows() for step in made.message_queries.steps(row.id)]
    assert 2 == sum(line.startswith("left on the server until ") for line in steps)
    assert 1 == sum("filed: deleted from the server" == line for line in steps)


@pytest.mark.parametrize(("after_failure", "left"), [("keep", 1), ("delete", 0)])
def test_refused(  # noqa: PLR0917 - one fixture or column each
    bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str, after_failure: str, left: int
) -> None:
    """A refused mail stays on the server, or is deleted there; its bytes are in the store either way."""
    bridge.support(after_failure=after_failure)
    bridge.issue(unknown_sender="refuse")
    mailbox.append(mail("No", sender=STRANGER))
    (outcome,) = bridge.receive()

    assert "rejected" == outcome.state.value
    assert left == len(mailbox.mails())
    assert [] == subjects(redmine, project)
    (row,) = bridge.rows()
    assert row.raw is not None
    with bridge.application() as made:
        assert b"Subject: No" in bytes(made.store.raw.read(row.raw))
    assert [] == bridge.receive()
