"""A clean Debian, as a new admin has it: a copy of a tree with nothing of ours in it, and root's shell there."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.servers.trees import Unavailable, cache, clean_env, ensure_clean_tree, locked, say

SUITES = {(3, 11): "bookworm", (3, 13): "trixie"}
"""The Debian that has the Python which runs the tests: the packages that are fetched here fit there."""
ROOT = Path(__file__).resolve().parents[2]
ENTER = """
set -e
root=$1; user=$2; shift 2
mount --bind "$root" "$root"
mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"
exec chroot --userspec="$user" "$root" "$@"
"""


class CleanDebian:
    """One copy, which may be written to. Its network is this machine's; packages come from `/srv/packages`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def entered(self, user: str, command: Sequence[str]) -> list[str]:
        """Given a user and a command, return the command that runs it there, with the pid of what is started."""
        shell = ["unshare", "--mount", "--propagation", "private", "sh", "-c", ENTER, "enter"]
        return [*shell, str(self.root), user, *command]

    def run(self, line: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        """Given a line of shell, run it as root in the checkout, with what is typed. Nothing is a terminal there."""
        return subprocess.run(
            self.entered("root", ["sh", "-c", f"cd /root/checkout && {line}"]), input=typed,
            capture_output=True, text=True, check=False, timeout=600, env=self.environment({}), start_new_session=True,
        )  # fmt: skip

    def environment(self, more: dict[str, str]) -> dict[str, str]:
        """What is in the environment there, and more."""
        packages = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/srv/packages", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        return clean_env({"HOME": "/root"} | packages | more)


def clean_debian(folder: Path) -> CleanDebian:
    """Given a folder, make a clean Debian in it, with this checkout in /root/checkout. Raise `Unavailable`."""
    suite = SUITES.get(sys.version_info[:2])
    if suite is None:
        raise Unavailable("the clean tree needs the Python of a Debian release: 3.11 or 3.13")
    tree, packages = ensure_clean_tree(suite), fetched()
    root = folder / "debian"
    subprocess.run(["cp", "-a", "--reflink=auto", str(tree), str(root)], check=True)
    shutil.copytree(packages, root / "srv" / "packages")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            target = root / "root" / "checkout" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
    return CleanDebian(root)


def fetched() -> Path:
    """The folder with the packages that an installation needs, fetched once for each lock."""
    lock = (ROOT / "requirements-dev.txt").read_bytes()
    folder = cache() / f"packages-{'.'.join(map(str, sys.version_info[:2]))}-{hash_of(lock)}"
    with locked(folder):
        if not folder.exists():
            say("services: fetching the packages of an installation (a minute, once)")
            part = folder.with_name(f"{folder.name}.part{os.getpid()}")
            part.mkdir(parents=True)
            locked_versions = re.findall(r"^([\w.\[\]-]+==[^ \\]+)", lock.decode(), flags=re.MULTILINE)
            (part / "constraints.txt").write_text("\n".join(locked_versions), "utf-8")
            command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", str(part)]
            command += ["--constraint", str(part / "constraints.txt"), str(ROOT), "hatchling"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                shutil.rmtree(part, ignore_errors=True)
                raise Unavailable(f"the packages could not be fetched (network?): {done.stderr.strip()[-400:]}")
            for own in part.glob("redmine_mailbridge-*.whl"):
                own.unlink()
            part.rename(folder)
    return folder


def hash_of(text: bytes) -> str:
    """A short name for a content."""
    return hashlib.sha256(text).hexdigest()[:12]
