"""What the intake does when a mail server has a mail and does not hand it out."""

import datetime as dt
import threading
from pathlib import Path

import pytest

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.tasks.receive.fetch.fetcher import MailFetcher
from tests.memory_mailbox import MemoryMailbox, MemoryServer
from tests.product import mail
from tests.unit.tasks.boxes import open_boxes
from tests.unit.tasks.fetch_settings import fetch_settings


def test_mails_behind_one_that_is_not_handed_out_are_read(tmp_path: Path) -> None:
    """Mails that are not handed out are set aside at once, each, and every other mail is kept in the same pass."""
    server = MemoryServer()
    store = Store.open(f"sqlite:///{tmp_path}/store.db", tmp_path / "raw")
    reading = fetch_settings(1 << 20)
    intake = MailFetcher(MemoryMailbox(server), reading, store, threading.Event())
    server.append(*(f"Subject: {number}\r\n\r\n".encode() for number in range(1, 7)))
    server.not_handed_out = {2, 3, 6}
    rows = [row for batch in intake.new("INBOX") for row in batch]
    assert [str(uid) for uid in range(1, 7)] == [row.location.uid for row in rows]
    assert ["2", "3", "6"] == [row.location.uid for row in rows if row.state is State.FAILED]
    assert [] == list(intake.new("INBOX"))
    store.close()


def test_a_mail_that_is_not_handed_out_is_among_the_results_of_the_pass_that_saw_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_boxes(tmp_path, monkeypatch) as boxes:
        server = boxes.add("desk")
        server.append(mail("One"), mail("Two"))
        server.not_handed_out = {2}
        done, failed = sorted(boxes.receive(), key=lambda one: one.row.location.uid)
    assert [("1", State.DONE), ("2", State.FAILED)] == [(one.row.location.uid, one.state) for one in (done, failed)]
    assert (failed.row.reason, None) == (failed.line, failed.retry_at)


@pytest.mark.fault("A11-C2")
@pytest.mark.parametrize("meanwhile", [1, 3, 5])
def test_a_folder_that_was_put_back_from_a_backup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, meanwhile: int
) -> None:
    """A folder that begins anew with UIDs that it has used, under the same UIDVALIDITY, is read: what is new there
    becomes an issue, what was read before is a copy."""
    with open_boxes(tmp_path, monkeypatch) as boxes:
        server = boxes.add("desk", after_success="keep")
        server.append(*(mail(f"Mail {number}") for number in range(1, 7)))
        boxes.receive()
        for round_number in (1, 2):
            inbox = server.folders["INBOX"]
            for uid in [uid for uid in inbox.mails if uid > 3]:
                server.remove(uid)
            for kept in inbox.mails.values():
                kept.flags.clear()
            inbox.uid_next = 4
            server.append(*(mail(f"After {round_number}.{number}") for number in range(meanwhile)))
            for uid in range(4, 4 + meanwhile):
                inbox.mails[uid].received_at += dt.timedelta(hours=round_number)
            boxes.receive()
            server.append(mail(f"Later {round_number}"))
            boxes.receive()
            assert 6 + (meanwhile + 1) * round_number == len(set(boxes.subjects())) == len(boxes.fake.issues)
        assert {State.DONE} == set(boxes.states())
