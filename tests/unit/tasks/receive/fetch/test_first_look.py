"""What lies in mailboxes that were never read, and of which the settings leave open whether it counts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from redmine_mailbridge.mailboxes.contract import Mailbox
from redmine_mailbridge.model.stored_mail import Cursor
from redmine_mailbridge.settings.mailbox import MailboxSettings
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.tasks.receive.fetch.first_look import UnreadBacklog, backlog
from tests.memory_mailbox import MemoryMailbox, MemoryServer
from tests.product import mail


def boxes(**named: Mapping[str, Any]) -> dict[str, MailboxSettings]:
    plain = {"host": "localhost", "issue": {"project": "desk"}}
    values = {"redmine": {"url": "https://r.example.com", "api_key": "k"}, "store": {"url": "sqlite:///x.db"}}
    return Settings.model_validate(
        values | {"mailboxes": {name: plain | {"address": f"{name}@example.com"} | box for name, box in named.items()}}
    ).mailboxes


def found(
    named: dict[str, MailboxSettings], servers: dict[str, MemoryServer], store: Store | None, **former: str
) -> list[UnreadBacklog]:
    opened: list[str] = []

    def open_one(name: str, _box: MailboxSettings) -> Mailbox:
        opened.append(name)
        return MemoryMailbox(servers[name], name)

    return list(backlog(named, store, open_one, former))


@pytest.fixture
def server() -> MemoryServer:
    """A server with two mails in INBOX and one in Sub."""
    made = MemoryServer()
    made.create("Sub", "Empty")
    made.append(mail("One"), mail("Two"))
    made.append(mail("Three"), folder="Sub")
    return made


def test_each_folder_with_mail_is_counted(store: Store, server: MemoryServer) -> None:
    """An empty folder is not named, nor a mailbox whose settings say what counts; a store that is not there yet knows
    no folder.
    """
    named = boxes(open={"folders": ["INBOX", "Empty", "Sub"]}, said={"folders": ["INBOX"], "start_from": "all"})
    expected = [UnreadBacklog("open", "INBOX", 2), UnreadBacklog("open", "Sub", 1)]
    for known in (store, None):
        assert expected == found(named, {"open": server}, known)


def test_a_mailbox_that_cannot_be_reached_or_lacks_a_folder_stops_no_other(store: Store, server: MemoryServer) -> None:
    down = MemoryServer()
    down.down = "no route"
    named = boxes(down={}, lacking={"folders": ["Nowhere"]}, open={})
    servers = {"down": down, "lacking": server, "open": server}
    assert [UnreadBacklog("open", "INBOX", 2)] == found(named, servers, store)


def test_a_folder_that_was_read_is_decided_also_under_the_mailbox_s_former_name(
    store: Store, server: MemoryServer, tmp_path: Path
) -> None:
    """Only what has no cursor is counted."""
    store.move_cursor("old", "INBOX", Cursor("1", "2"))
    named = boxes(new={"folders": ["INBOX", "Sub"]})
    assert [UnreadBacklog("new", "Sub", 1)] == found(named, {"new": server}, store, new="old")
    assert ["INBOX", "Sub"] == [one.folder for one in found(named, {"new": server}, store)]
