"""What lies on the mail server after reading, by setting, also when the connection is cut while a mail is filed."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import time_machine

from redmine_mailbridge import side_effects
from redmine_mailbridge.errors import MailboxUnreachable
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.side_effects import Effect
from tests.product import mail
from tests.unit.tasks.desk import Desk, open_desk

DONE = frozenset({"$MailbridgeDone"})


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """The product between a mailbox in memory and a small Redmine."""
    with open_desk(tmp_path, monkeypatch) as made:
        yield made


def change(desk: Desk, *, unknown_sender: str = "accept", **values: Any) -> None:
    """Given keys of the mailbox's table, change them."""
    box = desk.settings.mailboxes["desk"]
    issue = box.issue.model_copy(update={"unknown_sender": unknown_sender})
    boxes = {"desk": box.model_copy(update=values | {"issue": issue})}
    desk.settings = desk.settings.model_copy(update={"mailboxes": boxes})


def left(desk: Desk) -> dict[str, list[frozenset[str]]]:
    """The flags of the mails in each folder that holds any."""
    found = {folder: [flags for _, flags, _ in desk.server.contents(folder)] for folder in desk.server.folders}
    return {folder: flags for folder, flags in found.items() if flags}


@pytest.mark.parametrize(
    ("unknown_sender", "values", "expected"),
    [
        ("accept", {}, {"Processed": [frozenset()]}),
        ("accept", {"after_success": "delete"}, {}),
        ("accept", {"after_success": "keep"}, {"INBOX": [DONE]}),
        ("refuse", {}, {"Failed": [frozenset()]}),
        ("refuse", {"after_failure": "keep"}, {"INBOX": [DONE]}),
    ],
)
@pytest.mark.parametrize("cut", [None, "before", "after"])
def test_after_reading(  # noqa: PLR0917 - one fixture or column each
    desk: Desk, unknown_sender: str, values: dict[str, Any], expected: Any, cut: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """A mail is moved, deleted, or kept and marked; cut off there, the next process does it, with no second issue."""
    change(desk, unknown_sender=unknown_sender, **values)
    desk.server.append(mail("Read"))

    def once(which: Effect, moment: str) -> None:
        if (which, moment) == (Effect.MOVE, cut):
            raise MailboxUnreachable("mailbox desk: cut off")

    if cut is not None:
        with monkeypatch.context() as patch:
            patch.setattr(side_effects, "_watchers", [once])
            with desk.application() as made:
                assert made.receivers[0].once().error in {None, "mailbox desk: cut off"}
    for _ in range(2):
        desk.receive()
    assert expected == left(desk)
    assert (1 if unknown_sender == "accept" else 0) == len(desk.issues)
    assert 1 == len(desk.rows())
    assert {None} != {row.filed_to for row in desk.rows()}


@pytest.mark.parametrize("values", [{}, {"after_success": "delete", "after_failure": "keep"}])
def test_a_mail_that_waits_for_an_admin_stays_as_it_is(desk: Desk, values: dict[str, Any]) -> None:
    """A held mail is neither moved nor marked, in the pass that held it and in later ones, until an admin decides."""
    change(desk, unknown_sender="hold", **values)
    desk.server.append(mail("Shall it?"))
    for _ in range(2):
        desk.receive()
        assert {"INBOX": [frozenset()]} == left(desk)
    (row,) = desk.rows()
    assert (State.HELD, None) == (row.state, row.filed_to)
    with desk.application() as made:
        made.store.reject(row.id)
    desk.receive()
    assert left(desk) in ({"Failed": [frozenset()]}, {"INBOX": [DONE]})


def test_kept_for_some_days(desk: Desk) -> None:
    """With keep_days a mail that is done stays marked so long, and is then deleted."""
    change(desk, after_success="keep", keep_days=7)
    desk.server.append(mail("A week"))
    now = dt.datetime.now(dt.UTC)
    desk.receive()
    with time_machine.travel(now + dt.timedelta(days=6, hours=23)):
        desk.receive()
        assert {"INBOX": [DONE]} == left(desk)
    with time_machine.travel(now + dt.timedelta(days=7, hours=1)):
        desk.receive()
    assert {} == left(desk)
    assert 1 == len(desk.issues)
