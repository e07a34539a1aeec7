"""Mailboxes that are paused: what waits for one is woken by its end alone."""

from redmine_mailbridge.model.mailbox import Listed, Location, RawMail
from redmine_mailbridge.store.accounts import Accounts, Relabelling
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.pauses import MailboxPauses


def kept(store: Store, mailbox: str, uid: int) -> int:
    """Keep a mail of a mailbox. Return its number."""
    place = Location(mailbox, "INBOX", "1", str(uid))
    (row,) = store.keep([RawMail(Listed(place, 5), f"{mailbox} {uid}".encode())])
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
    Accounts(store.database).settle(Relabelling({"support": "help"}), {})

    assert 2 == pauses.end(["sales"])
    assert [mails["sales"][1]] == [row.id for row in store.due("sales")]
    assert [read_elsewhere] == [row.id for row in store.due("help")]
    assert {"help"} == pauses.all().keys()

    assert 1 == pauses.end(["help"])
    assert [mails["support"][1], read_elsewhere] == [row.id for row in store.due("help")]
