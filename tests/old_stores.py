"""Databases as versions before the first release have left them, and how tables differ from those of today."""

from typing import Any

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.tables import metadata

BEFORE = ["0005", "0081", None]
"""The versions of tables that acd4ff7 and cfba0be had; None: tables without one."""


def make_old(database: Database, version: str | None) -> None:
    """Given an empty database, have it look as if it had tables of this version."""
    with database.engine.begin() as db:
        db.execute(sa.text("CREATE TABLE mail (id INTEGER PRIMARY KEY, mailbox TEXT NOT NULL)"))
        if version is not None:
            db.execute(sa.text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
            db.execute(sa.text("INSERT INTO alembic_version VALUES (:version)"), {"version": version})


def differences(database: Database) -> list[Any]:
    """In what the tables of a database differ from those that the code speaks of."""
    with database.engine.connect() as db:
        context = MigrationContext.configure(db, opts={"compare_type": True, "compare_server_default": True})
        return list(compare_metadata(context, metadata))
