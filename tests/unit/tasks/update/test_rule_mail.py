"""The mail of a rule: who gets it, and what it says of the issue and of the question that waits."""

import time
from typing import Any

import pytest

from tests.helpdesk import ANNA, BOB, URL, HelpDesk, iso, new_mails, text_of, writes

KIM = "Kim Client <kim@client.example>"
OLD = {"name": "old", "when": {"created": "1h"}}
DAYS = {"name": "days", "when": {"waiting_for": "customer", "agent_silent": "3d"}, "then": {"mail": "reminder"}}


@pytest.fixture
def values() -> dict[str, Any]:
    """It acknowledges nothing, and tells nobody that an issue was closed."""
    return {"mailboxes": {"desk": {"answers": {"received": False, "received_reply": False, "closed": False}}}}


def age(desk: HelpDesk, seconds: float) -> None:
    """Everything on the first issue was so long ago."""
    issue, ago = desk.redmine.issues[1], iso(time.time() - seconds)
    for entry in issue["journals"]:
        entry["created_on"] = ago
    issue["created_on"] = ago
    desk.redmine.touch(1)


def old_issue(desk: HelpDesk, **then: Any) -> list[tuple[str, Any]]:
    """Kim's issue is two hours old, and a rule is about it. Return what leaves."""
    desk.mail(writes(KIM))
    desk.turn()
    age(desk, 7200)
    desk.change({"rules": [OLD | {"then": then}]})
    for _ in range(3):
        desk.turn()
    return new_mails(desk)


def test_a_rule_that_closes(desk: HelpDesk) -> None:
    """The customer reads once, in one mail, that the request is closed, with the note of the rule."""
    ((to, mail),) = old_issue(desk, status="Closed", note="Nobody answered.", mail="closed")
    assert "kim@client.example" == to
    assert "Nobody answered." in text_of(mail)
    assert "closed your request #1" in text_of(mail)
    assert "None" not in text_of(mail)


@pytest.mark.parametrize("closed", [True, False])
def test_a_private_note_of_a_rule_is_not_mailed(desk: HelpDesk, *, closed: bool) -> None:
    """A rule that closes with a private note tells the customer once that it is closed, whether `answers.closed` tells
    of it too, and nothing of the note.
    """
    desk.change({"mailboxes": {"desk": {"answers": {"closed": closed}}}})
    ((to, mail),) = old_issue(desk, status="Closed", note="He never pays.", private_note=True, mail="closed")
    assert ("kim@client.example", True) == (to, "closed your request #1" in text_of(mail))
    assert "pays" not in mail.as_string()
    assert "not delivered" not in desk.story()


def test_a_private_note_on_a_closed_issue(desk: HelpDesk) -> None:
    """A rule for closed issues that leaves a private note mails the customer all the same."""
    desk.mail(writes(KIM))
    desk.turn()
    desk.redmine.writes(1, BOB, "", status=5)
    age(desk, 7200)
    then = {"note": "He never pays.", "private_note": True, "mail": "closed"}
    desk.change({"rules": [OLD | {"when": {"created": "1h", "closed": True}, "then": then}]})
    for _ in range(3):
        desk.turn()
    ((_, mail),) = new_mails(desk)
    assert "closed your request #1" in text_of(mail)
    assert "pays" not in mail.as_string()


def test_a_rule_that_says_closed_and_does_not_close(desk: HelpDesk) -> None:
    """No mail says that an issue is closed which is open."""
    assert [] == old_issue(desk, note="Look at it.", private_note=True, mail="closed")
    assert "no closed mail: the issue is not closed" in desk.story()


def test_to_whom_an_escalation_goes(desk: HelpDesk) -> None:
    """The assignee, by the address in Redmine, and others; without an assignee the others."""
    people = ["assignee", "chief@example.com"]
    ((to, mail),) = old_issue(desk, mail="escalation", mail_to=people)
    assert ("chief@example.com", True) == (to, "created 1 hour ago" in text_of(mail))
    desk.redmine.issues[1]["assigned_to"] = {"id": ANNA, "name": "Anna Agent"}
    desk.redmine.touch(1)
    desk.change({"rules": [OLD | {"name": "again", "then": {"mail": "escalation", "mail_to": people}}]})
    for _ in range(2):
        desk.turn()
    assert ["anna@example.com", "chief@example.com"] == [to for to, _ in new_mails(desk)]


def asked(desk: HelpDesk, *questions: str) -> None:
    """Bob has asked Kim, four days ago, and Kim was mailed it."""
    desk.mail(writes(KIM))
    desk.turn()
    for question in questions:
        desk.redmine.writes(1, BOB, question)
    desk.turn()
    new_mails(desk)
    age(desk, 4 * 86_400)
    desk.change({"rules": [DAYS]})


def test_a_reminder_quotes_the_newest_question(desk: HelpDesk) -> None:
    """A reminder quotes the newest question that the customer was mailed, and nothing that agents wrote among
    themselves.
    """
    asked(desk, "Which printer?", "And which floor?")
    desk.redmine.writes(1, ANNA, "He never knows.", private=True)
    for _ in range(2):
        desk.turn()
    ((to, mail),) = new_mails(desk)
    assert ("kim@client.example", True) == (to, "> And which floor?" in text_of(mail))
    assert [] == [words for words in ("Which printer", "never knows") if words in mail.as_string()]


def test_a_question_that_was_hidden_or_emptied(desk: HelpDesk) -> None:
    """A question that is private by now is not quoted: the newest before it that still stands there is."""
    asked(desk, "Which printer?", "And which floor?")
    desk.redmine.journal(2)["notes"] = ""
    for _ in range(2):
        desk.turn()
    ((_, mail),) = new_mails(desk)
    assert "> Which printer?" in text_of(mail)
    assert "floor" not in text_of(mail)


def test_a_reminder_without_a_question(desk: HelpDesk) -> None:
    """Where no question can be quoted any more, the reminder says that an answer is waited for, without a quote."""
    asked(desk, "Which printer?")
    desk.redmine.journal(1)["notes"] = ""
    desk.change({"rules": [DAYS | {"when": {"created": "3d"}}]})
    for _ in range(2):
        desk.turn()
    ((_, mail),) = new_mails(desk)
    assert "waiting for your answer to request #1" in text_of(mail)
    assert ">" not in text_of(mail)


def test_the_marker_is_not_quoted(desk: HelpDesk) -> None:
    """The marker by which an agent had the note mailed is not in the reminder."""
    desk.change({"mailboxes": {"desk": {"answers": {"notes": "marked"}}}})
    asked(desk, "/mail Which printer?")
    for _ in range(2):
        desk.turn()
    ((_, mail),) = new_mails(desk)
    assert "> Which printer?" in text_of(mail)


def test_the_question_is_rendered_as_the_answer_was(desk: HelpDesk) -> None:
    """A reminder shows the question as the customer read it: a link into Redmine as words, a user by name."""
    asked(desk, f"See {URL}/issues/1 and [the page]({URL}/wiki), says @anna.")
    for _ in range(2):
        desk.turn()
    ((_, mail),) = new_mails(desk)
    assert "> See #1 and the page, says Anna Agent." in text_of(mail)
    page = mail.get_body(("html",)).get_content()
    assert [] == [words for words in ("redmine.example.com", "@anna") if words in page + text_of(mail)]


def test_the_note_of_a_rule_is_rendered_likewise(desk: HelpDesk) -> None:
    """So does the mail about a closing, with the note of the rule."""
    note = f"See {URL}/issues/1, says @anna."
    ((_, mail),) = old_issue(desk, status="Closed", note=note, mail="closed")
    assert "See #1, says Anna Agent." in text_of(mail)


def test_a_reason_in_the_language_of_the_mail(desk: HelpDesk) -> None:
    """An escalation in German says in German why the rule is due."""
    desk.change({"outgoing": {"language": "de"}})
    ((_, mail),) = old_issue(desk, mail="escalation", mail_to=["chief@example.com"])
    assert "braucht Aufmerksamkeit: vor 1 Stunde angelegt." in text_of(mail)
    assert "created" not in text_of(mail)


def test_a_reason_in_the_note_of_a_rule(desk: HelpDesk) -> None:
    """A note says it in the language of the mailbox, in Redmine and in the mail about the closing."""
    desk.change({"outgoing": {"language": "de"}})
    ((_, mail),) = old_issue(desk, status="Closed", note="Geschlossen, {reason}.", mail="closed")
    assert "Geschlossen, vor 1 Stunde angelegt." in text_of(mail)
    assert "Geschlossen, vor 1 Stunde angelegt." == desk.redmine.issues[1]["journals"][-1]["notes"]


def test_a_closing_by_a_rule_is_on_record_once(desk: HelpDesk) -> None:
    """Where `answers.closed` tells of it too, the record says once that the mail was queued, not twice."""
    desk.change({"mailboxes": {"desk": {"answers": {"closed": True}}}})
    assert 1 == len(old_issue(desk, status="Closed", note="Nobody answered.", mail="closed"))
    lines = [
        line for line in desk.story().splitlines() if "closed to kim@client.example" in line or "mailed to" in line
    ]
    assert [
        "queued: closed to kim@client.example",
        "sent: closed to kim@client.example: accepted by the server",
    ] == lines
