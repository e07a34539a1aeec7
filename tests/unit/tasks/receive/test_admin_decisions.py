"""What a person decides about a mail happens, whatever had turned it away."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.policy.manual import Wish
from redmine_mailbridge.tasks.receive.admin_decisions import Decision, decide, possible
from tests.product import mail
from tests.unit.tasks.desk import Desk, open_desk


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with open_desk(tmp_path, monkeypatch) as made:
        yield made


def say(desk: Desk, decision: Decision, *ids: int, issue: int | None = None, subject: str | None = None) -> list[bool]:
    with desk.application() as made:
        return [one.ok for one in decide(made.store, ids, decision, by="jsmith", issue=issue, subject=subject)]


def test_an_ignored_mail_is_imported(desk: Desk) -> None:
    """A mail that was ignored as a machine's becomes an issue when a person wants it, and the record names them."""
    desk.server.append(mail("Out of office", Auto_Submitted="auto-replied"))
    desk.receive()
    assert [] == desk.issues

    assert [True] == say(desk, Decision.IMPORT, 1)
    desk.receive(hurry=False)
    (row,) = desk.rows()
    assert (State.DONE, 1, "Out of office") == (row.state, row.issue, desk.issues[0]["subject"])
    assert "wanted in Redmine by jsmith" in desk.lines(row)
    assert any("imported by jsmith" in line for line in desk.lines(row))


def test_a_subject_of_one_s_own(desk: Desk) -> None:
    """A mail that is imported by hand takes the subject that was typed."""
    desk.server.append(mail("Out of office", Auto_Submitted="auto-replied"))
    desk.receive()
    say(desk, Decision.IMPORT, 1, subject="Kim is away")
    desk.receive(hurry=False)
    assert ["Kim is away"] == [issue["subject"] for issue in desk.issues]


def test_a_mail_is_filed_to_an_issue(desk: Desk) -> None:
    """A mail becomes a note of the issue that a person names; one that does not exist holds it, with the reason."""
    desk.server.append(mail("First"), mail("Out of office", Auto_Submitted="auto-replied"))
    desk.receive()
    assert [True] == say(desk, Decision.FILE, 2, issue=99)
    desk.receive(hurry=False)
    held = desk.rows()[1]
    assert (State.HELD, "#99 does not exist, or this key may not see it") == (held.state, held.reason)

    assert [True] == say(desk, Decision.FILE, 2, issue=1)
    desk.receive(hurry=False)
    assert (State.DONE, 1) == (desk.rows()[1].state, desk.rows()[1].issue)
    assert 1 == len(desk.issues[0]["journals"])


def test_what_is_in_redmine_stays_once(desk: Desk) -> None:
    """A mail that is an issue already can be neither tried again nor imported nor filed a second time."""
    desk.server.append(mail("Once"))
    desk.receive()
    (row,) = desk.rows()
    assert frozenset() == possible(row)
    for decision in Decision:
        assert [False] == say(desk, decision, 1, issue=1)
    desk.receive()
    assert (1, 1) == (len(desk.issues), desk.writes)


def test_no_such_mail(desk: Desk) -> None:
    """A number that is no mail changes nothing and is said."""
    assert [False] == say(desk, Decision.RETRY, 7)


def test_a_wish_is_read_as_it_was_written() -> None:
    """A wish survives the store, whatever stands in its subject."""
    for wish in (Wish("a:b"), Wish("jo", 7), Wish("jo", project="x", subject='"é:\n')):
        assert wish == Wish.read(str(wish))
