"""Mailboxes that are renamed, switched off and moved, and mails that are tried again, on a real Dovecot and Redmine."""

import signal
import time
from pathlib import Path
from typing import Any

import pytest

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.store.raw_mails.retention import forget_raw
from tests.product import Product, box_values, mail, message_id_of, product
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox
from tests.servers.proxy import Fault, FaultProxy

pytestmark = [pytest.mark.real, pytest.mark.newest]


@pytest.fixture
def bridge(tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str) -> Product:
    """The bridge between them."""
    return product(tmp_path, redmine, mailbox, project)


def subjects(redmine: Redmine, project: str) -> list[str]:
    """The subjects of a project's issues, sorted."""
    return sorted(issue["subject"] for issue in redmine.admin.issues(project))


def rename(bridge: Product, old: str, new: str, **changes: Any) -> None:
    """Given a mailbox, write its table under another name, with changes."""
    bridge.values["mailboxes"][new] = bridge.values["mailboxes"].pop(old) | changes
    bridge.change({})


def until_done(bridge: Product) -> list[State]:
    """Make passes, as new processes would, until no mail is open; ten at most. Return where the mails stand."""
    states: list[State] = []
    for _ in range(10):
        bridge.passes()
        states = [row.state for row in bridge.rows()]
        if not {State.STORED, State.WRITE_PENDING} & set(states):
            break
        with bridge.application() as made:
            for row in bridge.rows():
                made.store.retry(row.id)
    return states


@pytest.mark.fault("I12")
@pytest.mark.parametrize("where", ["request", "sent"])
def test_renamed_while_the_end_of_a_mail_is_unknown(  # noqa: PLR0917 - one fixture or column each
    bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str, redmine_proxy: FaultProxy, where: str
) -> None:
    """A mail whose request got no answer is one issue of the mailbox under its new name, and a reply its note."""
    bridge.change({"redmine": {"url": redmine_proxy.url, "settle": "0s"}})
    redmine_proxy.plan(Fault(where, "reset", match=b"POST /issues.json"))  # type: ignore[arg-type]
    first = mail("Unknown")
    mailbox.append(first)
    bridge.passes()
    redmine_proxy.wait_fired()
    mailbox.append(mail("Re: Unknown", "More.\n", In_Reply_To=message_id_of(first)))
    rename(bridge, "support", "helpdesk")
    assert {State.DONE} == set(until_done(bridge))
    assert ["Unknown"] == subjects(redmine, project)
    assert {"INBOX": 0, "Failed": 0, "Processed": 2} == mailbox.count()


@pytest.mark.fault("I12")
def test_switched_off_and_read_by_another(
    bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str, redmine_proxy: FaultProxy
) -> None:
    """A mailbox is switched off while a mail of it is open: the copy in another one comes to its end, in one issue."""
    other = Mailbox(mailbox.server, f"second-{mailbox.address}")
    bridge.change({"redmine": {"url": redmine_proxy.url, "settle": "0s"}})
    redmine_proxy.plan(Fault("sent", "reset", match=b"POST /issues.json"))
    both = mail("To both", to=f"{mailbox.address}, {other.address}")
    mailbox.append(both)
    bridge.passes()
    redmine_proxy.wait_fired()
    bridge.change({"mailboxes": {"support": {"active": False}, "sales": box_values(other, project)}})
    other.append(both)
    assert {State.DONE} == set(until_done(bridge))
    assert ["To both"] == subjects(redmine, project)
    assert (1, 1) == (mailbox.count()["INBOX"], other.count()["Processed"])
    bridge.support(active=True)
    bridge.passes()
    assert (0, 1) == (mailbox.count()["INBOX"], mailbox.count()["Processed"])


@pytest.mark.fault("I12")
def test_renamed_while_the_service_runs(
    bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str, redmine_proxy: FaultProxy
) -> None:
    """After SIGHUP the service goes on under the new name: with a mail that waits for Redmine, and with new ones."""
    bridge.change({"redmine": {"url": redmine_proxy.url, "settle": "0s"}})
    redmine_proxy.refuse()
    mailbox.append(mail("Waits"))
    with bridge.service() as service:
        service.wait_for("mail")  # Redmine is unavailable
        rename(bridge, "support", "helpdesk")
        redmine_proxy.accept()
        service.signal(signal.SIGHUP)
        service.wait_for("mailbox.renamed")
        mailbox.deliver(mail("New"))
        deadline = time.monotonic() + 90
        while mailbox.count().get("Processed", 0) < 2 and time.monotonic() < deadline:
            service.wait_for("mail", len(service.logged("mail")) + 1, seconds=90)
        service.signal(signal.SIGTERM)
        assert 0 == service.wait()
    assert ["New", "Waits"] == subjects(redmine, project)
    assert {"helpdesk"} == {row.location.mailbox for row in bridge.rows()}


def test_from_pop3_to_imap(bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str) -> None:
    """A mailbox that was read over POP3 and is read over IMAP: what was done is known, what came since is read."""
    bridge.support(protocol="pop3", port=mailbox.server["pop3_port"], after_success="keep")
    mailbox.append(mail("One"), mail("Two"))
    bridge.passes()
    mailbox.append(mail("Three"))
    table = bridge.values["mailboxes"]["support"]
    rename(bridge, "support", "helpdesk", protocol="imap", port=mailbox.server["imap_port"], max_new_mails=1)
    assert table["address"] == mailbox.address
    bridge.passes()
    assert ["One", "Three", "Two"] == subjects(redmine, project)
    bridge.passes()
    assert ["One", "Three", "Two"] == subjects(redmine, project)


@pytest.mark.fault("C4")
def test_retried(bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str) -> None:
    """`messages retry` of a refused mail makes its issue; the mail goes from the failure to the success folder."""
    bridge.issue(unknown_sender="refuse")
    mailbox.append(mail("Again"), mail("Stays"))
    bridge.receive()
    assert {"INBOX": 0, "Failed": 2, "Processed": 0} == mailbox.count()
    number = next(row.id for row in bridge.rows() if row.subject == "Again")
    bridge.issue(unknown_sender="accept")
    assert 0 == bridge.quick("messages", "retry", str(number)).exit_code
    bridge.receive()
    assert ["Again"] == subjects(redmine, project)
    assert {"INBOX": 0, "Failed": 1, "Processed": 1} == mailbox.count()


@pytest.mark.fault("B11")
def test_dragged_back_when_its_bytes_are_forgotten(
    bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str, redmine_proxy: FaultProxy
) -> None:
    """A mail that was set aside in doubt, and whose bytes the store has forgotten, is fetched anew when it is dragged
    back, and becomes one issue.
    """
    bridge.change({"redmine": {"url": redmine_proxy.url, "settle": "0s"}, "receive": {"max_attempts": 1}})
    redmine_proxy.plan(*[Fault("sent", "reset", match=b"POST /issues.json")] * 2)
    mailbox.append(mail("In doubt"))
    bridge.passes()
    with bridge.application() as made:
        (row,) = bridge.rows()
        made.store.finish(row.id, State.FAILED, "too many tries")
    bridge.passes()
    assert {"INBOX": 0, "Failed": 1, "Processed": 0} == mailbox.count()
    bridge.change({"store": {"raw_retention": "1s"}})
    with bridge.application() as made:
        assert 1 == forget_raw(made.store, older_than=made.store.clock() + 10)
    with mailbox.imap() as imap:
        imap.select("Failed")
        imap.uid("MOVE", "1", "INBOX")
    assert {State.DONE} == set(until_done(bridge))
    assert ["In doubt"] == subjects(redmine, project)
    assert 0 == mailbox.count()["INBOX"]
