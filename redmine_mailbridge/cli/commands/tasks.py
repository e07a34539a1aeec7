"""`tasks`: lists the scheduled tasks, runs one now, changes when they run."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from redmine_mailbridge.cli.main import Invocation, pass_invocation

if TYPE_CHECKING:
    from redmine_mailbridge.settings.models import Settings
    from redmine_mailbridge.store.messages import Store
    from redmine_mailbridge.store.task_state import TaskState


@click.group(invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """List, run and reschedule the tasks."""
    if context.invoked_subcommand is None:
        context.invoke(list_, as_json=False)


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per task.")
@pass_invocation
def list_(invocation: Invocation, *, as_json: bool) -> None:
    """List tasks, their last and next runs."""
    from redmine_mailbridge.cli.task_list import as_json as to_json
    from redmine_mailbridge.cli.task_list import lines
    from redmine_mailbridge.tasks.service.task_status import overview

    settings = invocation.settings()
    with _opened(settings) as (store, book):
        for view in overview(settings, store, book):
            if as_json:
                click.echo(to_json(view))
            else:
                click.echo("\n".join(lines(view, dt.datetime.now(dt.UTC))))


@command.command()
@click.argument("name")
@click.option("--wait", type=float, default=300.0, metavar="SECONDS", help="Wait up to SECONDS for it to finish [300].")
@pass_invocation
def run(invocation: Invocation, *, name: str, wait: float) -> None:
    """Run a task now.

    Runs in the service if there is one, else in this process.
    """
    from redmine_mailbridge.cli.audit import record_change
    from redmine_mailbridge.tasks.service.run_now import run_now
    from redmine_mailbridge.tasks.service.task_status import known_task
    from redmine_mailbridge.wiring import application
    from redmine_mailbridge.wiring.store import open_store, task_book

    settings = invocation.settings()
    known_task(name, settings)
    record_change(settings, "run", name)
    result = run_now(lambda: application.build(settings), lambda: open_store(settings), task_book, name, wait=wait)
    click.echo(f"{name}: {result.done} done" + (f", {result.failed} failed" if result.failed else ""))
    if result.error:
        raise click.ClickException(result.error)


def _switch(word: str, *, active: bool, help_: str, done: str) -> click.Command:
    @click.argument("name")
    @pass_invocation
    def switch(invocation: Invocation, *, name: str) -> None:
        from redmine_mailbridge.cli.audit import record_change
        from redmine_mailbridge.tasks.service.task_status import TaskChange, change, known_task

        settings = invocation.settings()
        known_task(name, settings)
        with _opened(settings) as (_store, book):
            change(book, name, TaskChange(active=active))
        record_change(settings, "set", f"{name}: {TaskChange(active=active)}")
        click.echo(f"{name} {done}; `redmine-mailbridge tasks reset {name}` restores the schedule of the settings")

    return click.command(word, help=help_)(switch)


command.add_command(_switch("pause", active=False, help_="Pause a task, across restarts.", done="is paused"))
command.add_command(_switch("resume", active=True, help_="Resume a paused task.", done="runs on schedule"))


@command.command("set")
@click.argument("name")
@click.option("--every", metavar="SPAN", help='Interval between runs, such as "15m".')
@click.option("--cron", metavar="LINE", help='Times in crontab syntax, such as "*/15 7-19 * * mon-fri".')
@click.option("--next-run", metavar="TIME", help='Next run in local time, such as "2026-12-01 07:00".')
@pass_invocation
def set_(invocation: Invocation, *, name: str, every: str | None, cron: str | None, next_run: str | None) -> None:
    """Change the schedule of a task.

    The change survives restarts and lasts until `tasks reset`.
    """
    from redmine_mailbridge.cli.audit import record_change
    from redmine_mailbridge.tasks.service.task_status import (
        TaskChange,
        change,
        known_task,
        parse_span_or_say,
        parse_time,
    )

    if every is None and cron is None and next_run is None:
        raise click.UsageError("give --every, --cron or --next-run")
    settings = invocation.settings()
    known_task(name, settings)
    task_change = TaskChange(
        every=parse_span_or_say("--every", every) if every is not None else None,
        cron=cron,
        next_run=parse_time("--next-run", next_run) if next_run is not None else None,
    )
    with _opened(settings) as (_store, book):
        change(book, name, task_change)
    record_change(settings, "set", f"{name}: {task_change}")
    click.echo(f"{name} is changed; `redmine-mailbridge tasks list` shows it beside the value in the settings file")


@command.command()
@click.argument("name")
@pass_invocation
def reset(invocation: Invocation, *, name: str) -> None:
    """Return to the schedule in the settings."""
    from redmine_mailbridge.cli.audit import record_change
    from redmine_mailbridge.tasks.service.task_status import known_task
    from redmine_mailbridge.tasks.service.task_status import reset as forget

    settings = invocation.settings()
    known_task(name, settings)
    with _opened(settings) as (_store, book):
        forget(book, name)
    record_change(settings, "reset", name)
    click.echo(f"{name} uses the schedule in the settings file")


@contextmanager
def _opened(settings: "Settings") -> "Iterator[tuple[Store, TaskState]]":
    from redmine_mailbridge.wiring.store import open_store, task_book

    store = open_store(settings)
    try:
        yield store, task_book(store)
    finally:
        store.close()
