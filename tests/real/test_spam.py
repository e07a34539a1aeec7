"""What the team's mail server calls spam: junk, hold, refuse or accept; never acknowledged, never lost."""

from pathlib import Path

import pytest

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.store.outgoing.outbox import Outbox
from redmine_mailbridge.store.outgoing.rows import QUEUED
from tests.product import STRANGER, Product, mail, product
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox

pytestmark = pytest.mark.real
DOOR = {"Received": "from sender.example.net by mx.example.com with ESMTP; Mon, 1 Jun 2026 10:00:00 +0000"}
SPAM = {"X_Spam_Flag": "YES", **DOOR}
FORGED = {**DOOR, "X_Spam_Flag": "YES"}


@pytest.fixture(params=["admin", "plain"])
def bridge(request: pytest.FixtureRequest, tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str) -> Product:
    """The bridge, with an administrator's key and with a plain one, that believes what mx.example.com says."""
    login = "admin" if request.param == "admin" else "bridge"
    made = product(tmp_path, redmine, mailbox, project, login=login)
    made.support(reading={"trusted_authserv_ids": ["mx.example.com"]}, answers={"received": True})
    made.change({"outgoing": {"host": "127.0.0.1", "port": 9, "security": "none", "username": ""}})
    made.passes()  # what lies there at first is not acknowledged
    return made


def queued(bridge: Product) -> list[tuple[str, str]]:
    """Kind and recipient of what would be sent."""
    with bridge.application() as made:
        return [
            (one.kind, one.recipient) for one in Outbox(made.store.database, made.store.clock).newest(states=[QUEUED])
        ]


def test_spam_is_filed_to_the_accounts_own_junk(bridge: Product, redmine: Redmine, mailbox: Mailbox) -> None:
    """Spam goes to the junk folder and becomes no issue; mail that only says so of itself becomes one. An admin gets
    it out again: then it is an issue, acknowledged, and filed as what was processed.
    """
    bridge.support(senders={"spam": "junk"})
    mailbox.append(mail("Buy now", **SPAM), mail("A question", **FORGED))
    outcomes = {one.row.subject: one for one in bridge.receive()}
    assert (State.REJECTED, None, "Junk") == _brief(outcomes["Buy now"])
    assert State.DONE is outcomes["A question"].state
    assert {"Junk": 1, "Processed": 1, "INBOX": 0} == {
        name: mailbox.count().get(name, 0) for name in ("Junk", "Processed", "INBOX")
    }
    assert [("received", "zoe@elsewhere.example")] == queued(bridge)
    (spam,) = [row for row in bridge.rows() if row.subject == "Buy now"]
    assert 0 == bridge.quick("messages", "retry", str(spam.id), "--import").exit_code
    (outcome,) = bridge.receive()
    assert State.DONE is outcome.state
    assert "Buy now" == redmine.admin.issue(outcome.issue)["subject"]
    assert ("received", "zoe@elsewhere.example") in queued(bridge)[:1]
    assert {"Junk": 0, "Processed": 2} == {name: mailbox.count().get(name, 0) for name in ("Junk", "Processed")}


def test_the_folder_that_the_server_marks(bridge: Product, mailbox: Mailbox) -> None:
    """The junk folder is known by its mark (RFC 6154), whatever it is called."""
    mailbox.create("Junk", "Filtered")
    bridge.support(senders={"spam": "junk"})
    mailbox.append(mail("Buy now", **SPAM))
    (outcome,) = bridge.receive()
    assert (State.REJECTED, None, "Filtered") == _brief(outcome)


def test_a_named_junk_folder_is_made(bridge: Product, mailbox: Mailbox) -> None:
    """`junk_folder` names another folder."""
    bridge.support(senders={"spam": "junk"}, junk_folder="Quarantine/Spam")
    mailbox.append(mail("Buy now", **SPAM))
    (outcome,) = bridge.receive()
    assert (State.REJECTED, None, "Quarantine/Spam") == _brief(outcome)
    assert 1 == mailbox.count()["Quarantine/Spam"]


def test_held_spam_waits_for_an_admin(bridge: Product, mailbox: Mailbox) -> None:
    """Held spam stays where it is; accepted it is a mail like any other, and acknowledged."""
    bridge.support(senders={"spam": "hold"})
    mailbox.append(mail("Buy now", **SPAM))
    (outcome,) = bridge.receive()
    assert State.HELD is outcome.state
    assert "it is spam according to X-Spam-Flag: YES" == outcome.line
    assert (1, []) == (mailbox.count()["INBOX"], queued(bridge))
    assert 0 == bridge.quick("messages", "accept", str(outcome.row.id)).exit_code
    (outcome,) = bridge.receive()
    assert State.DONE is outcome.state
    assert outcome.issue is not None
    assert [("received", "zoe@elsewhere.example")] == queued(bridge)


def test_refused_spam_and_accepted_spam_are_never_answered(bridge: Product, mailbox: Mailbox) -> None:
    """Neither a refusal nor an acknowledgement is sent to the address in a spam's From, which is a victim's."""
    bridge.support(senders={"spam": "refuse"})
    bridge.issue(answer_refused=True)
    mailbox.append(mail("Buy now", sender=STRANGER, **SPAM))
    (outcome,) = bridge.receive()
    assert (State.REJECTED, "Failed") == (outcome.state, outcome.filed)
    bridge.support(senders={"spam": "accept"})
    mailbox.append(mail("Buy more", sender=STRANGER, **SPAM))
    (outcome,) = bridge.receive()
    assert State.DONE is outcome.state
    assert [] == queued(bridge)


def test_the_same_mail_unmarked_is_no_copy_of_spam(bridge: Product, mailbox: Mailbox) -> None:
    """A mail that comes twice, once marked by the filter of an alias, and once not, is not lost in the junk."""
    bridge.support(senders={"spam": "junk"})
    spam = mail("An order", message_id="<order-1@elsewhere.example>", Date_X="1", **SPAM)
    ham = spam.replace(b"X-Spam-Flag: YES\n", b"X-Spam-Flag: NO\n").replace(b"X-Spam-Flag: YES\r\n", b"")
    assert spam != ham
    mailbox.append(spam)
    bridge.receive()
    mailbox.append(ham)
    (outcome,) = bridge.receive()
    assert State.DONE is outcome.state
    assert outcome.issue is not None, outcome.line
    mailbox.append(spam)
    (outcome,) = bridge.receive()
    assert (State.DONE, True) == (outcome.state, "a copy of mail" in outcome.line)


def test_a_sender_blocked_by_hand(bridge: Product, mailbox: Mailbox) -> None:
    """Blocked by command, the next mail is refused, also a reply to an issue of his own; removed, all is as before."""
    raw = mail("A question", message_id="<q-1@elsewhere.example>")
    mailbox.append(raw)
    (first,) = bridge.receive()
    assert 0 == bridge.quick("senders", "block", "zoe@elsewhere.example").exit_code
    mailbox.append(mail("Re: A question", "And?\n", In_Reply_To="<q-1@elsewhere.example>"))
    (outcome,) = bridge.receive()
    assert (State.REJECTED, "Failed") == (outcome.state, outcome.filed)
    assert "blocked by zoe@elsewhere.example (" in outcome.line
    assert 0 == bridge.quick("senders", "remove", "zoe@elsewhere.example").exit_code
    assert 0 == bridge.quick("messages", "retry", str(outcome.row.id)).exit_code
    (outcome,) = bridge.receive()
    assert (State.DONE, first.issue, "Processed") == (outcome.state, outcome.issue, outcome.filed)


def _brief(outcome: object) -> tuple[object, object, object]:
    return outcome.state, outcome.issue, outcome.filed  # type: ignore[attr-defined]
