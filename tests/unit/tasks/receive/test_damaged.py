"""The bytes of a mail that were damaged on the disk of the store."""

from pathlib import Path

import pytest

from redmine_mailbridge.model.mail_state import State
from tests.product import mail
from tests.unit.tasks.fake_redmine import FakeRedmine, open_fake_redmine


def damaged(fake: FakeRedmine) -> tuple[Path, bytes]:
    """A mail is kept while Redmine is away, and its file is cut. Return the file, and what was in it."""
    fake.down = True
    fake.server.append(mail("Whole", "line\n" * 500))
    fake.receive()
    (row,) = fake.rows()
    with fake.application() as made:
        file = made.store.raw.path(row.raw or "")
    whole = file.read_bytes()
    file.write_bytes(whole[:400])
    fake.down = False
    return file, whole


@pytest.mark.fault("A24-6")
def test_a_mail_whose_bytes_were_cut_in_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It becomes no issue of half its text, and fails with what to do; restored, it becomes the whole issue."""
    with open_fake_redmine(tmp_path, monkeypatch) as fake:
        file, whole = damaged(fake)
        fake.receive()
        (row,) = fake.rows()
        assert ([], State.FAILED) == (fake.issues, row.state)
        assert "restore this file from a backup" in (row.reason or "")
        file.write_bytes(whole)
        with fake.application() as made:
            assert made.store.retry(row.id)
        fake.receive()
        assert [500] == [issue["description"].count("line") for issue in fake.issues]


def test_a_damaged_mail_is_fetched_again_when_it_is_retried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody restores the file: the mail is fetched from the server, where it still is, and becomes the whole issue."""
    with open_fake_redmine(tmp_path, monkeypatch) as fake:
        damaged(fake)
        fake.receive()
        (row,) = fake.rows()
        assert (State.FAILED, True) == (row.state, "or retry the message" in (row.reason or ""))
        with fake.application() as made:
            assert made.store.retry(row.id)
        fake.receive()
        assert [500] == [issue["description"].count("line") for issue in fake.issues]
