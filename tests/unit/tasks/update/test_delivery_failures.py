"""What did not arrive, and who is left out, is told to the agents once, or its record says why it could not be."""

import pytest

from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.notices import NewNotice, Notices, notify
from redmine_mailbridge.store.outgoing.outbox import Outbox
from redmine_mailbridge.wiring import application as app
from tests.helpdesk import HelpDesk, writes

KIM = "kim@client.example"
WORDS = "Not in Cc: lee@client.example"


@pytest.fixture
def desk(desk: HelpDesk) -> HelpDesk:
    """Kim has written, and her acknowledgement is refused for good."""
    desk.post.answers = {"kim": "550 5.1.1 No such *user*"}
    desk.mail(writes(KIM))
    desk.turn()
    return desk


def notes(desk: HelpDesk) -> list[str]:
    """The notes that the agents read."""
    return [one["notes"] for one in desk.redmine.issues[1]["journals"] if one["private_notes"]]


def pending(desk: HelpDesk) -> int:
    """How many mails and notices wait to be told."""
    with desk.application() as made:
        store: Store = made.store
        mails, notices = Outbox(store.database, store.clock), Notices(store.database, store.clock)
        return len(mails.unreported()) + len(notices.unreported())


def leave_out(made: app.Application, text: str = WORDS) -> None:
    """Somebody is left out of the mails about the first issue."""
    with made.store.database.write() as db:
        notify(db, 1, 1, [NewNotice("test/1", text)], made.store.clock())


def test_the_note_names_the_mail_and_the_servers_words(desk: HelpDesk) -> None:
    """The note says which mail did not arrive, to whom and why; what the server said is no markup in it."""
    desk.turn()
    (note,) = notes(desk)
    assert "(received) was not delivered" in note
    assert f"`{KIM}`" in note
    assert "`550 5.1.1 No such *user*`" in note
    assert 1 == desk.story().count("a private note on #1 reports that it was not delivered")


@pytest.mark.parametrize("how", ["refused", "dropped"])
def test_redmine_takes_no_note(desk: HelpDesk, how: str) -> None:
    """Redmine refuses the note, or confirms it and writes none, as for a writer who may not add notes: the record of
    the mail says that the agents were not told, and why; it is not said that they were, and not tried at each run.
    """
    with desk.application() as made:
        leave_out(made)
    if how == "refused":
        desk.redmine.refuses = "Notes are closed here"
    else:
        desk.redmine.ignores = {"notes", "private_notes"}
    for _ in range(2):
        desk.turn()
    why = "Redmine took no note on #1: the writer may not add one"
    if how == "refused":
        why = "Redmine refused: Notes are closed here"
    assert ([], 0) == (notes(desk), pending(desk))
    told = desk.story().splitlines()
    assert [why] == [line.partition("private note not written: ")[2] for line in told if "not written: " in line]
    assert 1 == sum(f"private note not written ({WORDS}): {why}" in line for line in told)
    assert "reports that it was not delivered" not in desk.story()


def test_a_note_that_became_public(desk: HelpDesk) -> None:
    """Where Redmine makes a private note public, it is made private, and the record of the mail says so."""
    desk.redmine.ignores = {"private_notes"}
    for _ in range(2):
        desk.turn()
    assert 1 == len(notes(desk))
    assert "PRIVATE NOTE BECAME PUBLIC on #1" in desk.story()


@pytest.mark.parametrize("gone", [True, False])
def test_an_issue_that_cannot_be_read(desk: HelpDesk, *, gone: bool) -> None:
    """An issue that was deleted can get no note, and the record says so; one that Redmine fails on gets it later."""
    with desk.application() as made:
        leave_out(made)
    if gone:
        del desk.redmine.issues[1]
    else:
        desk.redmine.fails = {1}
    desk.turn()
    assert (0 if gone else 2) == pending(desk)
    assert gone == ("private note not written" in desk.story())
    if not gone:
        desk.redmine.fails = set()
        desk.turn()
        assert (2, 0) == (len(notes(desk)), pending(desk))


@pytest.mark.parametrize("when", ["before it was recorded", "not sent"])
def test_a_crash_around_the_note(desk: HelpDesk, when: str) -> None:
    """The process ends between the note and its record: the note is found and is the only one. What certainly never
    reached Redmine is written by the next run.
    """
    with desk.application() as made:
        leave_out(made)
    if when == "not sent":
        desk.redmine.cut_off = True
        desk.turn()
        assert 1 == pending(desk)
    desk.turn()
    with desk.application() as made, made.store.database.write() as db:
        db.exec_driver_sql("UPDATE outbox SET reported = 0")
        db.exec_driver_sql("UPDATE notice SET reported_at = NULL")
    desk.turn()
    assert (2, 0) == (len(notes(desk)), pending(desk))
    assert 1 == desk.story().count("reports that it was not delivered")
