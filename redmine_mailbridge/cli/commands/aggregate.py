"""`aggregate`: read time entries and compute hours and times now."""

import click

from redmine_mailbridge.cli.main import Invocation, pass_invocation


@click.command()
@click.option("--rebuild", is_flag=True, help="Read every issue and time entry anew, instead of what has changed.")
@pass_invocation
def command(invocation: Invocation, *, rebuild: bool) -> None:
    """Compute hours and times of the issues that came by mail, now."""
    import threading

    from redmine_mailbridge.wiring import aggregate
    from redmine_mailbridge.wiring import application as app

    application = app.build(invocation.settings())
    try:
        task = application.hours
        before = application.client.requests
        result = task.once(threading.Event(), rebuild=rebuild)
        if result.error:
            raise click.ClickException(result.error)
        read = task.last_read
        asked = application.client.requests - before
        click.echo(
            f"{read.held} time entries held, {read.changed} of them new or changed; {result.done} changes in all, "
            f"{result.failed} failed; {asked} requests, {read.requests} of them for time entries"
        )
        for line in aggregate.kept(application.settings, application.store).results.refused():
            click.secho(line, fg="yellow", err=True)
        if application.tasks.book.stopped:
            click.secho("mail waits: the synchronisation is stopped", fg="yellow", err=True)
        application.sending.once()
    finally:
        application.close()
