"""Whatever a mail server does, a minute of it costs few logins and few commands.

The minute is simulated: each wait of the thread takes no time and moves a clock, so that only what the thread does by
itself is counted. The server is a real socket that says what the row says; see `scripts/bench stubborn` for many more
rows, on real clocks.
"""

import contextlib
import dataclasses
import itertools
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from redmine_mailbridge.mailboxes.contract import Mailbox
from redmine_mailbridge.mailboxes.imap.mailbox import ImapMailbox
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.mailbox import MailboxConfig, Security
from redmine_mailbridge.model.stored_mail import StoredMail
from redmine_mailbridge.tasks.service.idle_watcher import IdleWatcher
from redmine_mailbridge.tasks.service.mailbox_thread import MailboxThread
from redmine_mailbridge.wiring import application as app
from tests.scripted_server import Reply, ScriptedServer, scripted
from tests.unit.tasks.fake_redmine import FakeRedmine, open_fake_redmine

MOST_LOGINS, MOST_COMMANDS = 10, 60
RUNAWAY = 400
"""Commands after which the minute is broken off: it is lost anyway."""


class Minute:
    """A simulated minute: `sleep` moves its clock and ends what is to end when it is over."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.over = threading.Event()
        self.at_the_end: list[Callable[[], None]] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.now >= 1060.0:
            self.end()

    def end(self) -> None:
        self.over.set()
        for one in self.at_the_end:
            one()


class SimulatedEvent(threading.Event):
    """An event that is waited for in simulated time."""

    def __init__(self, minute: Minute) -> None:
        super().__init__()
        self._minute = minute

    def wait(self, timeout: float | None = None) -> bool:
        if timeout is None:
            return super().wait(10)
        if not self.is_set():
            self._minute.sleep(timeout)
        return self.is_set()


class SimulatedMailbox(ImapMailbox):
    """A mailbox on a real socket that listens in simulated time: a server that is quiet stays so."""

    def __init__(self, config: MailboxConfig, minute: Minute, server: ScriptedServer) -> None:
        super().__init__(config)
        self._minute = minute
        self._server = server

    def connect(self) -> None:
        if len(self._server.lines) > RUNAWAY:
            self._minute.end()
        super().connect()

    def wait(self, folder: str, seconds: float) -> bool:
        hinted = super().wait(folder, min(seconds, 0.02))
        if not hinted:
            self._minute.sleep(seconds)
        return hinted


CAPABLE = "* CAPABILITY IMAP4rev1 IDLE MOVE UIDPLUS\n{tag} OK done\n"
SELECTED = """* FLAGS (\\Seen)
* 3 EXISTS
* OK [UIDVALIDITY 7] valid
* OK [UIDNEXT 12] next
{tag} OK [READ-WRITE] done
"""
IDLING = {"IDLE": "+ idling\n", "DONE": "{idle} OK done\n"}
HEALTHY: dict[str, Reply] = {
    "CAPABILITY": CAPABLE,
    "LIST": '* LIST () "/" INBOX\n* LIST () "/" Processed\n* LIST () "/" Failed\n{tag} OK done\n',
    "SELECT": SELECTED,
    "UID SEARCH": "* SEARCH\n{tag} OK done\n",
    **IDLING,
}
LETTER = "From: a@example.com\r\nMessage-ID: <x@example.com>\r\nSubject: x\r\n\r\nx\r\n"


def counting_up() -> Reply:
    """Each SELECT tells of one mail more, which is never there."""
    uids = itertools.count(12)
    return lambda _line: SELECTED.replace("UIDNEXT 12", f"UIDNEXT {next(uids)}")


def one_mail(fetched: str) -> dict[str, Reply]:
    """A folder with the mail 11, and the answer to a request for its bytes."""
    sizes = f"* 1 FETCH (UID 11 RFC822.SIZE {len(LETTER)})\n{{tag}} OK done\n"

    def fetch(line: str) -> str:
        return sizes if "RFC822.SIZE" in line else fetched

    return HEALTHY | {"UID SEARCH": "* SEARCH 11\n{tag} OK done\n", "UID FETCH": fetch}


def renamed_each_time() -> dict[str, Reply]:
    """Each SELECT has another UIDVALIDITY."""
    numbers = itertools.count(7)
    found = one_mail(f"* 1 FETCH (UID 11 BODY[] {{{{{len(LETTER)}}}}}\n{LETTER})\n{{tag}} OK done\n")
    return found | {"SELECT": lambda _line: SELECTED.replace("UIDVALIDITY 7", f"UIDVALIDITY {next(numbers)}")}


GREETING = "* OK ready"
BYE = "* BYE Too many simultaneous connections. (Failure)\n"
ROWS: dict[str, tuple[Mapping[str, Reply], str]] = {
    "IDLE is refused": (HEALTHY | {"IDLE": "{tag} NO [LIMIT] not now\n"}, GREETING),
    "IDLE is unknown": (HEALTHY | {"IDLE": "{tag} BAD Unknown command\n"}, GREETING),
    "IDLE ends at once": (HEALTHY | {"IDLE": "+ idling\n{tag} OK done\n"}, GREETING),
    "BYE in IDLE": (HEALTHY | {"IDLE": "+ idling\n* BYE Idle for too long\n"}, GREETING),
    "IDLE speaks of the past": (HEALTHY | {"IDLE": "+ idling\n* 3 EXISTS\n"}, GREETING),
    "SELECT without UIDNEXT": (HEALTHY | {"SELECT": SELECTED.replace("* OK [UIDNEXT 12] next\n", "")}, GREETING),
    "mails are told of and never there": (HEALTHY | {"SELECT": counting_up()}, GREETING),
    "UIDVALIDITY changes each time": (renamed_each_time(), GREETING),
    "BYE as greeting": ({}, BYE.strip()),
    "BYE after the login": (HEALTHY | {"LIST": BYE}, GREETING),
    "BYE after SELECT": (HEALTHY | {"SELECT": SELECTED + BYE}, GREETING),
    "NO to everything": (
        HEALTHY | dict.fromkeys(("LIST", "SELECT", "NOOP", "UID"), "{tag} NO [UNAVAILABLE] System Error\n"), GREETING,
    ),
    "BYE in FETCH": (one_mail(BYE), GREETING),
    "NO to FETCH": (one_mail("{tag} NO [SERVERBUG] Internal error\n"), GREETING),
    "the login is refused for now": (HEALTHY | {"LOGIN": "{tag} NO [UNAVAILABLE] Directory is away\n"}, GREETING),
}  # fmt: skip
FAULTS = {
    "IDLE is refused": "B1", "IDLE is unknown": "B1", "BYE in IDLE": "B1",
    "IDLE speaks of the past": "B2", "SELECT without UIDNEXT": "B2", "mails are told of and never there": "B2",
}  # fmt: skip


@dataclasses.dataclass(slots=True)
class Cost:
    """What a minute cost."""

    logins: int
    commands: int
    rows: list[StoredMail]


@contextlib.contextmanager
def on(
    server: ScriptedServer, minute: Minute, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> "Iterator[tuple[FakeRedmine, app.Application]]":
    """The product with its one mailbox on this server, in simulated time."""
    limits = {}
    with contextlib.suppress(ImportError):  # the first version had none
        from redmine_mailbridge.mailboxes.login_limit import LoginLimiter

        limits["take_login"] = LoginLimiter(clock=minute).take

    def opened(config: MailboxConfig, **_known: object) -> Mailbox:
        where = {"host": "127.0.0.1", "port": server.port, "security": Security.NONE, "password": "p", "timeout": 5.0}
        return SimulatedMailbox(dataclasses.replace(config, **where, **limits), minute, server)

    with open_fake_redmine(folder, monkeypatch) as fake:
        monkeypatch.setattr("redmine_mailbridge.wiring.mailboxes.open_mailbox", opened)
        with fake.application() as made:
            yield fake, made


def minute_with(row: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Cost:
    """Given a row, let a mailbox's thread spend a simulated minute with it."""
    minute = Minute()
    answers, greeting = ROWS[row]
    with scripted(answers, greeting) as server, on(server, minute, folder, monkeypatch) as (fake, made):
        shared = dataclasses.replace(made.shared, stop=SimulatedEvent(minute))
        thread = MailboxThread(made.receivers[0], shared, made.message_queries, listen=True)
        thread._wake = SimulatedEvent(minute)
        with contextlib.suppress(ImportError):
            from redmine_mailbridge.tasks.receive.fetch.pass_backoff import PassBackoff

            thread.backoff = PassBackoff(minute)
        minute.at_the_end += [shared.stop.set, made.shared.stop.set]
        thread.start()
        thread.enable(True)
        assert minute.over.wait(60)
        thread.wake()
        thread.join(20)
        assert not thread.is_alive()
        said = [line for line in server.lines if line and line != "DONE"]
    return Cost(server.connections, len(said), fake.rows())


@pytest.mark.parametrize(
    "row", [pytest.param(row, marks=[pytest.mark.fault(FAULTS[row])] if row in FAULTS else []) for row in ROWS]
)
def test_a_minute_of_a_stubborn_server_is_cheap(row: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that a server says or refuses makes a minute cost more than 10 logins and 60 commands, and no mail is
    set aside for it.
    """
    cost = minute_with(row, tmp_path, monkeypatch)
    assert (True, True) == (cost.logins <= MOST_LOGINS, cost.commands <= MOST_COMMANDS), cost
    assert [] == [row.reason for row in cost.rows if row.state is State.FAILED]


@pytest.mark.fault("A17-1")
def test_a_healthy_mailbox_of_many_folders_is_listened_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pass over many folders sends many commands, and is no reason to leave a healthy server alone: it is listened to
    as soon as the pass is over.
    """
    from redmine_mailbridge.tasks.receive.fetch.pass_backoff import PassBackoff

    folders = ("INBOX", *(f"F{number}" for number in range(14)))
    listed = "".join(f'* LIST () "/" {name}\n' for name in (*folders, "Processed", "Failed"))
    minute, heard = Minute(), []
    answers = HEALTHY | {"LIST": f"{listed}{{tag}} OK done\n"}
    with scripted(answers, GREETING) as server, on(server, minute, tmp_path, monkeypatch) as (_, made):
        receiver = made.receivers[0]
        receiver.reading = dataclasses.replace(receiver.reading, folders=folders)
        monkeypatch.setattr(SimulatedMailbox, "wait", lambda *_: heard.append(minute.now) or minute.end())
        shared = dataclasses.replace(made.shared, stop=SimulatedEvent(minute))
        thread = MailboxThread(receiver, shared, made.message_queries, listen=True)
        thread._wake = SimulatedEvent(minute)
        thread.backoff = PassBackoff(minute)
        minute.at_the_end += [shared.stop.set, made.shared.stop.set]
        thread.start()
        thread.enable(True)
        assert minute.over.wait(60)
        thread.wake()
        thread.join(20)
    assert [1000.0] == heard


@pytest.mark.parametrize("row", ["IDLE speaks of the past", "mails are told of and never there", "IDLE is refused"])
def test_a_further_folder_is_listened_to_at_the_pace_of_its_mailbox(row: str) -> None:
    """A folder that wakes its mailbox for nothing is asked again when the mailbox's thread cares for hints again."""
    minute, woken = Minute(), []
    stop = SimulatedEvent(minute)
    minute.at_the_end.append(stop.set)
    with scripted(*ROWS[row]) as server:
        config = MailboxConfig(
            name="a", host="127.0.0.1", port=server.port, username="a", password="p", security=Security.NONE,
            timeout=5.0,
        )  # fmt: skip
        box = SimulatedMailbox(config, minute, server)
        from redmine_mailbridge.tasks.receive.fetch.pass_backoff import PassBackoff

        listener = IdleWatcher(box, "INBOX", lambda: woken.append(1), stop, quiet=lambda: 15.0)
        listener._backoff = PassBackoff(minute)
        listener.start()
        listener.join(30)
    assert (False, True) == (listener.is_alive(), bool(woken))
    assert (True, True) == (server.connections <= MOST_LOGINS, len(server.lines) <= MOST_COMMANDS), server.lines
