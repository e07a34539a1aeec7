"""Reads mutated mails and prints what went wrong: exceptions, the slowest by the megabyte, lost parts.

The mails are the project's fixtures and, when it is there, a corpus (default: ../shared/corpora beside the
repository). Ends with 1 when anything was raised or lost, or took more than a second a megabyte (a fiftieth of
a second is allowed to any mail, however small). --atheris hands over to that fuzzer when it is installed.
"""

import argparse
import collections
import random
import sys
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from redmine_mailbridge.mail.parse import read  # noqa: E402
from redmine_mailbridge.model.mail import ReadingOptions  # noqa: E402
from tests.mutants import lost_parts, mails_in, mutant  # noqa: E402

OPTIONS = (ReadingOptions(), ReadingOptions(text_format="textile", prefer="html"))
SMALL = 0.05  # seconds that any mail may take
MEGABYTE = 1e6


def guided() -> None:
    """Let atheris look for mails that raise, until it is stopped."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv[:1], lambda data: read(data, OPTIONS[0]))
    atheris.Fuzz()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mails", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpus", type=Path, default=ROOT.parent / "shared" / "corpora")
    parser.add_argument("--atheris", action="store_true")
    given = parser.parse_args()
    if given.atheris:
        guided()
    mails = mails_in(ROOT / "tests" / "fixtures" / "mails", *([given.corpus] if given.corpus.is_dir() else []))
    print(f"{given.mails} mutants of {len(mails)} mails, seed {given.seed}")
    rng = random.Random(given.seed)
    raised: collections.Counter[str] = collections.Counter()
    lost = slow = 0
    slowest = (0.0, b"")
    for number in range(given.mails):
        raw = mutant(rng, mails)
        began = time.perf_counter()
        try:
            read(raw, OPTIONS[number % 2])
        except Exception:  # noqa: BLE001  what is looked for
            raised[traceback.format_exc().strip().splitlines()[-1] + traceback.format_exc().splitlines()[-4]] += 1
        took = time.perf_counter() - began
        if (pace := took / max(len(raw), 20_000) * MEGABYTE) > slowest[0]:
            slowest = (pace, raw)
        slow += took > max(SMALL, len(raw) / MEGABYTE) and _still_slow(raw, OPTIONS[number % 2])
        if number % 10 == 0:
            lost += bool(lost_parts(raw))
    print(f"raised {raised.total()}, lost {lost} (of every tenth), slower than 1 s/MB {slow}")
    print(f"slowest {slowest[0]:.2f} s/MB, of a mail of {len(slowest[1])} bytes (at least 20,000 are counted)")
    for error, count in raised.most_common(10):
        print(f"{count:6} {error}")
    return int(bool(raised or lost or slow))


def _still_slow(raw: bytes, options: ReadingOptions) -> bool:
    """Was it the mail, or a busy machine? The best of three in the time of this process only."""
    times = []
    for _ in range(3):
        began = time.process_time()
        read(raw, options)
        times.append(time.process_time() - began)
    return min(times) > max(SMALL, len(raw) / MEGABYTE)


if __name__ == "__main__":
    sys.exit(main())
