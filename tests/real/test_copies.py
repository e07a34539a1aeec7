"""Copies that several mailboxes describe at once, on PostgreSQL, where nobody waits for another by himself."""

import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from redmine_mailbridge.model.mailbox import Listed, Location, RawMail
from redmine_mailbridge.model.stored_mail import Description
from redmine_mailbridge.store.messages import Store

pytestmark = [pytest.mark.real, pytest.mark.newest]


@pytest.fixture
def store(postgresql_url: str, tmp_path: Path) -> Iterator[Store]:
    """A store on PostgreSQL."""
    made = Store.open(postgresql_url, tmp_path / "raw")
    yield made
    made.close()


def kept(store: Store, mailbox: str) -> int:
    """Keep a mail in a mailbox. Return its number."""
    place = Location(mailbox, "INBOX", "1", uuid.uuid4().hex)
    (row,) = store.add([RawMail(Listed(place, 5), uuid.uuid4().bytes)])
    return row.id


def together(*works: object) -> list[object]:
    """Given calls, begin them at the same moment. Return their results."""
    ready = threading.Barrier(len(works))

    def one(work: object) -> object:
        ready.wait()
        return work()  # type: ignore[operator]

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(one, works))


def test_two_mailboxes_describe_one_mail(store: Store) -> None:
    """Of two copies that are described at the same moment exactly one is the copy of the other, every time."""
    for number in range(30):
        ids = [kept(store, name) for name in ("one", "two")]
        message_id = f"{number}-{uuid.uuid4().hex}@example.com"
        said = [Description(one, message_id, f"key-{message_id}", "anna@example.com", "Subject") for one in ids]
        found = together(*(lambda one=one: store.describe([one]) for one in said))
        assert 1 == sum(map(len, found))  # type: ignore[arg-type]


def test_two_mails_that_are_much_the_same(store: Store) -> None:
    """Two look-alikes that are joined to each other at the same moment do not wait for each other in a circle."""
    for number in range(30):
        ids = [kept(store, name) for name in ("one", "two")]
        message_id = f"{number}-{uuid.uuid4().hex}@example.com"
        for one in ids:
            store.describe([Description(one, message_id, f"key-{one}-{message_id}", "anna@example.com", "Subject")])
        assert {ids[0]: [ids[1]], ids[1]: [ids[0]]} == {
            one: [other.id for other in others] for one, others in store.namesakes(ids, limit=5).items()
        }
        joined = together(lambda a=ids[0], b=ids[1]: store.join(a, b), lambda a=ids[0], b=ids[1]: store.join(b, a))
        assert [False, True] == sorted(map(bool, joined))
        assert 1 == sum(store.speaker(one) is not None for one in ids)
