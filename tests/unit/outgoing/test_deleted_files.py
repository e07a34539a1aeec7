"""A file that was deleted in Redmine while its mail waited does not leave."""

import threading
from typing import Any

import pytest

from redmine_mailbridge.tasks.update.update import Updater
from tests.helpdesk import BOB, BRIDGE, HelpDesk, iso, sent_mails, writes

KIM = "kim@client.example"


@pytest.fixture
def values() -> dict[str, Any]:
    """Only agents' notes are mailed."""
    return {"mailboxes": {"desk": {"answers": {"received": False, "received_reply": False, "closed": False}}}}


def queued(desk: HelpDesk, made: Any, **files: bytes) -> None:
    """Kim's mail is an issue, and Bob's note with these files is in the outbox."""
    desk.mail(writes(KIM))
    desk.turn(made)
    desk.redmine.writes(1, BOB, "Here is the plan.", **files)
    Updater(made.tasks.steps).once(threading.Event())


def delete(desk: HelpDesk, name: str) -> None:
    """Bob deletes a file of the issue, as Redmine records it."""
    issue = desk.redmine.issues[1]
    (file,) = [file for file in issue["attachments"] if file["filename"] == name]
    issue["attachments"].remove(file)
    journal = desk.redmine.journal(desk.redmine.writes(1, BOB, ""))
    journal["details"].append({"property": "attachment", "name": str(file["id"]), "old_value": name})
    desk.redmine.touch(1)


def sending(desk: HelpDesk, made: Any) -> list[tuple[str, str]]:
    """Send. Return what Redmine was asked meanwhile."""
    desk.redmine.requests.clear()
    made.sending.once()
    return list(desk.redmine.requests)


def test_a_mail_whose_file_was_deleted_does_not_leave(desk: HelpDesk) -> None:
    """The customer gets neither the file nor the mail; the record and a private note name the file, so that an agent
    can write again.
    """
    with desk.application() as made:
        queued(desk, made, plan=b"of another customer", map=b"of the town")
        delete(desk, "plan")
        sending(desk, made)
        assert [] == sent_mails(desk)
        assert f"not sent: answer to {KIM}: deleted in Redmine since: plan" in desk.story()
        Updater(made.tasks.steps).once(threading.Event())
    notes = [one for one in desk.redmine.issues[1]["journals"] if one["user"]["id"] == BRIDGE]
    assert [True] == [one["private_notes"] for one in notes]
    assert "deleted in Redmine since: plan" in notes[0]["notes"]


def test_other_files_hold_nothing_back(desk: HelpDesk) -> None:
    """A file of another note is deleted: the mail leaves, with its own file."""
    with desk.application() as made:
        desk.mail(writes(KIM))
        desk.turn(made)
        desk.redmine.writes(1, BOB, "For us.", private=True, old=b"old")
        desk.redmine.writes(1, BOB, "Here is the plan.", plan=b"the plan")
        Updater(made.tasks.steps).once(threading.Event())
        delete(desk, "old")
        sending(desk, made)
    ((_, mail),) = sent_mails(desk)
    assert ["plan"] == [part.get_filename() for part in mail.iter_attachments()]


def test_asking_for_files_costs_no_request(desk: HelpDesk) -> None:
    """What is asked before a mail with files leaves is what is asked of one without: the issue and its project."""
    with desk.application() as made:
        queued(desk, made, plan=b"the plan")
        with_file = sending(desk, made)
        desk.redmine.writes(1, BOB, "And one without.")
        Updater(made.tasks.steps).once(threading.Event())
        assert with_file == sending(desk, made)
    assert [("GET", "/issues/1.json"), ("GET", "/projects/7.json")] == with_file
    assert 2 == len(sent_mails(desk))


def test_a_failed_mail_is_not_sent_again_without_its_file(desk: HelpDesk) -> None:
    """The server refuses a mail, its file is deleted, and an admin has it sent again: it stays where it is."""
    desk.post.answers["kim"] = "550 no such user"
    with desk.application() as made:
        queued(desk, made, plan=b"the plan")
        sending(desk, made)
    desk.post.answers.clear()
    delete(desk, "plan")
    assert "deleted in Redmine since: plan" in desk.command("queue", "retry", "--all").output
    desk.redmine.issues[1]["updated_on"] = iso()
    desk.turn()
    assert [] == sent_mails(desk)
