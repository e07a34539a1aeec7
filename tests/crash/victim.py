"""The command line of the product in a process that kills itself at a boundary it is told.

`MAILBRIDGE_TEST_DIE=create_issue:after:2` has it die (SIGKILL) when it stands the second time behind the effect
`create_issue`; `MAILBRIDGE_TEST_DIED` names the file in which it leaves, as its last words, where it died.
The product itself knows nothing of this: it only says at which boundary it stands (`redmine_mailbridge.side_effects`).
"""

import errno
import os
import signal
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from redmine_mailbridge.cli.main import main
from redmine_mailbridge.side_effects import Moment, SideEffect, watch


def die_at(told: str, last_words: Path) -> None:
    """Given EFFECT:MOMENT:NUMBER, have this process die there."""
    name, moment, number = told.split(":")
    effect, left, lock = SideEffect(name), [int(number)], threading.Lock()

    def stand(which: SideEffect, where: Moment) -> None:
        if which is not effect or where != moment:
            return
        with lock:
            left[0] -= 1
            if left[0]:
                return
            last_words.write_text(told)
            os.kill(os.getpid(), signal.SIGKILL)
            signal.pause()

    watch(stand)


def sleep_under_libfaketime() -> None:
    """Have a sleep whose end has come before it began be none: libfaketime 0.9.10 fails there (EINVAL)."""
    sleep = time.sleep

    def patient(seconds: float) -> None:
        try:
            sleep(seconds)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise

    time.sleep = patient


if __name__ == "__main__":
    if "FAKETIME_TIMESTAMP_FILE" in os.environ:
        sleep_under_libfaketime()
    if "MAILBRIDGE_TEST_DIE" in os.environ:
        die_at(os.environ["MAILBRIDGE_TEST_DIE"], Path(os.environ["MAILBRIDGE_TEST_DIED"]))
    main()
