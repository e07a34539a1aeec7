"""Moves that Redmine does not take, or whose places change meanwhile: the mail is in one place, and known to be."""

import uuid
from pathlib import Path

import pytest

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.store.issue_copy import IssueCopy
from tests.product import Product, mail, product
from tests.real.test_by_hand import decide, history, notes, taken
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox

pytestmark = pytest.mark.real


@pytest.fixture
def bridge(tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str) -> Product:
    return product(tmp_path, redmine, mailbox, project, login="bridge")


READER = (
    "role = Role.find_by(name: 'Reader only') || Role.create!(name: 'Reader only', permissions: [:view_issues]); "
    "Project.find('{project}').members.each {{ |m| m.roles = [role] if m.user.login == 'bridge' }}; 1"
)
"""Ruby that leaves the key's user nothing but to look."""


@pytest.mark.fault("A20-1")
@pytest.mark.parametrize("to", ["project", "issue"])
def test_a_project_without_rights(bridge: Product, redmine: Redmine, mailbox: Mailbox, to: str) -> None:
    """A move to where the key may only look leaves the mail where it is: done, and not in the failure folder."""
    elsewhere = redmine.fresh_project(public=False)
    there = redmine.admin.call("POST", "/issues.json", {"issue": {"project_id": elsewhere, "subject": "There"}})[
        "issue"
    ]["id"]
    redmine.admin.run(READER.format(project=elsewhere))
    only = taken(bridge, mailbox, mail("Printer"))
    decide(bridge, "move", str(only.row.id), f"--{to}", elsewhere if to == "project" else str(there))
    bridge.receive()
    said = history(bridge, only.row.id)
    assert "not moved: " in said, said
    (row,) = bridge.rows()
    assert (State.DONE, only.issue) == (row.state, row.issue)
    assert 0 == mailbox.count().get("Failed", 0)
    assert [] == notes(redmine, there)


@pytest.mark.fault("A20-1")
def test_a_move_that_redmine_refuses_pauses_no_mailbox(bridge: Product, redmine: Redmine, mailbox: Mailbox) -> None:
    """One person's choice of a project stops nobody else's mail."""
    elsewhere = redmine.fresh_project(public=False)
    redmine.admin.run(READER.format(project=elsewhere))
    only = taken(bridge, mailbox, mail("Printer"))
    decide(bridge, "move", str(only.row.id), "--project", elsewhere)
    next_one = taken(bridge, mailbox, mail("Scanner"))
    assert State.DONE is next_one.state


@pytest.mark.fault("A20-10")
def test_an_undo_that_would_leave_replies_behind(bridge: Product, redmine: Redmine, mailbox: Mailbox) -> None:
    """A message is not taken out of the new issue that a move made once a reply is there; with the reply moved away, it
    is.
    """
    elsewhere = redmine.fresh_project()
    first = taken(bridge, mailbox, mail("Printer"))
    one = f"{uuid.uuid4().hex}@elsewhere.example"
    own = taken(bridge, mailbox, mail("Scanner", message_id=f"<{one}>"))
    (there,) = decide(bridge, "move", str(own.row.id), "--project", elsewhere)
    reply = taken(bridge, mailbox, mail("Re: Scanner", "More.\n", In_Reply_To=f"<{one}>"))
    assert there.issue == reply.issue
    refused = bridge.quick("messages", "undo", str(own.row.id))
    assert (1, True) == (refused.exit_code, f"#{there.issue} has 1 other messages" in refused.output), refused.output
    assert [] == bridge.receive()
    decide(bridge, "move", str(reply.row.id), "--issue", str(first.issue))
    decide(bridge, "undo", str(own.row.id))
    rows = {row.id: row.issue for row in bridge.rows()}
    assert {first.row.id: first.issue, own.row.id: own.issue, reply.row.id: first.issue} == rows


@pytest.mark.fault("A20-11")
def test_a_reply_that_comes_while_an_undo_waits(bridge: Product, redmine: Redmine, mailbox: Mailbox) -> None:
    """The message is back, the reply stays where it is, and its issue open: no mail is without a place."""
    elsewhere = redmine.fresh_project()
    one = f"{uuid.uuid4().hex}@elsewhere.example"
    own = taken(bridge, mailbox, mail("Scanner", message_id=f"<{one}>"))
    (there,) = decide(bridge, "move", str(own.row.id), "--project", elsewhere)
    assert there.issue is not None
    mailbox.append(mail("Re: Scanner", "More.\n", In_Reply_To=f"<{one}>"))
    assert 0 == bridge.quick("messages", "undo", str(own.row.id)).exit_code
    bridge.passes()
    bridge.passes()
    rows = {row.subject: (row.state, row.issue) for row in bridge.rows()}
    assert (State.DONE, own.issue) == rows["Scanner"]
    assert (State.DONE, True) == (rows["Re: Scanner"][0], rows["Re: Scanner"][1] in {own.issue, there.issue})
    assert 1 == sum("More." in text for issue in (own.issue, there.issue) for text in notes(redmine, issue))


@pytest.mark.fault("A20-12")
@pytest.mark.parametrize("gone", ["former", "target"])
def test_an_issue_that_is_deleted_in_redmine(bridge: Product, redmine: Redmine, mailbox: Mailbox, gone: str) -> None:
    """A mail whose issue is gone can be moved, and stays there when that is undone; to an issue that is gone, no mail
    is moved.
    """
    right, wrong = taken(bridge, mailbox, mail("Printer")), taken(bridge, mailbox, mail("Scanner"))
    redmine.admin.call("DELETE", f"/issues/{wrong.issue if gone == 'former' else right.issue}.json")
    decide(bridge, "move", str(wrong.row.id), "--issue", str(right.issue))
    said = history(bridge, wrong.row.id)
    row = next(row for row in bridge.rows() if row.id == wrong.row.id)
    if gone == "target":
        assert f"not moved: #{right.issue} does not exist" in said
        assert (State.DONE, wrong.issue) == (row.state, row.issue)
        return
    assert f"#{wrong.issue} is gone" in said
    assert (State.DONE, right.issue) == (row.state, row.issue)
    decide(bridge, "undo", str(wrong.row.id))
    assert f"not undone: #{wrong.issue} is gone; it stays in #{right.issue}" in history(bridge, wrong.row.id)
    assert 1 == len(notes(redmine, right.issue))


@pytest.mark.fault("A20-3")
def test_answers_follow_a_requester_set_by_hand(bridge: Product, redmine: Redmine, mailbox: Mailbox) -> None:
    """After a move to a new issue the requester there is who was set by hand, in the copy of Redmine too."""
    elsewhere = redmine.fresh_project()
    own = taken(bridge, mailbox, mail("Printer"))
    done = bridge.quick("messages", "requester", str(own.row.id), "jo@client.example", "--name", "Jo")
    assert 0 == done.exit_code, done.output
    (there,) = decide(bridge, "move", str(own.row.id), "--project", elsewhere)
    assert f"the requester of #{there.issue} is jo@client.example" in history(bridge, own.row.id)
    redmine.api("anna").call("PUT", f"/issues/{there.issue}.json", {"issue": {"priority_id": 2}})
    assert 0 == bridge.quick("tasks", "run", "update").exit_code
    with bridge.application() as made:
        rows = {row.id: row.requester for row in IssueCopy(made.store.database, made.store.clock).issues()}
    assert {there.issue: "jo@client.example"} == rows


@pytest.mark.fault("A20-13")
def test_the_undo_of_a_move_without_the_right_to_relate(bridge: Product, redmine: Redmine, mailbox: Mailbox) -> None:
    """A key that may not manage relations moves a mail that made an issue, and takes it back."""
    right, wrong = taken(bridge, mailbox, mail("Printer")), taken(bridge, mailbox, mail("Printer again"))
    decide(bridge, "move", str(wrong.row.id), "--issue", str(right.issue))
    assert f"#{wrong.issue} is not linked with #{right.issue}" in history(bridge, wrong.row.id)
    for linked in (False, True):
        if linked:  # by somebody else
            decide(bridge, "move", str(wrong.row.id), "--issue", str(right.issue))
            relation = {"issue_to_id": right.issue, "relation_type": "duplicates"}
            redmine.admin.call("POST", f"/issues/{wrong.issue}/relations.json", {"relation": relation})
        decide(bridge, "undo", str(wrong.row.id))
        said = history(bridge, wrong.row.id)
        assert linked is (f"#{wrong.issue} remains a duplicate of #{right.issue}: " in said)
        row = next(row for row in bridge.rows() if row.id == wrong.row.id)
        assert (State.DONE, wrong.issue) == (row.state, row.issue)
