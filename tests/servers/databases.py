"""The databases that a Redmine of the tests can stand on: how Redmine is told, and how each is made and served."""

from pathlib import Path

from tests.servers import mariadb, postgresql
from tests.servers.processes import Process

MARIADB = """
production:
  adapter: mysql2
  database: redmine
  socket: /srv/mariadb/socket
  username: redmine
  pool: 20
  encoding: {charset}
"""

SETTINGS = {
    "sqlite": """
production:
  adapter: sqlite3
  database: /srv/redmine/redmine.sqlite3
  pool: 20
  encoding: utf8
""",
    "postgresql": """
production:
  adapter: postgresql
  database: redmine
  host: /srv/pgsocket
  username: redmine
  pool: 20
  encoding: utf8
""",
    **{name: MARIADB.format(charset=charset) for name, charset in mariadb.CHARSETS.items()},
}
"""Redmine's database.yml for each kind of database."""


def create(tree: Path, state: Path, database: str) -> Process | None:
    """Given a new instance and a kind, make its empty database. Return its running server, None where there is none."""
    if database == "postgresql":
        return postgresql.create(tree, state)
    return mariadb.create(tree, state, database) if database in mariadb.CHARSETS else None


def serve(tree: Path, state: Path, database: str, port: int) -> Process | None:
    """Given an instance and a kind, start its server on this port too. Return it, None where there is none."""
    if database == "postgresql":
        return postgresql.serve(tree, state, port)
    return mariadb.serve(tree, state, port) if database in mariadb.CHARSETS else None


def url(database: str, port: int) -> str:
    """Given a kind with a server and its port, return the database's address."""
    scheme = "postgresql" if database == "postgresql" else "mysql"
    return f"{scheme}://redmine@127.0.0.1:{port}/redmine"


def end(process: Process) -> None:
    """Given a server, end it in order, so that its data directory can be copied."""
    (postgresql if process["name"] == "postgresql" else mariadb).end(process)
