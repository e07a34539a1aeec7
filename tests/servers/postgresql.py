"""A real PostgreSQL from the same tree: fsync on, its data and its socket in the instance's directory."""

from pathlib import Path

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
