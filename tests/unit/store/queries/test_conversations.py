"""The mails of a conversation."""

import pytest

from redmine_mailbridge.model.stored_mail import Description
from redmine_mailbridge.store.issue_copy import IssueCopy
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.outgoing.adding import NewAnswer
from redmine_mailbridge.store.outgoing.outbox import Outbox
from redmine_mailbridge.store.queries.conversations import ConversationMail, ConversationQueries
from redmine_mailbridge.store.queries.messages import MessageFilter, MessageQueries
from tests.clocks import Clock
from tests.unit.store.kept import describe, keep, make
from tests.unit.store.test_issue_copy import journal, row


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_mails_that_came_are_those_that_made_the_issue_or_a_note_of_it(store: Store, clock: Clock) -> None:
    first, agents, customers, found, machine, other = (keep(store, uid) for uid in range(6))
    for mail_id in (first, customers, found, machine, other):
        describe(store, mail_id, f"{mail_id}@x", sender="Kim@c.example")
    describe(store, agents, f"{agents}@x", sender="anna@corp.example")
    make(store, first, 7)
    make(store, agents, 7, journal=70)
    make(store, customers, 7, journal=71)
    store.done(found, "it was there", issue=7)
    make(store, machine, 7, journal=72, request='{"machine": true}')
    make(store, other, 8)
    queries = ConversationQueries(store.database)
    came = queries.incoming(7, "kim@c.example")
    assert [(first, None, True), (agents, 70, False), (customers, 71, True)] == [
        (one.id, one.journal, one.customers) for one in came
    ]
    IssueCopy(store.database, clock).save(row(7), [journal(70, 7, side="customer"), journal(71, 7, side="agent")])
    assert [True, True, False] == [one.customers for one in queries.incoming(7, "kim@c.example")]


def test_the_mails_that_went_to_an_address_about_an_issue_but_for_those_that_failed(store: Store, clock: Clock) -> None:
    outbox = Outbox(store.database, clock)
    for number, issue, to in ((1, 7, "kim@x"), (2, 7, "cora@x"), (3, 8, "kim@x"), (4, 7, "kim@x"), (5, 7, "kim@x")):
        outbox.queue([NewAnswer("support", "note", "s@x", to, f"m{number}@x", b"x", lambda _: None, issue=issue)])
        clock.now += 1
    (failed,) = outbox.copies(["m4@x"])
    outbox.failed(failed, "550")
    assert [("m1@x", clock.now - 5), ("m5@x", clock.now - 1)] == ConversationQueries(store.database).outgoing(
        7, "kim@x"
    )


def test_what_is_known_of_a_mail(store: Store) -> None:
    """A mail has its subject, its author and on whose behalf it was handled, who may be another; what it does not say
    is empty.
    """
    one, bare = keep(store, 1), keep(store, 2)
    describe(store, one, "1@x", sender="kim@c.example", subject="Printer")
    store.record_intent(one, '{"a": 1}', requester="jo@c.example")
    store.done(one, "made", issue=7, created=True)
    store.describe([Description(bare, "2@x", "key", None, "")])
    make(store, bare, 7, journal=70)
    first, second = ConversationQueries(store.database).incoming(7, "kim@c.example")
    (known,) = MessageQueries(store.database).messages(MessageFilter(ids=[one]))
    assert known.raw is not None
    assert (
        ConversationMail(
            one, "support", "1@x", "Printer", "jo@c.example", known.raw, False, '{"a": 1}', None, "kim@c.example", True
        )
        == first
    )
    assert ("", "", "", None, False) == (
        second.subject, second.sender, second.author, second.request, second.customers,
    )  # fmt: skip


def test_third_parties_are_apart(store: Store, clock: Clock) -> None:
    """Who was written to as a third party, and who replied as one, is known by the issue, with the ids of these mails;
    none of it belongs to the conversation. Whom somebody makes the requester is none any more.
    """
    outbox, queries = Outbox(store.database, clock), ConversationQueries(store.database)

    def sent(number: int, kind: str, *people: str, issue: int = 7) -> None:
        for to in people:
            new = NewAnswer("support", kind, "s@x", to, f"m{number}@x", b"x", lambda _: None, issue=issue)
            outbox.queue([new])

    sent(1, "third_party", "Sue@x", "sam@x")
    sent(2, "third_party", "sue@x")
    sent(3, "answer", "kim@c.example")
    sent(4, "third_party", "sue@x", issue=8)
    sent(5, "third_party", "sue@x")
    first, theirs, depots, forged = (keep(store, uid) for uid in range(4))
    describe(store, first, "a@x")
    describe(store, theirs, "b@x", sender="sue@x")
    store.describe([Description(depots, "c@x", "key c", "Depot@x", "S", 2)])
    store.describe([Description(forged, "d@x", "key d", "boss@x", "S", 1)])
    make(store, first, 7)
    for mail_id, journal_id in ((theirs, 70), (depots, 71), (forged, 72)):
        store.record_intent(mail_id, '{"third_party": true}')
        store.done(mail_id, "made", issue=7, journal=journal_id, third_party=True)
    assert [first] == [one.id for one in queries.incoming(7, "kim@c.example")]
    assert {"sue@x", "sam@x", "depot@x"} == queries.third_parties(7, "kim@c.example")
    them = MessageQueries(store.database).third_parties([7, 8, 9])
    assert {7: queries.third_parties(7, "kim@c.example"), 8: {"sue@x"}, 9: set()} == them
    assert {"m1@x", "m2@x", "m5@x", "b@x", "c@x", "d@x"} == queries.third_party_ids(7)
    ids = ["a@x", "b@x", "m3@x", "m4@x", "m9@x"]
    assert {"b@x", "m4@x"} == MessageQueries(store.database).third_party_ids(ids)
    assert ("m2@x", "m5@x") == queries.third_party_thread(7, ["SUE@x"])
    assert ("m1@x",) == queries.third_party_thread(7, ["sam@x", "sue@x"])
    assert () == queries.third_party_thread(7, ["sam@x"])
    IssueCopy(store.database, clock).save(row(7, requester="sue@x"), [])
    assert {"sam@x", "depot@x"} == queries.third_parties(7, "sue@x")
    assert {7: {"sam@x", "depot@x"}} == MessageQueries(store.database).third_parties([7])
    assert {"sam@x", "depot@x"} == queries.third_parties(7, "sue+7@x"), "whichever the subaddress"
    assert [] == [message_id for message_id, _ in queries.outgoing(7, "sue@x")]
