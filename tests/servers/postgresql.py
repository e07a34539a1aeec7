"""A real PostgreSQL from the same tree: fsync on, its data and its socket in the instance's directory."""

import itertools
import threading
from pathlib import Path

import sqlalchemy as sa

from tests.servers import processes
from tests.servers.processes import Process, free_port, start_and_wait
from tests.servers.trees import clean_env, entered, run_in

USER = "postgres:postgres"

SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = '/srv/pgsocket'
max_connections = 100
fsync = on
synchronous_commit = on
shared_buffers = 128MB
logging_collector = off
"""


def binaries(tree: Path) -> str:
    """Given a tree, return where PostgreSQL's programs lie inside it."""
    found = sorted((tree / "usr" / "lib" / "postgresql").glob("*/bin"))
    return f"/{found[-1].relative_to(tree)}"


def create(tree: Path, state: Path) -> Process:
    """Given a new instance, make its data directory and an empty database `redmine`. Return the running server."""
    where = binaries(tree)
    prepare = (
        "mkdir -p /srv/pg /srv/pgsocket && chown postgres:postgres /srv/pg && chown postgres:postgres /srv/pgsocket"
    )
    run_in(tree, state, "root:root", ["sh", "-c", prepare + " && chmod 700 /srv/pg"])
    run_in(
        tree, state, USER,
        [f"{where}/initdb", "-D", "/srv/pg", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "-U", "postgres"],
    )  # fmt: skip
    with (state / "pg" / "postgresql.conf").open("a") as conf:
        conf.write(SETTINGS)
    process = serve(tree, state, free_port())
    run_in(tree, state, USER, [f"{where}/createuser", "-h", "/srv/pgsocket", "-U", "postgres", "-d", "redmine"])
    run_in(
        tree, state, USER, [f"{where}/createdb", "-h", "/srv/pgsocket", "-U", "postgres", "-O", "redmine", "redmine"]
    )
    return process


def serve(tree: Path, state: Path, port: int) -> Process:
    """Given an instance, start its PostgreSQL on this TCP port too. Return it when it takes connections.

    The socket keeps the name of the standard port, so that Redmine's settings are the same in every copy.
    """
    (state / "pg" / "postmaster.pid").unlink(missing_ok=True)
    command = [f"{binaries(tree)}/postgres", "-D", "/srv/pg", "-p", str(port)]
    lock = state / "pg" / "postmaster.pid"
    process = start_and_wait(
        "postgresql", entered(tree, state, USER, command), state / "postgresql.log", clean_env({}),
        ready=lambda: lock.exists() and "ready" in lock.read_text(),
    )  # fmt: skip
    link = state / "pgsocket" / ".s.PGSQL.5432"
    link.unlink(missing_ok=True)
    link.symlink_to(f".s.PGSQL.{port}")
    return process


def end(process: Process) -> None:
    """Given a server, end it with its fast shutdown, so that its data directory can be copied."""
    processes.end(process, seconds=30)


class PostgreSql:
    """A PostgreSQL of a test session's own: `url` is an empty database, `fresh` makes further ones."""

    def __init__(self, tree: Path, state: Path) -> None:
        self._tree = tree
        self._state = state
        self._port = free_port()
        self._numbers = itertools.count(1)
        end(create(tree, state))
        self._process = serve(tree, state, self._port)
        self.url = self._url("redmine")

    def _url(self, name: str) -> str:
        return f"postgresql+psycopg://redmine@127.0.0.1:{self._port}/{name}"

    def fresh(self) -> str:
        """Return the address of a new, empty database."""
        name = f"test{next(self._numbers)}"
        engine = sa.create_engine(self.url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return self._url(name)

    def cut(self, url: str) -> int:
        """Given a database, end all connections to it. Return how many there were."""
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        query = """
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()"""
        with engine.connect() as connection:
            ended = len(connection.execute(sa.text(query)).all())
        engine.dispose()
        return ended

    def restart(self, *, away: float = 0.0) -> None:
        """Stop it (fast: connections are cut) and start it again on the same port, after so many seconds."""
        end(self._process)
        threading.Event().wait(away)
        self._process = serve(self._tree, self._state, self._port)

    def stop(self) -> None:
        """End it."""
        end(self._process)
