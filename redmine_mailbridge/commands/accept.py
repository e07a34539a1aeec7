"""`accept ID…`: let held mails pass."""

import click

from redmine_mailbridge.cli import Invocation, pass_invocation


@click.command()
@click.argument("ids", nargs=-1, required=True, type=int)
@pass_invocation
def command(invocation: Invocation, *, ids: tuple[int, ...]) -> None:
    """Let held mails pass: the next `receive` makes issues or notes of them. `messages --state held` lists them."""
    from redmine_mailbridge import app
    from redmine_mailbridge.printing import decided
    from redmine_mailbridge.store.life import State

    store = app.open_store(invocation.settings())
    try:
        decided(
            store, ids, State.HELD, lambda mail_id: store.retry(mail_id, accept=True), "goes on with the next receive"
        )
    finally:
        store.close()
