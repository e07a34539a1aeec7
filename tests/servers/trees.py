"""Debian trees that hold the servers: built once with mmdebstrap, cached, and only ever read afterwards."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

SUITES = {"5.0": "bookworm", "6.0": "trixie", "6.1": "sid"}
"""The Redmine that each Debian suite carries."""

PACKAGES = (
    "redmine", "redmine-sqlite", "ruby-pg", "postgresql", "puma",
    "dovecot-imapd", "dovecot-pop3d", "dovecot-lmtpd", "openssl",
    "mariadb-server-core", "ruby-mysql2", "faketime",
)  # fmt: skip

ONLY_IN = {"sid": ("ruby-with-advisory-lock",)}
"""What the Redmine of one suite needs besides (6.1 on MariaDB), and the others do not have."""

CLEAN = ("python3", "python3-venv", "systemd")
"""What the README asks for before the bridge is installed."""

ENTER = """
set -e
root=$1; state=$2; user=$3; shift 3
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount --bind "$state" "$root/srv"
for place in tmp run etc/redmine var/lib/redmine; do
    [ ! -d "$state/$place" ] || mount --bind "$state/$place" "$root/$place"
done
mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"
exec chroot --userspec="$user" "$root" "$@"
"""
"""Enters a tree in a mount namespace of its own: the tree read-only, the state directory at /srv.

The mounts end with the last process, so that nothing has to be unmounted, and two instances never meet.
"""


class Unavailable(Exception):
    """The servers cannot be had on this machine; the text says what is missing and how to get it."""


def say(text: str, where: TextIO | None = None) -> None:
    """Given a line for a person, write it at once, to standard output unless told otherwise."""
    out = where or sys.stdout
    out.write(f"{text}\n")
    out.flush()


def cache() -> Path:
    """Return the directory that keeps trees and seeded databases between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "redmine-mailbridge"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Given a path, hold the lock file beside it, so that two callers never build the same thing at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with Path(f"{path}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def require_host() -> None:
    """Raise `Unavailable` if this machine is not one that can build and enter a tree."""
    if not Path("/etc/debian_version").exists() or shutil.which("apt-get") is None:
        raise Unavailable("the real servers need Debian (apt-get): run this on Debian, or in a Debian container")
    if os.geteuid() != 0:
        raise Unavailable("the real servers need root (mmdebstrap, chroot, mount): run it again with sudo")
    probe = subprocess.run(
        ["unshare", "--mount", "mount", "--bind", "/tmp", "/tmp"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if probe.returncode != 0:
        raise Unavailable(
            f"the real servers need bind mounts (CAP_SYS_ADMIN): {probe.stderr.strip()}; "
            "in a container, start it privileged"
        )


def mirror() -> str:
    """Return the address of the Debian mirror in the host's apt sources. Raise `Unavailable` if there is none."""
    asked = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE) $(REPO_URI) $(RELEASE) $(LABEL) $(COMPONENT)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    for line in asked.stdout.splitlines():
        _site, uri, *rest = line.split()
        if uri.rstrip("/").endswith("debian") and "main" in rest:
            return uri.rstrip("/")
    raise Unavailable("no Debian mirror in this machine's apt sources (run apt-get update)")


def ensure_tree(suite: str) -> Path:
    """Given a Debian suite, return the tree that holds the servers, building it if it is not there yet.

    Its name bears the list of its packages, so that checkouts that want others do not take each other's away.
    """
    packages = (*PACKAGES, *ONLY_IN.get(suite, ()))
    mark = hashlib.sha256(" ".join(packages).encode()).hexdigest()[:8]
    tree = cache() / "trees" / f"{suite}-{mark}"
    with locked(tree):
        if tree.exists():
            return tree
        require_host()
        ensure_program("mmdebstrap")
        for old in tree.parent.glob(f"{tree.name}.part*"):
            shutil.rmtree(old)
        part = tree.with_name(f"{tree.name}.part{os.getpid()}")
        log = tree.with_name(f"{tree.name}.log")
        say(f"services: building a Debian tree with the servers ({suite}, about a minute, once)")
        build_tree(suite, packages, part, log)
        part.rename(tree)
    return tree


def ensure_clean_tree(suite: str) -> Path:
    """Given a Debian suite, return a tree with nothing but what the README asks for, building it if it is not there."""
    mark = hashlib.sha256(" ".join(CLEAN).encode()).hexdigest()[:8]
    tree = cache() / "trees" / f"clean-{suite}-{mark}"
    with locked(tree):
        if not tree.exists():
            require_host()
            ensure_program("mmdebstrap")
            part = tree.with_name(f"{tree.name}.part{os.getpid()}")
            say(f"services: building a clean Debian tree ({suite}, half a minute, once)")
            build_tree(suite, CLEAN, part, tree.with_name(f"{tree.name}.log"), servers=False)
            part.rename(tree)
    return tree


def build_tree(suite: str, packages: Sequence[str], part: Path, log: Path, *, servers: bool = True) -> None:
    """Given a suite, what it is to hold and a directory, make the tree there, for the `servers` or for nothing yet.

    Raise `Unavailable` with the log's end if it fails.
    """
    plugins = ["--customize-hook=ln -s /srv/redmine/default/plugins $1/usr/share/redmine/plugins"]  # an instance's own
    command = [
        "mmdebstrap", "--variant=apt", "--mode=root",
        '--aptopt=Acquire::Check-Valid-Until "false"', '--aptopt=APT::Install-Recommends "false"',
        *(plugins if servers else ()),
        "--customize-hook=rm -rf $1/var/lib/apt/lists/* $1/var/cache/apt/*.bin $1/usr/share/doc/* $1/var/lib/mysql/*",
        f"--include={','.join(packages)}", suite, str(part), f"deb [trusted=yes] {mirror()} {suite} main",
    ]  # fmt: skip
    with log.open("w") as out:
        built = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, check=False, stdin=subprocess.DEVNULL)
    if built.returncode != 0:
        shutil.rmtree(part, ignore_errors=True)
        end = "\n".join(log.read_text(errors="replace").splitlines()[-8:])
        raise Unavailable(f"mmdebstrap could not build {suite} (network?); the end of {log}:\n{end}")


def ensure_program(package: str) -> Path:
    """Given a Debian package that holds a program of its name, return the program's path, installing it if it is
    missing. Raise `Unavailable` if that is not possible here.
    """
    with locked(cache() / package):
        if (found := shutil.which(package)) is not None:
            return Path(found)
        if shutil.which("apt-get") is None or os.geteuid() != 0:
            raise Unavailable(f"{package} is missing; on Debian, as root: apt-get install {package}")
        say(f"services: installing {package}")
        for command in (["apt-get", "update", "-q"],
                        ["apt-get", "install", "-q", "-y", "--no-install-recommends", package]):  # fmt: skip
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        found = shutil.which(package)
        if done.returncode != 0 or found is None:
            raise Unavailable(f"apt-get could not install {package}: {done.stderr.strip()[-400:]}")
        return Path(found)


def entered(tree: Path, state: Path, user: str, command: Sequence[str]) -> list[str]:
    """Given a tree, a state directory (seen as /srv inside), a user and a command, return the command to start.

    `unshare` and the shell replace themselves, so that the pid of what is started is the pid of the command.
    """
    shell = ["unshare", "--mount", "--propagation", "private", "sh", "-c", ENTER, "enter"]
    return [*shell, str(tree), str(state), user, *command]


def run_in(tree: Path, state: Path, user: str, command: Sequence[str], env: dict[str, str] | None = None) -> str:
    """Given what `entered` takes, run it to its end. Return its output. Raise `RuntimeError` if it fails."""
    done = subprocess.run(
        entered(tree, state, user, command),
        capture_output=True, text=True, check=False, env=clean_env(env or {}), stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip()
        said = said if len(said) < 3000 else f"{said[:2000]}\n[...]\n{said[-1000:]}"
        raise RuntimeError(f"{' '.join(command)} in {tree.name} failed ({done.returncode}):\n{said}")
    return done.stdout


def clean_env(extra: dict[str, str]) -> dict[str, str]:
    """Given variables, return the whole environment that a server gets: nothing of the caller's own."""
    return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"} | extra
