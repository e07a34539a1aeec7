"""`aggregate`: reads time entries and computes hours and response times now."""

import click

from redmine_mailbridge.cli.main import Invocation, pass_invocation


@click.command()
@click.option("--rebuild", is_flag=True, help="Re-read every issue and time entry instead of only the changed ones.")
@pass_invocation
def command(invocation: Invocation, *, rebuild: bool) -> None:
    """Compute hours and response times now."""
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
        request_count = application.client.requests - before
        click.echo(
            f"{read.held} time entries stored, {read.changed} of them new or changed; {result.done} changes in total, "
            f"{result.failed} failed; {request_count} requests, {read.requests} of them for time entries"
        )
        for line in aggregate.kept(application.settings, application.store).results.refused():
            click.secho(line, fg="yellow", err=True)
        if application.tasks.book.stopped:
            click.secho("outgoing mail is queued: processing is paused, see `start`", fg="yellow", err=True)
        application.sending.once()
        application.sending.save_copies()
    finally:
        application.close()
