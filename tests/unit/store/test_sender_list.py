"""Senders that a person has blocked or allowed."""

import pytest

from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.sender_list import SenderList, SenderListing
from tests.clocks import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def senders(store: Store, clock: Clock) -> SenderList:
    return SenderList(store.database, clock)


def test_asked_for(senders: SenderList) -> None:
    """Of the list those entries are returned that are asked for, with the last decision about each."""
    blocked, allowed = tuple(SenderListing)
    senders.add("kim@c.example", blocked, "anna")
    kim = senders.add("kim@c.example", allowed, "ben")
    cora = senders.add("cora@c.example", blocked, "anna")
    assert (kim,) == senders.among(["kim@c.example", "zoe@c.example"])
    assert () == senders.among([])
    assert (cora, kim) == senders.all()


def test_removed(senders: SenderList) -> None:
    """An entry is removed once."""
    senders.add("kim@c.example", next(iter(SenderListing)), "anna")
    assert [False, True, False] == [senders.remove(one) for one in ("zoe@x", "kim@c.example", "kim@c.example")]
    assert () == senders.all()


def test_long_name(senders: SenderList) -> None:
    """Of who has decided 255 characters are recorded, with the time."""
    entry = senders.add("kim@c.example", next(iter(SenderListing)), "w" * 300)
    assert ("w" * 255, (entry,)) == (entry.who, senders.all())
