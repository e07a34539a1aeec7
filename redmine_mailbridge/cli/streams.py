"""Standard input and output as they happen to be: closed, full, or in an encoding that lacks most letters."""

import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator
from typing import TextIO

UNWRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG, errno.EBADF})


def put_right() -> None:
    """Have all three there, so that no file that is opened later takes the place of a closed one, and let output write
    what its encoding lacks as an escape.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - a number
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextlib.contextmanager
def told_when_unwritable() -> Iterator[None]:
    """Within the block, an output that takes nothing more ends the program with a line and exit code 1."""
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        if error.errno not in UNWRITABLE or error.filename is not None:
            raise
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(f"standard output: {error.strerror}\n")
        _leave(sys.stdout)
        sys.exit(1)


def _leave(stream: TextIO) -> None:
    """Let what the stream still holds go nowhere: Python would try once more as it ends, and complain."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
