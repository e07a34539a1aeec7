"""`release NAME`: let a mailbox go on that stopped because very much was suddenly new."""

import click

from redmine_mailbridge.cli.main import Invocation, pass_invocation


@click.command()
@click.argument("mailbox")
@click.option("--up-to", type=click.IntRange(1), metavar="N", help="Only if at most N mails are new.")
@pass_invocation
def command(invocation: Invocation, *, mailbox: str, up_to: int | None) -> None:
    """Let a mailbox go on that stopped since more mails were suddenly new than its brake_at."""
    from redmine_mailbridge.cli.output import known_mailboxes
    from redmine_mailbridge.store.folder_cursors import ALL_NEW
    from redmine_mailbridge.tasks.receive.admin_decisions import hurry_mailboxes
    from redmine_mailbridge.wiring import application

    settings = invocation.settings()
    known_mailboxes([mailbox], settings)
    store = application.open_store(settings)
    try:
        stopped = store.release(mailbox, ALL_NEW if up_to is None else up_to)
        if stopped is not None:
            hurry_mailboxes(store, [mailbox])
    finally:
        store.close()
    if stopped is None:
        raise click.ClickException(f"{mailbox} has not stopped: there is nothing to let go on")
    click.echo(f"{mailbox} goes on with the next receive; it has stopped at {stopped} new mails")
