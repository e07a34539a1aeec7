"""`deliver` and the service die before and after every side effect on the way of a mail from the spool to its issue."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from redmine_mailbridge.model.mail_state import OPEN
from redmine_mailbridge.side_effects import Moment, SideEffect
from tests.crash.dying import Died, dying
from tests.crash.test_boundaries import boundaries
from tests.product import Product, mail, product
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox

pytestmark = [pytest.mark.crash, pytest.mark.newest]
VICTIM = Path(__file__).with_name("victim.py")
RECEIVING = boundaries(
    SideEffect.KEEP_RAW, SideEffect.KEEP_ROW, SideEffect.RECORD_INTENT, SideEffect.CREATE_ISSUE,
    SideEffect.RECORD_DONE, SideEffect.MOVE, SideEffect.RECORD_FILED,
)  # fmt: skip


@pytest.fixture
def bridge(tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str) -> Product:
    """A bridge whose only mailbox is one of `deliver`, its spool prepared."""
    made = product(tmp_path, redmine, mailbox, project)
    box = made.values["mailboxes"]["support"]
    for name in ("host", "port", "security", "password", "start_from"):
        del box[name]
    box |= {"address": "support@example.com", "protocol": "deliver", "spool_dir": str(tmp_path / "spool")}
    made.change({})
    made.receive()
    return made


def delivered(bridge: Product, raw: bytes, die: str = "") -> int:
    """Given a mail, run `deliver` as a process, which dies where it is told. Return its exit code."""
    dying_there = {"MAILBRIDGE_TEST_DIE": die, "MAILBRIDGE_TEST_DIED": str(bridge.folder / "died")} if die else {}
    command = [sys.executable, str(VICTIM), "deliver", "--spool", str(bridge.folder / "spool")]
    return subprocess.run(command, input=raw, env=os.environ | dying_there, check=False, timeout=60).returncode


def finish(bridge: Product) -> None:
    """Receive until no mail is open or waits in the spool."""
    new = bridge.folder / "spool" / "support@example.com" / "new"
    until = time.monotonic() + 60
    while True:
        bridge.passes()
        rows = bridge.rows()
        if rows and not any(row.state in OPEN or row.filed_at is None for row in rows) and not list(new.iterdir()):
            return
        assert time.monotonic() < until, [(row.state, row.reason) for row in rows]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_while_it_delivers(bridge: Product, redmine: Redmine, project: str, moment: Moment) -> None:
    """The mail server delivers again what died before its exit code: one issue, with the same bytes twice or once,
    with and without a Message-ID.
    """
    received = b"Received: from a.example by b.example; Sun, 29 Nov 2026 08:00:00 +0000\n"
    bare = received + b"From: Anna <anna@elsewhere.example>\nSubject: Bare\n\nIt smokes.\n"
    mails = [received + mail("Printer"), bare]
    for raw in mails:
        assert -signal.SIGKILL == delivered(bridge, raw, f"deliver:{moment}:1")
        if moment == "after":
            finish(bridge)  # the first was received already when the server tries again
        for _ in range(2):
            assert 0 == delivered(bridge, raw)
        assert 0 == delivered(bridge, b"From MAILER-DAEMON Sun Nov 29 08:00:01 2026\n" + raw)
    finish(bridge)
    assert {"Printer": 1, "Bare": 1} == Counter(issue["subject"] for issue in redmine.admin.issues(project))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize(("effect", "moment"), RECEIVING)
def test_taken_from_the_spool_once(
    bridge: Product, redmine: Redmine, project: str, effect: SideEffect, moment: Moment
) -> None:
    """Whoever dies at whatever boundary between the spool and the issue, twice, each mail becomes one issue."""
    subjects = [f"Mail {number}" for number in range(3)]
    for subject in subjects:
        assert 0 == delivered(bridge, mail(subject))
    for number in (1, 2):
        with contextlib.suppress(Died), dying(effect, moment, number):
            bridge.passes()
    finish(bridge)
    assert dict.fromkeys(subjects, 1) == Counter(issue["subject"] for issue in redmine.admin.issues(project))
