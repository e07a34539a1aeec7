"""A service that is told to stop ends, whatever its mail servers do meanwhile."""

import contextlib
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog

from redmine_mailbridge.cli import daemon
from redmine_mailbridge.errors import LockLost, StoreBusy
from redmine_mailbridge.mailboxes.contract import Mailbox
from redmine_mailbridge.mailboxes.factory import open_mailbox
from redmine_mailbridge.model.mailbox import MailboxConfig, MailProtocol, Security
from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.tasks.service import service as services
from redmine_mailbridge.wiring import application as app
from tests.product import Product
from tests.unit.tasks.fake_redmine import URL, open_fake_redmine
from tests.unit.tasks.service.test_nothing_starves import change, serving, until

IMAP = {
    "CAPABILITY": "* CAPABILITY IMAP4rev1 MOVE UIDPLUS\r\n{tag} OK done\r\n",
    "LIST": '* LIST () "/" "INBOX"\r\n{tag} OK done\r\n',
    "SELECT": "* 1 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT 2] x\r\n{tag} OK [READ-WRITE] done\r\n",
    "UID SEARCH": "* SEARCH 1\r\n{tag} OK done\r\n",
    "UID FETCH 1 (UID RFC822.SIZE": "* 1 FETCH (UID 1 RFC822.SIZE 500000)\r\n{tag} OK done\r\n",
    "UID FETCH": "* 1 FETCH (UID 1 BODY[] {500000}\r\n",
}
POP3 = {
    "CAPA": "+OK\r\nUSER\r\nUIDL\r\n.\r\n",
    "LIST": "+OK\r\n1 500000\r\n.\r\n",
    "UIDL": "+OK\r\n1 one\r\n.\r\n",
    "RETR": "+OK\r\n",
}


class Dripping:
    """A mail server that hands out a mail a letter at a time, so that no single wait for it is ever long."""

    def __init__(self, protocol: MailProtocol) -> None:
        self.answers = IMAP if protocol is MailProtocol.IMAP else POP3
        self.imap = protocol is MailProtocol.IMAP
        self.drips, self.let_go = threading.Event(), threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client, client.makefile("rb") as lines:
            client.sendall(b"* OK ready\r\n" if self.imap else b"+OK ready\r\n")
            for raw in lines:
                tag, _, rest = raw.decode().rstrip().partition(" ")
                line = rest if self.imap else raw.decode().rstrip()
                if line.endswith("}"):  # the password, as a literal
                    client.sendall(b"+ go on\r\n")
                    lines.readline()
                usual = f"{tag} OK done\r\n" if self.imap else "+OK\r\n"
                said = next((one for start, one in self.answers.items() if line.upper().startswith(start)), usual)
                client.sendall(said.replace("{tag}", tag).encode())
                if line.startswith(("UID FETCH 1 (UID BODY", "RETR")):
                    while not self.let_go.wait(0.05):
                        self.drips.set()
                        client.sendall(b"x")
                    return

    def close(self) -> None:
        """Hang up at last."""
        self.let_go.set()
        self._listener.close()


@contextmanager
def dripping(protocol: MailProtocol) -> Iterator[tuple[Dripping, Mailbox]]:
    """A server that drips, and the mailbox on it."""
    server = Dripping(protocol)
    config: dict[str, Any] = {"host": "127.0.0.1", "port": server.port, "username": "me", "password": "secret"}
    box = open_mailbox(
        MailboxConfig(name="slow", protocol=protocol, security=Security.NONE, timeout=5.0, **config),
        known=lambda _uids: (),
    )
    try:
        yield server, box
    finally:
        server.close()


@pytest.mark.fault("A11-D6")
@pytest.mark.parametrize("protocol", [MailProtocol.IMAP, MailProtocol.POP3])
def test_a_server_that_drips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: MailProtocol) -> None:
    """While a server hands out a mail a letter at a time, a stop cuts its connection after a while and ends."""
    monkeypatch.setattr(services, "CUT_AFTER", 0.3, raising=False)
    with open_fake_redmine(tmp_path, monkeypatch, boxes=("desk", "slow")) as fake, dripping(protocol) as (server, box):
        if protocol is MailProtocol.POP3:
            none = {"success_folder": None, "failure_folder": None}
            change(fake, "slow", protocol="pop3", after_success="delete", after_failure="keep", **none)
        with serving(fake, monkeypatch, {"slow": lambda: box}) as (_, service):  # type: ignore[dict-item, return-value]
            assert until(server.drips.is_set)
            began, stopping = time.monotonic(), threading.Thread(target=service.stop, daemon=True)
            stopping.start()
            stopping.join(8)
            took, left = time.monotonic() - began, [one.name for one in service.threads if one.is_alive()]
            server.close()
            stopping.join(60)
        assert (True, []) == (took < 8, left)


@pytest.mark.fault("A11-D7")
def test_a_service_that_waits_for_another_to_end(tmp_path: Path) -> None:
    """Who is told to stop while it waits for the store's lock (`--wait`) ends at once, and with success."""
    values = {
        "redmine": {"url": URL, "api_key": "key", "text_format": "common_mark"},
        "store": {"url": f"sqlite:///{tmp_path}/bridge.db"},
        "mailboxes": {
            "desk": {"address": "desk@example.com", "host": "localhost", "password": "x", "issue": {"project": "desk"}}
        },
    }
    holder = Store.open(f"sqlite:///{tmp_path}/bridge.db", tmp_path / "mails")
    lock = holder.lock("service")
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # as some that start programs leave it
    try:
        with Product(tmp_path, values).service("--wait", "600") as service:
            service.wait_for("service.waiting_for_lock")
            service.signal(signal.SIGTERM)
            assert 0 == service.wait(60)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        lock.release()
        holder.close()


@pytest.mark.fault("I7")
def test_a_database_that_is_away_for_a_moment(tmp_path: Path) -> None:
    """A standby on PostgreSQL that takes over keeps the lock when the database is away just then, as it is after a
    restart, and builds its service later; on SQLite a store that cannot be used is reported at once.
    """
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    away = f"postgresql+psycopg://someone@127.0.0.1:{port}/none"
    holder = Store.open(f"sqlite:///{tmp_path}/locks.db", tmp_path / "mails")
    for url in (away, f"sqlite:///{tmp_path}/mails"):
        values = {
            "redmine": {"url": URL, "api_key": "key", "text_format": "common_mark"},
            "store": {"url": url, "raw_dir": str(tmp_path / "mails")},
            "mailboxes": {
                "desk": {"address": "desk@example.com", "host": "localhost", "password": "x", "issue": {"project": "x"}}
            },
        }
        service = daemon.Daemon(Product(tmp_path, values).settings(), None, listen=False)
        lock, database = holder.lock("service"), Database(url)
        try:
            if url == away:
                assert service._first(lock, Store(database, holder.raw)) is None
                lock.check()
            else:
                with pytest.raises(StoreBusy):
                    service._first(lock, Store(database, holder.raw))
                with pytest.raises(LockLost):
                    lock.check()
        finally:
            lock.release()
            database.close()
            service._near.close()
            service._far.close()
    holder.close()


@pytest.mark.fault("A11-D8")
def test_admin_pages_that_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Admin pages that cannot be had, or fail as they end, keep the service neither from working nor from ending: its
    lock is given back when nothing of it works any more."""
    from redmine_mailbridge.web import wiring

    class Pages:
        def __init__(self, _loaded: object, _reload: object) -> None:
            pass

        def stop(self) -> None:
            raise RuntimeError("no loop")

    def none(_loaded: object, _reload: object) -> None:
        raise RuntimeError("no loop")

    with open_fake_redmine(tmp_path, monkeypatch) as fake:
        admin = fake.settings.admin.model_copy(update={"listen": "127.0.0.1:0"})
        fake.settings = fake.settings.model_copy(update={"admin": admin})
        monkeypatch.setattr(daemon, "load_with_origins", lambda _path: None)
        for made, fails in ((Pages, True), (none, False)):
            monkeypatch.setattr(wiring, "Pages", made)
            service = daemon.Daemon(fake.settings, None, listen=False)
            service._far.send(bytes([signal.SIGTERM]))
            application = app.build(fake.settings)
            lock = application.store.lock("service")
            try:
                with pytest.raises(RuntimeError, match="no loop") if fails else contextlib.nullcontext():
                    service._one_service(application, lock)
            finally:
                lock.release()
                for end in (service._near, service._far):
                    end.close()
            assert [] == [one.name for one in threading.enumerate() if one.name.startswith("mailbox-")]


@pytest.mark.fault("A31-1")
def test_admin_pages_that_cannot_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A library of the pages that is missing or broken is logged; the service works without the pages."""
    with open_fake_redmine(tmp_path, monkeypatch) as fake:
        admin = fake.settings.admin.model_copy(update={"listen": "127.0.0.1:0"})
        fake.settings = fake.settings.model_copy(update={"admin": admin})
        monkeypatch.setitem(sys.modules, "redmine_mailbridge.web.wiring", None)  # an import of it is an ImportError
        service = daemon.Daemon(fake.settings, None, listen=False)
        service._far.send(bytes([signal.SIGTERM]))
        application = app.build(fake.settings)
        lock = application.store.lock("service")
        try:
            with structlog.testing.capture_logs() as logged:
                end = service._one_service(application, lock)
        finally:
            lock.release()
            for each in (service._near, service._far):
                each.close()
    assert daemon._End.SIGNAL is end
    assert ["ModuleNotFoundError"] == [line["kind"] for line in logged if line["event"] == "admin.not_listening"]
