"""Bytes that are forgotten, and bytes that stay."""

import pytest

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.mailbox import Listed, Location, RawMail
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.outgoing.adding import NewAnswer
from redmine_mailbridge.store.outgoing.outbox import Outbox
from redmine_mailbridge.store.queries.messages import MessageFilter, MessageQueries
from redmine_mailbridge.store.raw_mails.retention import forget_raw
from tests.clocks import Clock
from tests.unit.store.kept import keep, put


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_mails_that_ended_and_were_filed_before_a_time_lose_their_bytes(store: Store, clock: Clock) -> None:
    old, unfiled, held, young = (keep(store, uid) for uid in range(4))
    for mail_id, state in ((old, State.DONE), (unfiled, State.DONE), (held, State.HELD)):
        put(store, mail_id, state)
    store.filed([(old, "Done")])
    clock.now += 10
    put(store, young, State.REJECTED)
    store.filed([(young, "Failed")])
    assert 0 == forget_raw(store, older_than=clock.now - 10)
    assert 1 == forget_raw(store, older_than=clock.now - 9)
    rows = MessageQueries(store.database).messages(MessageFilter())
    assert {old: True, unfiled: False, held: False, young: False} == {row.id: row.raw is None for row in rows}
    assert 1 == forget_raw(store, older_than=clock.now + 1)


def test_mails_that_were_sent_before_a_time_lose_theirs_unless_another_still_waits_with_the_same(
    store: Store, clock: Clock
) -> None:
    outbox = Outbox(store.database, clock)
    contents = {"sent": b"one", "failed": b"two", "waiting": b"two", "alone": b"three"}
    for name, content in contents.items():
        outbox.queue([NewAnswer("support", "received", "s@x", "k@x", f"{name}@x", content, lambda _: None)])
    rows = {mail.message_id: mail for mail in outbox.listed()}
    outbox.sent(rows["sent@x"], "250 OK")
    outbox.failed(rows["failed@x"], "550")
    clock.now += 10
    outbox.queue([NewAnswer("support", "received", "s@x", "k@x", "young@x", b"four", lambda _: None)])
    (young,) = outbox.copies(["young@x"])
    outbox.sent(young, "250 OK")
    forget_raw(store, older_than=clock.now - 10)
    assert b"one" == outbox.copies(["sent@x"])[0].content
    forget_raw(store, older_than=clock.now)
    left = {mail.message_id: mail.content for mail in outbox.copies([*rows, "young@x"])}
    assert {"sent@x": b"", "failed@x": b"", "waiting@x": b"two", "alone@x": b"three", "young@x": b"four"} == left
    assert [] == outbox.retry([rows["failed@x"].id], by="anna"), "its bytes are gone"


def test_one_that_stays(store: Store, clock: Clock) -> None:
    """Bytes that cannot be removed keep their row as it is, and do not stop the removal of the others."""
    numbers = [keep(store, uid) for uid in range(3)]
    for mail_id in numbers:
        put(store, mail_id, State.DONE)
    store.filed([(mail_id, "Done") for mail_id in numbers])
    rows = MessageQueries(store.database).messages(MessageFilter())
    stuck = min(row.raw or "" for row in rows)  # the first one that is tried
    store.raw.path(stuck).unlink()
    store.raw.path(stuck).mkdir()
    assert 2 == forget_raw(store, older_than=clock.now + 1)
    assert [stuck] == [row.raw for row in MessageQueries(store.database).messages(MessageFilter()) if row.raw]


def test_the_same_bytes_elsewhere(store: Store, clock: Clock) -> None:
    """Bytes that another message still needs are kept, whichever are looked at first, and the others go."""
    numbers = [keep(store, uid) for uid in range(3)]
    for mail_id in numbers:
        put(store, mail_id, State.DONE)
    store.filed([(mail_id, "Done") for mail_id in numbers])
    first = min(row.raw or "" for row in MessageQueries(store.database).messages(MessageFilter()))
    place = Location("support", "INBOX", "1", "9")
    store.add([RawMail(Listed(place, 5), bytes(store.raw.read(first)))])
    assert 2 == forget_raw(store, older_than=clock.now + 1)
    assert {first} == {row.raw for row in MessageQueries(store.database).messages(MessageFilter()) if row.raw}
    assert store.raw.whole(first)
