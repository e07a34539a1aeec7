"""Requesters that persons set: of which messages, what is undone, and what comes along."""

import pytest

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.store.issue_copy import IssueCopy
from redmine_mailbridge.store.mails.requesters import BY_FIELD, SetRequester
from redmine_mailbridge.store.messages import Store
from tests.clocks import Clock
from tests.unit.store.kept import describe, keep, lines, make, participants, put
from tests.unit.store.test_issue_copy import row


@pytest.fixture
def clock() -> Clock:
    return Clock()


def _made(store: Store, uid: int, issue: int, *, journal: int | None = None, sender: str = "kim@c.example") -> int:
    mail_id = keep(store, uid)
    describe(store, mail_id, f"{uid}@x", sender=sender)
    make(store, mail_id, issue, journal=journal, request='{"requester": "Kim"}')
    return mail_id


def test_only_of_a_message_that_created_an_issue(store: Store) -> None:
    """Neither a message that is not there, nor one that made nothing, nor a note, nor one without its request."""
    nothing, note, bare = keep(store, 1), _made(store, 2, 7, journal=70), keep(store, 3)
    put(store, nothing, State.DONE)
    make(store, bare, 8)
    assert [None] * 4 == [store.requesters.set(one, "jo@c.example", "", "anna") for one in (4000, nothing, note, bare)]
    assert [None] * 4 == [store.requesters.last(one) for one in (4000, nothing, note, bare)]
    assert 9 == store.requesters.set(_made(store, 4, 9), "jo@c.example", "", "anna")


def test_the_last_one_counts(store: Store, clock: Clock) -> None:
    """What was set is recorded with who, when and instead of whom; each message has its own."""
    first, other, later = _made(store, 1, 7), _made(store, 2, 8), _made(store, 3, 9)
    who = "w" * 300
    for mail_id, name in ((later, "Max"), (first, "Jo"), (other, "Lee")):
        clock.now += 1
        assert store.requesters.set(mail_id, f"{name.lower()}@c.example", name, who) is not None
    last = store.requesters.last(first)
    assert last is not None
    at = clock.now - 1
    assert SetRequester(last.id, first, 7, "jo@c.example", "Jo", "kim@c.example", who[:255], at) == last
    said = f"the requester of #7 is jo@c.example instead of kim@c.example, set by {who}"
    assert said == lines(store, first)[-1]
    store.requesters.set(first, "max@c.example", "Max", "ben")
    last = store.requesters.last(first)
    assert last is not None
    assert ("max@c.example", "jo@c.example", "ben") == (last.address, last.before, last.who)
    assert ("max@c.example", "Max") == store.requesters.current(first)
    assert [("lee@c.example", "Lee"), ("max@c.example", "Max")] == [
        store.requesters.current(mail_id) for mail_id in (other, later)
    ]


def test_without_a_sender(store: Store) -> None:
    """An issue of a message that names nobody has an empty requester before a person sets one."""
    mail_id = keep(store, 1)
    make(store, mail_id, 7, request="{}")
    assert ("", "") == store.requesters.current(mail_id)
    store.requesters.set(mail_id, "jo@c.example", "Jo", "anna")
    last = store.requesters.last(mail_id)
    assert (last and last.before) == ""


def test_undone_once(store: Store) -> None:
    """What was set before counts again, also in the copy of the issue; undoing it a second time changes nothing."""
    first, other = _made(store, 1, 7), _made(store, 2, 8)
    copy = IssueCopy(store.database, store.clock)
    for number, mail_id in ((7, first), (8, other)):
        copy.save(row(number, mail_id=mail_id, settled=True), [])
    for mail_id in (first, other):
        store.requesters.set(mail_id, "jo@d.example", "Jo", "anna")
    shown = copy.get(7)
    assert shown is not None
    assert ("jo@d.example", "Jo", "d.example", False) == (
        shown.requester, shown.requester_name, shown.domain, shown.settled,
    )  # fmt: skip
    change = store.requesters.last(first)
    assert change is not None
    assert [True, False] == [store.requesters.undo(change, who) for who in ("ben", "cora")]
    assert "the requester of #7 is kim@c.example again, undone by ben" == lines(store, first)[-1]
    assert ("kim@c.example", "Kim") == store.requesters.current(first)
    shown = copy.get(7)
    assert shown is not None
    assert ("kim@c.example", "Kim", "c.example") == (shown.requester, shown.requester_name, shown.domain)
    assert (None, "jo@d.example") == (store.requesters.last(first), store.requesters.current(other)[0])
    unaffected = copy.get(8)
    assert (unaffected and unaffected.requester) == "jo@d.example"


def test_not_undone_after_a_move(store: Store) -> None:
    """A change of an issue that the message no longer created is not undone on another one."""
    mail_id = _made(store, 1, 7)
    store.requesters.set(mail_id, "jo@c.example", "Jo", "anna")
    change = store.requesters.last(mail_id)
    assert change is not None
    assert store.manual_changes.move(mail_id, '{"issue": null}', "anna", "a new issue")
    make(store, mail_id, 9, request="{}")
    assert not store.requesters.undo(change, "ben")


@pytest.mark.parametrize(
    ("before", "writes_to", "stays"), [(False, None, False), (True, None, True), (False, 7, True), (False, 8, False)]
)
def test_who_takes_part_after_an_undo(store: Store, writes_to: int | None, *, before: bool, stays: bool) -> None:
    """The person takes part no more, unless they did before, or have written to this issue since; others stay."""
    mail_id = _made(store, 1, 7)
    with store.database.write() as db:
        for issue in (6, 8):
            store._join(db, issue, ["jo@c.example"])
        store._join(db, 7, ["ann@c.example", "zoe@c.example", *(["jo@c.example"] if before else [])])
    store.requesters.set(mail_id, "jo@c.example", "Jo", "anna")
    assert "jo@c.example" in participants(store, 7)
    if writes_to is not None:
        _made(store, 2, writes_to, journal=70, sender="jo@c.example")
    change = store.requesters.last(mail_id)
    assert change is not None
    assert store.requesters.undo(change, "ben")
    assert {"ann@c.example", "zoe@c.example"} | ({"jo@c.example"} if stays else set()) == participants(store, 7)
    assert ({"jo@c.example"}, {"jo@c.example"}) == (participants(store, 6), participants(store, 8))


def test_the_first_requester_in_the_field(store: Store) -> None:
    """Where the bridge wrote nothing into the field, it shows the first requester however often others were set."""
    mail_id = _made(store, 1, 7)
    for name in ("jo", "max"):
        store.requesters.set(mail_id, f"{name}@c.example", name, "anna")
    assert not store.requesters.set_by_field(mail_id, "kim@c.example", "")
    assert store.requesters.set_by_field(mail_id, "jo@c.example", "")
    last = store.requesters.last(mail_id)
    assert (last and last.who) == BY_FIELD


def test_of_this_issue_alone(store: Store) -> None:
    """The field of a new issue is compared with what was set there, not with what was set on the former one."""
    mail_id = _made(store, 1, 7)
    assert store.requesters.set_by_field(mail_id, "jo@c.example", "kim@c.example")
    assert store.manual_changes.move(mail_id, '{"issue": null}', "anna", "a new issue")
    make(store, mail_id, 9, request="{}")
    assert None is store.requesters.last(mail_id)
    assert store.requesters.set_by_field(mail_id, "jo@c.example", "kim@c.example")


@pytest.mark.parametrize("how", ["not set", "set again", "nowhere"])
def test_nothing_comes_along(store: Store, how: str) -> None:
    """With a moved message comes no requester if nobody had set one, if it names that person itself, or if it is in no
    issue any more.
    """
    mail_id = _made(store, 1, 7)
    if how != "not set":
        store.requesters.set(mail_id, "jo@c.example", "Jo", "anna")
    assert store.manual_changes.move(mail_id, '{"issue": 8}', "anna", "#8")
    store.record_intent(mail_id, "{}", requester="jo@c.example" if how == "set again" else None)
    store.done(mail_id, "noted", issue=None if how == "nowhere" else 8, journal=None if how == "nowhere" else 80)
    change = store.manual_changes.last(mail_id)
    assert change is not None
    before = lines(store, mail_id)
    store.manual_changes.arrived(change)
    assert before == lines(store, mail_id)
    assert set() == participants(store, 8)


def test_what_comes_along_is_its_own(store: Store) -> None:
    """The requester of a message that becomes a note elsewhere takes part there; other messages keep theirs."""
    earlier, mail_id, later = (_made(store, uid, 5 + uid) for uid in (1, 2, 3))
    store.requesters.set(mail_id, "jo@c.example", "Jo", "anna")
    assert store.manual_changes.move(mail_id, '{"issue": 8}', "anna", "#8")
    store.record_intent(mail_id, '{"participants": ["kim@c.example"]}')
    store.done(mail_id, "noted", issue=8, journal=80)
    change = store.manual_changes.last(mail_id)
    assert change is not None
    store.manual_changes.arrived(change)
    assert [("kim@c.example", "Kim"), ("jo@c.example", ""), ("kim@c.example", "Kim")] == [
        store.requesters.current(one) for one in (earlier, mail_id, later)
    ]
    assert {"jo@c.example"} == participants(store, 8)
    assert "jo@c.example, set by anna, takes part in #8" == lines(store, mail_id)[-1]
