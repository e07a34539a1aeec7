"""Runs the benches that docs/dev/benchmarks.md shows, one after the other, and writes that page whole.

Each part is kept when it has ended (.services/speed), with its date, commit and load, so that a run that is broken
off goes on with `--resume`, and one part is measured anew with `--only PART`. Ends with 1 when a goal of any part is
missed.
"""

import argparse
import datetime as dt
import json
import os
import platform
import re
import subprocess
import sys
import textwrap
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from speed import ROOT

KEPT = ROOT / ".services" / "speed"
PAGE = ROOT / "docs" / "dev" / "benchmarks.md"
ABOUT = (
    "Written by `scripts/bench all`, which starts servers of its own (Redmine 6.1, Dovecot), runs each bench as an "
    "admin would run the bridge, and ends with 1 when a goal is missed. Each section says when it was measured, on "
    "which commit, and how busy the machine was (load of one minute, before and after)."
)


@dataclass(frozen=True, slots=True)
class Part:
    """A section of the page: the bench and its arguments, and what is to be known of its numbers."""

    name: str
    command: tuple[str, ...]
    words: str


@dataclass(frozen=True, slots=True)
class Measured:
    """What a part printed, when, on which commit, at which load (1 minute, before and after), and how it ended."""

    out: str
    at: str
    commit: str
    load: tuple[float, float]
    seconds: float
    code: int


def parts() -> list[Part]:
    """The sections, from parts.toml."""
    found = tomllib.loads((Path(__file__).parent / "speed" / "parts.toml").read_text("utf-8"))["part"]
    return [Part(one["name"], tuple(one["command"]), " ".join(one["words"].split())) for one in found]


PARTS = parts()


def git(*arguments: str) -> str:
    """What git says."""
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def commit() -> str:
    """The commit that is measured, with a word where files differ from it."""
    dirty = " with changes" if git("status", "--porcelain", "--untracked-files=no", "--", "redmine_mailbridge") else ""
    return git("rev-parse", "--short", "HEAD") + dirty


def machine() -> str:
    """The machine in one phrase."""
    cpu = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), ""
    )
    memory = next((int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores of {cpu or platform.machine()}, {memory / 1e6:.0f} GB, Python {platform.python_version()}"


def _lines(path: str) -> list[str]:
    return Path(path).read_text("utf-8").splitlines()


def measure(part: Part) -> Measured:
    """Run a part, showing what it prints."""
    load, began = os.getloadavg()[0], time.monotonic()
    command = [sys.executable, str(ROOT / "scripts" / "benches" / f"{part.command[0]}.py"), *part.command[1:]]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    out = []
    for line in process.stdout:
        print(line, end="", flush=True)
        out.append(line)
    code, now = process.wait(), dt.datetime.now(dt.UTC)
    after = os.getloadavg()[0]
    return Measured("".join(out), f"{now:%Y-%m-%d}", commit(), (load, after), time.monotonic() - began, code)


def file_of(part: Part) -> Path:
    """Where a part is kept."""
    return KEPT / f"{re.sub('[^a-z0-9]+', '-', part.name)}.json"


def kept(part: Part) -> Measured | None:
    """What was measured of a part before; None when nothing was."""
    file = file_of(part)
    if not file.exists():
        return None
    found = json.loads(file.read_text("utf-8"))
    return Measured(**found | {"load": tuple(found["load"])})


def tables(out: str) -> Iterator[str]:
    """The tables among what a bench printed, each behind an empty line; of fixed columns they stand as they are."""
    inside = False
    for line in out.splitlines():
        if line.startswith("|"):
            if not inside:
                yield ""
            yield line
        inside = line.startswith("|")


def filled(words: str) -> str:
    """Given words, return them in lines."""
    return textwrap.fill(words, 118, break_long_words=False, break_on_hyphens=False)


def page(results: Sequence[tuple[Part, Measured | None]]) -> str:
    """The whole page."""
    unknown = [part.name for part, found in results if found is None]
    missed = [part.name for part, found in results if found is not None and found.code]
    verdict = f"Goals are missed in: {', '.join(missed)}." if missed else "No goal is missed."
    verdict = f"Not measured yet: {', '.join(unknown)}. {verdict}" if unknown else verdict
    lines = ["# Speed", "", filled(f"{ABOUT} Machine: {machine()}. {verdict}")]
    for part, found in results:
        lines += ["", f"## `scripts/bench {' '.join(part.command)}`"]
        if found is None:
            lines += ["", filled(f"**Not measured yet.** {part.words}")]
            continue
        load = " and ".join(f"{one:.1f}" for one in found.load)
        how = f"**{found.at}, commit {found.commit}, load {load}, {found.seconds:.0f} s.**"
        lines += ["", filled(f"{how} {part.words}")]
        lines += tables(found.out)
        if found.code not in {0, 1}:
            lines += ["", f"It ended with {found.code}."]
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    names = [part.name for part in PARTS]
    parser.add_argument(
        "--only", nargs="+", choices=names, default=names, metavar="PART", help=f"of {', '.join(names)}"
    )
    parser.add_argument("--resume", action="store_true", help="leave out what was measured on this commit")
    parser.add_argument("--write", action="store_true", help="measure nothing, write the page of what is kept")
    given = parser.parse_args()
    KEPT.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        before = kept(part)
        skip = given.resume and before is not None and before.commit == commit()
        if part.name in given.only and not given.write and not skip:
            print(f"\n== {part.name}", flush=True)
            file_of(part).write_text(json.dumps(asdict(measure(part))), "utf-8")
    results = [(part, kept(part)) for part in PARTS]
    PAGE.write_text(page(results), "utf-8")
    return int(any(found is None or found.code for _, found in results))


if __name__ == "__main__":
    sys.exit(main())
