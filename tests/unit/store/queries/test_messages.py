"""What is asked of the mails that the store holds."""

import json

import pytest

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.stored_mail import Description
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.outgoing.adding import NewAnswer
from redmine_mailbridge.store.outgoing.outbox import Outbox
from redmine_mailbridge.store.queries.messages import MessageFilter, MessageQueries
from tests.clocks import Clock
from tests.unit.store.kept import describe, keep, make, put


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def archive(store: Store) -> MessageQueries:
    return MessageQueries(store.database)


def test_what_mails_have_made_is_found_by_issue_and_by_note(store: Store, archive: MessageQueries) -> None:
    assert 0 == archive.newest_claimed()
    made, noted, later, nothing = (keep(store, uid, mailbox) for uid, mailbox in enumerate(("a", "b", "b", "a")))
    make(store, made, 7)
    make(store, noted, 7, journal=70)
    make(store, later, 7, journal=71)
    put(store, nothing, State.DONE)
    assert 7 == archive.newest_claimed()
    assert [False, True, False] == [archive.claimed_issue(number) for number in (6, 7, 8)]
    assert {7: "a"} == archive.mailboxes([6, 7, 8])
    assert {} == archive.mailboxes([])
    assert {7: 71} == archive.newest_notes([6, 7])
    assert {70: 7, 71: 7} == archive.issues_of([70, 71, 72])
    claims = [(70, 7), (70, 8), (72, 7)]
    assert [True, False, False] == [archive.claimed_journal(journal, issue) for journal, issue in claims]


def test_of_mails_with_one_id_another_may_be_writing(store: Store, archive: MessageQueries) -> None:
    one, two, other, nameless = (keep(store, uid) for uid in range(4))
    for mail_id in (one, two):
        describe(store, mail_id, "same@c.example")
    describe(store, other, "other@c.example")
    for mail_id in (two, other):
        put(store, mail_id, State.WRITE_PENDING)
    rows = {row.id: row for row in archive.messages(MessageFilter())}
    assert [True, False, False, False] == [archive.another_writes(rows[i]) for i in (one, two, other, nameless)]


def test_mails_are_listed_newest_first_by_what_is_asked(store: Store, archive: MessageQueries, clock: Clock) -> None:
    first, second, third, fourth = (keep(store, uid, mailbox) for uid, mailbox in enumerate(("a", "b", "a", "a")))
    describe(store, first, "1@c.example", sender="kim@c.example", subject="Printer 100%")
    describe(store, second, "2@c.example", sender="cora_b@c.example", subject="Network")
    describe(store, third, "3@c.example", sender="corabb@c.example", subject="Printer 1000")
    make(store, first, 7)
    put(store, second, State.DONE)
    put(store, third, State.HELD)
    clock.now += 10
    late = keep(store, 9, "c")

    def listed(**asked: object) -> list[int]:
        return [row.id for row in archive.messages(MessageFilter(**asked))]  # type: ignore[arg-type]

    assert [late, fourth, third, second, first] == listed()
    assert [late, fourth] == listed(limit=2)
    assert [second, first] == listed(before=third)
    assert [third] == listed(state=State.HELD)
    assert [fourth, third, first] == listed(mailbox="a")
    assert [second] == listed(sender="CORA_")
    assert [first] == listed(subject="100%")
    assert [third, first] == listed(subject="printer")
    assert [first] == listed(issue=7)
    assert [third, first] == listed(ids=[first, third, 4000])
    assert [late] == listed(since=clock.now)
    assert [fourth, third, second, first] == listed(until=clock.now)
    assert [[second], [first], [third], [late, fourth], []] == [
        listed(outcomes=[word]) for word in ("ignored", "done", "held", "stored", "rejected")
    ]
    assert [third, first] == listed(outcomes=["held", "done"])
    assert [third] == listed(outcomes=["held", "done"], limit=1)


def test_the_last_mail_of_one_sender_and_subject_that_led_to_an_issue(
    store: Store, archive: MessageQueries, clock: Clock
) -> None:
    received = clock.now - 100
    numbers = [keep(store, uid, received=received) for uid in range(4)]
    for mail_id, sender, subject in zip(
        numbers,
        ("kim@c.example", "kim@c.example", "cora@c.example", "kim@c.example"),
        ("S", "S", "S", "T"),
        strict=True,
    ):
        describe(store, mail_id, f"{mail_id}@c.example", sender=sender, subject=subject)
    for issue, mail_id in enumerate(numbers, 7):
        make(store, mail_id, issue)

    def found(since: float, until: float) -> int | None:
        row = archive.same_subject("kim@c.example", "S", since=since, until=until)
        return row and row.id

    assert numbers[1] == found(received, received)
    assert None is found(received + 1, received + 2)
    assert None is found(received - 2, received - 1)


def test_redmine_has_taken_a_mail_when_its_newest_issue_or_note_is_of_that_time(
    store: Store, archive: MessageQueries, clock: Clock
) -> None:
    one, two = keep(store, 1), keep(store, 2)
    assert not archive.wrote_since(0.0, clock.now)
    make(store, one, 7)
    assert archive.wrote_since(clock.now - 1, clock.now)
    assert not archive.wrote_since(clock.now, clock.now)
    assert not archive.wrote_since(clock.now - 1, clock.now - 0.5)
    clock.now += 10
    make(store, two, 7, journal=70)
    assert archive.wrote_since(clock.now - 5, clock.now)


def test_the_next_try_is_the_earliest_of_these_mailboxes_that_waits_for_a_time(
    store: Store, archive: MessageQueries, clock: Clock
) -> None:
    one, two, held, other = keep(store, 1), keep(store, 2), keep(store, 3), keep(store, 4, "sales")
    assert None is archive.next_due(["none"], clock.now)
    assert 0.0 == archive.next_due(["support"], clock.now)
    at = [store.defer(mail_id, "later", after=after) for mail_id, after in ((one, 90.0), (two, 60.0), (other, 5.0))]
    store.hold_reply(held, "waits for the update")
    assert at[1] == archive.next_due(["support"], clock.now) == archive.next_due(["support"])
    assert at[2] == archive.next_due(["support"], clock.now, others=["sales"])
    assert 0.0 == archive.next_due(["support"], clock.now - 3600), "noted in the future: the clock was set back"
    for mail_id in (one, two):
        store.finish(mail_id, State.HELD, "held")
    assert None is archive.next_due(["support"], clock.now)


def test_an_earlier_open_mail_of_one_sender_and_subject_is_waited_for(store: Store, archive: MessageQueries) -> None:
    first, other, last = (keep(store, uid) for uid in range(3))
    describe(store, first, "1@c.example", subject="S")
    describe(store, other, "2@c.example", sender="a@c.example", subject="S")
    describe(store, last, "3@c.example", subject="S")
    (row,) = archive.messages(MessageFilter(ids=[last]))
    waited = archive.open_before(row, [], same=("kim@c.example", "S", 0.0))
    assert (first, None) == (waited and waited.id, archive.open_before(row, []))
    assert [None, None] == [archive.open_before(row, [], same=(who, "S", 0.0)) for who in ("zoe@x", "bob@x")]


@pytest.mark.parametrize("senders", [3, 250], ids=["few", "many"])
def test_senders_are_searched_within(store: Store, archive: MessageQueries, senders: int) -> None:
    """A part of an address finds the mails of everybody whose address it is within, the newest first, be they few, or
    so many that they are not named one by one; % and _ are what they are.
    """
    for number in range(senders):
        for which in range(2):
            describe(store, keep(store, 2 * number + which), f"{number}.{which}@x", sender=f"p_{number}@c.example")
    nameless = keep(store, 10_000)
    describe(store, keep(store, 10_001), "similar@x", sender="px1@c.example")
    found = archive.messages(MessageFilter(sender="P_", limit=1000))
    assert 2 * senders == len(found)
    assert sorted((row.id for row in found), reverse=True) == [row.id for row in found]
    assert nameless not in {row.id for row in found}
    assert ["p_2@c.example"] * 2 == [row.sender for row in archive.messages(MessageFilter(sender="_2@c"))]
    assert [] == archive.messages(MessageFilter(sender="p%2"))


def test_list_limit(store: Store, archive: MessageQueries) -> None:
    """A list has the 50 newest messages if nothing else is asked for."""
    numbers = [keep(store, uid) for uid in range(51)]
    assert numbers[:0:-1] == [row.id for row in archive.messages(MessageFilter())]


@pytest.mark.parametrize(
    ("proofs", "preferred"),
    [((0, None), 1), ((None, 0), 0), ((None, 1), 0), ((1, None), 0), ((None, 2), 1), ((1, 2), 1), ((2, 2), 0)],
)
def test_proof(store: Store, archive: MessageQueries, proofs: tuple[int | None, ...], preferred: int) -> None:
    """Of messages with one Message-ID the best proven one is found, the first of several; one whose proof was not
    recorded is like one that is not proven.
    """
    numbers = [keep(store, uid) for uid in range(3)]
    store.describe([
        Description(mail_id, "same@c.example", f"key {mail_id}", "kim@c.example", "S", proof)
        for mail_id, proof in zip(numbers, (*proofs, 2), strict=True)
    ])  # fmt: skip
    for issue, mail_id in enumerate(numbers[:2], 7):  # the third becomes no issue
        make(store, mail_id, issue)
    found = archive.by_message_id(["same@c.example", "unknown@c.example"])
    assert {"same@c.example": numbers[preferred]} == {key: row.id for key, row in found.items()}


def _sent(store: Store, number: int, to: str, *, issue: int | None = 7, kind: str = "received") -> None:
    answer = NewAnswer("support", kind, "support@x", to, f"m{number}@x", b"mail", lambda _: None, issue)
    Outbox(store.database, store.clock).queue([answer])


def _reply(store: Store, uid: int, issue: int, sender: str | None, named: str, *, proven: bool = True) -> None:
    """Let a mail become a note on an issue; `named` is whom it was also addressed to."""
    mail_id = keep(store, uid)
    if sender is not None:
        describe(store, mail_id, f"r{uid}@c.example", sender=sender)
    make(store, mail_id, issue, journal=70 + uid, request=json.dumps({"proven": proven, "named": [named]}))


def test_who_knows_an_id(store: Store, archive: MessageQueries) -> None:
    """Who may know the Message-ID of a sent message are its recipients and those of all messages of its conversation,
    without the team, and to whom one of them has sent a reply, if the reply's sender was proven.
    """
    _sent(store, 1, "kim@c.example")
    _sent(store, 1, "cora@c.example")
    _sent(store, 2, "lee@c.example")
    _sent(store, 3, "boss@corp.example", kind="escalation")
    _sent(store, 4, "zoe@c.example", issue=8)
    _sent(store, 5, "admin@corp.example", issue=None)
    _reply(store, 1, 7, "kim@c.example", "mia@c.example")
    _reply(store, 2, 7, "lee@c.example", "forged@c.example", proven=False)
    _reply(store, 3, 7, "stranger@c.example", "unasked@c.example")
    _reply(store, 4, 7, None, "nobody@c.example")
    _reply(store, 5, 8, "kim@c.example", "eight@c.example")
    _reply(store, 6, 8, "zoe@c.example", "nine@c.example")
    found = archive.sent_by_us(["m1@x", "m4@x", "m5@x", "unknown@x"])
    seven = frozenset({"kim@c.example", "cora@c.example", "lee@c.example", "mia@c.example"})
    assert {"m1@x": (7, seven), "m4@x": (8, frozenset({"zoe@c.example", "nine@c.example"}))} == found


def test_the_team_knows_what_it_was_sent(store: Store, archive: MessageQueries) -> None:
    """The recipient of an escalation knows the id of that message."""
    _sent(store, 1, "boss@corp.example", kind="escalation")
    assert {"m1@x": (7, frozenset({"boss@corp.example"}))} == archive.sent_by_us(["m1@x"])
    assert {} == archive.sent_by_us([])


def test_recipients(store: Store, archive: MessageQueries) -> None:
    """To whom messages about an issue were sent leaves out those that were given up or discarded."""
    for number, name in enumerate(("Kim", "cora", "lee"), 1):
        _sent(store, number, f"{name}@c.example")
    _sent(store, 4, "zoe@c.example", issue=8)
    outbox = Outbox(store.database, store.clock)
    rows = {row.recipient: row for row in outbox.listed()}
    outbox.failed(rows["cora@c.example"], "550")
    outbox.discard([rows["lee@c.example"].id], by="anna")
    assert {7: frozenset({"kim@c.example"}), 9: frozenset()} == archive.mailed([7, 9])
    assert {} == archive.mailed([])


def test_no_mail_waits_for_itself(store: Store, archive: MessageQueries) -> None:
    """Neither for being unread, nor for naming its own Message-ID among those that it refers to."""
    unread, own = keep(store, 1), keep(store, 2, "sales")
    describe(store, own, "own@c.example")
    rows = {row.id: row for row in archive.messages(MessageFilter())}
    assert [None, None] == [archive.open_before(rows[one], ["own@c.example"]) for one in (unread, own)]
