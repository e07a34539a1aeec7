"""Which tests run on which versions of Redmine."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def collected(versions: str) -> set[str]:
    """Given versions, return the tests of real servers that run."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider", "tests/real", "tests/crash"],
        cwd=ROOT,
        env=os.environ | {"MAILBRIDGE_TEST_REDMINE": versions},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return {line for line in done.stdout.splitlines() if "::" in line}


def test_another_version_takes_no_test_away() -> None:
    """What runs on the newest version alone also runs where an older one is tested beside it."""
    newest = collected("6.1")
    assert len(newest) > 500
    assert set() == newest - collected("5.0,6.1")
