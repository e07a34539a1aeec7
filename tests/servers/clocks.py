"""Clocks that are wrong: a process that is started with these variables sees a time so far from ours (libfaketime).

The offset stands in a file that is read whenever the time is asked for, so that it can be changed while the process
runs. Clocks that only go forward (CLOCK_MONOTONIC) and the times of files stay as they are, as when somebody sets a
machine's clock.
"""

from pathlib import Path

from tests.servers.trees import Unavailable, ensure_program

LIBRARY = "usr/lib/*/faketime/libfaketime.so.1"


def host_library() -> Path:
    """Return where libfaketime lies on this machine, installing it if it is missing. Raise `Unavailable` if it cannot
    be had.
    """
    ensure_program("faketime")
    return _library(Path("/"))


def variables(library: Path, file: Path) -> dict[str, str]:
    """Given where libfaketime and the file with the offset lie for the process, return the variables for its start."""
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # the same, as later versions call it
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",  # which has waits of threads end at once (0.9.10)
        "NO_FAKE_STAT": "1",
        "FAKETIME_DISABLE_SHM": "1",
    }


def variables_in(tree: Path, file: Path) -> dict[str, str]:
    """Given a tree and the file's path inside it, return what `variables` does for a process in the tree."""
    return variables(Path("/") / _library(tree).relative_to(tree), file)


def set_ahead(file: Path, seconds: float) -> None:
    """Given a file of `variables` and how far ahead of ours its clock is to be (behind, where negative), set it."""
    part = file.with_name(f"{file.name}.part")
    part.write_text(f"{seconds:+f}")
    part.chmod(0o644)
    part.replace(file)


def _library(root: Path) -> Path:
    found = sorted(root.glob(LIBRARY))
    if not found:
        raise Unavailable(f"there is no {LIBRARY} in {root}, though the package faketime is installed")
    return found[0]
