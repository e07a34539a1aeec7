"""A mailbox of several folders, one of which is not there."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from redmine_mailbridge.tasks.service.mailbox_thread import MailboxThread
from tests.memory_mailbox import MemoryMailbox
from tests.product import mail
from tests.unit.tasks.boxes import Boxes, open_boxes


@pytest.fixture
def boxes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Boxes]:
    """No mailbox yet."""
    with open_boxes(tmp_path, monkeypatch) as made:
        yield made


@pytest.mark.fault("C9")
def test_a_second_folder_that_is_missing(boxes: Boxes) -> None:
    """A pass that reads INBOX and not a second folder, which is missing, has not failed; later it is read, too."""
    server = boxes.add("desk", folders=["INBOX", "Forms"])
    server.append(mail("In the inbox"))
    boxes.receive()  # which fails when a pass has an error
    server.create("Forms")
    server.append(mail("By a form"), folder="Forms")
    boxes.receive()
    assert ["By a form", "In the inbox"] == boxes.subjects()


def test_all_folders_are_missing(boxes: Boxes) -> None:
    """A mailbox none of whose folders is there has failed, with their names."""
    boxes.add("desk", folders=["Forms", "Faxes"])
    with boxes.fake.application() as made:
        assert "'Forms'" in str(made.receivers[0].once().error)
        assert "'Faxes'" in str(made.receivers[0].once().error)


class Heard(MemoryMailbox):
    """A mailbox that tells which folder is listened to."""

    def __init__(self, box: MemoryMailbox) -> None:
        super().__init__(box.server, box.name)
        self.folder = ""
        self.listening = threading.Event()

    def wait(self, folder: str, seconds: float) -> bool:
        self.folder = folder
        self.listening.set()
        return super().wait(folder, seconds)


@pytest.mark.fault("C9")
@pytest.mark.parametrize(("folders", "expected"), [(["INBOX", "Forms"], "INBOX"), (["Forms", "INBOX"], "INBOX")])
def test_what_is_there_is_listened_to(boxes: Boxes, folders: list[str], expected: str) -> None:
    """A mailbox with a missing folder listens to one that is there, and says which one is missing."""
    boxes.add("desk", folders=folders)
    with boxes.fake.application() as made:
        receiver = made.receivers[0]
        heard = receiver.mailbox = Heard(receiver.mailbox)  # type: ignore[assignment, arg-type]
        thread = MailboxThread(receiver, made.shared, made.message_queries, listen=True)
        thread.start()
        thread.enable(on=True)
        try:
            assert heard.listening.wait(30)
            assert expected == heard.folder
            assert thread.doing in {"listening", "receiving"}
            assert "no folder 'Forms'" in (thread.error or "")
        finally:
            made.shared.stop.set()
            thread.wake()
            thread.join(30)
