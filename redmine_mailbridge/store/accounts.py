"""Whose mails the store holds: the accounts behind the names of mailboxes, and what happens when a name changes.

A mailbox is an account. Its name in the settings is a label, which everything in the store bears; when the label
changes, what bears it is relabelled. When an account moves to another server, its mails lie in other folders: their
validity ends, as if each UIDVALIDITY had changed, whatever number the new server gives its folders.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from redmine_mailbridge.model.mail_state import OPEN
from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.dialects import upsert
from redmine_mailbridge.store.tables import (
    account,
    content,
    folder,
    issue,
    left_lying,
    mail,
    mailbox_pause,
    meta,
    oauth_token,
    outbox,
    task_next,
    task_override,
    task_run,
    task_wish,
)

LABELLED: tuple[sa.ColumnElement[Any], ...] = (
    mail.c.mailbox, mail.c.paused_by, folder.c.mailbox, left_lying.c.mailbox, outbox.c.mailbox, account.c.mailbox,
    issue.c.mailbox, mailbox_pause.c.mailbox,
)  # fmt: skip
"""The columns that hold a mailbox's name and nothing else."""
NAMED: tuple[tuple[sa.ColumnElement[Any], str], ...] = (
    (meta.c.key, "released:{}"),
    (meta.c.key, "braked:{}"),
    *((table.c.name, "receive:{}") for table in (task_override, task_wish, task_next, task_run)),
    (oauth_token.c.connection, "{}"),
    (oauth_token.c.connection, "{}/outgoing"),
)
"""The columns that hold it within a longer name."""
TAG = "@"
"""What stands between a validity and the number of the move that ended it. No server's validity holds it."""


@dataclass(frozen=True, slots=True)
class KnownMailbox:
    """A mailbox as the store remembers it. `account` and `address` are None where an earlier version kept none."""

    name: str
    account: str | None = None
    address: str | None = None
    folders: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Relabelling:
    """What changes in the store: `names` from old to new (a permutation, in part), `moved` the new names of those whose
    account is on another server now, `folders` those that another name of the same account reads now (old name, folder,
    new name).
    """

    names: Mapping[str, str]
    moved: Collection[str] = ()
    folders: Sequence[tuple[str, str, str]] = ()


class Accounts:
    """Reads and changes whose the mails are."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def known(self) -> dict[str, KnownMailbox]:
        """The mailboxes that the store has heard of, by name."""
        with self._database.read() as db:
            accounts = {row.mailbox: row for row in db.execute(sa.select(account))}
            folders: dict[str, set[str]] = {name: set() for name in accounts}
            for row in db.execute(sa.select(folder.c.mailbox, folder.c.folder)):
                folders.setdefault(row.mailbox, set()).add(row.folder)
        return {
            name: KnownMailbox(name, accounts[name].account, accounts[name].address, frozenset(read))
            if name in accounts
            else KnownMailbox(name, folders=frozenset(read))
            for name, read in folders.items()
        }

    def open_in(self) -> frozenset[str]:
        """The names of the mailboxes that mails are open in."""
        query = sa.select(mail.c.mailbox).where(mail.c.state.in_(OPEN)).group_by(mail.c.mailbox)
        with self._database.read() as db:
            return frozenset(db.execute(query).scalars())

    def settle(self, change: Relabelling, present: Mapping[str, tuple[str, str]]) -> None:
        """Change the store so, and remember whose the mailboxes are now: account and address by name."""
        with self._database.write() as db:
            labels = {old: f"~{number}" for number, old in enumerate(sorted(change.names))}
            for old, label in labels.items():
                self._relabel(db, old, label)
            for old, new in sorted(change.names.items()):
                self._relabel(db, labels[old], new)
            for name in sorted(change.moved):
                self._end_validity(db, name)
            for old, name, new in change.folders:
                for table in (mail, folder, left_lying):
                    one = sa.and_(table.c.mailbox == old, table.c.folder == name)
                    db.execute(sa.update(table).where(one).values(mailbox=new))
            for name, (whose, address) in sorted(present.items()):
                self._remember(db, name, whose, address)

    def _relabel(self, db: sa.Connection, old: str, new: str) -> None:
        for column in LABELLED:
            self._rename(db, column, old, new)
        for column, form in NAMED:
            before, after = form.format(old), form.format(new)
            there = db.execute(sa.select(sa.literal(1)).select_from(column.table).where(column == after)).first()
            if there is None or column.table.name == "task_run":  # what is there under the new name already stays
                self._rename(db, column, before, after)
        scope = f"{old}/"  # of keys that count within a mailbox
        for column in (content.c.key, mail.c.content_key):
            scoped = sa.func.substr(column, 1, len(scope)) == scope
            moved = sa.literal(f"{new}/").concat(sa.func.substr(column, len(scope) + 1))
            db.execute(sa.update(column.table).where(scoped).values({column: moved}))

    @staticmethod
    def _rename(db: sa.Connection, column: sa.ColumnElement[Any], old: str, new: str) -> None:
        db.execute(sa.update(column.table).where(column == old).values({column: new}))

    def _end_validity(self, db: sa.Connection, name: str) -> None:
        """The folders of this name lie on another server now."""
        number = int(db.execute(sa.select(account.c.moves).where(account.c.mailbox == name)).scalar() or 0) + 1
        db.execute(sa.update(account).where(account.c.mailbox == name).values(moves=number))
        for table in (mail, folder):
            untagged = sa.and_(table.c.mailbox == name, table.c.validity.not_like(f"%{TAG}%"))
            ended = table.c.validity.concat(f"{TAG}{number}")
            db.execute(sa.update(table).where(untagged).values(validity=ended))

    @staticmethod
    def _remember(db: sa.Connection, name: str, whose: str, address: str) -> None:
        upsert(db, account, {"mailbox": name, "account": whose, "address": address})
