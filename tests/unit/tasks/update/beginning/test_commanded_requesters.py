"""Conversations that begin in Redmine by a command in a note, and whose requester a command changes."""

import time
from typing import Any

import pytest

from redmine_mailbridge.model.mailbox import Listed, Location, RawMail
from redmine_mailbridge.model.stored_mail import Description
from redmine_mailbridge.redmine.requests import IssueRequest
from redmine_mailbridge.redmine.write_intent import WriteIntent
from redmine_mailbridge.store.begun_issues import BegunIssues
from redmine_mailbridge.store.messages import Store
from tests.helpdesk import ANNA, BOB, CAROL, HelpDesk, iso, new_mails, writes
from tests.unit.tasks.update.beginning.test_conversation_starter import (
    CUSTOMER,
    KIM,
    LEE,
    called,
    mailed,
    private_notes,
)

ALLOWED = {"mailboxes": {"desk": {"answers": {"command_roles": ["Agent"]}}}}
ANOTHER = "Note {} was not mailed: the issue named another requester when it was written"


@pytest.fixture
def values() -> dict[str, Any]:
    """Issues made in Redmine may become conversations; public notes are mailed, and nothing else."""
    answers = {"received": False, "received_reply": False, "closed": False}
    issue = {"requester_field": "Requester", "conversations_from_redmine": True}
    return {"mailboxes": {"desk": {"answers": answers, "issue": issue}}}


@pytest.fixture
def commanded(desk: HelpDesk) -> HelpDesk:
    """A help desk without a requester field, whose agents may use commands."""
    del desk.values["mailboxes"]["desk"]["issue"]["requester_field"]
    desk.change(ALLOWED)
    desk.turn()
    return desk


@pytest.fixture
def allowed(desk: HelpDesk) -> HelpDesk:
    """A help desk with a requester field, whose agents may use commands."""
    desk.change(ALLOWED)
    desk.turn()
    return desk


@pytest.mark.parametrize("command", ["/requester", "/to"])
def test_a_command_begins_it(commanded: HelpDesk, command: str) -> None:
    """The public note whose command names a requester is mailed without it, earlier ones are not, and it goes on."""
    number = commanded.redmine.makes(ANNA, "The printer burns")
    commanded.redmine.writes(number, BOB, "For us.")
    commanded.redmine.writes(number, BOB, f"{command} Kim <{KIM}>\nWe look at it.")
    commanded.redmine.writes(number, BOB, "Done.")
    for _ in range(3):
        commanded.turn()
    assert [(KIM, "We look at it."), (KIM, "Done.")] == mailed(commanded)
    assert [] == private_notes(commanded)


def test_others_of_to_are_in_cc(commanded: HelpDesk) -> None:
    """Of several addresses of `/to` the first is the requester, others are in Cc."""
    number = commanded.redmine.makes(ANNA, "The printer burns")
    commanded.redmine.writes(number, BOB, f"/to {KIM} {LEE}\nHello.")
    commanded.turn()
    mails = new_mails(commanded)
    assert ([KIM, LEE], [KIM, KIM], [LEE, LEE]) == (
        [to for to, _ in mails], [str(one["To"]) for _, one in mails], [str(one["Cc"]) for _, one in mails]
    )  # fmt: skip


def test_a_second_to_begins_nothing(commanded: HelpDesk) -> None:
    """Only the note with which a conversation began is mailed with `/to`; a later one is not mailed, and says so."""
    number = commanded.redmine.makes(ANNA, "The printer burns")
    for text in ("Hello.", "To you."):
        commanded.redmine.writes(number, BOB, f"/to {KIM}\n{text}")
    for _ in range(2):
        commanded.turn()
    assert [(KIM, "Hello.")] == mailed(commanded)
    (note,) = private_notes(commanded)
    assert "Note 2 was not mailed" in note


def test_a_private_command(commanded: HelpDesk) -> None:
    """A private note begins a conversation by `/requester` and is not mailed; by `/to` it begins none."""
    first, second = (commanded.redmine.makes(ANNA, "The printer burns") for _ in range(2))
    commanded.redmine.writes(first, BOB, f"/requester {KIM}\nFor us.", private=True)
    commanded.redmine.writes(second, BOB, f"/to {LEE}\nFor a supplier.", private=True)
    commanded.turn()
    for number in (first, second):
        commanded.redmine.writes(number, BOB, "Hello.")
    commanded.turn()
    assert [(KIM, "Hello.")] == mailed(commanded)


def test_where_third_parties_get_mail(commanded: HelpDesk) -> None:
    """A public note with `/to` begins a conversation there, too; a private one is for a third party, even with an
    error, and the agents read nothing of a conversation.
    """
    commanded.change({"mailboxes": {"desk": {"answers": {"third_parties": True}}}})
    first, second = (commanded.redmine.makes(ANNA, "The printer burns") for _ in range(2))
    commanded.redmine.writes(first, BOB, f"/to {KIM}\nHello.")
    commanded.redmine.writes(second, BOB, f"/to {LEE}\nFor a supplier.", private=True)
    commanded.redmine.writes(second, BOB, "/to foo\nFor a supplier.", private=True)
    for _ in range(2):
        commanded.turn()
    assert [(KIM, "Hello.")] == mailed(commanded)
    assert ([], []) == (private_notes(commanded, first), private_notes(commanded, second))


def test_who_may_begin_by_command(commanded: HelpDesk) -> None:
    """A note of somebody who may not, or with an error, begins nothing; a private note says so, once. It begins nothing
    either when that person may, later.
    """
    number = commanded.redmine.makes(ANNA, "The printer burns")
    commanded.redmine.writes(number, CAROL, f"/requester {KIM}\nOne.")
    commanded.redmine.writes(number, BOB, f"/requester {KIM}\n/cc foo\nTwo.")
    commanded.redmine.writes(number, BOB, "/requester desk@example.com\nThree.")
    commanded.redmine.writes(number, BOB, f"/to {KIM}\n/private\nFour.")
    for _ in range(2):
        commanded.turn()
    notes = private_notes(commanded)
    reasons = ("the writer may not change", "/cc: foo is not a mail", "of the bridge", "is meant for third parties")
    for note, words in zip(notes, reasons, strict=True):
        assert "began no conversation by mail" in note
        assert words in note
    commanded.redmine.groups = {"Friends": (CAROL,)}
    commanded.change({"mailboxes": {"desk": {"answers": {"command_groups": ["Friends"]}}}})
    commanded.redmine.writes(number, CAROL, "Five.")
    commanded.turn()
    assert ([], notes) == (new_mails(commanded), private_notes(commanded))


def test_a_command_from_before_anybody_might(desk: HelpDesk) -> None:
    """A command that was written when nobody might use commands begins nothing once somebody may, although issues made
    in Redmine could become conversations then; a new one does.
    """
    desk.turn()
    number = desk.redmine.makes(ANNA, "The printer burns")
    desk.redmine.writes(number, BOB, f"/requester {KIM}\nFor us.")
    desk.turn()
    desk.change(ALLOWED)
    for text in ("Now.", "Later."):
        desk.redmine.writes(number, BOB, text)
        desk.turn()
    assert ([], []) == (new_mails(desk), private_notes(desk))
    new = desk.redmine.writes(number, BOB, f"/requester {KIM}\nHello.")
    desk.redmine.journal(new)["created_on"] = iso(time.time() + 5)
    desk.turn()
    assert [(KIM, "Hello.")] == mailed(desk)


def test_a_command_from_another_project(commanded: HelpDesk) -> None:
    """A command that was written before the issue was moved to the project is history; one after it begins."""
    number = commanded.redmine.makes(ANNA, "The printer burns")
    commanded.redmine.issues[number]["project"] = {"id": 8, "name": "Other"}
    commanded.redmine.writes(number, BOB, f"/requester {LEE}\nAmong colleagues.")
    moves = commanded.redmine.writes(number, BOB, "Over to you.")
    change = {"property": "attr", "name": "project_id", "old_value": "8", "new_value": "7"}
    commanded.redmine.journal(moves)["details"].append(change)
    commanded.redmine.issues[number]["project"] = {"id": 7, "name": "Desk"}
    commanded.turn()
    assert ([], []) == (new_mails(commanded), private_notes(commanded))
    commanded.redmine.writes(number, BOB, f"/requester {KIM}\nHello.")
    commanded.turn()
    assert [(KIM, "Hello.")] == mailed(commanded)


def test_an_issue_that_a_message_left(desk: HelpDesk) -> None:
    """What was written before a message was moved away is no command; what is written after it is."""
    desk.change({"mailboxes": {"desk": {"issue": {"conversations_from_redmine": False}}}})
    desk.mail(writes(f"Kim <{KIM}>"))
    desk.turn()
    desk.redmine.issues[1]["updated_on"] = iso(time.time() - 3600)
    desk.change({"mailboxes": {"desk": {"issue": {"conversations_from_redmine": True}}}})
    desk.change(ALLOWED)
    desk.turn()
    old = desk.redmine.writes(1, BOB, f"/requester {LEE}\nBefore.")
    desk.redmine.journal(old)["created_on"] = iso(time.time() - 60)
    with desk.application() as made:
        assert made.store.manual_changes.move(1, '{"issue": 2}', "anna", "#2")
    desk.turn()
    assert [] == new_mails(desk)
    new = desk.redmine.writes(1, BOB, f"/requester {LEE}\nAfter.")
    desk.redmine.journal(new)["created_on"] = iso(time.time() + 5)
    desk.turn()
    assert [(LEE, "After.")] == mailed(desk)


def _note_of_a_mail(store: Store, issue: int, note: int) -> None:
    """A mail became this note."""
    (row,) = store.add([RawMail(Listed(Location("desk", "INBOX", "1", "9"), 9), b"mail")])
    store.describe([Description(row.id, "9@x.example", "key", KIM, "Help")])
    store.record_intent(row.id, WriteIntent(IssueRequest(7, {"subject": "Help"}), "made", after=98).to_json())
    store.done(row.id, "a note", issue=issue, journal=note)


def test_a_mails_words_begin_nothing(commanded: HelpDesk) -> None:
    """A customer's mail that becomes a note on an issue made by hand is no command, even if Redmine says an agent wrote
    it.
    """
    number = commanded.redmine.makes(ANNA, "The printer burns")
    note = commanded.redmine.writes(number, BOB, f"/requester {KIM}\nHello")
    with commanded.application() as made:
        _note_of_a_mail(made.store, number, note)
    commanded.turn()
    assert ([], []) == (new_mails(commanded), private_notes(commanded))


def test_requests_where_commands_count(commanded: HelpDesk) -> None:
    """Each changed issue is read once per change, also by another process; without a right to use commands, none is."""
    for _ in range(3):
        number = commanded.redmine.makes(ANNA, "Internal")
        commanded.redmine.issues[number]["updated_on"] = iso(time.time() - 3600)
    listed = ["/issues.json"]
    with commanded.application() as made:
        made.issue_sync.refresh()
    commanded.redmine.writes(2, BOB, "Internal.")
    commanded.redmine.issues[2]["updated_on"] = iso(time.time() - 1800)

    def asked() -> list[str]:
        before = len(commanded.redmine.requests)
        with commanded.application() as made:
            made.issue_sync.refresh()
        return [path for _, path in commanded.redmine.requests[before:] if path.startswith("/issues")]

    assert [[*listed, "/issues/2.json"], listed] == [asked(), asked()]
    commanded.change({"mailboxes": {"desk": {"answers": {"command_roles": []}, "issue": {"requester_field": "x"}}}})
    commanded.redmine.writes(2, BOB, "Internal.")
    assert listed == asked()


def test_an_issue_that_is_deleted_meanwhile(commanded: HelpDesk) -> None:
    """An issue that is deleted between the list and its turn is no error, and not looked at again."""
    commanded.redmine.makes(ANNA, "Internal")
    commanded.redmine.deleted = {1}
    with commanded.application() as made:
        made.issue_sync.refresh()
        assert [] == BegunIssues(made.store.database, made.store.clock).waiting()


def test_another_requester_by_command(allowed: HelpDesk) -> None:
    """`/requester` counts in a conversation that began in Redmine: the one before gets no more, and the field, which
    stays as it is, counts again when it changes.
    """
    number = called(allowed)
    allowed.redmine.writes(number, BOB, f"/cc {CUSTOMER}\nOne.")
    allowed.turn()
    assert {(KIM, "One."), (CUSTOMER, "One.")} == set(mailed(allowed))
    allowed.redmine.writes(number, BOB, f"/requester {LEE}\n/uncc {CUSTOMER}\nTwo.")
    allowed.turn()
    allowed.redmine.writes(number, BOB, "Three.")
    allowed.turn()
    assert [(LEE, "Two."), (LEE, "Three.")] == mailed(allowed)
    allowed.redmine.names(number, ANNA, CUSTOMER, "Four.")
    allowed.turn()
    assert [(CUSTOMER, "Four.")] == mailed(allowed)
    assert [] == private_notes(allowed)


def test_who_was_replaced_by_a_command_is_not_in_cc(allowed: HelpDesk) -> None:
    """A former `/cc` of whom a command replaces does not keep them in Cc."""
    number = called(allowed, LEE)
    allowed.redmine.writes(number, BOB, f"/cc {KIM}\nOne.")
    allowed.turn()
    allowed.redmine.writes(number, BOB, f"/requester {KIM}\nTwo.")
    allowed.turn()
    new_mails(allowed)
    for text in (f"/requester {LEE}\nThree.", "Four."):
        allowed.redmine.writes(number, BOB, text)
        allowed.turn()
    assert [(LEE, "Three."), (LEE, "Four.")] == mailed(allowed)


@pytest.mark.parametrize("later", [KIM, LEE])
def test_a_field_after_the_first_command(allowed: HelpDesk, later: str) -> None:
    """A conversation begins with the command although the field names an address in the same pass; the note with the
    command goes to whom it names, or to no one if the field names another since.
    """
    number = allowed.redmine.makes(ANNA, "The printer burns", requester="")
    allowed.redmine.writes(number, BOB, f"/requester {KIM}\nOne.")
    allowed.redmine.names(number, ANNA, later, "Two.")
    for _ in range(3):
        allowed.turn()
    assert [*([(KIM, "One.")] if later == KIM else []), (later, "Two.")] == mailed(allowed)
    assert (later == KIM) == ([] == private_notes(allowed))


def test_a_field_after_a_command(allowed: HelpDesk) -> None:
    """A field that somebody has changed after the note with `/requester` counts, although the bridge sees both at once:
    no one receives the note, and the agents read why.
    """
    number = called(allowed)
    allowed.turn()
    allowed.redmine.writes(number, BOB, f"/requester {LEE}\nTwo.")
    allowed.redmine.names(number, ANNA, CUSTOMER, "Three.")
    for _ in range(3):
        allowed.turn()
    assert [(CUSTOMER, "Three.")] == mailed(allowed)
    (note,) = private_notes(allowed)
    assert "Note 1 was not mailed: " in note
    assert "was named after this note" in note
    allowed.redmine.writes(number, BOB, "Four.")
    allowed.turn()
    assert [(CUSTOMER, "Four.")] == mailed(allowed)


def test_a_command_after_a_field(allowed: HelpDesk) -> None:
    """A command that is newer than a change of the field counts, although the bridge sees both at once."""
    number = called(allowed)
    allowed.turn()
    allowed.redmine.names(number, ANNA, CUSTOMER, "Two.")
    allowed.redmine.writes(number, BOB, f"/requester {LEE}\nThree.")
    for _ in range(3):
        allowed.turn()
    assert [(CUSTOMER, "Two."), (LEE, "Three.")] == mailed(allowed)
    assert [] == private_notes(allowed)


def test_a_note_to_whom_a_command_named(allowed: HelpDesk) -> None:
    """A note that was written to whom a command named is not mailed to whom the field names when the bridge sees it."""
    number = allowed.redmine.makes(ANNA, "The printer burns", requester="")
    allowed.redmine.writes(number, BOB, f"/requester {KIM}\nOne.")
    allowed.turn()
    allowed.redmine.writes(number, BOB, "For Kim.")
    allowed.redmine.names(number, ANNA, LEE, "For Lee.")
    for _ in range(3):
        allowed.turn()
    assert [(KIM, "One."), (LEE, "For Lee.")] == mailed(allowed)
    assert [ANOTHER.format(2)] == private_notes(allowed)


def test_a_note_that_is_published_after_a_command(allowed: HelpDesk) -> None:
    """A private note from before the command is not mailed to the new requester when somebody publishes it."""
    number = called(allowed)
    note = allowed.redmine.writes(number, BOB, "For Kim.", private=True)
    allowed.turn()
    allowed.redmine.writes(number, BOB, f"/requester {LEE}\nFor Lee.")
    allowed.turn()
    allowed.redmine.journal(note)["private_notes"] = False
    allowed.redmine.touch(number)
    for _ in range(3):
        allowed.turn()
    assert [(LEE, "For Lee.")] == mailed(allowed)
    assert [ANOTHER.format(note)] == private_notes(allowed)


def test_who_may_change_the_field(allowed: HelpDesk) -> None:
    """The field of a conversation that began in Redmine counts only if somebody sets it who may change recipients: the
    requester stays, notes before and after it go on, and the agents read why, once.
    """
    number = called(allowed)
    allowed.turn()
    allowed.redmine.writes(number, BOB, "One.")
    allowed.redmine.names(number, CAROL, LEE)
    allowed.redmine.writes(number, BOB, "Two.")
    for _ in range(3):
        allowed.turn()
    assert [(KIM, "One."), (KIM, "Two.")] == mailed(allowed)
    (note,) = private_notes(allowed)
    assert "The requester stays as it is (change 2)" in note
    assert "the writer may not change who gets mail" in note
    allowed.redmine.names(number, ANNA, CUSTOMER, "Three.")
    allowed.turn()
    assert [(CUSTOMER, "Three.")] == mailed(allowed)
    assert [note] == private_notes(allowed)


def test_several_changes_of_the_field_at_once(allowed: HelpDesk) -> None:
    """Of several changes that the bridge sees at once, the newest counts that somebody made who may; none of the others
    keeps notes from being mailed.
    """
    number = called(allowed)
    allowed.turn()
    for address in (LEE, CUSTOMER):
        allowed.redmine.names(number, CAROL, address)
    allowed.redmine.writes(number, BOB, "One.")
    for _ in range(2):
        allowed.turn()
    assert [(KIM, "One.")] == mailed(allowed)
    assert [True, False] == ["(change 1)" in note for note in private_notes(allowed)]
    allowed.redmine.names(number, ANNA, LEE)
    allowed.redmine.names(number, CAROL, KIM)
    allowed.redmine.names(number, CAROL, CUSTOMER)
    allowed.redmine.writes(number, BOB, "Two.")
    for _ in range(2):
        allowed.turn()
    allowed.redmine.writes(number, BOB, "Three.")
    allowed.turn()
    assert [(LEE, "Two."), (LEE, "Three.")] == mailed(allowed)


def test_a_field_that_does_not_count_after_a_command(allowed: HelpDesk) -> None:
    """A change of the field by somebody who may not change recipients does not outdo the command before it."""
    number = called(allowed)
    allowed.turn()
    allowed.redmine.writes(number, BOB, f"/requester {LEE}\nTwo.")
    allowed.redmine.names(number, CAROL, CUSTOMER)
    allowed.redmine.writes(number, BOB, "Three.")
    for _ in range(3):
        allowed.turn()
    assert [(LEE, "Two."), (LEE, "Three.")] == mailed(allowed)


def test_somebody_empties_the_field(allowed: HelpDesk) -> None:
    """Whoever empties the field ends the answers until somebody who may enters an address."""
    number = called(allowed)
    allowed.turn()
    allowed.redmine.names(number, CAROL, "")
    allowed.redmine.writes(number, BOB, "For us.")
    for _ in range(2):
        allowed.turn()
    assert ([], []) == (new_mails(allowed), private_notes(allowed))
    allowed.redmine.names(number, ANNA, KIM, "For Kim.")
    allowed.turn()
    assert [(KIM, "For Kim.")] == mailed(allowed)


def test_a_field_that_gets_its_value_back(allowed: HelpDesk) -> None:
    """A field that was changed after a command counts, also if it holds what it held before when the bridge sees it."""
    number = called(allowed)
    allowed.turn()
    allowed.redmine.writes(number, BOB, f"/requester {LEE}\nOne.")
    allowed.turn()
    allowed.redmine.names(number, ANNA, CUSTOMER)
    allowed.redmine.names(number, ANNA, KIM, "Two.")
    allowed.turn()
    allowed.redmine.writes(number, BOB, "Three.")
    allowed.turn()
    assert [(LEE, "One."), (KIM, "Two."), (KIM, "Three.")] == mailed(allowed)
    assert [] == private_notes(allowed)
