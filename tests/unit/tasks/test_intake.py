"""What the intake does when a mail server has a mail and does not hand it out."""

import threading
from pathlib import Path

from redmine_mailbridge.store.life import State
from redmine_mailbridge.store.store import Store
from redmine_mailbridge.tasks.intake import Intake, Reading
from tests.memory_mailbox import MemoryMailbox, MemoryServer


def test_mails_behind_one_that_is_not_handed_out_are_read(tmp_path: Path) -> None:
    """Mails that are not handed out are set aside at once, each, and every other mail is kept in the same pass."""
    server = MemoryServer()
    store = Store.open(f"sqlite:///{tmp_path}/store.db", tmp_path / "raw")
    reading = Reading(("INBOX",), None, None, 1 << 20)
    intake = Intake(MemoryMailbox(server), reading, store, threading.Event())
    server.append(*(f"Subject: {number}\r\n\r\n".encode() for number in range(1, 7)))
    server.not_handed_out = {2, 3, 6}
    rows = [row for batch in intake.new("INBOX") for row in batch]
    assert [str(uid) for uid in range(1, 7)] == [row.location.uid for row in rows]
    assert ["2", "3", "6"] == [row.location.uid for row in rows if row.state is State.ASIDE]
    assert [] == list(intake.new("INBOX"))
    store.close()
