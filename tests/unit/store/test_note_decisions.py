"""What was decided of each note, once."""

import pytest

from redmine_mailbridge.mail.message_ids import Signer
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.store.issue_copy import IssueCopy
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.note_decisions import NoteDecision, NoteDecisions, RateLimited
from redmine_mailbridge.store.notices import NewNotice, Notices
from redmine_mailbridge.store.outgoing.adding import NewAnswer
from redmine_mailbridge.store.outgoing.outbox import Outbox
from tests.clocks import Clock
from tests.unit.store.kept import keep, lines, make, put
from tests.unit.store.test_issue_copy import journal, row


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def issues(store: Store, clock: Clock) -> IssueCopy:
    return IssueCopy(store.database, clock)


@pytest.fixture
def answered(store: Store, clock: Clock) -> NoteDecisions:
    return NoteDecisions(store.database, clock)


def _mail(number: int, why_not: str | None = None, **more: str) -> NewAnswer:
    fields = {"message_id": f"m{number}@x", "recipient": "kim@c.example"} | more
    return NewAnswer("support", "note", "s@x", content=b"note", why_not=lambda _: why_not, issue=7, **fields)


def test_notes_are_mailed_from_the_moment_on_when_it_was_switched_on(
    answered: NoteDecisions, issues: IssueCopy
) -> None:
    answered.end("notes")
    assert 0 == answered.begin("closed")
    issues.save(row(7), [journal(70, 7), journal(71, 7)])
    assert (71, 0) == (answered.begin("notes"), answered.begin("closed"))
    issues.save_journals(7, [journal(72, 7)])
    assert 71 == answered.begin("notes")
    answered.end("notes")
    assert (72, 0) == (answered.begin("notes"), answered.begin("closed"))


def test_what_is_undecided_are_public_notes_of_agents_and_changes_of_status_that_no_mail_made(
    answered: NoteDecisions, issues: IssueCopy
) -> None:
    issues.save(row(8), [journal(80, 8)])
    issues.save(
        row(7),
        [
            journal(70, 7),
            journal(71, 7, private=True),
            journal(72, 7, side="customer"),
            journal(73, 7, has_notes=False, status_to="Closed"),
            journal(74, 7, side="bridge", status_to="Closed"),
            journal(75, 7, mail_id=3),
            journal(76, 7, side="customer", status_to="Closed"),
        ],
    )
    issues.save(row(9, mailbox="sales"), [journal(90, 9)])
    issues.save(row(10, gone=True), [journal(100, 10)])
    assert [(7, 70), (8, 80)] == answered.undecided("support", notes=0, closed=None)
    assert [(8, 80)] == answered.undecided("support", notes=70, closed=None)
    assert [(7, 73), (7, 74)] == answered.undecided("support", notes=None, closed=0)
    assert [(7, 74)] == answered.undecided("support", notes=None, closed=73)
    assert [] == answered.undecided("support", notes=None, closed=None)
    answered.decide(NoteDecision(70, 7, 0.0, "no mail: switched off"))
    assert [(7, 73), (7, 74), (8, 80)] == answered.undecided("support", notes=0, closed=0)


def test_a_note_is_decided_once_with_its_mails_and_notices(answered: NoteDecisions, store: Store, clock: Clock) -> None:
    mail_id = keep(store, 1)
    before = lines(store, mail_id)
    decided = NoteDecision(70, 7, 0.0, "mailed to kim", "mailed")
    done = answered.decide(decided, [_mail(1)], mail_id=mail_id, notices=[NewNotice("k", "told")])
    assert ["mailed to kim", "queued: note to kim@c.example"] == done
    assert [*before, *done] == lines(store, mail_id)
    assert [] == answered.decide(decided, [_mail(2)], mail_id=mail_id)
    assert ["m1@x"] == [mail.message_id for mail in Outbox(store.database, clock).listed()]
    assert ["told"] == [notice.text for notice in Notices(store.database, clock).unreported()]
    quiet = answered.decide(NoteDecision(71, 7, 0.0, "no mail"), mail_id=mail_id, on_record=False)
    assert (["no mail"], [*before, *done]) == (quiet, lines(store, mail_id))


def test_a_limit_leaves_a_note_undecided(
    answered: NoteDecisions, issues: IssueCopy, store: Store, clock: Clock
) -> None:
    issues.save(row(7), [journal(70, 7)])
    with pytest.raises(RateLimited, match="more than 3 within an hour"):
        answered.decide(NoteDecision(70, 7, 0.0, "mailed"), [_mail(1), _mail(2, "more than 3 within an hour")])
    assert [(7, 70)] == answered.undecided("support", notes=0, closed=None)
    assert {} == Outbox(store.database, clock).waiting()


def test_the_requests_of_mails_that_are_being_written(answered: NoteDecisions, store: Store) -> None:
    writing, done, kept = (keep(store, uid) for uid in range(3))
    for mail_id in (writing, done):
        store.record_intent(mail_id, f'{{"mail": {mail_id}}}')
    store.done(done, "made", issue=7, created=True)
    put(store, kept, State.STORED)
    assert [f'{{"mail": {writing}}}'] == answered.being_written()


def test_the_requester_hears_of_a_note_unless_the_mail_to_the_requester_did_not_arrive(
    answered: NoteDecisions, issues: IssueCopy, store: Store, clock: Clock
) -> None:
    signer, outbox = Signer(b"a key for the tests only", "test"), Outbox(store.database, clock)
    issues.save(row(7), [])
    for number, told in ((70, "mailed"), (71, "redmine"), (72, None), (73, "mailed"), (74, "mailed")):
        mails = [
            _mail(0, message_id=signer.message_id("note", 7, f"j{number}", "corp.example"), recipient=to)
            for to in ("kim@c.example", "boss@c.example")
        ]
        answered.decide(NoteDecision(number, 7, 0.0, "line", told), mails if told == "mailed" else ())  # type: ignore[arg-type]
    assert frozenset({70, 71, 73, 74}) == answered.mailed_notes([7, 8])
    by_note = {
        (number, mail.recipient): mail
        for number in (70, 73, 74)
        for mail in outbox.listed()
        if f".j{number}." in mail.message_id
    }
    outbox.failed(by_note[70, "kim@c.example"], "550 no such user")
    outbox.bounced(by_note[73, "kim@c.example"], "5.1.1")
    outbox.failed(by_note[74, "boss@c.example"], "550 no such user")
    assert frozenset({71, 74}) == answered.mailed_notes([7])
    assert frozenset() == answered.mailed_notes([8])


def test_written_by_a_message(answered: NoteDecisions, issues: IssueCopy, store: Store) -> None:
    """A note that a message has just created is nothing to decide, even if the copy does not know it yet; a note of
    somebody else before or after it is.
    """
    issues.save(row(7), [journal(number, 7) for number in (70, 71, 72)])
    make(store, keep(store, 1), 7, journal=71)
    assert [(7, 70), (7, 72)] == answered.undecided("support", notes=0, closed=None)


@pytest.mark.parametrize("known_to_the_copy", [True, False])
def test_an_agents_reply_by_mail_is_decided_like_a_note(
    answered: NoteDecisions, issues: IssueCopy, store: Store, *, known_to_the_copy: bool
) -> None:
    """A note by which an agent has answered the customer is decided as if it had been written in Redmine, and others'
    notes by mail are not.
    """
    mails = [keep(store, number) for number in (1, 2)]
    written = [journal(71 + place, 7, mail_id=mail if known_to_the_copy else None) for place, mail in enumerate(mails)]
    issues.save(row(7), written)
    for place, (mail, to_requester) in enumerate(zip(mails, (True, False), strict=True)):
        store.done(mail, "a note", issue=7, journal=71 + place, to_requester=to_requester)
    assert [(7, 71)] == answered.undecided("support", notes=0, closed=None)


def test_earlier_closings(answered: NoteDecisions, issues: IssueCopy) -> None:
    """A change of status up to the given journal is history."""
    issues.save(row(7), [journal(number, 7, status_to="Closed") for number in (70, 71, 72)])
    assert [(7, 72)] == answered.undecided("support", notes=None, closed=71)


def test_notes_to_third_parties_are_agents_own_notes_that_name_them(answered: NoteDecisions, issues: IssueCopy) -> None:
    """Private or public, written in Redmine, after this was switched on; no other private note is ever looked at."""
    issues.save(
        row(7),
        [
            journal(70, 7, private=True),
            journal(71, 7, private=True, to_third_party=True),
            journal(72, 7, to_third_party=True),
            journal(73, 7, private=True, to_third_party=True, mail_id=3),
            journal(74, 7, private=True, to_third_party=True, side="customer"),
            journal(75, 7, private=True, to_third_party=True, side="bridge"),
        ],
    )
    assert [(7, 71), (7, 72)] == answered.undecided("support", notes=None, closed=None, third_parties=0)
    assert [(7, 72)] == answered.undecided("support", notes=None, closed=None, third_parties=71)
    assert [(7, 72)] == answered.undecided("support", notes=0, closed=None)
    answered.decide(NoteDecision(71, 7, 0.0, "mailed to third parties"))
    assert [(7, 72)] == answered.undecided("support", notes=0, closed=None, third_parties=0)
