"""`tasks`: see the scheduled tasks, run one now, change when they run."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from redmine_mailbridge.cli.main import Invocation, pass_invocation

if TYPE_CHECKING:
    from redmine_mailbridge.settings.models import Settings
    from redmine_mailbridge.store.messages import Store
    from redmine_mailbridge.store.task_state import TaskBook


@click.group(invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """See the scheduled tasks, run one now, change when they run (also while the service runs). Alone: `list`."""
    if context.invoked_subcommand is None:
        context.invoke(list_, as_json=False)


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a task.")
@pass_invocation
def list_(invocation: Invocation, *, as_json: bool) -> None:
    """Every task: when it runs, its last run and result, the next, and whether its times were kept."""
    from redmine_mailbridge.cli.task_list import as_json as to_json
    from redmine_mailbridge.cli.task_list import lines
    from redmine_mailbridge.tasks.service.task_status import overview

    settings = invocation.settings()
    with _opened(settings) as (store, _book):
        for view in overview(settings, store):
            if as_json:
                click.echo(to_json(view))
            else:
                click.echo("\n".join(lines(view, dt.datetime.now(dt.UTC))))


@command.command()
@click.argument("name")
@click.option("--wait", type=float, default=300.0, metavar="SECONDS", help="Wait so long for its end [300].")
@pass_invocation
def run(invocation: Invocation, *, name: str, wait: float) -> None:
    """Run a task now: in the service when one runs, else here."""
    from redmine_mailbridge.tasks.service.run_now import run_now
    from redmine_mailbridge.tasks.service.task_status import known_task
    from redmine_mailbridge.wiring import application

    settings = invocation.settings()
    known_task(name, settings)
    result = run_now(lambda: application.build(settings), lambda: application.open_store(settings), name, wait=wait)
    click.echo(f"{name}: {result.done} done" + (f", {result.failed} failed" if result.failed else ""))
    if result.error:
        raise click.ClickException(result.error)


def _switch(word: str, *, active: bool, text: str) -> click.Command:
    @click.argument("name")
    @pass_invocation
    def switch(invocation: Invocation, *, name: str) -> None:
        from redmine_mailbridge.tasks.service.task_status import Change, change, known_task

        settings = invocation.settings()
        known_task(name, settings)
        with _opened(settings) as (_store, book):
            change(book, name, Change(active=active))
        click.echo(f"{name} {text}; `redmine-mailbridge tasks reset {name}` follows the settings file again")

    return click.command(word, help=f"A task {text}, also over restarts.")(switch)


command.add_command(_switch("pause", active=False, text="does not run by itself any more"))
command.add_command(_switch("resume", active=True, text="runs by itself"))


@command.command("set")
@click.argument("name")
@click.option("--every", metavar="SPAN", help='The time between two runs: "15m".')
@click.option("--cron", metavar="LINE", help='Times as in a crontab: "*/15 7-19 * * mon-fri".')
@click.option("--next-run", metavar="TIME", help='When it runs next: "2026-12-01 07:00", local time.')
@pass_invocation
def set_(invocation: Invocation, *, name: str, every: str | None, cron: str | None, next_run: str | None) -> None:
    """Change when a task runs; kept over restarts, until `tasks reset`."""
    from redmine_mailbridge.tasks.service.task_status import Change, change, known_task, parse_span_or_say, parse_time

    if every is None and cron is None and next_run is None:
        raise click.UsageError("give --every, --cron or --next-run")
    settings = invocation.settings()
    known_task(name, settings)
    wanted = Change(
        every=parse_span_or_say("--every", every) if every is not None else None,
        cron=cron,
        next_run=parse_time("--next-run", next_run) if next_run is not None else None,
    )
    with _opened(settings) as (_store, book):
        change(book, name, wanted)
    click.echo(f"{name} changed; `redmine-mailbridge tasks list` shows it beside the file's value")


@command.command()
@click.argument("name")
@pass_invocation
def reset(invocation: Invocation, *, name: str) -> None:
    """Let the settings file decide again when a task runs."""
    from redmine_mailbridge.tasks.service.task_status import known_task
    from redmine_mailbridge.tasks.service.task_status import reset as forget

    settings = invocation.settings()
    known_task(name, settings)
    with _opened(settings) as (_store, book):
        forget(book, name)
    click.echo(f"{name} follows the settings file")


@contextmanager
def _opened(settings: "Settings") -> "Iterator[tuple[Store, TaskBook]]":
    from redmine_mailbridge.store.task_state import TaskBook
    from redmine_mailbridge.wiring import application

    store = application.open_store(settings)
    try:
        yield store, TaskBook(store.database, store.clock)
    finally:
        store.close()
