"""`raw-messages`: where the raw messages are stored; `raw-messages move`: moves them to where the settings say."""

from typing import TYPE_CHECKING

import click

from redmine_mailbridge.cli.main import Invocation, pass_invocation

if TYPE_CHECKING:
    from redmine_mailbridge.settings.models import StoreSettings

EVERY = 1000
"""Messages between two lines of progress."""


@click.group(invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Show where raw messages are stored."""
    if ctx.invoked_subcommand is None:
        listed(ctx.ensure_object(Invocation))


def listed(invocation: Invocation) -> None:
    """Print the place that the settings name, and how many messages are not there."""
    from redmine_mailbridge.store.raw_mails.move import misplaced
    from redmine_mailbridge.wiring.store import open_store

    settings = invocation.settings()
    store = open_store(settings)
    try:
        elsewhere = misplaced(store)
    finally:
        store.close()
    click.echo(f"raw messages are stored in {_place(settings.store)}")
    if elsewhere:
        click.secho(f"not there: {elsewhere}; move them with `redmine-mailbridge raw-messages move`", fg="yellow")


@command.command()
@pass_invocation
def move(invocation: Invocation) -> None:
    """Move all to where the settings say.

    The place is [store] raw_storage. This may be interrupted and repeated at any time, also while the service runs.
    """
    from redmine_mailbridge.cli.audit import record_change
    from redmine_mailbridge.store.raw_mails.move import Moved, move_raw
    from redmine_mailbridge.wiring.store import open_store

    settings = invocation.settings()
    place = _place(settings.store)
    if settings.store.raw_folder is None:
        raise click.ClickException("[store] raw_dir: set it to the folder from which the messages are to be moved")

    def report(moved: Moved) -> None:
        done = moved.messages + moved.there
        if done % EVERY == 0:
            click.echo(f"{done} messages", err=True)

    def say(line: str) -> None:
        click.secho(line, fg="red", err=True)

    store = open_store(settings)
    try:
        moved = move_raw(store, say=say, report=report)
    finally:
        store.close()
    line = f"{moved.messages} messages ({moved.size / 1e6:.1f} MB) moved to {place}; {moved.there} were already there"
    click.echo(line)
    if moved.messages:
        record_change(settings, "move raw messages", line)
    if moved.faults:
        raise click.ClickException(f"{moved.faults} messages could not be moved")


def _place(store: "StoreSettings") -> str:
    return "the database" if store.raw_in_database else f"the folder {store.raw_folder}"
