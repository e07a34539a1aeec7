"""A real MariaDB from the same tree, its data and its socket in the instance's directory, on loopback for anybody."""

from pathlib import Path

from tests.servers import processes
from tests.servers.processes import Process, listens, start_and_wait
from tests.servers.trees import clean_env, entered, run_in

USER = "www-data:www-data"
CHARSETS = {"mariadb": "utf8mb4", "mariadb-utf8mb3": "utf8"}
"""The kinds of database, with the characters of each by the name that every client library knows. MariaDB takes "utf8"
for utf8mb3, which has none of 4 bytes.
"""

SETTINGS = """
[mariadbd]
datadir = /srv/mariadb
socket = /srv/mariadb/socket
pid-file = /srv/mariadb/pid
tmpdir = /srv/tmp
bind-address = 127.0.0.1
skip-grant-tables
skip-name-resolve
transaction-isolation = READ-COMMITTED
innodb_flush_log_at_trx_commit = 1
innodb_buffer_pool_size = 64M
innodb_log_file_size = 8M
performance_schema = off
"""
FILL = """
set -e
cd /usr/share/mariadb 2>/dev/null || cd /usr/share/mysql
{
    printf '%s;\\n' "CREATE DATABASE mysql" "USE mysql" "SET @auth_root_socket = NULL"
    cat m*_system_tables.sql m*_performance_tables.sql m*_system_tables_data.sql
    echo "CREATE DATABASE redmine CHARACTER SET $1;"
} | /usr/sbin/mariadbd --defaults-file=/srv/mariadb.cnf --bootstrap
"""
"""What mariadb-install-db does, which wants programs of the client's package, and Redmine's empty database."""


def create(tree: Path, state: Path, database: str) -> Process:
    """Given a new instance and a kind of database, make its data directory and an empty database `redmine`.

    Return the running server.
    """
    (state / "mariadb.cnf").write_text(SETTINGS)
    prepare = "mkdir /srv/mariadb && chown www-data:www-data /srv/mariadb && chmod 700 /srv/mariadb"
    run_in(tree, state, "root:root", ["sh", "-c", prepare])
    run_in(tree, state, USER, ["sh", "-c", FILL, "fill", CHARSETS[database]])
    return serve(tree, state, processes.free_port())


def serve(tree: Path, state: Path, port: int) -> Process:
    """Given an instance, start its MariaDB on this TCP port and its socket. Return it when it takes connections."""
    command = ["/usr/sbin/mariadbd", "--defaults-file=/srv/mariadb.cnf", f"--port={port}"]
    return start_and_wait(
        "mariadb", entered(tree, state, USER, command), state / "mariadb.log", clean_env({}),
        ready=lambda: listens(port),
    )  # fmt: skip


def end(process: Process) -> None:
    """Given a server, end it in order, so that its data directory can be copied."""
    processes.end(process, seconds=30)
