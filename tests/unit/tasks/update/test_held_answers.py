"""A note that a limit keeps from being sent is named in its issue, once, with the limit and its end."""

import re
import time
from typing import Any

import pytest
import sqlalchemy as sa

from redmine_mailbridge.outgoing.dates import Moment
from redmine_mailbridge.tasks.update.held_answers import WORTH_A_NOTICE
from tests.helpdesk import BOB, BRIDGE, HelpDesk, sent_mails, writes

KIM = "kim@client.example"


@pytest.fixture
def values() -> dict[str, Any]:
    """Notes are mailed, and nothing else."""
    answers = {"received": False, "received_reply": False, "closed": False}
    return {"mailboxes": {"desk": {"answers": answers, "issue": {"last_answer_field": "Last answer"}}}}


@pytest.fixture
def desk(desk: HelpDesk) -> HelpDesk:
    """Kim has written."""
    desk.redmine.fields = {9: {"name": "Last answer"}}
    desk.mail(writes(f"Kim <{KIM}>"))
    desk.turn()
    return desk


def notes(desk: HelpDesk) -> list[str]:
    """What the bridge tells the agents."""
    entries = desk.redmine.issues[1]["journals"]
    return [one["notes"] for one in entries if one["user"]["id"] == BRIDGE and one["private_notes"]]


def shift(desk: HelpDesk, seconds: float) -> None:
    """All mails were queued and sent so many seconds earlier."""
    with desk.application() as made, made.store.database.write() as db:
        earlier = "UPDATE outbox SET created_at = created_at - :s, sent_at = sent_at - :s, next_try_at = 0"
        db.execute(sa.text(earlier), {"s": seconds})


def test_a_limit_against_loops(desk: HelpDesk) -> None:
    """The eleventh note in ten minutes is not sent: a private note names it, the limit and the minute, once; the field
    says that one waits. Later notes wait with it, and are not named each. When the limit allows it, both are sent.
    """
    for number in range(10):
        desk.redmine.writes(1, BOB, f"Note {number}.")
    began = time.time()
    desk.turn()
    held = desk.redmine.writes(1, BOB, "The eleventh.")
    desk.redmine.writes(1, BOB, "The twelfth.")
    for _ in range(3):
        desk.turn()
    (note,) = notes(desk)
    assert 10 == len(desk.post.taken)
    assert note.startswith(f"Note {held} has not been sent yet: `the limit of 10 to one address in 10 minutes")
    until = re.search(r"not before (\d{4}-\d\d-\d\d \d\d:\d\d);", note)
    assert until is not None
    assert until[1] in {str(Moment.of(began + 600 + late)) for late in range(0, 121, 20)}
    (value,) = (one["value"] for one in desk.redmine.issues[1]["custom_fields"])
    assert value.endswith("; another one waits for a sending limit")
    shift(desk, 700)
    desk.turn()
    desk.turn()
    assert (12, 1) == (len(desk.post.taken), len(notes(desk)))


def test_a_short_wait_is_not_named(desk: HelpDesk) -> None:
    """A note that can be sent within two minutes is no news: watchers are notified of each note."""
    for number in range(10):
        desk.redmine.writes(1, BOB, f"Note {number}.")
    desk.turn()
    shift(desk, 600 - WORTH_A_NOTICE + 70)
    desk.redmine.writes(1, BOB, "One more.")
    desk.turn()
    assert ([], 10) == (notes(desk), len(desk.post.taken))


def test_the_limit_of_a_day(desk: HelpDesk) -> None:
    """An answer over the account's daily limit is named when it has waited for two minutes, with the time at which the
    limit ends, once; and is sent when its turn comes.
    """
    desk.change({"outgoing": {"daily_limit": 1}})
    for words in ("The first.", "The second."):
        desk.redmine.writes(1, BOB, words)
    for _ in range(3):
        desk.turn()
    assert ([], 1) == (notes(desk), len(desk.post.taken))
    shift(desk, WORTH_A_NOTICE + 1)
    for _ in range(3):
        desk.turn()
    (note,) = notes(desk)
    assert note.startswith(f"The mail to `{KIM}` has not been sent yet: the limit of 1 messages a day is reached.")
    ends = {str(Moment.of(time.time() + 86_400 - WORTH_A_NOTICE + late)) for late in range(-60, 61, 20)}
    found = re.search(r"It will be sent from (\S+ \S+) on", note)
    assert found is not None
    assert found[1] in ends
    shift(desk, 86_400)
    desk.turn()
    desk.turn()
    assert (2, 1) == (len(desk.post.taken), len(notes(desk)))


@pytest.mark.fault("A37-13")
def test_mail_to_a_third_party_over_the_limit_of_a_day(desk: HelpDesk) -> None:
    """It is named like an answer to the customer."""
    answers = {"third_parties": True, "command_roles": ["Agent"]}
    desk.change({"mailboxes": {"desk": {"answers": answers}}, "outgoing": {"daily_limit": 1}})
    desk.turn()
    desk.redmine.writes(1, BOB, "The first.")
    desk.turn()
    desk.redmine.writes(1, BOB, "/to sue@parts.example\nThe second.", private=True)
    desk.turn()
    shift(desk, WORTH_A_NOTICE + 1)
    for _ in range(3):
        desk.turn()
    (note,) = notes(desk)
    assert note.startswith("The mail to `sue@parts.example` has not been sent yet: the limit of 1 messages a day")


def test_two_at_once(desk: HelpDesk) -> None:
    """Two processes that find the same note held back make one notice of it."""
    for number in range(11):
        desk.redmine.writes(1, BOB, f"Note {number}.")
    with desk.application() as one, desk.application() as other:
        desk.turn(one)
        desk.turn(other)
        desk.turn(one)
        desk.turn(other)
    assert 1 == len(notes(desk))


@pytest.mark.fault("A36-3")
@pytest.mark.parametrize("how", ["private", "deleted", "not mailed any more"])
def test_a_note_that_waits_no_more(desk: HelpDesk, how: str) -> None:
    """A note that was held back, and then is made private or deleted, or whose mailing is switched off, waits for
    nothing: the field does not go on saying that one waits.
    """
    for number in range(10):
        desk.redmine.writes(1, BOB, f"Note {number}.")
    desk.turn()
    held = desk.redmine.writes(1, BOB, "The eleventh.")
    for _ in range(2):
        desk.turn()
    match how:
        case "private":
            desk.redmine.journal(held)["private_notes"] = True
        case "deleted":
            desk.redmine.issues[1]["journals"].remove(desk.redmine.journal(held))
        case _:
            desk.change({"mailboxes": {"desk": {"answers": {"notes": "never"}}}})
    desk.redmine.touch(1)
    desk.turn()
    desk.mail(writes(f"Kim <{KIM}>", "Re: [#1] Printer on fire", "Again.", In_Reply_To=_last_id(desk)))
    desk.turn()
    (value,) = (one["value"] for one in desk.redmine.issues[1]["custom_fields"])
    assert value.endswith(f" to {KIM}")


def _last_id(desk: HelpDesk) -> str:
    """The Message-ID of the last mail that left."""
    return str(sent_mails(desk)[-1][1]["Message-ID"])


@pytest.mark.fault("A36-6")
def test_the_clock_was_set_back_while_a_mail_waits(desk: HelpDesk) -> None:
    """A mail that waits for the daily limit since a time that is in the future now is named all the same."""
    desk.change({"outgoing": {"daily_limit": 1}})
    for number in range(2):
        desk.redmine.writes(1, BOB, f"Note {number}.")
    desk.turn()
    with desk.application() as made, made.store.database.write() as db:
        db.execute(sa.text("UPDATE outbox SET created_at = created_at + 864000"))
    for _ in range(2):
        desk.turn()
    (note,) = notes(desk)
    assert "the limit of 1 messages a day is reached" in note
