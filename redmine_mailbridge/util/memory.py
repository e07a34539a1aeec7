"""How the C library hands out memory to this process."""

from typing import TYPE_CHECKING

from redmine_mailbridge.util.lazy import lazy_import

if TYPE_CHECKING:
    import ctypes
else:  # a Python without it works, too
    ctypes = lazy_import("ctypes")

M_ARENA_MAX = -8
"""The number of this option of glibc (malloc.h)."""


def share_freed_memory() -> bool:
    """Have threads that start from now on share the memory of those that there are. Return whether they do: only glibc
    can. Never raises.

    By default, glibc gives each thread memory of its own, and what one has freed is of no use to another. Python's
    threads take turns in any case, so that none of them waits for the others here.
    """
    try:
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    except (ImportError, OSError):
        return False
    return mallopt is not None and bool(mallopt(M_ARENA_MAX, 1))
