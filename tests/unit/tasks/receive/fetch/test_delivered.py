"""Mail that `deliver` accepted, when the mailbox changes while it waits: it becomes one issue."""

import datetime as dt
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from redmine_mailbridge.mailboxes import factory
from redmine_mailbridge.mailboxes.contract import Mailbox
from redmine_mailbridge.mailboxes.delivered import drop
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.mailbox import MailboxConfig, MailProtocol
from redmine_mailbridge.store.raw_mails.retention import forget_raw
from redmine_mailbridge.wiring.mailboxes import prepare_spool
from tests.memory_mailbox import Kept, MemoryMailbox
from tests.product import mail
from tests.unit.tasks.boxes import Boxes, open_boxes

BARE = b"From: Scanner <scanner@example.com>\nSubject: Scan\n\nEach one is the same.\n"


@pytest.fixture
def boxes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Boxes]:
    """A bridge whose mailbox "desk" takes the mail of the address old@example.com from the spool."""
    with open_boxes(tmp_path, monkeypatch) as made:
        monkeypatch.setattr("redmine_mailbridge.wiring.mailboxes.open_mailbox", factory.open_mailbox)
        made.values["desk"] = {
            "address": "old@example.com", "protocol": "deliver", "host": "localhost", "security": "none",
            "spool_dir": str(tmp_path / "spool"), "issue": {"project": "desk"},
        }  # fmt: skip
        made.load()
        made.receive()
        yield made


def new(boxes: Boxes, address: str) -> list[Path]:
    """What waits for an address."""
    return sorted((boxes.folder / "spool" / address / "new").iterdir())


def deliver(boxes: Boxes, *mails: bytes) -> None:
    """Given mails for the former address, store them as `deliver` does."""
    for raw in mails:
        drop.add(str(boxes.folder / "spool"), "old@example.com", [raw], max_size=1_000_000)


@pytest.mark.fault("A43-6")
def test_an_address_that_becomes_an_alias(boxes: Boxes) -> None:
    """Mail that waits for the former address is received when that is an alias now, also what was stored by the index
    from before while that changed, and is filed.
    """
    deliver(boxes, mail("Waiting"))
    boxes.change("desk", address="new@example.com", aliases=["old@example.com"])
    boxes.receive()
    deliver(boxes, mail("Late"))
    (new(boxes, "old@example.com")[0].parent / "readme").touch()
    boxes.receive()
    assert ["Late", "Waiting"] == boxes.subjects()
    assert [] == new(boxes, "new@example.com")
    assert ["readme"] == [path.name for path in new(boxes, "old@example.com")]


@pytest.mark.fault("A43-6")
def test_a_rejected_mail_of_the_former_address(boxes: Boxes) -> None:
    """A mail that was rejected, and lies in the failure folder of the former address, can be retried, although its
    bytes are no longer in the store.
    """
    boxes.change("desk", senders={"block": ["elsewhere.example"]})
    deliver(boxes, mail("Printer", sender="Eve <eve@elsewhere.example>"))
    boxes.receive()
    (row,) = boxes.rows()
    assert (State.REJECTED, "Failed") == (row.state, row.filed_to)
    boxes.change("desk", senders={}, address="new@example.com", aliases=["old@example.com"])
    with boxes.fake.application() as made:
        assert 1 == forget_raw(made.store, older_than=time.time() + 60)
        assert made.store.retry(row.id)
    boxes.receive()
    boxes.receive()
    assert ["Printer"] == boxes.subjects()
    assert [] == list((boxes.folder / "spool" / "new@example.com" / "Failed").iterdir())


@pytest.mark.fault("A43-6")
@pytest.mark.parametrize("back", [True, False])
def test_mail_that_is_kept_is_made_once(boxes: Boxes, *, back: bool) -> None:
    """Mail that was received, and is kept in the spool, is not new under another address, or again under the first,
    although nothing in it tells it from another: its name does.
    """
    boxes.change("desk", after_success="keep")
    deliver(boxes, BARE)
    boxes.receive()
    boxes.change("desk", address="new@example.com", aliases=[] if back else ["old@example.com"])
    boxes.receive()
    if back:
        boxes.change("desk", address="old@example.com")
    with boxes.fake.application() as made, made.store.database.write() as db:
        db.exec_driver_sql("UPDATE mail SET kept_at = kept_at - 3600")
    boxes.receive()
    assert ["Scan"] == boxes.subjects()


@pytest.mark.fault("A43-5")
def test_one_spool_by_two_names(boxes: Boxes) -> None:
    """Two mailboxes whose settings name one spool by two paths both take mail there, whichever was read last."""
    (boxes.folder / "link").symlink_to(boxes.folder / "spool")
    other = boxes.values["desk"] | {"address": "other@example.com", "spool_dir": str(boxes.folder / "link")}
    boxes.values["other"] = other
    boxes.load()
    for box in boxes.fake.settings.mailboxes.values():
        prepare_spool(boxes.fake.settings, box.spool_dir)
        index = json.loads((boxes.folder / "spool" / drop.INDEX).read_bytes())["mailboxes"]
        assert {"desk": "old@example.com", "other": "other@example.com"} == {
            name: one["folder"] for name, one in index.items()
        }


@pytest.mark.fault("A43-10")
def test_a_folder_that_cannot_be_used_stops_its_own_mailbox_only(boxes: Boxes) -> None:
    """A file in place of another mailbox's folder is no error of this one."""
    boxes.values["broken"] = boxes.values["desk"] | {"address": "broken@example.com"}
    boxes.load()
    (boxes.folder / "spool" / "broken@example.com").touch()
    deliver(boxes, mail("Printer"))
    boxes.receive("desk")
    assert ["Printer"] == boxes.subjects()
    with boxes.fake.application() as made:
        (broken,) = [receiver for receiver in made.receivers if receiver.mailbox.name == "broken"]
        assert "broken@example.com" in (broken.once().error or "")


@pytest.mark.fault("A43-13")
def test_mail_that_is_kept_is_not_new_to_an_empty_store(boxes: Boxes) -> None:
    """Mail that is done, and is kept, or was not received in full, leaves the folder of new mail: a store that was
    replaced by an empty one makes no second issue of it. It is found where it is: by a retry, and when its days end.
    """
    boxes.change("desk", after_success="keep", keep_days=3, after_failure="keep", senders={"block": ["example.org"]})
    deliver(boxes, mail("Kept"), BARE, mail("Rejected", sender="eve@example.org"))
    boxes.receive()
    assert [] == new(boxes, "old@example.com")
    (rejected,) = [row for row in boxes.rows() if row.state is State.REJECTED]
    boxes.change("desk", senders={})
    with boxes.fake.application() as made:
        forget_raw(made.store, older_than=time.time() + 60)
        assert made.store.retry(rejected.id)
    boxes.receive()
    for file in boxes.folder.glob("bridge.db*"):
        file.rename(file.with_name(f"aside-{file.name}"))
    boxes.receive()
    assert ["Kept", "Rejected", "Scan"] == boxes.subjects()
    assert [] == boxes.rows()
    for file in boxes.folder.glob("bridge.db*"):
        file.unlink()
    for file in boxes.folder.glob("aside-*"):
        file.rename(file.with_name(file.name.removeprefix("aside-")))
    with boxes.fake.application() as made, made.store.database.write() as db:
        db.exec_driver_sql("UPDATE mail SET changed_at = changed_at - 4 * 86400")
    boxes.receive()
    assert [] == list((boxes.folder / "spool" / "old@example.com" / "cur").iterdir())


@pytest.mark.fault("A43-15")
def test_a_taken_over_mail_replaces_no_other(boxes: Boxes) -> None:
    """A file of the same name in the folder of the new address stays, and so does the mail."""
    boxes.change("desk", address="new@example.com", aliases=["old@example.com"])
    boxes.receive()
    deliver(boxes, mail("Late"))
    (late,) = new(boxes, "old@example.com")
    (boxes.folder / "spool" / "new@example.com" / "new" / late.name).write_bytes(mail("Another"))
    boxes.receive()
    assert ["Another"] == boxes.subjects()
    assert [late] == new(boxes, "old@example.com")


@pytest.mark.fault("A43-16")
def test_a_mailbox_that_becomes_one_of_imap(boxes: Boxes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mailbox of `deliver` that is read by IMAP from now on asks which mail there counts, and takes that alone; what
    waits in the spool meanwhile is received when it is one of `deliver` again.
    """

    def opened(config: MailboxConfig, **known: Any) -> Mailbox:
        if config.protocol is MailProtocol.DELIVER:
            return factory.open_mailbox(config, **known)
        return MemoryMailbox(boxes.server(config.host, config.username), config.name)

    monkeypatch.setattr("redmine_mailbridge.wiring.mailboxes.open_mailbox", opened)
    piped = dict(boxes.values["desk"])
    read = piped | {"protocol": "imap", "host": "mail.example.com", "username": "old@example.com", "security": "tls"}
    server = boxes.server("mail.example.com", "old@example.com")
    server.append(mail("Years ago"))
    server.folders["INBOX"].mails[1] = Kept(mail("Years ago"), dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
    deliver(boxes, mail("First"))
    boxes.receive()
    deliver(boxes, mail("Waits"))
    boxes.values["desk"] = read
    boxes.load()
    with boxes.fake.application() as made:
        assert "start_from is not set" in (made.receivers[0].once().error or "")
    boxes.change("desk", start_from="now")
    boxes.receive()
    server.append(mail("Second"))
    boxes.receive()
    assert ["First", "Second"] == boxes.subjects()
    boxes.values["desk"] = piped
    boxes.load()
    boxes.receive()
    assert ["First", "Second", "Waits"] == boxes.subjects()
    boxes.values["desk"] = read | {"start_from": "now"}
    boxes.load()
    server.append(mail("Third"))
    boxes.receive()
    assert ["First", "Second", "Third", "Waits"] == boxes.subjects()
