"""No mail stops the others, and nothing that the server suffers is blamed on a mail."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from redmine_mailbridge.errors import MailboxUnreachable, TooManyLogins
from redmine_mailbridge.mailboxes.factory import open_mailbox
from redmine_mailbridge.mailboxes.imap.mailbox import ImapMailbox
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.mailbox import MailboxConfig, MailProtocol, RawMail, Security
from redmine_mailbridge.model.stored_mail import StoredMail
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.queries.messages import MessageFilter, MessageQueries
from redmine_mailbridge.tasks.receive.fetch.fetcher import MailFetcher
from tests.servers.odd import HANG_UP, OddServer
from tests.servers.odd_imap import OddImap, odd_imap
from tests.servers.odd_pop3 import OddPop3, odd_pop3
from tests.unit.tasks.fetch_settings import fetch_settings

BODY = "BODY.PEEK[]"


class Reader:
    """Reads a server into a store, a pass at a time, each as a new process if `fresh`."""

    def __init__(self, store: Store, server: OddServer, *, fresh: bool = False) -> None:
        self.store = store
        self.server = server
        self.fresh = fresh
        self.passes = 0
        self.errors: list[str] = []
        self._intake: MailFetcher | None = None

    def _begun(self) -> MailFetcher:
        if self._intake is None or self.fresh:
            pop3 = isinstance(self.server, OddPop3)
            config = MailboxConfig(
                name="x", host="127.0.0.1", port=self.server.port, username="me", password="hunter22",
                security=Security.NONE, timeout=5.0, protocol=MailProtocol.POP3 if pop3 else MailProtocol.IMAP,
            )  # fmt: skip
            self._box = open_mailbox(config, lambda uids: self.store.known("x", None, uids))
            self._intake = MailFetcher(self._box, fetch_settings(5 << 20), self.store, threading.Event())
        return self._intake

    def once(self) -> list[StoredMail]:
        """Make one pass over the INBOX. Return the rows of it; a connection of its own each time."""
        intake = self._begun()
        rows: list[StoredMail] = []
        self.passes += 1
        try:
            for batch in intake.new("INBOX"):
                rows += batch
        except MailboxUnreachable as error:
            self.errors.append(str(error))
        self._box.close()
        return rows

    def rows(self) -> list[StoredMail]:
        """What the store holds, oldest first."""
        return MessageQueries(self.store.database).messages(MessageFilter(limit=1000))[::-1]

    def kept(self) -> list[bytes]:
        """The first lines of what the store has the bytes of, in the order in which it was kept."""
        return [bytes(self.store.raw.read(row.raw)).split(b"\r\n")[0] for row in self.rows() if row.raw]


@contextmanager
def imap(count: int) -> Iterator[OddImap]:
    """An IMAP account with so many mails."""
    with odd_imap() as server:
        server.append(*(letter(number) for number in range(1, count + 1)))
        yield server


@contextmanager
def pop3(count: int) -> Iterator[OddPop3]:
    """A maildrop with so many mails."""
    with odd_pop3() as server:
        for number in range(1, count + 1):
            server.append(f"u{number}", letter(number))
        yield server


def letter(number: int) -> bytes:
    """A mail with a number."""
    return f"Subject: {number}\r\nMessage-ID: <{number}@example.com>\r\n\r\nText\r\n".encode()


def subjects(*numbers: int) -> list[bytes]:
    """Their first lines."""
    return [f"Subject: {number}".encode() for number in numbers]


def to_bodies(words: str) -> Callable[[str], str | None]:
    """Given words, answer each request for a mail's bytes so."""
    return lambda line: words if BODY in line or line.startswith(("RETR", "TOP")) else None


OUTAGES = [
    (imap, "NO [UNAVAILABLE] backend away"),
    (imap, "NO [LIMIT] FETCH Rate limit hit"),
    (imap, "NO [SERVERBUG] Internal error occurred"),
    (imap, "NO [INUSE] later"),
    (imap, "NO [CONTACTADMIN] call us"),
    (imap, "NO System Error (Failure)"),
    (imap, "NO cannot open the file"),
    (pop3, "[SYS/TEMP] try again"),
    (pop3, "[SYS/PERM] the disk is gone"),
    (pop3, "[IN-USE] locked"),
    (pop3, "cannot open the file"),
]


@pytest.mark.fault("I8")
@pytest.mark.parametrize(("account", "words"), OUTAGES)
@pytest.mark.parametrize("fresh", [True, False])
def test_an_outage_sets_nothing_aside(
    store: Store, account: Callable[[int], Iterator[OddServer]], words: str, *, fresh: bool
) -> None:
    """Whatever a server says to the fetches of 120 new mails: nothing is set aside, little is asked, and all come."""
    with account(120) as server:  # type: ignore[attr-defined]
        reader = Reader(store, server, fresh=fresh)
        server.wish = to_bodies(words)
        for _ in range(4):
            assert [] == reader.once()
        asked = [line for line in server.lines if BODY in line or line.startswith("RETR")]
        assert 4 == len(reader.errors)
        assert len(asked) <= 4 * 10
        server.wish = lambda _line: None
        reader.once()
        assert subjects(*range(1, 121)) == reader.kept()
        assert {State.STORED} == {row.state for row in reader.rows()}


@pytest.mark.fault("I9")
@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize(
    ("account", "words"),
    [
        (imap, "BAD Request is throttled. Suggested Backoff Time: 20 milliseconds"),
        (imap, "NO [LIMIT] Too many commands"),
        (pop3, "[SYS/TEMP] Too many requests"),
        (imap, HANG_UP),
        (pop3, HANG_UP),
    ],
)
def test_a_server_that_is_not_well_for_many_passes(
    store: Store, account: Callable[[int], Iterator[OddServer]], words: str, count: int
) -> None:
    """However many passes an outage lasts, no mail is set aside by it, one alone as little as several."""
    with account(count) as server:  # type: ignore[attr-defined]
        reader = Reader(store, server)
        server.wish = to_bodies(words)
        for _ in range(8):
            reader.once()
        assert [] == [row for row in reader.rows() if row.state is not State.STORED]
        assert len(server.lines) < 8 * 30
        server.wish = lambda _line: None
        reader.once()
        assert subjects(*range(1, count + 1) if count > 1 or words != HANG_UP else ()) == reader.kept()


@pytest.mark.fault("B10")
@pytest.mark.parametrize("fresh", [True, False])
@pytest.mark.parametrize("account", [imap, pop3])
def test_a_mail_that_crashes_the_fetch(
    store: Store, account: Callable[[int], Iterator[OddServer]], *, fresh: bool
) -> None:
    """A mail at which the server hangs up, the 30th of 45, costs five passes and logins at most, in any process."""
    with account(45) as server:  # type: ignore[attr-defined]

        def wish(line: str) -> str | None:
            words = line.split(" ")
            asked = words[2].split(",") if BODY in line else words[1:2] if words[0] == "RETR" else []
            return HANG_UP if "30" in asked else None

        server.wish = wish
        reader = Reader(store, server, fresh=fresh)
        while len(reader.kept()) < 44 and reader.passes < 40:
            reader.once()
        assert subjects(*range(1, 30), *range(31, 46)) == reader.kept()
        assert reader.passes <= 5
        assert server.logins <= 5
        (waiting,) = [row for row in reader.rows() if row.raw is None]
        assert State.STORED is waiting.state


@pytest.mark.fault("B10")
def test_two_mails_that_crash_the_fetch(store: Store) -> None:
    """Each further mail that breaks the connection costs a few passes more, however many mails lie between them."""
    with imap(45) as server:
        server.wish = lambda line: (
            HANG_UP if BODY in line and {"7", "30"} & set(line.split(" ")[2].split(",")) else None
        )
        reader = Reader(store, server)
        while len(reader.kept()) < 43 and reader.passes < 40:
            reader.once()
        assert subjects(*range(1, 7), *range(8, 30), *range(31, 46)) == reader.kept()
        assert reader.passes <= 9


@pytest.mark.fault("I9")
@pytest.mark.parametrize("words", ["NO System Error (Failure)", "NO [UNAVAILABLE] FETCH Server error"])
def test_one_mail_that_the_server_speaks_of_itself_about(store: Store, words: str) -> None:
    """A mail that alone is refused in the server's name is passed by in the same pass, waits, and is not set aside."""
    with imap(9) as server:
        server.wish = lambda line: words if BODY in line and "4" in line.split(" ")[2].split(",") else None
        reader = Reader(store, server)
        rows = reader.once()
        assert ([str(uid) for uid in range(1, 10)], []) == ([row.location.uid for row in rows], reader.errors)
        assert [("4", State.STORED)] == [(row.location.uid, row.state) for row in rows if row.raw is None]
        assert [] == reader.once()


@pytest.mark.fault("I8")
def test_a_refusal_that_does_not_last(store: Store) -> None:
    """A mail that is refused once and handed out when it is asked for again comes at its place."""
    with imap(5) as server:
        said = iter(["NO [UNAVAILABLE] x", "NO [UNAVAILABLE] x"])
        server.wish = lambda line: next(said, None) if BODY in line and "3" in line.split(" ")[2].split(",") else None
        reader = Reader(store, server)
        reader.once()
        assert (subjects(1, 2, 3, 4, 5), []) == (reader.kept(), reader.errors)


def test_a_mail_that_is_refused_for_its_own_sake(store: Store) -> None:
    """A mail that is refused twice, with words about it, while others come, is set aside at once, with these words."""
    with pop3(5) as server:
        server.wish = lambda line: "virus found" if line == "RETR 3" else None
        reader = Reader(store, server)
        rows = reader.once()
        (aside,) = [row for row in rows if row.raw is None]
        assert (State.FAILED, True) == (aside.state, "virus found" in (aside.reason or ""))
        assert subjects(1, 2, 4, 5) == reader.kept()


def test_one_alone_is_not_blamed(store: Store) -> None:
    """A mail that is refused while no other is there to come is not set aside, whatever the server says of it."""
    with pop3(1) as server:
        server.wish = lambda line: "virus found" if line == "RETR 1" else None
        reader = Reader(store, server)
        (row,) = reader.once()
        assert (State.STORED, None) == (row.state, row.raw)
        assert [] == reader.errors


@pytest.mark.fault("I8")
def test_ten_that_are_refused_in_a_row(store: Store) -> None:
    """Where many mails in a row are refused, one behind them shows that it is not the server; all others come."""
    with imap(30) as server:
        bad = {str(uid) for uid in range(5, 15)}
        server.wish = lambda line: (
            "NO System Error" if BODY in line and bad & set(line.split(" ")[2].split(",")) else None
        )
        reader = Reader(store, server)
        reader.once()
        assert subjects(*range(1, 5), *range(15, 31)) == reader.kept()
        assert {State.STORED} == {row.state for row in reader.rows()}


@pytest.mark.fault("B10")
def test_one_alone_that_breaks_the_connection(store: Store) -> None:
    """A mail that breaks the connection and has no others beside it is passed by in the end, so that the mailbox can
    listen; it waits, and is not set aside.
    """
    with imap(1) as server:
        server.wish = to_bodies(HANG_UP)
        reader = Reader(store, server, fresh=True)
        while not reader.rows() and reader.passes < 40:
            reader.once()
        (row,) = reader.rows()
        assert (State.STORED, None) == (row.state, row.raw)
        assert reader.passes <= 5
        errors = len(reader.errors)
        assert ([], errors) == (reader.once(), len(reader.errors))


def test_logins_that_are_bounded_blame_no_mail(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pass that may not log in again in the middle of a fetch says nothing about the mail whose turn it was."""
    with imap(1) as server:
        reader = Reader(store, server)

        def fetch(*_: object, **__: object) -> Iterator[RawMail]:
            raise TooManyLogins("mailbox x: 6 logins within a minute: try again in 3 seconds")
            yield

        for _ in range(5):
            with monkeypatch.context() as patch:
                patch.setattr(ImapMailbox, "fetch", fetch)
                assert [] == reader.once()
        assert (5, []) == (len(reader.errors), reader.rows())
        assert 1 == len(reader.once())


def test_after_three_in_a_row_another_one_decides(store: Store) -> None:
    """A server that hands out nothing is asked for three of them, and for the newest, in a pass."""
    with imap(9) as server:
        server.wish = to_bodies("NO System Error (Failure)")
        reader = Reader(store, server)
        assert ([], 1) == (reader.once(), len(reader.errors))
        asked = [line.split(" ")[2] for line in server.lines if BODY in line]
        assert {"1", "2", "3", "9"} == {uids for uids in asked if uids.isdecimal()}


def test_one_alone_that_the_server_speaks_of_itself_about(store: Store) -> None:
    """With no other mail beside it, it may be the server: the pass ends at it, and at the third it is passed by."""
    with imap(1) as server:
        server.wish = to_bodies("NO [UNAVAILABLE] FETCH Server error")
        reader = Reader(store, server, fresh=True)
        assert ([], [], 2) == (reader.once(), reader.once(), len(reader.errors))
        (row,) = reader.once()
        assert (State.STORED, None, 2) == (row.state, row.raw, len(reader.errors))


def test_a_mail_that_is_gone_is_blamed_on_no_other(store: Store) -> None:
    """The one that broke the connection was removed: the next one is asked for, and comes."""
    with imap(1) as server:
        server.wish = to_bodies(HANG_UP)
        reader = Reader(store, server, fresh=True)
        for _ in range(3):
            assert [] == reader.once()
        server.wish = lambda _line: None
        del server.folders["INBOX"][1]
        server.append(letter(2))
        reader.once()
        assert subjects(2) == reader.kept()
