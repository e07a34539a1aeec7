"""`start`: resumes processing after `stop`."""

import click

from redmine_mailbridge.cli.main import Invocation, pass_invocation


@click.command()
@pass_invocation
def command(invocation: Invocation) -> None:
    """Resume processing after `stop`.

    The service itself is started by `run`.
    """
    from redmine_mailbridge.cli.audit import record_change
    from redmine_mailbridge.tasks.service.task_status import is_running
    from redmine_mailbridge.wiring.store import open_store, task_book

    settings = invocation.settings()
    store = open_store(settings)
    try:
        task_book(store).start()
        serving = is_running(store)
    finally:
        store.close()
    record_change(settings, "start")
    click.echo("resumed" if serving else "resumed, but no service is running; start it with `redmine-mailbridge run`")
