"""`retry ID…`: try refused, held or set-aside mails again."""

import click

from redmine_mailbridge.cli import Invocation, pass_invocation


@click.command()
@click.argument("ids", nargs=-1, required=True, type=int)
@click.option("--dry-run", is_flag=True, help="Only say what would be tried again.")
@pass_invocation
def command(invocation: Invocation, *, ids: tuple[int, ...], dry_run: bool) -> None:
    """Have mails tried again with the next `receive`: those refused, held, set aside or waiting for their pause."""
    from redmine_mailbridge import app
    from redmine_mailbridge.printing import shown
    from redmine_mailbridge.store.ask import Archive, MessageFilter
    from redmine_mailbridge.store.life import State

    store = app.open_store(invocation.settings())
    missed = False
    try:
        rows = {row.id: row for row in Archive(store.database).messages(MessageFilter(ids=ids, limit=len(ids)))}
        for wanted in ids:
            row = rows.get(wanted)
            if row is None or row.state is State.DONE or row.raw is None:
                why = (
                    "there is no such mail"
                    if row is None
                    else "its bytes are gone"
                    if row.raw is None
                    else "it is done"
                )
                click.secho(f"{wanted}: not tried again: {why}", fg="red", err=True)
                missed = True
                continue
            if not dry_run:
                store.retry(wanted)
            would = "would be tried again" if dry_run else "is tried again with the next receive"
            click.echo(f"{wanted}: {would}: {shown(row.subject, 60)}")
    finally:
        store.close()
    if missed:
        raise SystemExit(1)
