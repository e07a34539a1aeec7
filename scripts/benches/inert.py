"""Shows hostile texts in real Redmines and prints what was wrong: what was alive, what did not read as it was written.

Each is made inert as it is on its way into an issue, and rendered by Redmine's own `textilizable`, thousands in one
process, in each text formatting of each version; some are also made issues whose pages are fetched. The servers are
started for this and ended, unless --dir names those of `scripts/services`. Ends with 1 when anything was wrong.
"""

import argparse
import collections
import itertools
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from redmine_mailbridge.model.mail import TextFormat  # noqa: E402
from tests.hostile_texts import Text  # noqa: E402
from tests.inert_judge import KINDS, codes_kept  # noqa: E402
from tests.servers import rendering, services  # noqa: E402
from tests.servers.rendering import Rendered  # noqa: E402
from tests.servers.trees import Unavailable  # noqa: E402

AT_ONCE = 2500
"""So many texts of each kind are rendered by one process, so that memory stays small."""
OTHERS = 10
"""For so many texts there is one of each other kind."""


class Tally:
    """Counts what was looked at and what was wrong; shows the first of these."""

    def __init__(self, show: int) -> None:
        self.show = show
        self.looked: collections.Counter[str] = collections.Counter()
        self.wrong: collections.Counter[str] = collections.Counter()
        self.codes = self.kept = 0

    def judge(self, where: str, given: Text, made: str, page: Rendered) -> None:
        """Look at what is shown of a text; `where` is the version, the formatting and the kind."""
        self.looked[where] += 1
        kind = where.rpartition(" ")[2]
        found = KINDS[kind].judge(given, page.html, page.mentioned)
        if kind == "texts":
            self.codes += len(given.codes)
            self.kept += codes_kept(given, page.html)
        if found:
            self.wrong[where] += 1
            if self.wrong.total() <= self.show:
                print(f"--- {where}\n    written {given.text!r}\n    made    {made!r}\n    shown   {page.html!r}")
                print("\n".join(f"  ! {one}" for one in found), flush=True)


def main() -> int:
    """Run it. Return the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/fuzz inert", description=__doc__)
    parser.add_argument("--texts", type=int, default=10_000)
    parser.add_argument("--fetched", type=int, default=100, help="so many are also fetched as pages (default 100)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--redmine", default="5.0,6.1", help="versions (default 5.0,6.1)")
    parser.add_argument("--dir", type=Path, help="where the servers of one version run already; they are left running")
    parser.add_argument("--show", type=int, default=5, help="print so many of those with faults (default 5)")
    given = parser.parse_args()
    tally = Tally(given.show)
    try:
        for version in given.redmine.split(","):
            run(version, given, tally)
    except Unavailable as why:
        print(f"fuzz: {why}", file=sys.stderr)
        return 3
    for where, count in tally.looked.items():
        print(f"{where:28} {count:6} looked at, {tally.wrong[where]} wrong")
    lost = tally.codes - tally.kept
    print(f"lines of code in texts       {tally.codes:6}, {lost} not as they were, since another line ends their code")
    print(f"seed {given.seed}: {tally.looked.total()} looked at, {tally.wrong.total()} wrong")
    return int(bool(tally.wrong.total()))


def run(version: str, given: argparse.Namespace, tally: Tally) -> None:
    """Look at all texts on one version of Redmine."""
    directory = given.dir or services.CHECKOUT / ".services" / f"fuzz-{os.getpid()}-{version}"
    state = services.up(version, directory)
    try:
        began = time.monotonic()
        rendered(state, given.texts, given.seed, tally)
        print(f"Redmine {version}: rendered in {time.monotonic() - began:.0f} s", flush=True)
        began = time.monotonic()
        for text_format in rendering.FORMATS[version]:
            fetched(state, text_format, given.fetched, given.seed, tally)
        print(f"Redmine {version}: fetched in {time.monotonic() - began:.0f} s", flush=True)
    finally:
        if given.dir is None:
            services.down(directory, remove=True)
        else:
            rendering.set_formatting(state, rendering.FORMATS[version][0])


def rendered(state: services.State, count: int, seed: int, tally: Tally) -> None:
    """Render so many texts, and a tenth as many of each other kind, in each formatting of a Redmine."""
    sources = {name: kind.given(seed, count if name == "texts" else count // OTHERS) for name, kind in KINDS.items()}
    while batch := [(name, one) for name, source in sources.items() for one in itertools.islice(source, AT_ONCE)]:
        for text_format in rendering.FORMATS[state["version"]]:
            made = [KINDS[name].make(one, text_format) for name, one in batch]
            pages = rendering.render(state, [(text_format, text) for text in made])
            for (name, one), text, page in zip(batch, made, pages, strict=True):
                tally.judge(f"{state['version']} {text_format} {name}", one, text, page)


def fetched(state: services.State, text_format: TextFormat, count: int, seed: int, tally: Tally) -> None:
    """Fetch so many texts as pages of issues, by a Redmine with that formatting."""
    rendering.set_formatting(state, text_format)
    texts = list(KINDS["texts"].given(seed, count))
    made = [KINDS["texts"].make(one, text_format) for one in texts]
    pages: Iterator[str] = rendering.fetched(state, made)
    for one, text, page in zip(texts, made, pages, strict=True):
        tally.judge(f"{state['version']} {text_format} fetched texts", one, text, Rendered(page, ()))


if __name__ == "__main__":
    sys.exit(main())
