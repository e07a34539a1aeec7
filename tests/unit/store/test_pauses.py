"""Mailboxes that are paused: what waits for one is woken by its end alone."""

from redmine_mailbridge.model.mail_state import pause_after
from redmine_mailbridge.model.mailbox import Listed, Location, RawMail
from redmine_mailbridge.store.accounts import Accounts, MailboxRenaming
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.pauses import LONGEST, MailboxPauses


def kept(store: Store, mailbox: str, uid: int) -> int:
    """Keep a mail of a mailbox. Return its number."""
    place = Location(mailbox, "INBOX", "1", str(uid))
    (row,) = store.add([RawMail(Listed(place, 5), f"{mailbox} {uid}".encode())])
    return row.id


def test_the_end_of_one_pause_wakes_no_other(store: Store) -> None:
    """Of two paused mailboxes one goes on: its mails are due, also those that were read in another; the other's wait
    on, by whatever name it goes now, until its own pause ends.
    """
    pauses = MailboxPauses(store)
    mails = {name: [kept(store, name, uid) for uid in (1, 2)] for name in ("sales", "support")}
    read_elsewhere = kept(store, "support", 3)  # whose settings are those of sales
    for name, (first, second) in mails.items():
        pauses.pause(name, first, ["project closed"], None)
        pauses.wait(second, pauses.all()[name])
    pauses.wait(read_elsewhere, pauses.all()["sales"])
    Accounts(store.database).settle(MailboxRenaming({"support": "help"}), {})

    assert 2 == pauses.end(["sales"])
    assert [mails["sales"][1]] == [row.id for row in store.due("sales")]
    assert [read_elsewhere] == [row.id for row in store.due("help")]
    assert {"help"} == pauses.all().keys()

    assert 1 == pauses.end(["help"])
    assert [mails["support"][1], read_elsewhere] == [row.id for row in store.due("help")]


def test_a_mailbox_that_stays_paused_is_looked_at_less_and_less_often(store: Store) -> None:
    pauses, mail_id, other = MailboxPauses(store), kept(store, "sales", 1), kept(store, "sales", 2)
    began = store.clock()
    before, waits = None, []
    for looks in range(1, 12):
        at = pauses.pause("sales", mail_id, ["project closed"], before)
        before = pauses.all()["sales"]
        assert (looks, mail_id, ("project closed",)) == (before.looks, before.mail_id, before.lines)
        waits.append(round(at - store.clock()))
    assert abs(before.since - began) < 5 if before else False
    assert [round(min(pause_after(looks), LONGEST)) for looks in range(1, 12)] == waits
    assert [15, 30, 300] == [*waits[:2], waits[-1]]
    assert "paused because its settings do not fit Redmine: project closed. " in (before.words if before else "")
    assert [other] == [row.id for row in store.due("sales")]
    pauses.look_now()
    assert [mail_id, other] == [row.id for row in store.due("sales")]
