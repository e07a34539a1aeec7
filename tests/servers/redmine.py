"""A real Redmine: seeded once per suite and database, then copied for each instance and served by puma."""

import hashlib
import json
import os
import secrets
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.servers import clocks, databases
from tests.servers.processes import Process, answers, free_port, start, wait_until
from tests.servers.trees import cache, clean_env, entered, locked, run_in, say

SEED = Path(__file__).with_name("seed.rb")
CUSTOMISED = Path(__file__).with_name("customised.rb")
PLUGINS = Path(__file__).with_name("plugin")
USER = "www-data:www-data"
SUDO = "sudo_mode"
"""A file of this name in an instance's folder has Redmine ask people for their password again (the plugin does)."""
LAYOUT = "3"
"""Raise it when the layout of an instance changes, so that cached seeds of an older one are made again."""

PUMA = """
bind 'tcp://127.0.0.1:{port}'
workers {workers}
threads 2, 4
environment 'production'
directory '/usr/share/redmine'
preload_app!
worker_timeout {timeout}
"""

ENVIRONMENT = {
    "RAILS_ENV": "production", "REDMINE_INSTANCE": "default", "REDMINE_LANG": "en", "HOME": "/srv/redmine",
    "RAILS_MAX_THREADS": "4", "SCHEMA": "/srv/tmp/schema.rb",
}  # fmt: skip


def ensure_seed(suite: str, tree: Path, database: str, *, customised: bool = False) -> Path:
    """Given a suite, its tree and the kind of database, return the directory of the seeded instance.

    It is made once for this text of the seed and kept in the cache; an instance is a copy of it. `customised`: as teams
    have it (customised.rb).
    """
    text = SEED.read_bytes() + LAYOUT.encode() + databases.SETTINGS[database].encode()
    text += CUSTOMISED.read_bytes() if customised else b""
    mark = hashlib.sha256(text).hexdigest()[:12]
    name = f"{suite}-{database}" + ("-customised" if customised else "")
    plain = ensure_seed(suite, tree, database) if customised else None
    seed = cache() / "seeds" / f"{name}-{mark}"
    with locked(cache() / "seeds" / name):
        if seed.exists():
            return seed
        for old in seed.parent.glob(f"{name}-{'[0-9a-f]' * 12}"):
            shutil.rmtree(old)
        part = seed.with_name(f"{name}-part")
        shutil.rmtree(part, ignore_errors=True)
        say(f"services: seeding a Redmine database ({name}, some seconds, once)")
        if plain is None:
            make_seed(tree, part, database)
        else:
            customise(tree, plain, part, database)
        part.rename(seed)
    return seed


def customise(tree: Path, plain: Path, part: Path, database: str) -> None:
    """Given a tree, the usual seed and a directory, make a copy of it there and run customised.rb on it."""
    part.mkdir()
    copy_seed(plain, part)
    process = databases.serve(tree, part, database, free_port())
    try:
        run_seed(tree, part, CUSTOMISED)
    finally:
        if process is not None:
            databases.end(process)
    (part / "redmine" / SUDO).touch()


def make_seed(tree: Path, part: Path, database: str) -> None:
    """Given a tree and a directory, make an instance there with its database created, migrated and seeded."""
    part.mkdir(parents=True)
    for name in ("tmp", "run", "redmine"):
        (part / name).mkdir()
    (part / "tmp").chmod(0o1777)
    copy = (
        "cp -rL /var/lib/redmine/. /srv/redmine/ && cd /srv/redmine && rm -rf default/config"
        " && cp -r /etc/redmine/default default/config"
        " && mkdir -p default/tmp/pids default/log default/files"
        " && cp /var/lib/dbconfig-common/sqlite3/redmine/instances/default/redmine_default redmine.sqlite3"
    )
    run_in(tree, part, "root:root", ["sh", "-c", copy])
    default = part / "redmine" / "default"
    for log in (default / "log").glob("*"):
        log.write_bytes(b"")
    (default / "config" / "database.yml").write_text(databases.SETTINGS[database])
    (part / "etc").mkdir()
    (part / "etc" / "redmine").mkdir()
    (part / "etc" / "redmine" / "default").symlink_to("/srv/redmine/default/config")
    (part / "var" / "lib").mkdir(parents=True)
    (part / "var" / "lib" / "redmine").symlink_to("../../redmine")
    run_in(tree, part, "root:root", ["chown", "-R", USER, "/srv/redmine"])
    process = databases.create(tree, part, database)
    try:
        fill(tree, part)
    finally:
        if process is not None:
            databases.end(process)


def fill(tree: Path, part: Path) -> None:
    """Given an instance whose database runs, migrate it (trixie's package leaves that undone) and run the seed."""
    rails(tree, part, ["bin/rake", "db:migrate"])
    run_seed(tree, part, SEED, f"demo-{secrets.token_hex(4)}")


def run_seed(tree: Path, part: Path, script: Path, password: str = "") -> None:
    """Given an instance whose database runs, run a script of Rails there, which writes or changes seed.json."""
    shutil.copy(script, part / "redmine" / script.name)
    env = {"SEED_PASSWORD": password, "SEED_OUT": "/srv/redmine/seed.json"}
    rails(tree, part, ["bin/rails", "runner", f"/srv/redmine/{script.name}"], env)


def rails(tree: Path, state: Path, command: list[str], env: dict[str, str] | None = None) -> str:
    """Given a command such as `bin/rails runner FILE`, run it as Redmine's user in Redmine's folder."""
    return run_in(tree, state, USER, ["env", "-C", "/usr/share/redmine", "ruby", *command], ENVIRONMENT | (env or {}))


def seeded(state: Path) -> dict[str, Any]:
    """Given an instance's directory, return what the seed wrote: ids, logins and keys."""
    found: dict[str, Any] = json.loads((state / "redmine" / "seed.json").read_text())
    return found


def copy_seed(seed: Path, state: Path) -> None:
    """Given a seed and an instance's new directory, copy the seed there, with owners."""
    subprocess.run(["cp", "-a", "--reflink=auto", f"{seed}/.", str(state)], check=True)


def serve(tree: Path, state: Path, port: int, workers: int = 2, ahead: float | None = None) -> Process:
    """Given an instance and a port, start puma there. Return the process; it may not answer yet.

    `ahead`: its clock is so many seconds ahead of ours, and `set_clock` may change that; with None it is ours.
    """
    home = state / "redmine"
    shutil.copytree(PLUGINS, home / "default" / "plugins", dirs_exist_ok=True)
    clock: dict[str, str] = {}
    if ahead is not None:
        set_clock(state, port, ahead)
        clock = clocks.variables_in(tree, Path("/srv/redmine") / clock_file(state, port).name)
    # puma tells by the clock that a worker is gone: one that is set must not look like that
    text = PUMA.format(port=port, workers=workers, timeout=120 if ahead is None else 10**7)
    (home / f"puma-{port}.rb").write_text(text)
    puma = ["puma", "-C", f"/srv/redmine/puma-{port}.rb"]
    command = ["env", "-C", "/usr/share/redmine", *(f"{name}={value}" for name, value in clock.items()), *puma]
    return start("redmine", entered(tree, state, USER, command), state / "puma.log", clean_env(ENVIRONMENT))


def clock_file(state: Path, port: int) -> Path:
    """Given an instance and a port, return the file that holds the offset of the clock of the puma there."""
    return state / "redmine" / f"clock-{port}"


def set_clock(state: Path, port: int, ahead: float) -> None:
    """Given an instance and the port of a puma that was started with a clock of its own, set it so many seconds ahead
    of ours.
    """
    clocks.set_ahead(clock_file(state, port), ahead)


def wait(process: Process, port: int, seconds: float = 90) -> None:
    """Given puma and its port, wait until Redmine answers. Raise `TimeoutError` with its log's end if not."""
    wait_until(lambda: answers(port, "/login"), f"Redmine answers on port {port}", seconds, process)


def main_pid_age(process: Process) -> float:
    """Given a process, return for how many seconds it has been running."""
    ticks = os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - process["started"] / ticks
