"""Who blocks or allows senders by hand is told of each what holds from then on."""

from redmine_mailbridge.model.sender_list import SenderListing
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.sender_list import SenderList
from redmine_mailbridge.tasks.receive.sender_decisions import decide_senders


def say(store: Store, listing: SenderListing | None, *typed: str) -> list[tuple[str, bool, str]]:
    listed = SenderList(store.database, store.clock)
    return [(one.pattern, one.ok, one.words) for one in decide_senders(listed, typed, listing, by="anna")]


def entries(store: Store) -> list[tuple[str, SenderListing, str]]:
    return sorted((one.pattern, one.listing, one.who) for one in SenderList(store.database, store.clock).all())


def test_senders_are_blocked_allowed_and_forgotten(store: Store) -> None:
    """Each says what holds now; the list has who decided; what is not in it cannot be removed from it."""
    assert [
        ("spam@c.example", True, "is blocked from now on"),
        ("*.bad.example", True, "is blocked from now on"),
    ] == say(store, SenderListing.BLOCK, " Spam@C.example ", "*.bad.example")
    assert [("c.example", True, "is allowed from now on")] == say(store, SenderListing.ALLOW, "c.example")
    assert [
        ("*.bad.example", SenderListing.BLOCK, "anna"),
        ("c.example", SenderListing.ALLOW, "anna"),
        ("spam@c.example", SenderListing.BLOCK, "anna"),
    ] == entries(store)

    assert [
        ("c.example", True, "is no longer listed: the settings decide"),
        ("c.example", False, "is not in the list"),
    ] == say(store, None, "c.example", "c.example")
    assert ["*.bad.example", "spam@c.example"] == [pattern for pattern, *_rest in entries(store)]


def test_what_is_no_sender_is_named_and_those_after_it_are_decided(store: Store) -> None:
    """A wrong entry among several stops none of the others; of a long one the beginning is shown."""
    wrong, right = say(store, SenderListing.BLOCK, f" {'x' * 300} ", "spam@c.example")
    assert ("x" * 254, False) == wrong[:2]
    assert wrong[2]
    assert ("spam@c.example", True, "is blocked from now on") == right
    assert ["spam@c.example"] == [pattern for pattern, *_rest in entries(store)]
