"""A mail that is tried again leaves the failure folder when it comes to a good end."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from redmine_mailbridge.mailboxes.graph.mailbox import GraphMailbox
from redmine_mailbridge.mailboxes.pop3.mailbox import FindKnown
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.mailbox import MailboxConfig
from tests.mail_worlds import graph_config
from tests.product import mail
from tests.servers.graph import graph_server
from tests.unit.tasks.boxes import Boxes, open_boxes


@pytest.fixture
def boxes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Boxes]:
    """No mailbox yet."""
    with open_boxes(tmp_path, monkeypatch) as made:
        yield made


def refused(boxes: Boxes, *mails: bytes, **keys: Any) -> Any:
    """Add the mailbox "desk", which refuses these mails. Return its server."""
    server = boxes.add("desk", issue={"unknown_sender": "refuse"}, **keys)
    server.append(*mails)
    boxes.receive()
    assert {State.REJECTED} == set(boxes.states())
    assert (0, len(mails)) == (len(server.contents()), len(server.contents("Failed")))
    return server


def retry(boxes: Boxes, *numbers: int) -> None:
    """An admin lets strangers in, and asks for another try of these mails."""
    boxes.change("desk", issue={"project": "desk"})
    with boxes.fake.application() as made:
        assert all(made.store.retry(number) for number in numbers)
    boxes.receive()


@pytest.mark.fault("C4")
@pytest.mark.parametrize("message_id", [True, False])
def test_out_of_failed(boxes: Boxes, *, message_id: bool) -> None:
    """The mail lies in the success folder, and not in the failure folder any more; another one there stays."""
    raw = mail("Again") if message_id else b"From: zoe@elsewhere.example\r\nSubject: Again\r\n\r\nText.\r\n"
    server = refused(boxes, raw, mail("Stays"))
    retry(boxes, 1)
    assert ["Again"] == boxes.subjects()
    assert [raw] == [one for _, _, one in server.contents("Processed")]
    assert 1 == len(server.contents("Failed"))
    assert "Processed" == boxes.rows()[0].filed_to


@pytest.mark.fault("C4")
def test_out_of_failed_and_deleted(boxes: Boxes) -> None:
    """Where mail that is done is deleted, it is deleted there."""
    server = refused(boxes, mail("Again"), mail("Stays"), after_success="delete")
    retry(boxes, 1)
    assert 1 == len(server.contents("Failed"))
    assert "deleted from the server" == boxes.rows()[0].filed_to


@pytest.mark.fault("C4")
def test_out_of_failed_and_kept(boxes: Boxes) -> None:
    """Where mail that is done stays where it was read, it goes back there, and makes no second issue."""
    server = refused(boxes, mail("Again"), after_success="keep")
    retry(boxes, 1)
    boxes.receive()
    assert (1, 0) == (len(server.contents()), len(server.contents("Failed")))
    assert "$MailbridgeDone" in server.contents()[0][1]
    assert ["Again"] == boxes.subjects()
    assert "INBOX" == boxes.rows()[0].filed_to


def test_refused_again(boxes: Boxes) -> None:
    """A mail that is refused again stays in the failure folder, once."""
    server = refused(boxes, mail("Again"))
    with boxes.fake.application() as made:
        assert made.store.retry(1)
    boxes.receive()
    assert (0, 1) == (len(server.contents()), len(server.contents("Failed")))
    assert "left in Failed" == boxes.rows()[0].filed_to


def test_in_a_folder_that_the_settings_no_longer_name(boxes: Boxes) -> None:
    """What lies there is no longer the bridge's to move."""
    server = refused(boxes, mail("Again"))
    boxes.change("desk", failure_folder="Broken")
    retry(boxes, 1)
    assert (["Again"], 1) == (boxes.subjects(), len(server.contents("Failed")))
    assert "no longer in INBOX, so nothing to do" == boxes.rows()[0].filed_to


def test_moved_by_hand(boxes: Boxes) -> None:
    """A mail that somebody has taken out of the failure folder is left where it is, and its record says so."""
    server = refused(boxes, mail("Again"))
    ((uid, _flags, _raw),) = server.contents("Failed")
    server.remove(uid, "Failed")
    retry(boxes, 1)
    assert ["Again"] == boxes.subjects()
    assert "no longer in INBOX, so nothing to do" == boxes.rows()[0].filed_to


@pytest.mark.parametrize("number", [1, 2])
def test_several_that_are_alike(boxes: Boxes, number: int) -> None:
    """Of two mails of one size and second the one is moved that was tried again."""
    mails = [mail(f"Mail {one}", message_id=f"<{one}@elsewhere.example>") for one in "AB"]
    server = refused(boxes, *mails)
    for kept in server.folders["Failed"].mails.values():
        kept.received_at = server.folders["Failed"].mails[1].received_at
    retry(boxes, number)
    assert [mails[number - 1]] == [one for _, _, one in server.contents("Processed")]


@pytest.mark.fault("C4")
def test_out_of_failed_over_graph(boxes: Boxes, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same where a mail gets another id as it moves."""
    with graph_server() as server:

        def opened(config: MailboxConfig, known: FindKnown | None = None, **_more: object) -> GraphMailbox:
            return GraphMailbox(graph_config(server, name=config.name), known)

        monkeypatch.setattr("redmine_mailbridge.wiring.mailboxes.open_mailbox", opened)
        boxes.add("desk", issue={"unknown_sender": "refuse"})
        server.append(mail("Again"), mail("Stays"))
        boxes.receive()
        retry(boxes, 1)
        assert ["Again"] == boxes.subjects()
        assert (1, 1) == (len(server.contents("Processed")), len(server.contents("Failed")))
