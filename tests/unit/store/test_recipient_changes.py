"""What the commands of a note change is stored with the decision on it, once, or not at all."""

import pytest

from redmine_mailbridge.model.mail import Address
from redmine_mailbridge.store.issue_copy import IssueCopy
from redmine_mailbridge.store.mails.requesters import BY_FIELD
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.note_decisions import NoteDecision, NoteDecisions, NoteToHide, RateLimited
from redmine_mailbridge.store.notices import NewNotice, Notices
from redmine_mailbridge.store.outgoing.adding import NewAnswer
from redmine_mailbridge.store.queries.conversations import ConversationQueries
from redmine_mailbridge.store.recipient_changes import CcChanges, RecipientChanges
from tests.clocks import Clock
from tests.unit.store.kept import describe, keep, lines, make, participants
from tests.unit.store.test_issue_copy import row

KIM, LEE = Address("Kim", "kim@c.example"), Address("", "lee@c.example")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def decisions(store: Store, clock: Clock) -> NoteDecisions:
    return NoteDecisions(store.database, clock)


@pytest.fixture
def mail_id(store: Store) -> int:
    """A message of Zoe's that created issue 7."""
    made = keep(store, 1)
    describe(store, made, "1@x", sender="zoe@c.example")
    make(store, made, 7, request='{"requester": "Zoe"}')
    return made


def copied(store: Store) -> CcChanges:
    """Whom agents have added to Cc and removed from it."""
    return ConversationQueries(store.database).cc_changes(7)


def test_the_last_note_counts(store: Store, decisions: NoteDecisions, mail_id: int, clock: Clock) -> None:
    """Each address is in Cc or not by the last note that names it; who is added takes part."""
    for journal, changes in enumerate(
        [RecipientChanges(cc=(KIM, LEE)), RecipientChanges(uncc=(Address("", "KIM@c.example"),)), RecipientChanges()], 1
    ):
        clock.now += 1
        decisions.decide(NoteDecision(journal, 7, 0.0, "a note"), mail_id=mail_id, changes=changes)
    assert CcChanges((LEE,), (Address("", "KIM@c.example"),)) == copied(store)
    assert {KIM.address, LEE.address} <= participants(store, 7)
    decisions.decide(NoteDecision(4, 7, 0.0, "a note"), mail_id=mail_id, changes=RecipientChanges(cc=(KIM,)))
    assert (LEE, KIM) == copied(store).added


def test_once(store: Store, decisions: NoteDecisions, mail_id: int) -> None:
    """A note that was decided changes nothing again, and a note that waits changes nothing yet."""
    waits = NewAnswer("support", "note", "s@x", "kim@c.example", "m@x", b"note", lambda _: "too many", issue=7)
    changes = RecipientChanges(cc=(KIM,), requester=LEE, who="anna")
    with pytest.raises(RateLimited):
        decisions.decide(NoteDecision(1, 7, 0.0, "a note"), [waits], mail_id=mail_id, changes=changes, hide=True)
    assert (CcChanges(), [], None) == (copied(store), decisions.to_hide(), store.requesters.last(mail_id))
    decisions.decide(NoteDecision(1, 7, 0.0, "a note"), mail_id=mail_id)
    decisions.decide(NoteDecision(1, 7, 0.0, "a note"), mail_id=mail_id, changes=changes, hide=True)
    assert (CcChanges(), [], None) == (copied(store), decisions.to_hide(), store.requesters.last(mail_id))


def test_another_requester(store: Store, decisions: NoteDecisions, mail_id: int, clock: Clock) -> None:
    """The requester is changed with the decision; naming the same one again changes nothing, and an issue that is no
    longer the message's keeps its own.
    """
    IssueCopy(store.database, clock).save(row(7, mail_id=mail_id, requester="zoe@c.example"), [])
    for journal, person in enumerate((LEE, Address("", "LEE@c.example"), KIM), 1):
        changes = RecipientChanges(requester=person, who=f"anna (note {journal})")
        decisions.decide(NoteDecision(journal, 7, 0.0, "a note"), mail_id=mail_id, changes=changes)
    said = [line for line in lines(store, mail_id) if line.startswith("the requester of #7")]
    assert [
        "the requester of #7 is lee@c.example instead of zoe@c.example, set by anna (note 1)",
        "the requester of #7 is kim@c.example instead of lee@c.example, set by anna (note 3)",
    ] == said
    copy = IssueCopy(store.database, clock).get(7)
    assert copy is not None
    assert ("kim@c.example", "Kim") == (copy.requester, copy.requester_name)
    note = keep(store, 2)
    make(store, note, 8, journal=80)
    decisions.decide(NoteDecision(9, 8, 0.0, "a note"), mail_id=note, changes=RecipientChanges(requester=LEE))
    assert "lee@c.example is not the requester: the issue is no longer this message's" in lines(store, note)


def test_the_field_that_shows_the_requester(store: Store, decisions: NoteDecisions, mail_id: int) -> None:
    """It is due after a note, until it was set; of several changes only the last one is."""
    for journal, person in enumerate((LEE, KIM), 1):
        changes = RecipientChanges(requester=person, who="anna")
        decisions.decide(NoteDecision(journal, 7, 0.0, "a note"), mail_id=mail_id, changes=changes)
    first, last = store.requesters.fields_due()
    assert ("", "kim@c.example", 7, "support") == (first.address, last.address, last.issue, last.mailbox)
    store.requesters.field_written(first, "", shown=False)
    store.requesters.field_written(last, "it is set", shown=True)
    assert ([], "it is set") == (store.requesters.fields_due(), lines(store, mail_id)[-1])
    store.requesters.set(mail_id, "jo@c.example", "", "ben")
    assert [] == store.requesters.fields_due()


@pytest.mark.fault("A37-10")
@pytest.mark.parametrize("shown", [True, False])
def test_what_the_bridge_wrote_into_the_field(
    store: Store, decisions: NoteDecisions, mail_id: int, *, shown: bool
) -> None:
    """It is not new, also if an administrator has undone the change before the field is read; a value that is not
    shown has not been seen.
    """
    decisions.decide(NoteDecision(1, 7, 0.0, "a note"), mail_id=mail_id, changes=RecipientChanges(requester=LEE))
    (due,) = store.requesters.fields_due()
    store.requesters.field_written(due, "", shown=shown)
    change = store.requesters.last(mail_id)
    assert change is not None
    assert LEE.address == change.address
    assert store.requesters.undo(change, "admin")
    assert shown is not store.requesters.set_by_field(mail_id, LEE.address, "")
    assert ("zoe@c.example" if shown else LEE.address) == store.requesters.current(mail_id)[0]


def test_what_the_field_shows_already(store: Store, mail_id: int) -> None:
    """The requester's address in the field is not new any more; the one before is, if somebody sets it again."""
    store.requesters.set(mail_id, "lee@c.example", "", "anna")
    for _ in range(2):
        store.requesters.saw_in_field(mail_id, "lee@c.example", "zoe@c.example")
    assert not store.requesters.is_new_in_field(mail_id, "lee@c.example", "zoe@c.example")
    assert store.requesters.set_by_field(mail_id, "zoe@c.example", "zoe@c.example")
    last = store.requesters.last(mail_id)
    assert last is not None
    assert ("zoe@c.example", "lee@c.example", BY_FIELD) == (last.address, last.before, last.who)


def test_a_note_to_hide(store: Store, decisions: NoteDecisions, mail_id: int, clock: Clock) -> None:
    """It is due until it was hidden, or the agents are informed that it cannot be."""
    IssueCopy(store.database, clock).save(row(7, mail_id=mail_id), [])
    decisions.decide(NoteDecision(1, 7, 0.0, "a note"), mail_id=mail_id, hide=True)
    decisions.decide(NoteDecision(2, 7, 0.0, "a note"), mail_id=mail_id)
    assert [NoteToHide(1, 7, mail_id)] == decisions.to_hide()
    decisions.hidden(NoteToHide(1, 7, mail_id), "it is public", [NewNotice("public/1", "It is public.")])
    assert ([], "it is public") == (decisions.to_hide(), lines(store, mail_id)[-1])
    assert ["It is public."] == [notice.text for notice in Notices(store.database, clock).unreported()]


def test_what_the_person_before_received(store: Store, decisions: NoteDecisions, mail_id: int, clock: Clock) -> None:
    """A new requester has received the note that says so, and no earlier one; undone, the earlier ones count again."""
    for journal, changes in ((1, None), (2, RecipientChanges(requester=LEE, who="anna")), (3, None)):
        clock.now += 10
        decision = NoteDecision(journal, 7, 0.0, "a note", "mailed")
        decisions.decide(decision, mail_id=mail_id, changes=changes)
    assert {2, 3} == decisions.mailed_notes([7])
    change = store.requesters.last(mail_id)
    assert change is not None
    store.requesters.undo(change, "ben")
    assert {1, 2, 3} == decisions.mailed_notes([7])
