"""What `receive`, `messages` and `explain` print: lines for people or JSON objects for programs."""

import datetime as dt
import json
import sys
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import click

from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.util.printable import printable_line, printable_text
from redmine_mailbridge.util.suggest import did_you_mean

if TYPE_CHECKING:
    from rich.progress import Progress

    from redmine_mailbridge.settings.models import Settings
    from redmine_mailbridge.tasks.receive.result import ProcessingResult

PLANNED = {
    "create": "would become an issue", "note": "would become a note", "ignore": "would be ignored",
    "hold": "would be held", "refuse": "would be refused", "junk": "would be filed as spam",
}  # fmt: skip
COLOURS = {
    "done": "green",
    "stored": "yellow",
    "write_pending": "yellow",
    "held": "yellow",
    "rejected": "red",
    "failed": "red",
}


def require_mailboxes(names: Sequence[str], settings: "Settings") -> None:
    """Given names from the command line, raise SettingsError if one is not an active mailbox."""
    active = settings.active_mailboxes
    for name in names:
        if name not in active:
            meant = did_you_mean(name, active) or f"; the active mailboxes are {', '.join(active) or 'none'}"
            raise SettingsError(f'no active mailbox is called "{name}"{meant}')


def one_line(text: str | None, width: int) -> str:
    """Given untrusted text, return it on one line, without control characters, cut to a width."""
    return printable_line(text or "", width)


def local_time(seconds: float) -> str:
    """Given seconds since the epoch, return the time in this machine's zone, to the second."""
    return f"{dt.datetime.fromtimestamp(seconds).astimezone():%Y-%m-%d %H:%M:%S}"


def apply_decision(
    settings: "Settings",
    ids: Sequence[int],
    decision: str,
    *,
    issue: int | None = None,
    project: str | None = None,
    dry_run: bool = False,
) -> None:
    """Given messages and a decision about them, apply it and print the results. Exit with 1 if one failed."""
    from redmine_mailbridge.cli.audit import current_user, record_change
    from redmine_mailbridge.tasks.receive.admin_decisions import Decision, decide, hurry
    from redmine_mailbridge.wiring.store import message_queries, open_store, task_book

    store = open_store(settings)
    try:
        queries, chosen = message_queries(store), Decision(decision)
        by = current_user()
        results = list(decide(store, queries, ids, chosen, issue=issue, project=project, by=by, dry_run=dry_run))
        taken = [result.id for result in results if result.ok]
        if taken and not dry_run:
            hurry(queries, task_book(store), taken)
    finally:
        store.close()
    if taken and not dry_run:  # before anything is printed, since whoever reads that may be gone
        to = f" to #{issue}" if issue is not None else f" to {project}" if project else ""
        record_change(settings, decision, f"{', '.join(map(str, taken))}{to}")
    for result in results:
        if result.ok:
            click.echo(
                f"{result.id}: {'would apply: ' if dry_run else ''}{result.words}: {one_line(result.subject, 60)}"
            )
            if result.hint:
                click.echo(f"{result.id}: {result.hint}")
        else:
            click.secho(f"{result.id}: not changed: {result.words}", fg="red", err=True)
    if len(taken) < len(results):
        raise SystemExit(1)


class Printer:
    """Prints messages as they are finished, from many threads; with a progress bar on a terminal."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}
        self._progress: Progress | None = None

    def __enter__(self) -> Self:
        if not self._as_json and sys.stdout.isatty():
            from rich.progress import (
                MofNCompleteColumn,
                Progress,
                SpinnerColumn,
                TextColumn,
                TimeElapsedColumn,
            )

            columns = (SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())
            self._progress = Progress(*columns, transient=True)
            self._progress.add_task("receiving", total=None)
            self._progress.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def outcome(self, outcome: "ProcessingResult") -> None:
        """Print the result of one message."""
        state = outcome.state.value
        if self._as_json:
            self._say(state, json.dumps(outcome.as_json(), ensure_ascii=False))
            return
        issue = f"#{outcome.issue} " if outcome.issue else ""
        folder_shown = f" → {outcome.filed}" if outcome.filed else ""
        colour = COLOURS.get(state)
        line = f"{click.style(f'{state:<8}', fg=colour)} {issue}{one_line(outcome.row.subject, 60) or '(no subject)'}"
        self._say(state, f"{line}{click.style(folder_shown, dim=True)}\n         {one_line(outcome.line, 150)}")

    def planned(self, mailbox: str, lines: Sequence[str], value: dict[str, Any]) -> None:
        """Print what would be done with a message."""
        if self._as_json:
            self._say("planned", json.dumps(value, ensure_ascii=False))
        else:
            kind = PLANNED.get(str(value["plan"]), str(value["plan"]))
            self._say(
                kind,
                f"{mailbox}: {one_line(value['subject'], 60) or '(no subject)'}\n  "
                + "\n  ".join(map(printable_text, lines)),
            )

    def _say(self, kind: str, line: str) -> None:
        with self._lock:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            if self._progress is None:
                click.echo(line)
            else:
                self._progress.console.out(line, highlight=False)
                self._progress.advance(self._progress.task_ids[0])

    def end(self, errors: Sequence[str], *, code: int = 1) -> None:
        """Print the totals and the errors; exit with this code if there were errors."""
        if not self._as_json:
            sums = ", ".join(f"{number} {kind}" for kind, number in sorted(self._counts.items()))
            if sums or not errors:  # with errors, "no new mail" may be wrong
                click.echo(sums or "no new mail")
        for error in errors:
            click.secho(error, fg="red", err=True)
        if errors:
            raise SystemExit(code)
