"""Whose mails the store holds, when names change, on SQLite; tests/real does the same on PostgreSQL."""

from collections.abc import Callable

import pytest

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.stored_mail import Cursor
from redmine_mailbridge.store.accounts import Accounts, KnownMailbox, MailboxRenaming
from redmine_mailbridge.store.begun_issues import BegunIssues
from redmine_mailbridge.store.issue_copy import IssueCopy
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.note_decisions import NoteDecisions
from redmine_mailbridge.store.queries.messages import MessageFilter, MessageQueries
from redmine_mailbridge.store.task_state import TaskState
from redmine_mailbridge.store.tokens import TokenRows
from tests.accounts_case import check_exchange, check_rename_and_move
from tests.clocks import Clock
from tests.unit.store.kept import keep, put
from tests.unit.store.test_issue_copy import journal, row


@pytest.mark.parametrize("check", [check_exchange, check_rename_and_move])
def test_names_follow_their_accounts(store: Store, check: Callable[[Store], None]) -> None:
    """Every table that names a mailbox names it anew, also when two exchange their names."""
    check(store)


def _places(store: Store) -> list[tuple[str, str, str]]:
    rows = MessageQueries(store.database).messages(MessageFilter())
    return sorted((row.location.mailbox, row.location.folder, row.location.uid_validity) for row in rows)


def test_each_move_to_another_server_ends_the_validities_that_were_not_ended_before(store: Store) -> None:
    accounts = Accounts(store.database)
    accounts.settle(MailboxRenaming({}), {"a": ("a at one", "a@x"), "b": ("b at one", "b@x")})
    keep(store, 1, "a")
    keep(store, 1, "b")
    accounts.settle(MailboxRenaming({}, moved=["a"]), {})
    assert [("a", "INBOX", "1@1"), ("b", "INBOX", "1")] == _places(store)
    keep(store, 2, "a")
    accounts.settle(MailboxRenaming({}, moved=["a"]), {})
    assert [("a", "INBOX", "1@1"), ("a", "INBOX", "1@2"), ("b", "INBOX", "1")] == _places(store)
    keep(store, 3, "a")
    accounts.settle(MailboxRenaming({}, moved=["a", "b"]), {})
    assert [("a", "INBOX", f"1@{n}") for n in (1, 2, 3)] + [("b", "INBOX", "1@1")] == _places(store)


def test_a_folder_that_another_name_of_the_account_reads_now_takes_its_mails_along(store: Store) -> None:
    accounts = Accounts(store.database)
    for folder in ("INBOX", "Sales"):
        keep(store, 1, "a", folder=folder)
    keep(store, 1, "b", folder="Sales")
    accounts.settle(MailboxRenaming({}, folders=[("a", "Sales", "c")]), {})
    assert [("a", "INBOX", "1"), ("b", "Sales", "1"), ("c", "Sales", "1")] == _places(store)


def test_the_mailboxes_that_the_store_has_heard_of(store: Store) -> None:
    accounts = Accounts(store.database)
    accounts.settle(MailboxRenaming({}), {"a": ("a at one", "a@x")})
    for name, folder in (("a", "INBOX"), ("a", "Sales"), ("old", "INBOX")):
        store.move_cursor(name, folder, Cursor("1", None))
    keep(store, 1, "a")
    put(store, keep(store, 1, "old"), State.DONE)
    assert {
        "a": KnownMailbox("a", "a at one", "a@x", frozenset({"INBOX", "Sales"})),
        "old": KnownMailbox("old", None, None, frozenset({"INBOX"})),
    } == accounts.known()
    assert frozenset({"a"}) == accounts.open_in()


def test_a_name_that_is_taken(store: Store) -> None:
    """What is there under the new name stays: a mailbox's sign-in, or when its task runs next; the runs of both names
    are one list.
    """
    clock = Clock()
    tokens, tasks = TokenRows(store.database, clock), TaskState(store.database, clock)
    for name in ("old", "new"):
        tokens.signed_in(name, name.encode(), signed_in_as=name, renew_at=1.0, expires_at=2.0)
        tasks.plan_next(f"receive:{name}", float(len(name) + (name == "old")))
        tasks.skip(f"receive:{name}", None, name)
    Accounts(store.database).settle(MailboxRenaming({"old": "new"}), {"new": ("me at a", "me@x")})
    token = tokens.find("new")
    assert token is not None
    assert (b"new", 3.0) == (token.sealed, tasks.next_runs()["receive:new"])
    assert ["new", "old"] == sorted(run.error or "" for run in tasks.runs("receive:new"))


@pytest.mark.fault("A37-4")
def test_since_when_notes_are_mailed_goes_along(store: Store) -> None:
    """Notes that wait while a mailbox gets another name are no history under the new one, nor does a conversation in
    Redmine begin later than under the old one.
    """
    decisions, begun = NoteDecisions(store.database, store.clock), BegunIssues(store.database, store.clock)
    copy = IssueCopy(store.database, store.clock)
    copy.save(row(7), [journal(5, 7)])
    assert [5, 5, 5] == [decisions.begin(f"old:{what}") for what in ("notes", "closed", "third_parties")]
    begun.since("old", lambda: 100.0)
    begun.since("old", lambda: 150.0, commands=True)
    copy.save(row(7), [journal(5, 7), journal(9, 7)])
    Accounts(store.database).settle(MailboxRenaming({"old": "new"}), {"new": ("me at a", "me@x")})
    assert [5, 5, 5] == [decisions.begin(f"new:{what}") for what in ("notes", "closed", "third_parties")]
    assert (100.0, False) == begun.since("new", lambda: 200.0)
    assert (150.0, False) == begun.since("new", lambda: 200.0, commands=True)
