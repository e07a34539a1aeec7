"""What `receive`, `messages` and `explain` print: lines for people, or JSON objects for programs."""

import json
import sys
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import click

from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.suggest import did_you_mean

if TYPE_CHECKING:
    from rich.progress import Progress

    from redmine_mailbridge.settings.models import Settings
    from redmine_mailbridge.store.life import State
    from redmine_mailbridge.store.store import Store
    from redmine_mailbridge.tasks.outcome import Outcome

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


def decided(store: "Store", ids: Sequence[int], state: "State", decide: Callable[[int], bool], done: str) -> None:
    """Given mails that must be in a state, do what was decided with each and say so.

    End the command with exit code 1 when one was not.
    """
    from redmine_mailbridge.store.ask import Archive, MessageFilter  # noqa: PLC0415 - the database is slow to load

    rows = {row.id: row for row in Archive(store.database).messages(MessageFilter(ids=ids, limit=len(ids)))}
    missed = False
    for wanted in ids:
        row = rows.get(wanted)
        if row is None or row.state is not state or not decide(wanted):
            why = "there is no such mail" if row is None else f"it is {row.state.value}, not {state.value}"
            click.secho(f"{wanted}: {why}", fg="red", err=True)
            missed = True
        else:
            click.echo(f"{wanted} {done}: {shown(row.subject, 60)}")
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
            from rich.progress import (  # noqa: PLC0415 - a fifth of a second that --json and pipes need not wait
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
            self._say("planned", f"{mailbox}: {shown(value['subject'], 60) or '(no subject)'}\n  " + "\n  ".join(lines))

    def _say(self, kind: str, line: str) -> None:
        with self._lock:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            if self._progress is None:
                click.echo(line)
            else:
                self._progress.console.out(line, highlight=False)
                self._progress.advance(self._progress.task_ids[0])

    def end(self, errors: Sequence[str]) -> None:
        """Print the sum, and what went wrong; end the command with exit code 1 when something did."""
        if not self._as_json:
            sums = ", ".join(f"{number} {kind}" for kind, number in sorted(self._counts.items()))
            click.echo(sums or "no new mail")
        for error in errors:
            click.secho(error, fg="red", err=True)
        if errors:
            raise SystemExit(1)
