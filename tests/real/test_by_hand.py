"""What a person decides about mails that are in Redmine: moved to another issue or project, and undone, once each."""

import datetime as dt
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import time_machine

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.store.issue_copy import IssueCopy
from redmine_mailbridge.tasks.receive.result import ProcessingResult
from tests.product import Product, mail, product
from tests.servers.faults import Fault, failing
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox
from tests.servers.proxy import FaultProxy

pytestmark = pytest.mark.real
ROLE = "User.find_by_login('bridge').members.flat_map(&:roles).uniq"
PUT = b"PUT /journals/"
RIGHTS = ":edit_own_issue_notes, :manage_issue_relations"


@pytest.fixture(params=["admin", "plain"])
def bridge(
    request: pytest.FixtureRequest, tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str
) -> Iterator[Product]:
    """The bridge, with an administrator's key, and with a plain one whose role has the rights that moving needs."""
    if request.param == "admin":
        yield product(tmp_path, redmine, mailbox, project)
        return
    redmine.admin.run(f"{ROLE}.each {{ |role| role.add_permission!({RIGHTS}) }}; 1")
    yield product(tmp_path, redmine, mailbox, project, login="bridge")
    redmine.admin.run(f"{ROLE}.each {{ |role| role.remove_permission!({RIGHTS}) }}; 1")


def taken(bridge: Product, mailbox: Mailbox, raw: bytes) -> ProcessingResult:
    """Given a mail, receive it. Return what became of it."""
    mailbox.append(raw)
    (outcome,) = bridge.receive()
    assert outcome.issue is not None, outcome.line
    return outcome


def decide(bridge: Product, *arguments: str) -> list[ProcessingResult]:
    """Given a command of `messages`, carry it out and receive."""
    done = bridge.quick("messages", *arguments)
    assert 0 == done.exit_code, done.output
    return bridge.receive()


def history(bridge: Product, number: int) -> str:
    return bridge.quick("messages", str(number)).output


def notes(redmine: Redmine, issue: int) -> list[str]:
    return [one["notes"] for one in redmine.admin.issue(issue)["journals"] if one["notes"]]


def relations(redmine: Redmine, issue: int) -> list[tuple[str, int]]:
    found: Any = redmine.admin.get(f"/issues/{issue}/relations.json")["relations"]
    return [(one["relation_type"], one["issue_to_id"]) for one in found]


def _is_closed(redmine: Redmine, issue: int) -> bool:
    statuses = {one["id"]: one["is_closed"] for one in redmine.admin.get("/issue_statuses.json")["issue_statuses"]}
    return bool(statuses[redmine.admin.issue(issue)["status"]["id"]])


def test_a_note_on_the_wrong_issue(bridge: Product, redmine: Redmine, mailbox: Mailbox) -> None:
    """A reply to the wrong issue is moved to the right one: once there, its note says where it is; undone, all is as
    before. The sender takes part where his mail is, and nowhere else.
    """
    one = uuid.uuid4().hex
    first = taken(bridge, mailbox, mail("Printer", message_id=f"<{one}@elsewhere.example>"))
    other = taken(bridge, mailbox, mail("Scanner", sender="Kim <kim@client.example>"))
    reply = taken(
        bridge, mailbox, mail("Re: Printer", "About the scanner.\n", In_Reply_To=f"<{one}@elsewhere.example>")
    )
    assert first.issue == reply.issue
    (outcome,) = decide(bridge, "move", str(reply.row.id), "--issue", str(other.issue))
    assert (State.DONE, other.issue) == (outcome.state, outcome.issue)
    assert [f"→ #{other.issue}"] == notes(redmine, first.issue)
    assert 1 == sum("About the scanner." in text for text in notes(redmine, other.issue))
    said = history(bridge, reply.row.id)
    assert f"to be moved from #{first.issue} to #{other.issue} by" in said
    assert f"its note on #{first.issue} now says → #{other.issue}" in said

    assert [] == decide(bridge, "undo", str(reply.row.id))
    assert [] == [text for text in notes(redmine, other.issue) if text]
    (text,) = notes(redmine, first.issue)
    assert "About the scanner." in text
    (row,) = [row for row in bridge.rows() if row.id == reply.row.id]
    assert (State.DONE, first.issue, reply.journal) == (row.state, row.issue, row.journal)
    said = history(bridge, reply.row.id)
    assert f"its note on #{first.issue} is restored" in said
    assert f"its note on #{other.issue} is removed" in said
    assert "undone by" in said
    again = bridge.quick("messages", "undo", str(reply.row.id))
    assert (1, True) == (again.exit_code, "nothing was decided manually" in again.output)
    assert [] == bridge.receive()


def test_a_new_issue_that_belongs_to_another(bridge: Product, redmine: Redmine, mailbox: Mailbox) -> None:
    """A mail that made an issue becomes a note of another: its own issue is closed as that one's duplicate. Undone, it
    is open again, and the note is gone. A second move after that works too.
    """
    right = taken(bridge, mailbox, mail("Printer"))
    wrong = taken(bridge, mailbox, mail("Printer again", "Still on fire.\n"))
    (outcome,) = decide(bridge, "move", str(wrong.row.id), "--issue", str(right.issue))
    assert right.issue == outcome.issue
    assert (True, [("duplicates", right.issue)]) == (_is_closed(redmine, wrong.issue), relations(redmine, wrong.issue))
    assert any("Still on fire." in text for text in notes(redmine, right.issue))
    assert [] == decide(bridge, "undo", str(wrong.row.id))
    assert (False, []) == (_is_closed(redmine, wrong.issue), relations(redmine, wrong.issue))
    assert not any("Still on fire." in text for text in notes(redmine, right.issue))
    (outcome,) = decide(bridge, "move", str(wrong.row.id), "--issue", str(right.issue))
    assert right.issue == outcome.issue
    assert 1 == sum("Still on fire." in text for text in notes(redmine, right.issue))


def test_a_reply_that_is_something_new(bridge: Product, redmine: Redmine, mailbox: Mailbox) -> None:
    """A reply that asks something new becomes an issue of a project, whatever it refers to; undone, that is closed."""
    elsewhere = redmine.fresh_project()
    one = uuid.uuid4().hex
    first = taken(bridge, mailbox, mail("Printer", message_id=f"<{one}@elsewhere.example>"))
    reply = taken(bridge, mailbox, mail("Re: Printer", "New toner.\n", In_Reply_To=f"<{one}@elsewhere.example>"))
    assert first.issue == reply.issue
    (outcome,) = decide(bridge, "move", str(reply.row.id), "--project", elsewhere)
    assert outcome.issue not in {None, first.issue}, outcome.line
    made = redmine.admin.issue(outcome.issue)
    assert "New toner." in made["description"]
    assert [f"→ #{outcome.issue}"] == notes(redmine, first.issue)
    assert [] == decide(bridge, "undo", str(reply.row.id))
    assert _is_closed(redmine, outcome.issue)
    assert any("New toner." in text for text in notes(redmine, first.issue))


def test_what_cannot_be_moved_stays(bridge: Product, redmine: Redmine, mailbox: Mailbox) -> None:
    """To an issue that does not exist nothing is moved, and the mail stays where it is, in Redmine and in the store."""
    only = taken(bridge, mailbox, mail("Printer"))
    decide(bridge, "move", str(only.row.id), "--issue", "99999999")
    (row,) = bridge.rows()
    assert (State.DONE, only.issue) == (row.state, row.issue)
    assert "not moved: #99999999 does not exist" in history(bridge, row.id)
    assert not _is_closed(redmine, only.issue)
    assert 1 == bridge.quick("messages", "move", str(row.id), "--issue", str(only.issue)).exit_code


def test_an_import_is_undone(bridge: Product, redmine: Redmine, mailbox: Mailbox) -> None:
    """A refused mail that was imported by mistake is held again for another decision; its issue is closed."""
    bridge.support(senders={"block": ["*"]})
    mailbox.append(mail("Buy now"))
    (outcome,) = bridge.receive()
    assert State.REJECTED is outcome.state
    (outcome,) = decide(bridge, "retry", str(outcome.row.id), "--import")
    assert outcome.issue is not None
    assert [] == decide(bridge, "undo", str(outcome.row.id))
    (row,) = bridge.rows()
    assert (State.HELD, None) == (row.state, row.issue)
    assert "before: the sender is blocked" in (row.reason or "")
    assert _is_closed(redmine, outcome.issue)
    assert 0 == bridge.quick("messages", "reject", str(row.id)).exit_code
    bridge.receive()
    assert 1 == mailbox.count().get("Failed")


def test_what_somebody_wrote_since_stays(bridge: Product, redmine: Redmine, mailbox: Mailbox) -> None:
    """An issue to which somebody has written is not closed, and a note that somebody has edited is not changed."""
    right = taken(bridge, mailbox, mail("Printer"))
    wrong = taken(bridge, mailbox, mail("Printer again"))
    redmine.api("anna").call("PUT", f"/issues/{wrong.issue}.json", {"issue": {"notes": "I look into it."}})
    decide(bridge, "move", str(wrong.row.id), "--issue", str(right.issue))
    assert not _is_closed(redmine, wrong.issue)
    assert f"#{wrong.issue} remains open: there are other notes in it" in history(bridge, wrong.row.id)


def test_without_the_rights_it_is_said_what_remains(
    tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str
) -> None:
    """A key that may not edit its notes moves the mail all the same, and the history says that the note remains; so
    does the undo, after which the mail belongs to its first issue again.
    """
    bridge = product(tmp_path, redmine, mailbox, project, login="bridge")
    one = uuid.uuid4().hex
    first = taken(bridge, mailbox, mail("Printer", message_id=f"<{one}@elsewhere.example>"))
    other = taken(bridge, mailbox, mail("Scanner"))
    reply = taken(bridge, mailbox, mail("Re: Printer", "Both.\n", In_Reply_To=f"<{one}@elsewhere.example>"))
    (outcome,) = decide(bridge, "move", str(reply.row.id), "--issue", str(other.issue))
    assert other.issue == outcome.issue
    assert f"its note on #{first.issue} remains: " in history(bridge, reply.row.id)
    decide(bridge, "undo", str(reply.row.id))
    assert f"its note on #{other.issue} remains: " in history(bridge, reply.row.id)
    (row,) = [row for row in bridge.rows() if row.id == reply.row.id]
    assert (State.DONE, first.issue) == (row.state, row.issue)
    assert [1, 1] == [sum("Both." in text for text in notes(redmine, issue)) for issue in (first.issue, other.issue)]


@pytest.mark.parametrize(
    "fault", [Fault("request", match=PUT), Fault("sent", match=PUT), Fault("response", match=PUT), failing(PUT)],
    ids=["request", "sent", "response", "failing"],
)  # fmt: skip
def test_a_connection_that_breaks_over_the_former_note(  # noqa: PLR0917 - fixtures are named, not placed
    tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str, redmine_proxy: FaultProxy, fault: Fault
) -> None:
    """Whether Redmine got the request that changes the former note or not, it is changed once the request can no longer
    arrive; until then nothing more is decided about the message, and it is where it was moved to.
    """
    bridge = product(tmp_path, redmine, mailbox, project)
    bridge.change({"redmine": {"url": redmine_proxy.url, "settle": "5s"}})
    one = uuid.uuid4().hex
    first = taken(bridge, mailbox, mail("Printer", message_id=f"<{one}@elsewhere.example>"))
    other = taken(bridge, mailbox, mail("Scanner"))
    reply = taken(bridge, mailbox, mail("Re: Printer", "Both.\n", In_Reply_To=f"<{one}@elsewhere.example>"))
    redmine_proxy.plan(fault)
    (outcome,) = decide(bridge, "move", str(reply.row.id), "--issue", str(other.issue))
    redmine_proxy.wait_fired()
    assert other.issue == outcome.issue
    assert "deferred: " in history(bridge, reply.row.id)
    again = bridge.quick("messages", "move", str(reply.row.id), "--issue", str(first.issue))
    assert (1, True) == (again.exit_code, "has not been carried out yet" in again.output)
    with time_machine.travel(dt.datetime.now(dt.UTC) + dt.timedelta(minutes=5)):
        assert [] == bridge.receive()
    assert [f"→ #{other.issue}"] == notes(redmine, first.issue)
    assert 1 == sum("Both." in text for text in notes(redmine, other.issue))


def test_an_issue_with_replies_keeps_the_mail_that_made_it(bridge: Product, mailbox: Mailbox) -> None:
    """A mail whose issue has further mails is neither moved away from them nor undone."""
    one = uuid.uuid4().hex
    first = taken(bridge, mailbox, mail("Printer", message_id=f"<{one}@elsewhere.example>"))
    other = taken(bridge, mailbox, mail("Scanner"))
    taken(bridge, mailbox, mail("Re: Printer", "More.\n", In_Reply_To=f"<{one}@elsewhere.example>"))
    result = bridge.quick("messages", "move", str(first.row.id), "--issue", str(other.issue))
    assert (1, True) == (result.exit_code, f"#{first.issue} has 1 other messages" in result.output)
    assert [] == bridge.receive()


def copied(bridge: Product) -> set[int]:
    """The issues that came by mail, as the update task knows them: those that time-based rules act on."""
    with bridge.application() as made:
        return {row.id for row in IssueCopy(made.store.database, made.store.clock).issues()}


def test_the_update_after_a_move(bridge: Product, redmine: Redmine, mailbox: Mailbox) -> None:
    """The copy of Redmine stays right when an issue loses the mail that made it, and gets it back."""
    right = taken(bridge, mailbox, mail("Printer"))
    wrong = taken(bridge, mailbox, mail("Printer again"))
    assert 0 == bridge.quick("tasks", "run", "update").exit_code
    assert {right.issue, wrong.issue} == copied(bridge)
    for words, issues in (
        (("move", str(wrong.row.id), "--issue", str(right.issue)), {right.issue}),
        (("undo", str(wrong.row.id)), {right.issue, wrong.issue}),
    ):
        decide(bridge, *words)
        redmine.api("anna").call("PUT", f"/issues/{wrong.issue}.json", {"issue": {"priority_id": 2}})
        done = bridge.quick("tasks", "run", "update")
        assert 0 == done.exit_code, done.output
        assert issues == copied(bridge)
