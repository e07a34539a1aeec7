"""What did not arrive stands in a private note on its issue, once, whatever becomes of the request that writes it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from redmine_mailbridge.store.notices import NewNotice, notify
from redmine_mailbridge.store.outgoing.adding import NewAnswer
from redmine_mailbridge.store.outgoing.outbox import Outbox
from tests.helpdesk import HelpDesk, Post, help_desk, writes


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


@pytest.mark.fault("A16-5")
def test_an_issue_that_redmine_fails_on_does_not_keep_others_from_being_told(desk: HelpDesk) -> None:
    """However many mails about an issue did not arrive, and however long Redmine fails on it: what did not arrive of
    others is told there at once.
    """
    desk.mail(writes("Lee <lee@client.example>", "Other"))
    desk.post.answers["lee"] = "550 5.1.1 No such user"
    desk.redmine.fails = {1}
    with desk.application() as made:
        outbox = Outbox(made.store.database, made.store.clock)
        lost = [_mail(number) for number in range(150)]
        outbox.queue(lost)
        for row in outbox.copies([one.message_id for one in lost]):
            outbox.failed(row, "550 5.1.1 No such user")
        told = [NewNotice(f"test/{number}", f"Not in Cc: {number}") for number in range(150)]
        with made.store.database.write() as db:
            notify(db, 1, None, told, made.store.clock())
            notify(db, 2, None, [NewNotice("test/other", "Not in Cc: somebody")], made.store.clock())
        for _ in range(3):
            desk.turn(made)
    said = "\n".join(one["notes"] for one in desk.redmine.issues[2]["journals"])
    assert (1, 1) == (said.count("was not delivered"), said.count("Not in Cc: somebody"))


def _mail(number: int) -> NewAnswer:
    """A mail about the first issue."""
    who, own_id = f"lost{number}@client.example", f"lost{number}@example.com"
    return NewAnswer("desk", "answer", "desk@example.com", who, own_id, b"x", lambda _count: None, issue=1)
