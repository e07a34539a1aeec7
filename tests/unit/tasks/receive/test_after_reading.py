"""What lies on the mail server after reading, by setting, also when the connection is cut while a mail is filed."""

import datetime as dt
from typing import Any

import pytest
import time_machine

from redmine_mailbridge import side_effects
from redmine_mailbridge.errors import MailboxUnreachable
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.side_effects import SideEffect
from tests.product import mail
from tests.unit.tasks.fake_redmine import FakeRedmine

DONE = frozenset({"$MailbridgeDone"})


def change(fake: FakeRedmine, *, unknown_sender: str = "accept", **values: Any) -> None:
    """Given keys of the mailbox's table, change them."""
    box = fake.settings.mailboxes["desk"]
    issue = box.issue.model_copy(update={"unknown_sender": unknown_sender})
    boxes = {"desk": box.model_copy(update=values | {"issue": issue})}
    fake.settings = fake.settings.model_copy(update={"mailboxes": boxes})


def left(fake: FakeRedmine) -> dict[str, list[frozenset[str]]]:
    """The flags of the mails in each folder that holds any."""
    found = {folder: [flags for _, flags, _ in fake.server.contents(folder)] for folder in fake.server.folders}
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
    fake: FakeRedmine, unknown_sender: str, values: dict[str, Any], expected: Any, cut: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """A mail is moved, deleted, or kept and marked; cut off there, the next process does it, with no second issue."""
    change(fake, unknown_sender=unknown_sender, **values)
    fake.server.append(mail("Read"))

    def once(which: SideEffect, moment: str) -> None:
        if (which, moment) == (SideEffect.MOVE, cut):
            raise MailboxUnreachable("mailbox desk: cut off")

    if cut is not None:
        with monkeypatch.context() as patch:
            patch.setattr(side_effects, "_watchers", [once])
            with fake.application() as made:
                assert made.receivers[0].once().error in {None, "mailbox desk: cut off"}
    for _ in range(2):
        fake.receive()
    assert expected == left(fake)
    assert (1 if unknown_sender == "accept" else 0) == len(fake.issues)
    assert 1 == len(fake.rows())
    assert {None} != {row.filed_to for row in fake.rows()}


@pytest.mark.parametrize("values", [{}, {"after_success": "delete", "after_failure": "keep"}])
def test_a_mail_that_waits_for_an_admin_stays_as_it_is(fake: FakeRedmine, values: dict[str, Any]) -> None:
    """A held mail is neither moved nor marked, in the pass that held it and in later ones, until an admin decides."""
    change(fake, unknown_sender="hold", **values)
    fake.server.append(mail("Shall it?"))
    for _ in range(2):
        fake.receive()
        assert {"INBOX": [frozenset()]} == left(fake)
    (row,) = fake.rows()
    assert (State.HELD, None) == (row.state, row.filed_to)
    with fake.application() as made:
        made.store.reject(row.id)
    fake.receive()
    assert left(fake) in ({"Failed": [frozenset()]}, {"INBOX": [DONE]})


def test_kept_for_some_days(fake: FakeRedmine) -> None:
    """With keep_days a mail that is done stays marked so long, and is then deleted."""
    change(fake, after_success="keep", keep_days=7)
    fake.server.append(mail("A week"))
    now = dt.datetime.now(dt.UTC)
    fake.receive()
    with time_machine.travel(now + dt.timedelta(days=6, hours=23)):
        fake.receive()
        assert {"INBOX": [DONE]} == left(fake)
    with time_machine.travel(now + dt.timedelta(days=7, hours=1)):
        fake.receive()
    assert {} == left(fake)
    assert 1 == len(fake.issues)
