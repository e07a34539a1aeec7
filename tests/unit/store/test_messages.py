"""What an admin, the update task and a request that was written change of a mail."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.mailbox import Listed, Location, RawMail
from redmine_mailbridge.model.stored_mail import Cursor, StoredMail
from redmine_mailbridge.store.due import NEVER
from redmine_mailbridge.store.mails.unfetched import due_to_fetch
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.notices import NewNotice, Notices
from redmine_mailbridge.store.outgoing.adding import NewAnswer
from redmine_mailbridge.store.queries.messages import MessageFilter, MessageQueries
from tests.clocks import Clock
from tests.unit.store.kept import keep, lines, make, put


@pytest.fixture
def clock() -> Clock:
    return Clock()


def _row(store: Store, mail_id: int) -> StoredMail:
    (row,) = MessageQueries(store.database).messages(MessageFilter(ids=[mail_id]))
    return row


def test_a_new_mail_was_never_tried(store: Store) -> None:
    row = _row(store, keep(store, 1))
    assert (0, 0.0, 0) == (row.tries, row.next_try_at, row.file_tries)
    assert (False, False, False, False) == (row.first_sync, row.truncated, row.accepted, row.released)


def test_replies_that_wait_for_the_update_are_let_through_and_counted_by_mailbox(store: Store, clock: Clock) -> None:
    one, two, other, deferred = keep(store, 1), keep(store, 2), keep(store, 1, "sales"), keep(store, 3)
    assert {} == store.release_replies()
    for mail_id in (one, two, other):
        assert NEVER == store.hold_reply(mail_id, "waits for the update")
    later = store.defer(deferred, "no answer", after=60.0)
    assert [] == store.due("support")
    assert {"support": 2, "sales": 1} == store.release_replies()
    assert [one, two] == [row.id for row in store.due("support")]
    assert [(True, 0.0), (True, 0.0), (False, later)] == [
        (row.released, row.next_try_at) for row in (_row(store, one), _row(store, other), _row(store, deferred))
    ]


@pytest.mark.parametrize(
    ("how", "line", "let_through", "accepted"),
    [
        ({}, "retried by anna", False, False),
        ({"accept": True}, "accepted by anna", True, True),
        ({"manual_decision": "{}"}, "accepted into Redmine by anna", True, False),
    ],
)
def test_a_mail_that_is_tried_again_begins_anew(
    store: Store, how: dict[str, object], line: str, *, let_through: bool, accepted: bool
) -> None:
    mail_id = keep(store, 1)
    store.defer(mail_id, "no answer")
    put(store, mail_id, State.FAILED)
    store.filed([(mail_id, "Failed")])
    assert store.retry(mail_id, by="anna", **how)  # type: ignore[arg-type]
    row = _row(store, mail_id)
    assert (State.STORED, 0, 0.0, None) == (row.state, row.tries, row.next_try_at, row.filed_at)
    assert (let_through, accepted, how.get("manual_decision")) == (row.released, row.accepted, row.manual_decision)
    assert line == lines(store, mail_id)[-1]


def test_what_is_done_is_imported_after_all_only_when_it_made_nothing_and_a_person_wants_it(store: Store) -> None:
    ignored, made = keep(store, 1), keep(store, 2)
    put(store, ignored, State.DONE)
    make(store, made, 7)
    assert [False, False, False, False] == [
        store.retry(ignored),
        store.retry(made),
        store.retry(made, manual_decision="{}"),
        store.retry(4000),
    ]
    assert store.retry(ignored, manual_decision="{}")
    assert [State.STORED, State.DONE] == [_row(store, ignored).state, _row(store, made).state]


def test_an_open_mail_is_tried_at_once_when_an_admin_asks_for_it(store: Store) -> None:
    waiting, accepted = keep(store, 1), keep(store, 2)
    for mail_id in (waiting, accepted):
        store.defer(mail_id, "no answer", after=600.0)
    assert store.retry(waiting)
    assert store.retry(accepted, manual_decision="{}")
    assert [waiting, accepted] == [row.id for row in store.due("support")]
    rows = [_row(store, waiting), _row(store, accepted)]
    assert [(True, None, 1, 0.0), (True, "{}", 1, 0.0)] == [
        (row.released, row.manual_decision, row.tries, row.next_try_at) for row in rows
    ]


def test_the_intent_is_rewritten_while_it_is_being_written_and_forgotten_when_nothing_was(
    store: Store, clock: Clock
) -> None:
    mail_id = keep(store, 1)
    noted = store.record_intent(mail_id, "{}", ["begins"])
    store.rewrite(mail_id, '{"b": 1}')
    row = _row(store, mail_id)
    assert (State.WRITE_PENDING, '{"b": 1}', noted, noted) == (
        row.state, row.request, row.first_sent_at, row.last_sent_at,
    )  # fmt: skip
    store.withdraw(mail_id, ["nothing was written"])
    row = _row(store, mail_id)
    assert (State.STORED, None, None, None) == (row.state, row.request, row.first_sent_at, row.last_sent_at)
    assert ["begins", "nothing was written"] == lines(store, mail_id)[-2:]


def test_only_a_held_mail_is_rejected(store: Store) -> None:
    held, kept = keep(store, 1), keep(store, 2)
    put(store, held, State.HELD)
    assert [False, True, False, False] == [store.reject(mail_id, by="anna") for mail_id in (kept, held, held, 4000)]
    assert (State.REJECTED, "refused by anna") == (_row(store, held).state, _row(store, held).reason)


@pytest.mark.parametrize("lost", [False, True])
def test_retry_without_bytes(store: Store, *, lost: bool) -> None:
    """A retried message is fetched again if its bytes are gone, and keeps them otherwise."""
    mail_id = keep(store, 1)
    put(store, mail_id, State.FAILED)
    before = _row(store, mail_id)
    assert before.raw is not None
    if lost:
        store.raw.path(before.raw).unlink()
    assert store.retry(mail_id)
    assert (None if lost else before.raw) == _row(store, mail_id).raw
    assert ([mail_id] if lost else []) == [row.id for row in due_to_fetch(store, "support")]


def test_retry_unfetched(store: Store) -> None:
    """A message that could not be fetched is retried like others."""
    place = Listed(Location("support", "INBOX", "1", "1"), 5)
    mail_id = store.add_unfetched(place, "no answer", cursor=Cursor("1", "1")).id
    assert store.retry(mail_id)
    assert [mail_id] == [row.id for row in due_to_fetch(store, "support")]


@pytest.mark.parametrize("created", [False, True])
def test_wrote(store: Store, *, created: bool) -> None:
    """What a request has created is claimed at once: the issue, or the note on one."""
    mail_id = keep(store, 1)
    store.record_intent(mail_id, "{}")
    journal = None if created else 70
    store.wrote(mail_id, "next", issue=7, created=created, number_again=False, journal=journal)
    row = _row(store, mail_id)
    assert (7, 7 if created else None, journal, "next") == (row.issue, row.created_issue, row.journal, row.request)


def test_threads(store: Store) -> None:
    """A store may be used by another thread than the one that has opened it."""
    mail_id = keep(store, 1)
    with ThreadPoolExecutor(1) as other:
        assert [mail_id] == [row.id for row in other.submit(store.due, "support").result()]


def test_replies_that_are_closed_wait_no_more(store: Store) -> None:
    """What became of a held reply meanwhile is left as it is, and it is not counted."""
    rejected, held = keep(store, 1), keep(store, 2)
    for mail_id, state in ((rejected, State.REJECTED), (held, State.HELD)):
        store.hold_reply(mail_id, "waits for the update")
        put(store, mail_id, state)
    assert {} == store.release_replies()
    assert [False, False] == [_row(store, mail_id).released for mail_id in (rejected, held)]


def test_notices_of_what_is_done(store: Store, clock: Clock) -> None:
    """With the end of a message the agents of other issues are notified, in its name."""
    mail_id = keep(store, 1)
    clock.now += 5
    notices = {8: NewNotice("k", "it was meant for #8"), 9: NewNotice("k", "or for #9")}
    store.done(mail_id, "made", issue=7, created=True, notices=notices)
    assert [(8, "it was meant for #8", mail_id, clock.now), (9, "or for #9", mail_id, clock.now)] == [
        (one.issue, one.text, one.mail_id, one.created_at) for one in Notices(store.database, clock).unreported()
    ]


def test_what_is_being_written_is_retried_and_not_decided_anew(store: Store) -> None:
    """A request that is on its way is tried again at once if an admin asks, and stays what it was."""
    mail_id = keep(store, 1)
    store.record_intent(mail_id, "{}")
    store.defer(mail_id, "no answer", after=600.0)
    assert not store.retry(mail_id, manual_decision='{"issue": 8}')
    assert [] == store.due("support")
    assert store.retry(mail_id)
    row = _row(store, mail_id)
    assert (State.WRITE_PENDING, 0.0, "{}", None, True) == (
        row.state, row.next_try_at, row.request, row.manual_decision, row.released,
    )  # fmt: skip


def test_what_is_told_of_answers(store: Store) -> None:
    """The end of a message queues its answers, and its history says so; it is no spam unless that is said."""
    done, held, spam = keep(store, 1), keep(store, 2), keep(store, 3)

    def answer(number: int) -> NewAnswer:
        return NewAnswer("support", "received", "s@x", "kim@x", f"m{number}@x", b"mail", lambda _: None)

    store.done(done, "made", issue=7, created=True, answers=[answer(1)])
    store.finish(held, State.HELD, "unknown sender", answers=[answer(2)])
    store.finish(spam, State.REJECTED, "spam", junk=True)
    assert ["queued: received to kim@x"] * 2 == [lines(store, mail_id)[-1] for mail_id in (done, held)]
    assert [False, False, True] == [_row(store, mail_id).junk for mail_id in (done, held, spam)]


def test_a_number_that_comes_again_frees_no_other(store: Store) -> None:
    """Who claims a note takes that note's claim from a message of another issue, and no other note's."""
    numbers = [keep(store, uid) for uid in range(4)]
    for mail_id, issue, journal in zip(numbers[:3], (6, 6, 8), (69, 70, 71), strict=True):
        make(store, mail_id, issue, journal=journal)
    make(store, numbers[3], 7, journal=70)
    assert [69, None, 71, 70] == [_row(store, mail_id).journal for mail_id in numbers]


def test_how_it_was_fetched(store: Store) -> None:
    """The first line of a message's history is how it was fetched, once, however often it is listed."""
    place = Location("support", "INBOX", "1", "1")
    for way in ("by IDLE", "by a pass"):
        (row,) = store.add([RawMail(Listed(place, 3), b"one")], way=way)
        store.clock.now += 1  # type: ignore[attr-defined]
    assert ["by IDLE"] == lines(store, row.id)
    assert [] == store.add([])
