"""How the C library hands out memory to this process."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import ctypes, sys, threading
from redmine_mailbridge.util.memory import share_freed_memory
if sys.argv[2] == "shared":
    assert share_freed_memory()
ready = threading.Barrier(9)
def work():
    kept = [b"x" * 10_000 for _ in range(100)]
    ready.wait()
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads:
    thread.start()
ready.wait()
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
file = ctypes.c_void_p(libc.fopen(sys.argv[1].encode(), b"w"))
libc.malloc_info(0, file)
libc.fclose(file)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc gives each thread memory of its own")
def test_threads_share_memory(tmp_path: Path) -> None:
    """Eight threads at work have one heap instead of one each."""
    heaps = {}
    for kind in ("own", "shared"):
        subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path / kind), kind], check=True)
        heaps[kind] = (tmp_path / kind).read_text().count("<heap ")
    assert 1 == heaps["shared"] < heaps["own"]
