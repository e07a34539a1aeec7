"""How far each folder has been read, and what was skipped there."""

import pytest

from redmine_mailbridge.model.mailbox import Location
from redmine_mailbridge.model.stored_mail import Cursor
from redmine_mailbridge.store.messages import Store
from tests.clocks import Clock
from tests.unit.store.kept import describe, keep

NEVER_READ = (
    ("sales", "Sent"), ("support", "Archive"), ("support", "Junk"), ("support", "Trash"), ("alice", "INBOX"),
    ("service", "INBOX"), ("zulu", "INBOX"),
)  # fmt: skip
"""Folders that sort before, between and after those that the tests read."""


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_skipped(store: Store) -> None:
    """The UIDs that were skipped in a folder are those recorded last for it; None where nothing is recorded."""
    assert None is store.left("support", "INBOX")
    store.leave("support", "INBOX", {"1", "2"})
    store.leave("support", "INBOX", {"2", "3"})
    store.leave("support", "Sent", ())
    store.leave("sales", "INBOX", {"9"})
    assert frozenset({"2", "3"}) == store.left("support", "INBOX")
    assert frozenset() == store.left("support", "Sent")
    assert [None] * len(NEVER_READ) == [store.left(*place) for place in NEVER_READ]


def test_known_skipped(store: Store) -> None:
    """A skipped UID is known in its folder and its mailbox only, or in any folder if none is named."""
    store.leave("support", "INBOX", {"1"})
    store.leave("support", "Sent", {"2"})
    store.leave("support", "Archive", {"4"})
    store.leave("sales", "INBOX", {"3"})
    wanted = ["1", "2", "3", "4"]
    assert frozenset({"1"}) == store.known("support", "INBOX", wanted)
    assert frozenset({"1", "2", "4"}) == store.known("support", None, wanted)
    assert frozenset({"3"}) == store.known("sales", None, wanted)


def test_known_stored(store: Store) -> None:
    """A stored UID is known in its folder and under its UIDVALIDITY only, or in any if none is named."""
    keep(store, 1)
    keep(store, 2, folder="Sent")
    keep(store, 3, "sales")
    wanted = ["1", "2", "3"]
    assert frozenset({"1"}) == store.known("support", "INBOX", wanted)
    assert frozenset({"1", "2"}) == store.known("support", None, wanted)
    assert frozenset({"1"}) == store.known("support", "INBOX", wanted, uid_validity="1")
    assert frozenset() == store.known("support", "INBOX", wanted, uid_validity="2")


def test_receipt(store: Store) -> None:
    """The time of receipt of a message is that of its mailbox, folder, UIDVALIDITY and UID; None if it has none."""
    keep(store, 5, received=100.0)
    keep(store, 5, "sales", received=200.0)
    keep(store, 5, folder="Sent", received=300.0)
    keep(store, 6, received=400.0)
    keep(store, 7)

    def received(*place: str) -> float | None:
        return store.received_at(Location(*place))

    assert 100.0 == received("support", "INBOX", "1", "5")
    assert 200.0 == received("sales", "INBOX", "1", "5")
    assert 300.0 == received("support", "Sent", "1", "5")
    assert 400.0 == received("support", "INBOX", "1", "6")
    assert None is received("support", "INBOX", "1", "7")
    assert None is received("support", "INBOX", "2", "5")
    assert None is received("support", "INBOX", "1", "8")
    assert None is received("desk", "INBOX", "1", "5")
    assert None is received("support", "Drafts", "1", "5")


def test_taken_from(store: Store) -> None:
    """The time from which a folder is read is the one recorded when it was first read, per mailbox and folder."""
    cursor = Cursor("1", "0")
    for mailbox, folder, since in (("sales", "INBOX", 10.0), ("support", "INBOX", 20.0), ("support", "Sent", 0.0)):
        store.begin_folder(mailbox, folder, cursor, until=None, taken_from=since)
    store.begin_folder("support", "INBOX", cursor, until=None, taken_from=99.0)
    store.begin_folder("zoe", "INBOX", cursor, until=None)
    assert [10.0, 20.0, 0.0, None] == [
        store.taken_from(*place)
        for place in (("sales", "INBOX"), ("support", "INBOX"), ("support", "Sent"), ("zoe", "INBOX"))
    ]
    assert [None] * len(NEVER_READ) == [store.taken_from(*place) for place in NEVER_READ]


def test_begun(store: Store, clock: Clock) -> None:
    """A folder was begun when it was first read, whatever is read later; it begins now if it never was."""
    store.begin_folder("support", "INBOX", Cursor("1", "0"), until=None)
    began = clock.now
    clock.now += 50
    store.move_cursor("support", "INBOX", Cursor("1", "7"))
    store.begin_folder("sales", "INBOX", Cursor("1", "0"), until=None)
    store.begin_folder("support", "Sent", Cursor("1", "0"), until=None)
    clock.now += 50
    assert [began, began + 50, began + 50] == [
        store.begun(*place) for place in (("support", "INBOX"), ("sales", "INBOX"), ("support", "Sent"))
    ]
    assert [clock.now] * len(NEVER_READ) == [store.begun(*place) for place in NEVER_READ]


def test_cursor(store: Store) -> None:
    """The cursor of a folder is the one stored last for that mailbox and folder; None if it was never read."""
    for mailbox, folder, uid in (("sales", "INBOX", "1"), ("support", "INBOX", "2"), ("support", "Sent", "3")):
        store.move_cursor(mailbox, folder, Cursor("1", uid))
    store.move_cursor("support", "INBOX", Cursor("2", "4"))
    assert [Cursor("1", "1"), Cursor("2", "4"), Cursor("1", "3")] == [
        store.cursor(*place) for place in (("sales", "INBOX"), ("support", "INBOX"), ("support", "Sent"))
    ]
    assert [None] * len(NEVER_READ) == [store.cursor(*place) for place in NEVER_READ]


@pytest.mark.parametrize(("validity", "first"), [("1", [True, True, False]), ("2", [False, False, False])])
def test_first_sync(store: Store, validity: str, first: list[bool]) -> None:
    """A message is of the first sync if its UID is at most the last one that was there when the folder was first read;
    none is once the folder has another UIDVALIDITY, under which the UIDs are others.
    """
    store.begin_folder("support", "INBOX", Cursor("1", "0"), until="2")
    store.begin_folder("sales", "INBOX", Cursor("1", "0"), until="9")
    store.begin_folder("support", "Sent", Cursor("1", "0"), until="9")
    store.move_cursor("support", "INBOX", Cursor(validity, "0"))
    for uid in (1, 2, 3):
        keep(store, uid)
    assert first == [row.first_sync for row in store.due("support")]


def test_first_sync_by_time(store: Store) -> None:
    """Where UIDs have no order, a message is of the first sync if it was received no later than the newest then."""
    store.begin_folder("support", "INBOX", Cursor("1", "0"), until="@100.0")
    for uid, received in enumerate((99.0, 100.0, 101.0, None)):
        keep(store, uid, received=received)
    assert [True, True, False, False] == [row.first_sync for row in store.due("support")]


def test_begin_folder_once(store: Store) -> None:
    """What was skipped is recorded by the first reading of a folder, and left alone by a second one."""
    store.begin_folder("support", "INBOX", Cursor("1", "5"), until=None, left={"1"})
    store.begin_folder("support", "INBOX", Cursor("1", "9"), until=None, left={"2"})
    assert frozenset({"1"}) == store.left("support", "INBOX")
    assert Cursor("1", "5") == store.cursor("support", "INBOX")


def test_begin_again(store: Store) -> None:
    """A folder whose UIDs have all changed is read from the new cursor, with the new UIDs as the skipped ones."""
    store.begin_folder("support", "INBOX", Cursor("1", "5"), until="9", left={"1"})
    store.begin_again("support", "INBOX", Cursor("2", "3"), left={"7"})
    assert Cursor("2", "3") == store.cursor("support", "INBOX")
    assert frozenset({"7"}) == store.left("support", "INBOX")


def test_end_validity(store: Store) -> None:
    """When UIDs of a folder now identify other messages, its known ones move to a UIDVALIDITY that no server uses, each
    time to another one; those of other folders stay.
    """
    keep(store, 1)
    keep(store, 1, folder="Sent")
    store.move_cursor("support", "INBOX", Cursor("1", "1"))
    store.end_validity("support", "INBOX")
    keep(store, 1)
    store.end_validity("support", "INBOX")
    keep(store, 1)
    rows = [row for row in store.due("support") if row.location.folder == "INBOX"]
    assert ["1@back1", "1@back2", "1"] == [row.location.uid_validity for row in rows]
    assert frozenset({"1"}) == store.known("support", "Sent", ["1"], uid_validity="1")
    assert Cursor("1@back1", "1") == store.cursor("support", "INBOX")


def test_secret(store: Store) -> None:
    """A secret has 128 bits, is made once, and differs by its name."""
    one, other = store.secret("one"), store.secret("other")
    assert 128 == 4 * len(one)
    assert one == store.secret("one")
    assert one != other


def test_known_ids(store: Store) -> None:
    """Of Message-IDs those are known that a message of this mailbox has."""
    for number, mailbox in enumerate(("support", "sales")):
        describe(store, keep(store, number, mailbox), f"{number}@c.example")
    assert frozenset({"0@c.example"}) == store.known_ids("support", ["0@c.example", "1@c.example", "2@c.example"])
