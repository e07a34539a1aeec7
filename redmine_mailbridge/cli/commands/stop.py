"""`stop`: pauses all processing."""

import click

from redmine_mailbridge.cli.main import Invocation, pass_invocation


@click.command()
@pass_invocation
def command(invocation: Invocation) -> None:
    """Pause all reading, writing and sending.

    Lasts until `start`, across restarts. The service keeps running, idle.
    """
    from redmine_mailbridge.cli.audit import record_change
    from redmine_mailbridge.wiring.store import open_store, task_book

    settings = invocation.settings()
    store = open_store(settings)
    try:
        task_book(store).stop()
    finally:
        store.close()
    record_change(settings, "stop")
    click.echo("paused: no mail is read or sent until `redmine-mailbridge start`")
