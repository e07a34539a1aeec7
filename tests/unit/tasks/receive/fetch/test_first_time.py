"""How a mailbox begins, when it stops and asks, and a mail whose fetching breaks the connection."""

import datetime as dt
import threading
from collections.abc import Callable

import pytest

from redmine_mailbridge.errors import MailboxError
from redmine_mailbridge.model.stored_mail import Description, StoredMail
from redmine_mailbridge.settings.first_sync import StartSettings
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.tasks.receive.fetch.fetcher import MailFetcher, TooManyNewMails
from tests.memory_mailbox import MemoryMailbox, MemoryServer
from tests.unit.tasks.fetch_settings import fetch_settings

Begin = Callable[..., MailFetcher]


@pytest.fixture
def server() -> MemoryServer:
    """A mailbox in memory."""
    return MemoryServer()


@pytest.fixture
def begin(server: MemoryServer, store: Store) -> Begin:
    """Given keys of StartSettings, return an intake as a new process has it."""

    def made(**start: object) -> MailFetcher:
        given = {"start_from": "all"} | start
        reading = fetch_settings(1 << 20, start=StartSettings.model_validate(given))
        return MailFetcher(MemoryMailbox(server), reading, store, threading.Event())

    return made


def letters(*numbers: int) -> list[bytes]:
    """Mails with numbers as subjects."""
    return [f"Subject: {number}\r\n\r\n".encode() for number in numbers]


def taken(intake: MailFetcher) -> list[StoredMail]:
    """The rows of what is new."""
    return [row for batch in intake.new("INBOX") for row in batch]


def uids(intake: MailFetcher) -> list[str]:
    """The UIDs of what is new."""
    return [row.location.uid for row in taken(intake)]


def test_all(server: MemoryServer, begin: Begin) -> None:
    """With start_from = "all" what lies there is taken, marked as having lain there, and later mail is not."""
    server.append(*letters(1, 2))
    assert [True, True] == [row.first_sync for row in taken(begin())]
    server.append(*letters(3))
    assert [False] == [row.first_sync for row in taken(begin())]


@pytest.mark.fault("N9")
def test_from_a_moment_on(server: MemoryServer, begin: Begin) -> None:
    """Where the settings name a moment, what came before it stays, and what came after it, before the first pass, is a
    new mail like any other.
    """
    server.append(*letters(1, 2, 3))
    moment = dt.datetime(2026, 1, 31, 8, 0, tzinfo=dt.UTC)
    for uid, kept in server.folders["INBOX"].mails.items():
        kept.received_at = moment + dt.timedelta(hours=uid - 2)
    rows = taken(begin(start_from=moment))
    assert [("2", False), ("3", False)] == [(row.location.uid, row.first_sync) for row in rows]
    server.append(*letters(4))
    assert ["4"] == uids(begin(start_from=moment))


@pytest.mark.fault("N9")
@pytest.mark.parametrize(
    ("start", "expected", "words"),
    [
        ({"start_from": "all"}, 3, ""),
        ({"start_from": "now"}, 0, "3 of 3 messages in INBOX are not imported (start_from)"),
        (
            {"start_from": "all", "first_sync_limit": 1},
            1,
            "2 of 3 messages in INBOX are not imported (start_from, first_sync_limit)",
        ),
        (None, 3, ""),
    ],
)
def test_the_dry_run_counts_what_the_first_pass_leaves(
    server: MemoryServer, start: dict[str, object] | None, expected: int, words: str
) -> None:
    """The dry-run says how many mails a first pass leaves lying; where a folder has been read already, none."""
    from redmine_mailbridge.cli.dry_run import preview_folder

    server.append(*letters(1, 2, 3))
    for kept in server.folders["INBOX"].mails.values():
        kept.received_at = dt.datetime(2026, 1, 31, 8, 0, tzinfo=dt.UTC)
    settings = None if start is None else StartSettings.model_validate(start)
    taken, left = preview_folder(MemoryMailbox(server), "INBOX", settings)
    assert (expected, words) == (len(taken), left)


@pytest.mark.fault("N3")
def test_mail_that_lies_there_is_a_question(server: MemoryServer, begin: Begin) -> None:
    """Where nothing says whether mail that lies there counts, none is taken, and the error says what to write."""
    server.append(*letters(1, 2))
    for _ in range(2):
        with pytest.raises(MailboxError, match=r'INBOX contains 2 mails.*\[mailboxes.memory\]: start_from = "all"'):
            taken(begin(start_from=None))
    assert ["1", "2"] == uids(begin(start_from="all"))


def test_an_empty_mailbox_asks_nothing(server: MemoryServer, begin: Begin) -> None:
    """Where nothing lies there, nothing is asked, then or when mail comes."""
    assert [] == uids(begin(start_from=None))
    server.append(*letters(1))
    assert ["1"] == uids(begin(start_from=None))


def test_a_limit_answers_the_question(server: MemoryServer, begin: Begin) -> None:
    """first_sync_limit says how many of those that lie there count."""
    server.append(*letters(1, 2))
    assert ["2"] == uids(begin(start_from=None, first_sync_limit=1))


def test_from_now_on(server: MemoryServer, begin: Begin) -> None:
    """With start_from = "now" what lies there stays, also after a restart, and what comes is taken."""
    server.append(*letters(1, 2))
    assert [] == uids(begin(start_from="now"))
    server.append(*letters(3))
    assert ["3"] == uids(begin(start_from="now"))


def test_from_a_day_on(server: MemoryServer, begin: Begin) -> None:
    """With a day what came before it stays."""
    server.append(*letters(1, 2, 3))
    for uid, day in ((1, 1), (2, 10), (3, 20)):
        server.folders["INBOX"].mails[uid].received_at = dt.datetime(2026, 1, day, tzinfo=dt.UTC)

    assert ["2", "3"] == uids(begin(start_from="2026-01-10"))


def test_at_most_so_many(server: MemoryServer, begin: Begin) -> None:
    """With a limit the newest of those that lie there are taken."""
    server.append(*letters(*range(1, 8)))

    assert ["6", "7"] == uids(begin(first_sync_limit=2))
    server.append(*letters(8, 9, 10))
    assert ["8", "9", "10"] == uids(begin(first_sync_limit=2))


@pytest.mark.parametrize(("limit", "expected"), [(2, ["2", "3"]), (3, ["1", "2", "3"]), (4, ["1", "2", "3"])])
def test_the_limit_at_its_border(server: MemoryServer, begin: Begin, limit: int, expected: list[str]) -> None:
    """One mail more than the limit stays behind; as many as it, or fewer, are all taken."""
    server.append(*letters(1, 2, 3))
    assert expected == uids(begin(first_sync_limit=limit))


def test_from_a_day_on_with_a_limit(server: MemoryServer, begin: Begin) -> None:
    """Both together: the newest of those that came on the day or later, midnight being the day's."""
    server.append(*letters(1, 2, 3, 4))
    midnight = dt.datetime(2026, 1, 10, tzinfo=dt.UTC)
    for uid, hours in ((1, -0.1), (2, 0), (3, 1), (4, 2)):
        server.folders["INBOX"].mails[uid].received_at = midnight + dt.timedelta(hours=hours)

    assert ["3", "4"] == uids(begin(start_from="2026-01-10", first_sync_limit=2))


def test_midnight_belongs_to_the_day(server: MemoryServer, begin: Begin) -> None:
    """What came at midnight came on that day; what came before it did not."""
    server.append(*letters(1, 2))
    midnight = dt.datetime(2026, 1, 10, tzinfo=dt.UTC)
    for uid, seconds in ((1, -1), (2, 0)):
        server.folders["INBOX"].mails[uid].received_at = midnight + dt.timedelta(seconds=seconds)

    assert ["2"] == uids(begin(start_from="2026-01-10"))


@pytest.mark.fault("C1")
def test_an_older_mail_behind_a_newer_one(server: MemoryServer, begin: Begin) -> None:
    """A mail that came before the day stays, wherever it lies among those that came later, also after a restart."""
    server.append(*letters(1, 2, 3, 4))
    for uid, day in ((1, 20), (2, 1), (3, 21), (4, 2)):
        server.folders["INBOX"].mails[uid].received_at = dt.datetime(2026, 1, day, tzinfo=dt.UTC)

    assert ["1", "3"] == uids(begin(start_from="2026-01-10"))
    server.append(*letters(5))
    assert ["5"] == uids(begin(start_from="2026-01-10"))


def test_older_mails_are_no_reason_to_brake(server: MemoryServer, begin: Begin) -> None:
    """What stays does not count as suddenly new."""
    server.append(*letters(*range(1, 8)))
    for uid in range(2, 8):
        server.folders["INBOX"].mails[uid].received_at = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    server.folders["INBOX"].mails[1].received_at = dt.datetime(2026, 1, 20, tzinfo=dt.UTC)
    assert ["1"] == uids(begin(start_from="2026-01-10", max_new_mails=3))
    assert [] == uids(begin(start_from="2026-01-10", max_new_mails=3))


@pytest.mark.parametrize("start", [{"start_from": "now"}, {"first_sync_limit": 1}])
def test_what_was_left_is_left_again(server: MemoryServer, begin: Begin, start: dict[str, object]) -> None:
    """When all UIDs change, mail that was left the first time does not become new; what came since is looked at."""
    long_ago = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    server.append(*letters(1, 2))
    for mail in server.folders["INBOX"].mails.values():
        mail.received_at = long_ago
    uids(begin(**start))
    server.append(*letters(3))
    assert 1 == len(uids(begin(**start)))

    server.renew("INBOX")
    (row,) = taken(begin(**start))
    assert row.received_at is not None
    assert row.received_at > long_ago.timestamp()
    assert [] == uids(begin(**start))


def test_everything_is_looked_at_again(server: MemoryServer, begin: Begin) -> None:
    """When all UIDs change and nothing was left the first time, all of it is looked at; copies are told later."""
    server.append(*letters(1, 2))
    assert 2 == len(uids(begin()))
    server.renew("INBOX")
    assert 2 == len(uids(begin()))
    assert [] == uids(begin())


def test_an_empty_mailbox(server: MemoryServer, begin: Begin) -> None:
    """A mailbox that was empty at first takes what comes as new, whatever it was to begin with."""
    assert [] == uids(begin(start_from="now"))
    server.append(*letters(1))
    assert [False] == [row.first_sync for row in taken(begin(start_from="now"))]


def test_brake(server: MemoryServer, store: Store, begin: Begin) -> None:
    """More new mails at once than the brake allows: none is taken until so many are released."""
    assert [] == uids(begin(max_new_mails=3))
    server.append(*letters(*range(1, 5)))
    with pytest.raises(TooManyNewMails, match="redmine-mailbridge mailboxes resume memory"):
        uids(begin(max_new_mails=3))
    store.release("memory", 3)
    with pytest.raises(TooManyNewMails):
        uids(begin(max_new_mails=3))
    store.release("memory", 4)
    assert ["1", "2", "3", "4"] == uids(begin(max_new_mails=3))


def test_the_brake_at_its_border(server: MemoryServer, begin: Begin) -> None:
    """As many new mails as max_new_mails go on; one more stops it."""
    assert [] == uids(begin(max_new_mails=3))
    server.append(*letters(1, 2, 3))
    assert 3 == len(uids(begin(max_new_mails=3)))
    server.append(*letters(4, 5, 6, 7))
    with pytest.raises(TooManyNewMails):
        uids(begin(max_new_mails=3))


def test_a_release_counts_once(server: MemoryServer, store: Store, begin: Begin) -> None:
    """After what was released has been read, the brake holds again."""
    intake = begin(max_new_mails=3)
    assert [] == uids(intake)
    server.append(*letters(*range(1, 6)))
    with pytest.raises(TooManyNewMails):
        uids(intake)
    store.release("memory", 100)
    assert 5 == len(uids(intake))
    intake.finish()
    server.append(*letters(*range(6, 11)))
    with pytest.raises(TooManyNewMails):
        uids(intake)


@pytest.mark.fault("S3")
def test_a_release_while_nothing_is_stopped(server: MemoryServer, store: Store, begin: Begin) -> None:
    """A release that answers no question is none for the next one, and the line tells how many mails are new."""
    intake = begin(max_new_mails=2)
    assert [] == uids(intake)
    store.release("memory", 10**9)
    server.append(*letters(*range(1, 6)))
    with pytest.raises(TooManyNewMails, match="INBOX: 5 new mails at once, more than max_new_mails = 2"):
        uids(intake)


@pytest.mark.fault("S3")
def test_a_release_that_was_not_needed(server: MemoryServer, store: Store, begin: Begin) -> None:
    """When what was suddenly new is moved away by hand, the release that was given for it is over too."""
    intake = begin(max_new_mails=2)
    assert [] == uids(intake)
    server.append(*letters(*range(1, 6)))
    with pytest.raises(TooManyNewMails):
        uids(intake)
    store.release("memory", 10**9)
    for uid in range(2, 6):
        server.remove(uid)
    assert ["1"] == uids(intake)
    intake.finish()
    server.append(*letters(*range(6, 11)))
    with pytest.raises(TooManyNewMails):
        uids(intake)


@pytest.mark.fault("S3")
def test_no_more_than_was_released(server: MemoryServer, store: Store, begin: Begin) -> None:
    """What is let go on up to a number stops again when more than that is new."""
    intake = begin(max_new_mails=2)
    assert [] == uids(intake)
    server.append(*letters(*range(1, 9)))
    with pytest.raises(TooManyNewMails):
        uids(intake)
    store.release("memory", 7)
    with pytest.raises(TooManyNewMails):
        uids(intake)


def test_brake_at_a_new_validity(server: MemoryServer, begin: Begin) -> None:
    """A folder whose UIDs all changed, and which holds very much, is not read again without a question."""
    server.append(*letters(*range(1, 6)))
    assert 5 == len(uids(begin(max_new_mails=3)))
    server.renew("INBOX")

    with pytest.raises(TooManyNewMails):
        uids(begin(max_new_mails=3))


def test_no_brake(server: MemoryServer, begin: Begin) -> None:
    """With max_new_mails = 0 nothing stops it."""
    assert [] == uids(begin(max_new_mails=0))
    server.append(*letters(*range(1, 120)))
    assert 119 == len(uids(begin(max_new_mails=0)))


def with_ids(*numbers: int) -> list[bytes]:
    """Mails with numbers as Message-IDs."""
    return [f"Message-ID: <{number}@x.example>\r\nSubject: {number}\r\n\r\n".encode() for number in numbers]


def described(store: Store, rows: list[StoredMail]) -> None:
    """The mails are worked on: their ids are known."""
    store.describe(
        [Description(row.id, f"{row.location.uid}@x.example", f"key {row.id}", "k@x.example", "S") for row in rows]
    )


def test_known_mails_that_appear_again_are_no_reason_to_stop(server: MemoryServer, begin: Begin, store: Store) -> None:
    """An account that moved shows all its mails under other numbers: those that were read before do not count, new ones
    among them do, and again each time that more have come.
    """
    server.append(*with_ids(*range(1, 7)))
    described(store, taken(begin()))
    server.renew("INBOX")
    intake = begin(max_new_mails=2)
    assert 6 == len(taken(intake))

    server.append(*with_ids(*range(11, 14)))
    with pytest.raises(TooManyNewMails, match="3 new"):
        taken(intake)
    server.append(*with_ids(14))
    with pytest.raises(TooManyNewMails, match="4 new"):
        taken(intake)
