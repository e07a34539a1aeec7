"""Which sent messages still lack their copy in the Sent folder."""

import pytest

from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.outgoing.adding import NewAnswer
from redmine_mailbridge.store.outgoing.outbox import Outbox
from redmine_mailbridge.store.outgoing.sent_copies import SentCopies
from tests.clocks import Clock
from tests.unit.store.kept import keep, lines


@pytest.fixture
def copies(store: Store, clock: Clock) -> SentCopies:
    return SentCopies(store.database, clock)


def _queue(outbox: Outbox, number: int, to: str, *, mailbox: str = "support", mail_id: int | None = None) -> None:
    answer = NewAnswer(mailbox, "note", "s@x", to, f"m{number}@x", b"note", lambda _: None, issue=7)
    outbox.queue([answer], mail_id=mail_id)


def _waiting(copies: SentCopies, mailbox: str = "support", *, limit: int = 9, after: int = 0) -> list[tuple[str, str]]:
    return [(row.message_id, row.recipient) for row in copies.waiting(mailbox, limit=limit, after=after)]


def test_one_copy_for_each_message(outbox: Outbox, copies: SentCopies) -> None:
    """A message to several recipients gets one copy; one that was sent without a need for a copy gets none."""
    for number, to in ((1, "kim@x"), (1, "cora@x"), (2, "kim@x"), (3, "kim@x")):
        _queue(outbox, number, to)
    for number, mailbox in ((4, "sales"), (5, "zoo")):
        _queue(outbox, number, "kim@x", mailbox=mailbox)
    assert [] == _waiting(copies), "nothing was sent yet"
    for row in outbox.listed():
        if row.message_id == "m3@x":
            outbox.sent(row, "250 OK")
        else:
            outbox.sent(row, "250 OK", copy_due=True)
    assert [("m1@x", "kim@x"), ("m2@x", "kim@x")] == _waiting(copies)
    assert [("m1@x", "kim@x")] == _waiting(copies, limit=1)
    (first, _) = copies.waiting("support", limit=9)
    assert [("m2@x", "kim@x")] == _waiting(copies, after=first.id)
    assert ([("m4@x", "kim@x")], [("m5@x", "kim@x")]) == (_waiting(copies, "sales"), _waiting(copies, "zoo"))


def test_a_copy_is_made_once(outbox: Outbox, copies: SentCopies, store: Store) -> None:
    """What has its copy waits no more, for none of its recipients, and its history says so once; others wait on."""
    mail_id = keep(store, 1)
    for number, to in ((1, "kim@x"), (2, "kim@x"), (2, "cora@x"), (3, "kim@x")):
        _queue(outbox, number, to, mail_id=mail_id)
    for row in outbox.listed():
        outbox.sent(row, "250 OK", copy_due=True)
    _, second, _ = copies.waiting("support", limit=9)
    before = lines(store, mail_id)
    for _ in range(2):
        copies.done(second, "copied to Sent")
    assert [("m1@x", "kim@x"), ("m3@x", "kim@x")] == _waiting(copies)
    assert [*before, "copied to Sent"] == lines(store, mail_id)


def test_the_same_id_in_another_mailbox(outbox: Outbox, copies: SentCopies) -> None:
    """The copy in one mailbox's Sent folder is none in another's."""
    for to, mailbox in (("kim@x", "sales"), ("cora@x", "support"), ("lee@x", "zoo")):
        _queue(outbox, 1, to, mailbox=mailbox)
    for row in outbox.listed():
        outbox.sent(row, "250 OK", copy_due=True)
    (ours,) = copies.waiting("support", limit=9)
    copies.done(ours, "copied to Sent")
    assert ([("m1@x", "kim@x")], [], [("m1@x", "lee@x")]) == (
        _waiting(copies, "sales"), _waiting(copies), _waiting(copies, "zoo"),
    )  # fmt: skip
