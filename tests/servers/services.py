"""Starting, describing and ending a set of real servers: what `scripts/services` and the fixtures call."""

import json
import shutil
import time
from pathlib import Path
from typing import Any

from tests.servers import databases, dovecot, processes, redmine
from tests.servers.processes import Process, free_port
from tests.servers.trees import SUITES, ensure_tree, locked, require_host

State = dict[str, Any]
"""What state.json holds; `scripts/services status --json` prints it."""

CHECKOUT = Path(__file__).resolve().parents[2]


def default_directory(version: str, database: str = "sqlite", *, customised: bool = False) -> Path:
    """Given a Redmine version and kind of database, return the directory used when none is named."""
    name = version if database == "sqlite" else f"{version}-{database}"
    return CHECKOUT / ".services" / (f"{name}-customised" if customised else name)


def up(
    version: str, directory: Path, database: str = "sqlite", workers: int = 2, ahead: float | None = None,
    *, customised: bool = False,
) -> State:  # fmt: skip
    """Given a Redmine version and a directory, start the servers there, or leave them if they run already.

    A directory that has been used is used again with what is in it. `ahead`: Redmine's clock is so many seconds ahead
    of ours, and `set_clock` may change that. `customised`: Redmine as teams have it (customised.rb). Return the state,
    also kept in state.json. Raise `Unavailable` if this machine cannot have them, `TimeoutError` with the log's end if
    one does not start.
    """
    directory = directory.resolve()
    with locked(directory.parent / f".{directory.name}"):
        state = load(directory)
        if state is not None and all(processes.alive(p) for p in state["processes"]):
            return state
        if state is not None:
            end_all(state["processes"])
            version, database = state["version"], state["database"]
        require_host()
        return start_all(version, directory, database, workers, ahead, customised=customised)


def start_all(
    version: str, directory: Path, database: str, workers: int, ahead: float | None, *, customised: bool
) -> State:
    """Given what `up` takes, start every server. Nothing is left running if one of them does not start."""
    tree = ensure_tree(SUITES[version])
    seed = redmine.ensure_seed(SUITES[version], tree, database, customised=customised)
    if not (directory / "redmine").exists():
        directory.mkdir(parents=True, exist_ok=True)
        redmine.copy_seed(seed, directory)
    started: list[Process] = []
    state: State = {"version": version, "suite": SUITES[version], "database": database, "clock": ahead is not None}
    state |= {"dir": str(directory), "tree": str(tree), "processes": started}
    try:
        port = free_port()
        server = databases.serve(tree, directory, database, port)
        if server is not None:
            started.append(server)
            state[server["name"]] = {"url": databases.url(database, port), "port": port}
        port = free_port()
        started.append(redmine.serve(tree, directory, port, workers, ahead))
        mail_process, state["dovecot"] = dovecot.serve(tree, directory)
        started.append(mail_process)
        state["redmine"] = {"url": f"http://127.0.0.1:{port}", "port": port} | redmine.seeded(directory)
        save(directory, state)
        redmine.wait(next(p for p in started if p["name"] == "redmine"), port)
    except BaseException:
        end_all(started)
        (directory / "state.json").unlink(missing_ok=True)
        raise
    return state


def down(directory: Path, *, remove: bool = False) -> bool:
    """Given a directory, end the servers that run there, and delete it if asked. Return whether there were any."""
    directory = directory.resolve()
    with locked(directory.parent / f".{directory.name}"):
        state = load(directory)
        if state is not None:
            end_all(state["processes"])
            (directory / "state.json").unlink(missing_ok=True)
        if remove:
            shutil.rmtree(directory, ignore_errors=True)
    if remove:
        (directory.parent / f".{directory.name}.lock").unlink(missing_ok=True)
    return state is not None


def end_all(started: list[Process]) -> None:
    """Given processes, end them in the reverse order of their start."""
    for process in reversed(started):
        processes.end(process)


def restart_redmine(state: State, workers: int = 2, ahead: float | None = None) -> None:
    """Given a state whose Redmine was ended (or not), end it and start it again on the same port.

    `ahead`: with a clock so many seconds ahead of ours, which `set_clock` changes while it runs.
    """
    directory, tree, port = Path(state["dir"]), Path(state["tree"]), state["redmine"]["port"]
    stop_redmine(state)
    process = redmine.serve(tree, directory, port, workers, ahead)
    state["processes"].append(process)
    state["clock"] = ahead is not None
    save(directory, state)
    redmine.wait(process, port)


def beside(state: State, directory: Path, ahead: float = 0.0) -> State:
    """Given the state of running servers and a new directory, start one more Redmine over the same data, with a clock
    of its own. Return its state, which lies in that directory; `down` ends it and nothing else.
    """
    directory.mkdir(parents=True)
    port = free_port()
    process = redmine.serve(Path(state["tree"]), Path(state["dir"]), port, ahead=ahead)
    other = {"url": f"http://127.0.0.1:{port}", "port": port}
    found = state | {"processes": [process], "redmine": state["redmine"] | other, "clock": True}
    save(directory, found)
    try:
        redmine.wait(process, port)
    except BaseException:
        down(directory, remove=True)
        raise
    return found


def set_clock(state: State, ahead: float) -> None:
    """Given the state of a Redmine with a clock of its own, set it so many seconds ahead of ours, while it runs."""
    assert state.get("clock"), "this Redmine was started with our clock: restart_redmine(state, ahead=0)"
    redmine.set_clock(Path(state["dir"]), state["redmine"]["port"], ahead)


def stop_redmine(state: State) -> None:
    """Given a state, end its Redmine only; the rest goes on."""
    for process in [p for p in state["processes"] if p["name"] == "redmine"]:
        processes.end(process)
        state["processes"].remove(process)
    save(Path(state["dir"]), state)


def load(directory: Path) -> State | None:
    """Given a directory, return its state, or None if nothing was started there."""
    try:
        found: State = json.loads((directory / "state.json").read_text())
    except FileNotFoundError:
        return None
    return found


def save(directory: Path, state: State) -> None:
    """Given a directory and a state, write state.json whole or not at all, readable by its owner only."""
    part = directory / "state.json.part"
    part.touch(mode=0o600)
    part.write_text(json.dumps(state, indent=2))
    part.replace(directory / "state.json")


def describe(state: State) -> str:
    """Given a state, return what runs, with addresses and logins, as text for a person."""
    rm, mail = state["redmine"], state["dovecot"]
    lines = [
        f"{'up  ' if processes.alive(p) else 'gone'}  {p['name']:<10}  pid {p['pid']}, "
        f"for {redmine.main_pid_age(p):.0f} s" if processes.alive(p) else f"gone  {p['name']}"
        for p in state["processes"]
    ]  # fmt: skip
    lines += [
        f"Redmine {rm['version']}  {rm['url']}  login {rm['admin']['login']}, password {rm['admin']['password']}",
        (
            f"Dovecot {mail['version']}  IMAP {mail['imap_port']}, IMAPS {mail['imaps_port']}, "
            f"POP3 {mail['pop3_port']}, POP3S {mail['pop3s_port']}, LMTP {mail['lmtp_port']} on 127.0.0.1; "
            f"any user @{mail['domain']}, password {mail['password']}"
        ),
        f"all of it: {state['dir']}/state.json",
    ]
    return "\n".join(lines)


def stopwatch(start: float) -> str:
    """Given a monotonic start, return how long it took, for a person."""
    return f"{time.monotonic() - start:.1f} s"
