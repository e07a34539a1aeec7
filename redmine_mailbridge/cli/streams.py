"""Standard input and output that may be closed, full, or in an encoding that lacks most letters."""

import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator
from typing import TextIO

UNWRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG, errno.EBADF})


def put_right() -> None:
    """Make sure that all three are open, so that no file opened later takes the number of a closed one, and have output
    escape the characters that its encoding lacks.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - a number
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextlib.contextmanager
def told_when_unwritable() -> Iterator[None]:
    """Within the block, exit with an error line and code 1 when output cannot be written."""
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        if error.errno not in UNWRITABLE or error.filename is not None:
            raise
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(f"standard output: {error.strerror}\n")
        leave(sys.stdout)
        sys.exit(1)


def leave(stream: TextIO) -> None:
    """Given a stream that cannot be written, discard what it still buffers: Python would otherwise retry at exit and
    print an error.
    """
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
