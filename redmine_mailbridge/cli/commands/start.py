"""`start`: let the synchronisation go on."""

import click

from redmine_mailbridge.cli.main import Invocation, pass_invocation


@click.command()
@pass_invocation
def command(invocation: Invocation) -> None:
    """Let the synchronisation go on after `stop`; the service itself is started by `run`."""
    from redmine_mailbridge.store.task_state import TaskBook
    from redmine_mailbridge.tasks.service.task_status import is_running
    from redmine_mailbridge.wiring import application

    store = application.open_store(invocation.settings())
    try:
        TaskBook(store.database, store.clock).start()
        serving = is_running(store)
    finally:
        store.close()
    click.echo("goes on" if serving else "may go on; no service runs: start one by `redmine-mailbridge run`")
