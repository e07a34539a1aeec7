"""What did not arrive stands in a private note on its issue, once, whatever becomes of the request that writes it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpdesk import HelpDesk, Post, help_desk, post, writes


@pytest.fixture(scope="module")
def server() -> Iterator[Post]:
    with post() as made:
        yield made


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Post) -> Iterator[HelpDesk]:
    """A desk whose first acknowledgement the server refuses for good."""
    server.taken.clear()
    server.answers = {"kim": "550 5.1.1 No such user"}
    with help_desk(tmp_path / "desk", monkeypatch, server) as made:
        made.change({"redmine": {"settle": "30s"}})
        made.turn()
        made.mail(writes("Kim <kim@client.example>"))
        made.turn()
        yield made


def notes(desk: HelpDesk) -> list[str]:
    """The private notes that tell of it."""
    entries = desk.redmine.issues[1]["journals"]
    return [one["notes"] for one in entries if one["private_notes"] and "was not delivered" in one["notes"]]


@pytest.mark.fault("A12-9")
@pytest.mark.parametrize("landed", [True, False])
@pytest.mark.parametrize("restarted", [True, False])
def test_a_lost_answer(desk: HelpDesk, monkeypatch: pytest.MonkeyPatch, *, landed: bool, restarted: bool) -> None:
    """The answer to the note is lost, and it is written later than the next runs look: there is one. Where it is never
    written, it is sent again when it has settled.
    """
    desk.redmine.loses = 1
    with desk.application() as made:
        desk.turn(made)
        desk.turn(None if restarted else made)
        desk.turn(None if restarted else made)
    assert 1 == len(desk.redmine.late)
    if landed:
        desk.redmine.lands()
    assert int(landed) == len(notes(desk))

    from redmine_mailbridge.tasks.receive import settle  # there is none in the first version

    boot, now = settle.now()
    monkeypatch.setattr(settle, "now", lambda: (boot, now + 31.0))
    desk.turn()
    assert 1 == len(notes(desk))
    before = desk.redmine.journals
    desk.turn()
    assert before == desk.redmine.journals


def test_told_once(desk: HelpDesk) -> None:
    """When all is well it is told at once, and not again."""
    desk.turn()
    assert 1 == len(notes(desk))
    desk.turn()
    assert 1 == len(notes(desk))
