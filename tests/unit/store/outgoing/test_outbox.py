"""The queue of mails to send."""

from dataclasses import replace

from redmine_mailbridge.model.mail_state import pause_after
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.outgoing.outbox import CLAIM_SECONDS, Outbox
from redmine_mailbridge.store.outgoing.rows import BOUNCED, DISCARDED, FAILED, HEADER_BYTES, QUEUED, SENT
from tests.clocks import Clock
from tests.unit.store.kept import answer, keep, lines


def test_a_mail_is_queued_once_for_each_recipient(outbox: Outbox, store: Store, clock: Clock) -> None:
    mail_id = keep(store, 1)
    first, other = answer(1, to="Kim@client.example"), answer(1, to="cora@client.example")
    assert [(True, "queued: received to Kim@client.example"), (True, "queued: received to cora@client.example")] == (
        outbox.queue([first, other], mail_id=mail_id)
    )
    assert [(True, "queued before: received to Kim@client.example")] == outbox.queue([first], mail_id=mail_id)
    mail, copy = outbox.copies(["m1@x"])
    assert ("kim@client.example", "cora@client.example") == (mail.recipient, copy.recipient)
    assert (mail_id, "support", "received", 7, b"mail 1", QUEUED) == (
        mail.mail_id, mail.mailbox, mail.kind, mail.issue, mail.content, mail.state,
    )  # fmt: skip
    assert (0, 0.0, clock.now, None, None, False) == (
        mail.tries, mail.next_try_at, mail.created_at, mail.sent_at, mail.offered_at, mail.reported,
    )  # fmt: skip
    assert ["queued: received to Kim@client.example", "queued: received to cora@client.example"] == lines(
        store, mail_id
    )[-2:]
    assert [mail, copy] == outbox.of_mail(mail_id)
    assert ({"support": 2}, []) == (outbox.waiting(), outbox.of_mail(mail_id + 1))
    assert "content" not in mail.as_json()
    assert "m1@x" == mail.as_json()["message_id"]


def test_mails_are_claimed_in_turn_for_five_minutes(outbox: Outbox, clock: Clock) -> None:
    outbox.queue(
        [answer(1), answer(2), answer(3, issue=8), answer(4, kind="sign-in", issue=None), answer(5, mailbox="sales")]
    )
    assert ["m4@x", "m1@x", "m3@x"] == [m.message_id for m in outbox.claim("support", limit=3, first=["sign-in"])]
    assert ["m2@x"] == [mail.message_id for mail in outbox.claim("support", limit=3)]
    assert [] == outbox.claim("support", limit=3)
    clock.now += CLAIM_SECONDS
    assert 4 == len(outbox.claim("support", limit=9))
    assert ["m5@x"] == [mail.message_id for mail in outbox.claim("sales", limit=3)]


def test_a_mail_that_was_sent_or_failed_is_claimed_no_more(outbox: Outbox, store: Store, clock: Clock) -> None:
    mail_id = keep(store, 1)
    outbox.queue([answer(1), answer(2)], mail_id=mail_id)
    one, two = outbox.claim("support", limit=2)
    clock.now += 5
    outbox.sent(one, "250 OK")
    outbox.failed(two, "550 no such user")
    sent, failed = outbox.copies(["m1@x", "m2@x"])
    assert (SENT, clock.now, "250 OK", 1) == (sent.state, sent.sent_at, sent.reason, sent.tries)
    assert (FAILED, None, "550 no such user", 1) == (failed.state, failed.sent_at, failed.reason, failed.tries)
    assert [
        "sent: received to kim@client.example: 250 OK",
        "not sent: received to kim@client.example: 550 no such user",
    ] == lines(store, mail_id)[-2:]
    clock.now += 2 * CLAIM_SECONDS
    assert [] == outbox.claim("support", limit=9)
    assert ([], [failed], [sent]) == (
        outbox.listed(), outbox.listed(states=[FAILED]), outbox.listed(states=[SENT, QUEUED]),
    )  # fmt: skip


def test_a_try_that_counts_makes_the_next_pause_longer(outbox: Outbox, clock: Clock) -> None:
    outbox.queue([answer(1)])
    (mail,) = outbox.claim("support", limit=1)
    outbox.later(mail, "451 later")
    (mail,) = outbox.copies(["m1@x"])
    assert (1, clock.now + pause_after(1), "451 later", None) == (
        mail.tries, mail.next_try_at, mail.reason, mail.offered_at,
    )  # fmt: skip
    outbox.later(mail, "timeout", offered=True)
    (mail,) = outbox.copies(["m1@x"])
    offered_at = clock.now
    assert (2, clock.now + pause_after(2), offered_at) == (mail.tries, mail.next_try_at, mail.offered_at)
    clock.now += 3
    outbox.later(mail, None, counts=False, offered=True, after=20.0)
    (mail,) = outbox.copies(["m1@x"])
    assert (2, clock.now + 20, None, offered_at) == (mail.tries, mail.next_try_at, mail.reason, mail.offered_at)
    outbox.later(mail, None, counts=False)
    assert clock.now + 60 == outbox.copies(["m1@x"])[0].next_try_at


def test_failed_mails_are_sent_again_on_request_from_their_first_try_on(outbox: Outbox, store: Store) -> None:
    mail_id = keep(store, 1)
    outbox.queue([answer(1), answer(2), answer(3)], mail_id=mail_id)
    one, two, three = outbox.claim("support", limit=3)
    outbox.later(one, "451 later", offered=True)
    (one,) = outbox.copies(["m1@x"])
    outbox.failed(one, "550 no")
    outbox.mark_reported(one)
    outbox.sent(two, "250 OK")
    outbox.failed(three, "550 no")
    assert [one.id] == [mail.id for mail in outbox.retry([one.id, two.id], by="anna")]
    again, sent, failed = outbox.copies(["m1@x", "m2@x", "m3@x"])
    assert (QUEUED, 0, 0.0, None, False) == (
        again.state, again.tries, again.next_try_at, again.offered_at, again.reported,
    )  # fmt: skip
    assert (SENT, FAILED) == (sent.state, failed.state)
    assert "retried by anna: received to kim@client.example" == lines(store, mail_id)[-1]


def test_what_did_not_arrive_is_to_be_told_once_one_of_each_issue_in_turn(outbox: Outbox, store: Store) -> None:
    mail_id = keep(store, 1)
    outbox.queue([answer(1), answer(2), answer(3, issue=8), answer(4, issue=None), answer(5)], mail_id=mail_id)
    mails = outbox.claim("support", limit=9)
    by_id = {mail.message_id: mail for mail in mails}
    for name in ("m1@x", "m2@x", "m4@x"):
        outbox.failed(by_id[name], "550 no")
    outbox.bounced(by_id["m3@x"], "5.1.1 unknown")
    outbox.bounced(by_id["m5@x"], "5.1.1 unknown", reported=True)
    assert ["m1@x", "m3@x", "m2@x"] == [mail.message_id for mail in outbox.unreported()]
    assert ["m1@x", "m3@x"] == [mail.message_id for mail in outbox.unreported(limit=2)]
    assert [BOUNCED, BOUNCED] == [mail.state for mail in outbox.copies(["m3@x", "m5@x"])]
    assert "bounced: received to kim@client.example: 5.1.1 unknown" == lines(store, mail_id)[-1]
    before = lines(store, mail_id)
    outbox.mark_reported(by_id["m1@x"])
    assert before == lines(store, mail_id)
    outbox.mark_reported(by_id["m3@x"], "it stands on #8")
    assert [*before, "it stands on #8"] == lines(store, mail_id)
    assert ["m2@x"] == [mail.message_id for mail in outbox.unreported()]


def test_sent_mails_are_counted_for_each_recipient(outbox: Outbox, clock: Clock) -> None:
    outbox.queue(
        [answer(1), answer(1, to="cora@client.example"), answer(2, kind="sign-in"), answer(3), answer(4, mailbox="b")]
    )
    for mail in [*outbox.claim("support", limit=3), *outbox.claim("b", limit=3)]:
        outbox.sent(mail, "250 OK")
    clock.now += 60
    assert [3, 2, 4, 1, 0, 0] == [
        outbox.sent_since(["support"], 60.0),
        outbox.sent_since(["support"], 60.0, but=["sign-in"]),
        outbox.sent_since(["support", "b"], 61.0),
        outbox.sent_since(["b"], 60.0),
        outbox.sent_since(["support"], 59.0),
        outbox.sent_since(["other"], 60.0),
    ]
    assert {"support": 1} == outbox.waiting()


def test_ids_of_a_kind(outbox: Outbox) -> None:
    """The Message-IDs of a kind of mail about an issue are those of that kind and issue alone, each once."""
    outbox.queue([answer(1), answer(1, to="cora@client.example"), answer(2), answer(3, kind="note")])
    outbox.queue([answer(4, issue=6), answer(5, issue=8), answer(6, issue=None)])
    assert ["m1@x", "m2@x"] == sorted(outbox.message_ids(7, "received"))


def test_beginning_only(outbox: Outbox) -> None:
    """A list has the whole bytes of each mail, or on request only the beginning, in which the header is; the newest
    mails come with the beginning.
    """
    long = replace(answer(1), content=b"a" * HEADER_BYTES + b"b")
    outbox.queue([long])
    outbox.later(*outbox.listed(), "451 later", offered=True)
    (whole,), (head,), (newest,) = outbox.listed(), outbox.listed(whole=False), outbox.newest(states=(QUEUED,))
    assert long.content == whole.content
    assert replace(whole, content=b"a" * HEADER_BYTES) == head
    assert head == newest


def test_newest_first(outbox: Outbox, clock: Clock) -> None:
    """The newest mails of a state are listed by mailbox, and page by page."""
    outbox.queue([answer(number) for number in (1, 2, 3)])
    outbox.queue([answer(4, mailbox="sales")])
    rows = {row.message_id: row for row in outbox.listed()}
    outbox.sent(rows["m2@x"], "250 OK")

    def newest(**asked: object) -> list[str]:
        return [row.message_id for row in outbox.newest(**({"states": (QUEUED,)} | asked))]  # type: ignore[arg-type]

    assert ["m4@x", "m3@x", "m1@x"] == newest()
    assert ["m3@x", "m1@x"] == newest(mailbox="support")
    assert ["m1@x"] == newest(before=rows["m3@x"].id)
    assert ["m4@x"] == newest(limit=1)
    assert ["m2@x"] == newest(states=(SENT,))
    assert {QUEUED: 3, SENT: 1} == outbox.counts()


def test_still_queued(outbox: Outbox) -> None:
    """A mail is to be sent until it was sent, refused or discarded."""
    outbox.queue([answer(number) for number in range(4)])
    sent, failed, discarded, waiting = outbox.listed()
    outbox.sent(sent, "250 OK")
    outbox.failed(failed, "550")
    outbox.discard([discarded.id], by="anna")
    assert [False, False, False, True] == [outbox.is_queued(one) for one in (sent, failed, discarded, waiting)]


def test_offered_before(outbox: Outbox) -> None:
    """Who gets a mail for the first time knows that nobody had it before; whoever gets it after that, or after a
    failure, that it may have been sent.
    """
    outbox.queue([answer(1), answer(2)])
    first, second = outbox.claim("support", limit=2)
    outbox.failed(second, "550 no")
    outbox.retry([second.id], by="anna")
    assert [False, False] == [first.offered_before, second.offered_before]
    assert [True, True] == [mail.offered_before for mail in outbox.copies(["m1@x", "m2@x"])]


def test_what_one_look_returns(outbox: Outbox) -> None:
    """A look at the queue returns 200 mails, and 100 of those whose failure is to be reported."""
    outbox.queue([answer(number, issue=number) for number in range(201)])
    mails = outbox.listed(limit=300)
    assert mails[:200] == outbox.listed()
    for mail in mails[:101]:
        outbox.failed(mail, "550 no")
    assert [mail.id for mail in mails[:100]] == [mail.id for mail in outbox.unreported()]


def test_discarded_meanwhile(outbox: Outbox, store: Store) -> None:
    """What an admin discarded while it was being sent stays so if the server did not take it, now or for good; if it
    did, it was sent.
    """
    mail_id = keep(store, 1)
    outbox.queue([answer(1), answer(2), answer(3)], mail_id=mail_id)
    failed, deferred, sent = outbox.claim("support", limit=3)
    outbox.discard([failed.id, deferred.id, sent.id], by="anna")
    before = lines(store, mail_id)
    outbox.failed(failed, "550 no")
    outbox.later(deferred, "451 later")
    assert before == lines(store, mail_id)
    outbox.sent(sent, "250 OK")
    assert [(DISCARDED, None), (DISCARDED, None), (SENT, "250 OK")] == [
        (mail.state, mail.reason) for mail in outbox.copies(["m1@x", "m2@x", "m3@x"])
    ]
    assert [] == outbox.unreported()


def test_whose_turn_it_is(outbox: Outbox, store: Store) -> None:
    """Each issue has its turn, and each message that is answered without one, and what answers none: whatever their
    numbers are.
    """
    first, second = keep(store, 1), keep(store, 2)
    outbox.queue([answer(1, issue=None)], mail_id=first)
    outbox.queue([answer(2, issue=None), answer(3, issue=first), answer(4, issue=second)])
    outbox.queue([answer(5, issue=None)], mail_id=second)
    outbox.queue([answer(6, issue=None)], mail_id=first)
    outbox.queue([answer(7, issue=7)])
    order = [mail.message_id for mail in outbox.claim("support", limit=9)]
    assert [f"m{number}@x" for number in (1, 2, 3, 4, 5, 7, 6)] == order
    answers = {mail_id: [mail.message_id for mail in outbox.of_mail(mail_id)] for mail_id in (first, second)}
    assert {first: ["m1@x", "m6@x"], second: ["m5@x"]} == answers
