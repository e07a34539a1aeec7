"""What `receive`, `messages` and `explain` print: lines for people, or JSON objects for programs."""

import json
import sys
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import click

from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.util.suggest import did_you_mean

if TYPE_CHECKING:
    from rich.progress import Progress

    from redmine_mailbridge.settings.models import Settings
    from redmine_mailbridge.tasks.receive.result import Outcome

PLANNED = {
    "create": "would become an issue", "note": "would become a note", "ignore": "would be ignored",
    "hold": "would be held", "refuse": "would be refused",
}  # fmt: skip
COLOURS = {"done": "green", "kept": "yellow", "writing": "yellow", "held": "yellow", "refused": "red", "aside": "red"}


def known_mailboxes(names: Sequence[str], settings: "Settings") -> None:
    """Given names from the command line, raise SettingsError when one is no active mailbox."""
    active = settings.active_mailboxes
    for name in names:
        if name not in active:
            raise SettingsError(f'there is no active mailbox "{name}"{did_you_mean(name, active)}')


def shown(text: str | None, width: int) -> str:
    """Given a text from outside, return it on one line, without control characters, cut to a width."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text or "").split())
    return line if len(line) <= width else line[: width - 1] + "…"


def decided(
    settings: "Settings", ids: Sequence[int], decision: str, *, issue: int | None = None, dry_run: bool = False
) -> None:
    """Given mails and what was decided about them, do it and say so. End with exit code 1 when one could not be."""
    from redmine_mailbridge.tasks.receive.admin_decisions import Decision, decide, hurry
    from redmine_mailbridge.wiring import application

    store, missed, taken = application.open_store(settings), False, []
    try:
        for one in decide(store, ids, Decision(decision), issue=issue, dry_run=dry_run):
            missed = missed or not one.ok
            taken += [one.id] if one.ok else []
            if one.ok:
                click.echo(f"{one.id}: {'would be taken: ' if dry_run else ''}{one.words}: {shown(one.subject, 60)}")
            else:
                click.secho(f"{one.id}: nothing changes: {one.words}", fg="red", err=True)
        if taken and not dry_run:
            hurry(store, taken)
    finally:
        store.close()
    if missed:
        raise SystemExit(1)


class Printer:
    """Prints mails as they come to their end, from many threads; with a progress bar on a terminal."""

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

    def outcome(self, outcome: "Outcome") -> None:
        """Print one mail's outcome."""
        state = outcome.state.value
        if self._as_json:
            self._say(state, json.dumps(outcome.as_json(), ensure_ascii=False))
            return
        issue = f"#{outcome.issue} " if outcome.issue else ""
        where = f" → {outcome.filed}" if outcome.filed else ""
        colour = COLOURS.get(state)
        line = f"{click.style(f'{state:<8}', fg=colour)} {issue}{shown(outcome.row.subject, 60) or '(no subject)'}"
        self._say(state, f"{line}{click.style(where, dim=True)}\n         {shown(outcome.line, 150)}")

    def planned(self, mailbox: str, lines: Sequence[str], value: dict[str, Any]) -> None:
        """Print what would be done with a mail."""
        if self._as_json:
            self._say("planned", json.dumps(value, ensure_ascii=False))
        else:
            kind = PLANNED.get(str(value["plan"]), str(value["plan"]))
            self._say(kind, f"{mailbox}: {shown(value['subject'], 60) or '(no subject)'}\n  " + "\n  ".join(lines))

    def _say(self, kind: str, line: str) -> None:
        with self._lock:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            if self._progress is None:
                click.echo(line)
            else:
                self._progress.console.out(line, highlight=False)
                self._progress.advance(self._progress.task_ids[0])

    def end(self, errors: Sequence[str], *, code: int = 1) -> None:
        """Print the sum, and what went wrong; end the command with this exit code when something did."""
        if not self._as_json:
            sums = ", ".join(f"{number} {kind}" for kind, number in sorted(self._counts.items()))
            if sums or not errors:  # who could not look does not know
                click.echo(sums or "no new mail")
        for error in errors:
            click.secho(error, fg="red", err=True)
        if errors:
            raise SystemExit(code)
