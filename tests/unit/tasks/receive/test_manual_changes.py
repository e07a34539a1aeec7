"""Messages that are in Redmine and are moved by hand: first to their new place, then from the former one, and back."""

import pytest

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.manual_change import Phase
from redmine_mailbridge.store.tables import manual_change
from redmine_mailbridge.tasks.receive.admin_decisions import Decision, decide
from tests.product import mail, message_id_of
from tests.unit.store.kept import keep, make
from tests.unit.tasks.fake_redmine import CLOSED, FakeRedmine

OPEN = {"id": 1, "name": "New", "is_closed": False}


@pytest.fixture
def moving(fake: FakeRedmine) -> FakeRedmine:
    """Three mails: #1 with a note, whose mail is number 2, and #2. Issues can be closed."""
    first = mail("First")
    reply = mail("Re: First", "The note.\n", In_Reply_To=message_id_of(first))
    for one in (first, reply, mail("Second")):  # one after the other, so that their numbers are known
        fake.server.append(one)
        fake.receive()
    for issue in fake.issues:
        issue["allowed_statuses"] = [OPEN, {"id": CLOSED, "name": "Closed", "is_closed": True}]
    return fake


def say(moving: FakeRedmine, number: int, decision: Decision, issue: int | None = None) -> None:
    with moving.application() as made:
        (result,) = decide(made.store, made.message_queries, [number], decision, by="anna", issue=issue)
        assert result.ok, result.words
    carry_on(moving)


def carry_on(moving: FakeRedmine) -> None:
    """Make a pass as if all pauses were over."""
    with moving.application() as made, made.store.database.write() as db:
        db.execute(manual_change.update().values(next_at=0.0))
    moving.receive()


def phase(moving: FakeRedmine, number: int) -> Phase | None:
    with moving.application() as made:
        last = made.store.manual_changes.last(number)
    return None if last is None else last.phase


def notes(moving: FakeRedmine, issue: int) -> list[str]:
    """The texts of the notes, without the line that names the sender."""
    texts = [entry["notes"] for entry in moving.issues[issue - 1]["journals"] if entry["notes"]]
    return [text.rpartition("\n\n")[2] for text in texts]


def places(moving: FakeRedmine) -> list[int | None]:
    return [row.issue for row in moving.rows()]


def test_a_note_is_moved_and_comes_back(moving: FakeRedmine) -> None:
    """What was a note of one issue is one of the other; the former says where it is. After the undo it is as before."""
    say(moving, 2, Decision.FILE, 2)
    assert ([1, 2, 2], ["→ #2"], ["The note."]) == (places(moving), notes(moving, 1), notes(moving, 2))
    assert phase(moving, 2) is Phase.SETTLED
    assert "its note on #1 now says → #2" in moving.lines(moving.rows()[1])

    say(moving, 2, Decision.UNDO)
    assert ([1, 1, 2], ["The note."], []) == (places(moving), notes(moving, 1), notes(moving, 2))
    assert None is phase(moving, 2)
    assert "its note on #2 is removed" in moving.lines(moving.rows()[1])


def test_an_issue_s_own_mail_is_moved_and_comes_back(moving: FakeRedmine) -> None:
    """The issue that it created is closed as a duplicate, and open again after the undo, the duplicate of none."""
    say(moving, 3, Decision.FILE, 1)
    assert ([1, 1, 1], ["The note.", "How does it work?"]) == (places(moving), notes(moving, 1))
    (relation,) = moving.issues[1]["relations"]
    assert ("duplicates", 1) == (relation["relation_type"], relation["issue_to_id"])
    assert CLOSED == moving.issues[1]["status"]["id"]

    say(moving, 3, Decision.UNDO)
    assert ([1, 1, 2], ["The note."]) == (places(moving), notes(moving, 1))
    assert (1, []) == (moving.issues[1]["status"]["id"], moving.issues[1]["relations"])
    assert None is phase(moving, 3)


def test_a_note_becomes_an_issue_of_its_own(moving: FakeRedmine) -> None:
    say(moving, 2, Decision.NEW)
    assert ([1, 3, 2], "Re: First", ["→ #3"]) == (places(moving), moving.issues[2]["subject"], notes(moving, 1))


def test_what_cannot_be_written_elsewhere_stays_where_it_was(moving: FakeRedmine) -> None:
    """An issue that does not exist: the message is where it was, with the reason, and nothing is under way."""
    say(moving, 2, Decision.FILE, 99)
    carry_on(moving)
    row = moving.rows()[1]
    assert ([1, 1, 2], ["The note."], State.DONE) == (places(moving), notes(moving, 1), row.state)
    assert None is phase(moving, 2)
    assert any(line.startswith("not moved: #99 does not exist") for line in moving.lines(row))


def test_what_redmine_does_not_take_now_is_tried_again_and_stops_no_other(moving: FakeRedmine) -> None:
    """Redmine fails on the former note: a minute's pause; another decision of the same pass is carried out."""
    moving.edits = 500
    with moving.application() as made:
        for number, decision, issue in ((2, Decision.FILE, 2), (3, Decision.FILE, 1)):
            (result,) = decide(made.store, made.message_queries, [number], decision, by="anna", issue=issue)
            assert result.ok, result.words
    carry_on(moving)
    assert [Phase.LEAVING, Phase.SETTLED] == [phase(moving, 2), phase(moving, 3)]
    assert ["The note.", "How does it work?"] == notes(moving, 1)
    assert any(line.startswith("deferred: ") for line in moving.lines(moving.rows()[1]))

    moving.edits = 204
    moving.receive()
    assert phase(moving, 2) is Phase.LEAVING, "its pause is not over"
    carry_on(moving)
    assert (Phase.SETTLED, ["→ #2", "How does it work?"]) == (phase(moving, 2), notes(moving, 1))


def test_a_place_that_is_gone_is_not_gone_back_to(moving: FakeRedmine) -> None:
    """Somebody removed the note that was left: the message stays where it was moved to, and it is said why."""
    say(moving, 2, Decision.FILE, 2)
    moving.issues[0]["journals"].clear()
    say(moving, 2, Decision.UNDO)
    assert ([1, 2, 2], ["The note."]) == (places(moving), notes(moving, 2))
    assert phase(moving, 2) is Phase.SETTLED
    expected = "not undone: its note on #1 is gone; it stays in #2"
    assert expected in moving.lines(moving.rows()[1])


def test_an_ignored_mail_that_was_filed_is_taken_back_whole(fake: FakeRedmine) -> None:
    """It was nowhere before: after the undo its note is gone, and it waits for another decision."""
    fake.server.append(mail("First"), mail("Out of office", Auto_Submitted="auto-replied"))
    fake.receive()
    say(fake, 2, Decision.FILE, 1)
    assert (Phase.SETTLED, 1) == (phase(fake, 2), len(notes(fake, 1)))
    say(fake, 2, Decision.UNDO)
    assert ([1, None], []) == (places(fake), notes(fake, 1))


def test_a_fault_with_one_message_stops_no_other(moving: FakeRedmine) -> None:
    """An entry of the history that is not as it should be: that message waits, and the other is carried on."""
    with moving.application() as made:
        for number, issue in ((2, 2), (3, 1)):
            (result,) = decide(made.store, made.message_queries, [number], Decision.FILE, by="anna", issue=issue)
            assert result.ok, result.words
        for entry in moving.issues[0]["journals"]:
            entry["details"] = [{"property": "attachment"}]
    carry_on(moving)
    assert [Phase.LEAVING, Phase.SETTLED] == [phase(moving, 2), phase(moving, 3)]
    assert any(line.startswith("deferred: ") and "KeyError" in line for line in moving.lines(moving.rows()[1]))


def test_while_redmine_is_away_nothing_is_carried_on(fake: FakeRedmine) -> None:
    """A mail that was ignored and is to be filed is not there until it is written."""
    fake.server.append(mail("First"), mail("Out of office", Auto_Submitted="auto-replied"))
    fake.receive()
    fake.down = True
    say(fake, 2, Decision.FILE, 1)
    assert phase(fake, 2) is Phase.DECIDED
    fake.down = False
    carry_on(fake)
    assert (Phase.SETTLED, 1) == (phase(fake, 2), len(notes(fake, 1)))


def test_while_redmine_is_away_a_mail_that_moves_is_still_on_its_way(moving: FakeRedmine) -> None:
    """It is not said to stay where it was before it could be written elsewhere."""
    moving.down = True
    say(moving, 2, Decision.FILE, 2)
    assert (Phase.DECIDED, ["The note."]) == (phase(moving, 2), notes(moving, 1))
    moving.down = False
    carry_on(moving)
    assert (Phase.SETTLED, ["→ #2"], ["The note."]) == (phase(moving, 2), notes(moving, 1), notes(moving, 2))


def test_an_issue_to_which_others_have_written_meanwhile_stays_open(moving: FakeRedmine) -> None:
    """Its own mail moves all the same."""
    with moving.application() as made:
        (result,) = decide(made.store, made.message_queries, [3], Decision.FILE, by="anna", issue=1)
        assert result.ok
        make(made.store, keep(made.store, 99, "desk"), 2, journal=77)
    carry_on(moving)
    assert ([1, 1, 1, 2], Phase.SETTLED) == (places(moving), phase(moving, 3))
    assert 1 == moving.issues[1]["status"]["id"]
