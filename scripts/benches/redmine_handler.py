"""What the bridge makes of the mails whose fate in Redmine's own mail handler was recorded: same, better or different.

Each mail goes the whole way: from a mailbox of a real Dovecot through the bridge, set up as the case's options say,
into a real Redmine, from where it is read back over the REST API. "better": see docs/admin/who-may-write.md.

CORPUS (or MAIL_CORPORA/redmine) is a folder with cases.jsonl, context.json and mails/; without it nothing can be
measured.
"""

import argparse
import logging
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import structlog
from handler.bridge import Bridge
from handler.cases import Case, load
from handler.judge import Found, judge
from handler.mapping import mailbox_settings, redmine_settings, setup, told
from handler.world import World

from tests.servers.trees import Unavailable

WIDTH = 62


def one(case: Case, world: World, bridge: Bridge) -> Found:
    """Given a case, put the world as it wants it, run the mail through the bridge, and judge what came of it."""
    try:
        world.reset(redmine_settings(case))
        raw = setup(case)(world, case.mail)
        found = judge(case, bridge.run(raw, *mailbox_settings(case, world.mail_from)), world)
    except Exception as error:  # noqa: BLE001 - whatever one case brings up, the others are measured
        found = Found("different", f"{type(error).__name__}: {error}"[:200])
    if found.verdict == "different" and not told(case):
        return Found("not run", "the case does not tell how its mail or its Redmine was changed")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = os.environ.get("MAIL_CORPORA")
    parser.add_argument("corpus", nargs="?", type=Path, default=Path(default) / "redmine" if default else None)
    parser.add_argument("--redmine", default="6.1", help="version (default: %(default)s)")
    parser.add_argument("--only", default="", help="only cases whose id holds this")
    parser.add_argument("--all", action="store_true", help="print the cases that are the same too")
    given = parser.parse_args()
    if given.corpus is None or not (given.corpus / "cases.jsonl").exists():
        print(
            "redmine-handler needs recorded cases: a folder with cases.jsonl, context.json and mails/, given as\n"
            "  scripts/bench redmine-handler FOLDER     or     MAIL_CORPORA=FOLDER-ABOVE scripts/bench redmine-handler",
            file=sys.stderr,
        )
        return 2
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    cases = [case for case in load(given.corpus) if given.only in case.id]
    with tempfile.TemporaryDirectory(prefix="redmine-handler-") as folder:
        try:
            with World.of(given.corpus, Path(folder), given.redmine) as world:
                found = []
                for case in cases:
                    found.append((case, one(case, world, Bridge(world, Path(folder) / f"case-{len(found)}"))))
                    show(*found[-1], everything=given.all)
        except Unavailable as why:
            print(f"redmine-handler: {why}", file=sys.stderr)
            return 3
    return summary(found)


def show(case: Case, found: Found, *, everything: bool) -> None:
    """Print one row of the table."""
    if everything or found.verdict != "same":
        print(f"{found.verdict:<10}{case.id[:WIDTH]:<{WIDTH + 2}}{found.why}", flush=True)


def summary(found: list[tuple[Case, Found]]) -> int:
    """Print the counts. Return 0 when nothing is different and everything ran."""
    counts = {
        verdict: sum(f.verdict == verdict for _, f in found) for verdict in ("same", "better", "different", "not run")
    }
    print("\n" + ", ".join(f"{verdict} {count}" for verdict, count in counts.items()) + f", of {len(found)} cases")
    return 1 if counts["different"] or counts["not run"] or not found else 0


if __name__ == "__main__":
    sys.exit(main())
