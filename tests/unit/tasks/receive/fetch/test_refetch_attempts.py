"""Mails without content are fetched again, one by one: which failures count against a mail, and when the rest waits."""

import random

import pytest

from redmine_mailbridge.errors import MailUnreadable
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.mailbox import Listed
from redmine_mailbridge.model.stored_mail import Cursor
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.queries.messages import MessageFilter, MessageQueries
from redmine_mailbridge.tasks.receive.fetch.fetch_each import MessageDownloader
from redmine_mailbridge.tasks.receive.fetch.refetch import Refetcher
from redmine_mailbridge.tasks.receive.result import ProcessingResult
from tests.memory_mailbox import MemoryMailbox, MemoryServer
from tests.product import mail


class World:
    """An account whose mails are all in the store without content, in the order of their UIDs."""

    def __init__(self, store: Store, count: int) -> None:
        self.server, self.store = MemoryServer(), store
        mailbox = MemoryMailbox(self.server)
        self.downloader = MessageDownloader(mailbox, store, max_size=1 << 20)
        self.refetcher = Refetcher(mailbox, store, self.downloader, ["Failed"])
        self.server.append(*(mail(f"Mail {number}") for number in range(count)))
        self.rows = [self._unfetched(listed) for listed in mailbox.list_new("INBOX")]

    def _unfetched(self, listed: Listed) -> int:
        at = Cursor(listed.location.uid_validity, listed.location.uid)
        return self.store.add_unfetched(listed, "broken", cursor=at, state=State.STORED).id

    def fetch(self) -> list[ProcessingResult]:
        """Fetch what has no content yet, whatever its pause."""
        rows = MessageQueries(self.store.database).messages(MessageFilter(ids=self.rows))[::-1]
        return list(self.refetcher.fetch([row for row in rows if row.raw is None]))

    def tries(self) -> list[int]:
        """How many attempts count against each mail."""
        return [row.tries for row in MessageQueries(self.store.database).messages(MessageFilter(ids=self.rows))][::-1]


@pytest.fixture(autouse=True)
def _in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """The order is a matter of chance otherwise."""
    monkeypatch.setattr(random, "sample", lambda rows, _count: list(rows))


def test_a_failure_does_not_count_while_no_other_mail_comes(store: Store) -> None:
    """However often: the server may be at fault."""
    world = World(store, 1)
    world.server.not_handed_out = {1}
    for _ in range(5):
        (result,) = world.fetch()
        assert (State.STORED, True) == (result.state, result.line.startswith("not fetched yet: "))
        assert None is not result.retry_at
    assert [0] == world.tries()


def test_a_failure_counts_once_for_the_others_that_came_in_between(store: Store) -> None:
    """At the third the mail is set aside. Those that were fetched here count as well as new ones."""
    world = World(store, 2)
    world.server.not_handed_out = {2}
    first, failed = world.fetch()
    assert (State.STORED, "fetched on a later try", True) == (first.state, first.line, first.row.raw is not None)
    assert ([0, 1], 1, State.STORED) == (world.tries(), world.downloader.came, failed.state)
    world.fetch()
    assert [0, 1] == world.tries()
    world.downloader.came += 1
    world.fetch()
    assert [0, 2] == world.tries()
    world.downloader.came += 1
    (last,) = world.fetch()
    assert State.FAILED is last.state
    assert last.line.startswith("could not be fetched in 3 attempts, while others could: ")


def test_a_server_that_throttles_blames_no_mail(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked for nothing more, although it delivered others before."""
    world = World(store, 2)
    world.downloader.came = 7

    def throttled(*_: object, **__: object) -> None:
        raise MailUnreadable("Request is throttled", uid="1")

    monkeypatch.setattr(MemoryMailbox, "fetch", throttled)
    lines = [result.line for result in world.fetch()]
    reason = "Request is throttled"
    assert [f"not fetched yet: {reason}", f"not requested, since others failed too: {reason}"] == lines
    assert [0, 0] == world.tries()


@pytest.mark.parametrize(
    ("bad", "asked"),
    [({1, 2, 3, 4}, 3), ({2, 3, 4}, 4), ({1, 2, 4}, 4), ({1, 3, 4}, 4)],
)
def test_three_failures_in_a_row_end_it(store: Store, bad: set[int], asked: int) -> None:
    """The rest is not requested. A mail that comes between them begins the count anew."""
    world = World(store, 4)
    world.server.not_handed_out = bad
    assert asked == sum(not result.line.startswith("not requested") for result in world.fetch())


def test_a_broken_connection_ends_it(store: Store) -> None:
    world = World(store, 2)
    world.server.crashes = {1}
    first, second = world.fetch()
    assert first.line.startswith("not fetched yet: ")
    assert second.line.startswith("not requested, since others failed too: ")


def test_a_folder_that_is_gone_ends_nothing(store: Store) -> None:
    """The mail waits, and nothing counts against it; once its folder is there, one that is nowhere has failed."""
    world = World(store, 2)
    world.server.folders.clear()
    world.downloader.came = 7
    assert [State.STORED] * 2 == [result.state for result in world.fetch()]
    assert [0, 0] == world.tries()
    world.server.create("INBOX")
    assert [State.FAILED] * 2 == [result.state for result in world.fetch()]


def test_a_mail_that_was_moved_is_found_there(store: Store) -> None:
    """By its size and time of receipt; the row says where it lies now."""
    world = World(store, 1)
    world.server.create("Failed")
    world.server.folders["Failed"].mails[5] = world.server.folders["INBOX"].mails.pop(1)
    (result,) = world.fetch()
    place = result.row.location
    assert ("Failed", "5", True) == (place.folder, place.uid, result.row.raw is not None)
    assert 1 == world.downloader.came
