"""What the store says of the notes that were mailed about an issue."""

from dataclasses import replace

import pytest

from redmine_mailbridge.outgoing.rate_limits import held_back
from redmine_mailbridge.store.issue_copy import IssueCopy, JournalRow
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.note_decisions import NoteDecision, NoteDecisions
from redmine_mailbridge.store.notices import NewNotice, Notices
from redmine_mailbridge.store.outgoing.adding import NewAnswer
from redmine_mailbridge.store.outgoing.answers import REFUSED_WITHIN, MailedAnswers, WrittenField
from redmine_mailbridge.store.outgoing.outbox import Outbox
from redmine_mailbridge.store.outgoing.rows import LIMIT_REACHED
from tests.clocks import Clock

KIM = "kim@client.example"


@pytest.fixture
def answers(store: Store, clock: Clock) -> MailedAnswers:
    return MailedAnswers(store.database, clock)


def new(number: int, *, kind: str = "answer", issue: int | None = 5) -> NewAnswer:
    """A mail to Kim, within the limits against loops."""
    return NewAnswer(
        "desk", kind, "desk@example.com", KIM, f"m{number}@example.com", b"x",
        lambda count: held_back(count, refusal=False), issue,
    )  # fmt: skip


def test_only_answers_of_the_issue(answers: MailedAnswers, outbox: Outbox) -> None:
    """Acknowledgements and mails of other issues are no answers of this one; the newest is first."""
    outbox.queue([new(1), new(2, kind="received"), new(3, issue=6), new(4), new(5, kind="alert", issue=None)])
    assert ["m4@example.com", "m1@example.com"] == [row.message_id for row in answers.of_issue(5)]


def test_the_mark(answers: MailedAnswers, outbox: Outbox) -> None:
    """A sent mail is due if it was marked; it is reported together with its notice, and then no more."""
    outbox.queue([new(1), new(2)])
    first, second = outbox.claim("desk", limit=9)
    outbox.sent(first, "250 ok", report_due=True)
    outbox.sent(second, "250 ok")
    due = answers.due()
    assert [first.id] == [row.id for row in due]
    answers.reported(due, [NewNotice("sent/1", "Sent.")])
    assert [] == answers.due()
    notices = Notices(answers._database, answers.clock)
    assert ["Sent."] == [one.text for one in notices.unreported()]
    assert (True, False) == (notices.is_known(5, "sent/1"), notices.is_known(6, "sent/1"))


def test_mails_over_a_limit(answers: MailedAnswers, outbox: Outbox, clock: Clock) -> None:
    """Those that have waited long enough, and whose last reason was the limit."""
    outbox.queue([new(1), new(2)])
    one, other = outbox.claim("desk", limit=9)
    outbox.later(one, LIMIT_REACHED, counts=False)
    outbox.later(other, "421 later")
    assert [] == answers.limited(LIMIT_REACHED, seconds=120)
    clock.now += 121
    assert [one.id] == [row.id for row in answers.limited(LIMIT_REACHED, seconds=120)]


def test_when_a_limit_allows_a_mail(answers: MailedAnswers, outbox: Outbox, clock: Clock) -> None:
    """The first minute in which neither limit holds: ten in ten minutes, and 25 in an hour."""
    began = clock.now
    for burst in range(3):
        for number in range(10 if burst < 2 else 5):
            assert outbox.queue([new(100 * burst + number)])[0][0]
        clock.now = began + 700 * (burst + 1)
    late = new(999)
    assert not outbox.queue([late])[0][0]
    assert began + 3600 < answers.allowed_from(late) <= began + 3600 + 120
    clock.now = answers.allowed_from(late)
    assert answers.allowed_from(late) == clock.now
    assert outbox.queue([late])[0][0]


def test_when_a_day_ends(answers: MailedAnswers, outbox: Outbox, clock: Clock) -> None:
    """The limit of an account allows a mail when the oldest of as many as it permits is a day old."""
    outbox.queue([new(1), new(2)])
    for row in outbox.claim("desk", limit=9):
        outbox.sent(row, "250 ok")
        clock.now += 100
    assert clock.now - 200 + 86_400 == answers.limit_ends(["desk"], 86_400, 2)
    assert None is answers.limit_ends(["desk"], 86_400, 3)
    assert None is answers.limit_ends(["other"], 86_400, 1)


def test_a_note_that_is_held_back(answers: MailedAnswers, store: Store) -> None:
    """It is held until it is decided, is private or is deleted."""
    notices, decisions = Notices(store.database, answers.clock), NoteDecisions(store.database, answers.clock)
    copy = IssueCopy(store.database, answers.clock)
    note = JournalRow(12, 5, 100.0, 3, "Bob Builder", "agent", has_notes=True, private=False)
    copy.save_journals(5, [note])
    assert not answers.a_note_is_held(5)
    notices.add(5, None, NewNotice("held/12", "It waits."))
    notices.add(5, None, NewNotice("held/12", "Again."))
    assert ["It waits."] == [one.text for one in notices.unreported()]
    assert (True, False) == (answers.a_note_is_held(5), answers.a_note_is_held(6))
    for others in ([], [replace(note, private=True)], [replace(note, id=13)]):
        copy.save_journals(5, others)
        assert not answers.a_note_is_held(5)
    copy.save_journals(5, [note])
    decisions.decide(NoteDecision(12, 5, 0.0, "mailed"))
    assert not answers.a_note_is_held(5)


def test_what_was_written(answers: MailedAnswers, clock: Clock) -> None:
    """A refusal counts for a day."""
    assert None is answers.written(5, "Last answer")
    answers.put_written(5, "Last answer", "today", "it is read-only")
    assert WrittenField("today", refused=True) == answers.written(5, "Last answer")
    clock.now += REFUSED_WITHIN + 1
    assert WrittenField("today", refused=False) == answers.written(5, "Last answer")
    answers.put_written(5, "Last answer", "tomorrow")
    assert WrittenField("tomorrow", refused=False) == answers.written(5, "Last answer")
