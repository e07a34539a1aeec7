"""A store with rows in every table that a mailbox's name stands in, and what a rename changes there."""

import sqlalchemy as sa

from redmine_mailbridge.model.mailbox import Listed, Location, RawMail
from redmine_mailbridge.model.stored_mail import Cursor, Description
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.outgoing.adding import NewAnswer
from redmine_mailbridge.store.outgoing.outbox import Outbox
from redmine_mailbridge.store.task_state import Override, TaskState

ISSUE = {
    "mail_id": 1, "requester": "a@x.example", "requester_name": "", "domain": "x.example", "project_id": 1,
    "project": "p", "project_name": "P", "project_public": True, "tracker": "Bug", "status": "New", "closed": False,
    "priority": "Normal", "subject": "s", "private": False, "created_on": 1.0, "updated_on": 1.0, "seen_at": 1.0,
    "settled": True, "gone": False,
}  # fmt: skip
TABLES = {
    "mail": "mailbox", "folder": "mailbox", "left_lying": "mailbox", "outbox": "mailbox", "account": "mailbox",
    "issue": "mailbox", "meta": "key", "task_override": "name", "task_wish": "name", "task_run": "name",
    "oauth_token": "connection", "content": "key",
}  # fmt: skip


def fill(store: Store, name: str, number: int) -> None:
    """Given a store, put something of this mailbox into every table."""
    place = Location(name, "INBOX", "7", str(number))
    store.begin_folder(name, "INBOX", Cursor("7", None), until=None, left=["99"], taken_from=0.0)
    (row,) = store.add([RawMail(Listed(place, 5), f"mail {name}".encode())], cursor=Cursor("7", str(number)))
    store.describe([Description(row.id, f"{name}@x", f"{name}/key{number}", "a@x.example", "s")])
    answer = NewAnswer(name, "received", "d@x.example", "a@x.example", f"{name}.1@x", b"x", lambda _count: None, 5)
    Outbox(store.database, store.clock).queue([answer], mail_id=row.id)
    store.brake(name, 10)
    store.release(name, 10)
    book = TaskState(store.database, store.clock)
    book.override(f"receive:{name}", lambda _old: Override(active=False))
    book.request_run(f"receive:{name}")
    book.end(book.begin(f"receive:{name}", None), done=0, failed=0, error=None)
    issue = sa.table("issue", *(sa.column(one) for one in ("id", "mailbox", *ISSUE)))
    values = {"signed_in_as": "me", "renew_at": 1.0, "expires_at": 1.0, "version": 1, "lease_until": 0.0}
    token = sa.table("oauth_token", *(sa.column(one) for one in ("connection", *values)))
    with store.database.write() as db:
        db.execute(sa.insert(issue).values(id=number, mailbox=name, **ISSUE))
        for connection in (name, f"{name}/outgoing"):
            db.execute(sa.insert(token).values(connection=connection, **values))


def named(store: Store) -> dict[str, list[str]]:
    """What stands where a mailbox's name stands, by table, sorted; the store's own secrets apart."""
    found: dict[str, list[str]] = {}
    with store.database.read() as db:
        for table, column in TABLES.items():
            values = db.execute(sa.select(sa.column(column)).select_from(sa.table(table))).scalars()
            found[table] = sorted(one for one in values if one[:3] not in {"tas", "ins", "sig"})
    return found


def check_exchange(store: Store) -> None:
    """Two mailboxes exchange their names: every row follows its account, and nothing else changes."""
    from redmine_mailbridge.store.accounts import Accounts, MailboxRenaming

    accounts = Accounts(store.database)
    whose = {"one": ("first at a", "one@x.example"), "two": ("second at b", "two@x.example")}
    accounts.settle(MailboxRenaming({}), whose)
    fill(store, "one", 1)
    fill(store, "two", 2)
    before = named(store)
    accounts.settle(MailboxRenaming({"one": "two", "two": "one"}), {"one": whose["two"], "two": whose["one"]})
    after = named(store)
    assert ["one/key2", "two/key1"] == after.pop("content")
    assert after == {table: values for table, values in before.items() if table != "content"}
    with store.database.read() as db:
        mails = db.execute(sa.text("SELECT mailbox, uid, content_key FROM mail ORDER BY uid")).all()
        issues = db.execute(sa.text("SELECT mailbox, id FROM issue ORDER BY id")).all()
        known = db.execute(sa.text("SELECT mailbox, account FROM account ORDER BY account")).all()
    assert [("two", "1", "two/key1"), ("one", "2", "one/key2")] == [tuple(one) for one in mails]
    assert [("two", 1), ("one", 2)] == [tuple(one) for one in issues]
    assert [("two", "first at a"), ("one", "second at b")] == [tuple(one) for one in known]


def check_rename_and_move(store: Store) -> None:
    """A mailbox is renamed and moves: all bears the new name, no validity holds any more, twice as little as once."""
    from redmine_mailbridge.store.accounts import Accounts, MailboxRenaming

    accounts = Accounts(store.database)
    accounts.settle(MailboxRenaming({}), {"old": ("me at a", "me@x.example")})
    fill(store, "old", 1)
    accounts.settle(MailboxRenaming({"old": "new"}, {"new"}), {"new": ("me at b", "me@x.example")})
    assert not [one for values in named(store).values() for one in values if "old" in one]
    assert {"new"} == accounts.known().keys()
    assert ("me at b", "me@x.example") == (accounts.known()["new"].account, accounts.known()["new"].address)
    assert Cursor("7@1", "1") == store.cursor("new", "INBOX")
    accounts.settle(MailboxRenaming({}, {"new"}), {"new": ("me at c", "me@x.example")})
    with store.database.read() as db:
        assert ["7@1"] == db.execute(sa.text("SELECT uid_validity FROM mail")).scalars().all()
    place = Location("new", "INBOX", "7", "1")
    (row,) = store.add([RawMail(Listed(place, 5), b"another mail")])
    assert 2 == row.id
    assert frozenset() == store.known("new", None, ["1"], uid_validity="pop3")
