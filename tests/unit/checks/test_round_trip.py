"""A mail to ourselves, where it does not lie where it should."""

import pytest

from redmine_mailbridge.checks.result import Check
from redmine_mailbridge.checks.round_trip import RoundTrip, round_trip
from redmine_mailbridge.errors import SendingDeferred
from redmine_mailbridge.outgoing.smtp import ConsoleTransport
from redmine_mailbridge.settings.mailbox import MailboxSettings
from tests.memory_mailbox import MemoryMailbox, MemoryServer

TRIAL = RoundTrip("desk@example.com", "desk@example.com", patience=0.0)


class Delivering(ConsoleTransport):
    """Hands a mail to a folder of the mailbox in memory; with no folder it is lost on the way."""

    def __init__(self, server: MemoryServer, folder: str) -> None:
        super().__init__()
        self.server, self.folder = server, folder

    def send(self, sender: str, recipient: str, content: bytes) -> str:
        assert ("desk@example.com",) * 2 == (sender, recipient)
        if self.folder:
            self.server.append(content, folder=self.folder)
        return "250 queued"


def tried(folder: str, **values: str) -> tuple[dict[str, Check], MemoryServer]:
    """Given where a mail ends up, make the round trip. Return what is found by its last word, and the server."""
    server = MemoryServer()
    server.create("Processed", "Failed", "Spam")
    given = {"address": "desk@example.com", "host": "localhost", "issue": {"project": "p"}, **values}
    box = MailboxSettings.model_validate(given)
    found = list(round_trip("desk", box, MemoryMailbox(server), Delivering(server, folder), TRIAL))
    return {check.name.rpartition(" ")[2]: check for check in found}, server


@pytest.mark.parametrize("folder", ["INBOX", "Processed", "Failed"])
def test_where_it_is_filed(folder: str) -> None:
    """It is found where a running bridge has filed it as well, and removed there."""
    found, server = tried(folder)
    assert found["seen"].words.startswith(f"in {folder}, ")
    assert {True} == {check.ok for check in found.values()}
    assert [] == server.contents(folder)


def test_taken_for_junk() -> None:
    """In the provider's junk folder it is found, removed, and a note says so."""
    found, server = tried("Spam", preset="fastmail")
    assert None is found["seen"].ok
    assert found["seen"].words.endswith("that is the junk folder")
    assert [] == server.contents("Spam")


def test_lost_on_the_way() -> None:
    """A mail that does not come is told as that."""
    found, _ = tried("")
    assert (True, False) == (found["sent"].ok, found["seen"].ok)
    assert "not seen within 0 s" in found["seen"].words


def test_a_mailbox_that_is_away() -> None:
    """When the mailbox cannot be looked into after sending, that fails with the server's words."""
    server = MemoryServer()
    server.down = "connection refused"
    box = MailboxSettings.model_validate(
        {"address": "desk@example.com", "host": "localhost", "issue": {"project": "p"}}
    )
    found = list(round_trip("desk", box, MemoryMailbox(server), Delivering(server, "INBOX"), TRIAL))
    assert [(True, False)] == [(found[0].ok, found[1].ok)]
    assert "connection refused" in found[1].words


def test_a_server_that_does_not_send() -> None:
    """A sending server that is away fails in its words, with advice, and nothing is looked for."""

    class Away(Delivering):
        def send(self, sender: str, recipient: str, content: bytes) -> str:
            raise SendingDeferred("smtp.example.com:587: [Errno 111] Connection refused")

    server = MemoryServer()
    box = MailboxSettings.model_validate(
        {"address": "desk@example.com", "host": "localhost", "issue": {"project": "p"}}
    )
    (found,) = round_trip("desk", box, MemoryMailbox(server), Away(server, ""), TRIAL)
    assert not found.ok
    assert "Nothing listens there" in found.words
