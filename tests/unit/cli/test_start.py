"""What starting a command costs, as far as it does not depend on the machine."""

import subprocess
import sys

LOADED = """
import gc, sys
from redmine_mailbridge.cli import main
try:
    sys.argv = ["redmine-mailbridge", "--settings", "not-there.toml", "check"]
    main.main()
except SystemExit:
    pass
print("structlog" in sys.modules, "rich.traceback" in sys.modules, gc.get_threshold()[0])
import rich.table
"""


def test_structlog_is_loaded_without_rich() -> None:
    """A command loads structlog, but not rich's tracebacks, which would show local variables; rich can be imported
    after that. Nothing looks for garbage among a few ten thousand new objects while it starts.
    """
    ended = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    assert ["True", "False", "1000000"] == ended.stdout.split()[-3:]


ROOMS = """
import sys
import redmine_mailbridge.cli.commands.receive, redmine_mailbridge.checks.startup, redmine_mailbridge.cli.output
import redmine_mailbridge.wiring.application
print(*(name for name in sys.argv[1:] if name in sys.modules), "end")
"""


def test_a_pass_loads_no_room_that_it_does_not_need() -> None:
    """What computes hours, POP3, Microsoft Graph, crontab lines, and notes are loaded where they are needed."""
    package = "redmine_mailbridge"
    unneeded = (
        "tasks.aggregate",
        "reports",
        "mailboxes.pop3",
        "mailboxes.graph",
        "outgoing.graph",
        "outgoing.rendering.note",
    )
    libraries = ("apscheduler", "markdown_it", "textile", "PIL")
    names = [*(f"{package}.{name}" for name in unneeded), f"{package}.cli.dry_run", *libraries]
    ended = subprocess.run([sys.executable, "-c", ROOMS, *names], capture_output=True, text=True, check=True)
    assert ["end"] == ended.stdout.split()
