"""The programs that measure load and run: nobody else would notice that one does not."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

BENCHES = Path(__file__).parents[2] / "scripts" / "benches"


@pytest.mark.parametrize("name", sorted(file.stem for file in BENCHES.glob("*.py")))
def test_a_bench_loads(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a bench imports is there."""
    monkeypatch.setattr(sys, "path", [str(BENCHES), str(BENCHES.parents[1]), *sys.path])
    assert runpy.run_path(str(BENCHES / f"{name}.py"), run_name="loaded")


def test_pages_are_measured() -> None:
    """The bench of the pages gets them all, signed in, and judges them; how quick they are depends on the machine."""
    command = [sys.executable, str(BENCHES / "pages.py"), "--mails", "200", "--tries", "1"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=BENCHES.parents[1])
    assert all(words in ended.stdout for words in ("/not-imported", "/metrics", "the slowest page")), ended.stderr
