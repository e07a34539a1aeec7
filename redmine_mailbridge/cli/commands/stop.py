"""`stop`: stop the whole synchronisation."""

import click

from redmine_mailbridge.cli.main import Invocation, pass_invocation


@click.command()
@pass_invocation
def command(invocation: Invocation) -> None:
    """Stop reading, writing and sending until `start`, also over restarts; the service goes on waiting."""
    from redmine_mailbridge.store.task_state import TaskBook
    from redmine_mailbridge.wiring import application

    store = application.open_store(invocation.settings())
    try:
        TaskBook(store.database, store.clock).stop()
    finally:
        store.close()
    click.echo("stopped: no mail is read or sent by itself until `redmine-mailbridge start`")
