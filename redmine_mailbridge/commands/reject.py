"""`reject ID…`: refuse held mails."""

import click

from redmine_mailbridge.cli import Invocation, pass_invocation


@click.command()
@click.argument("ids", nargs=-1, required=True, type=int)
@pass_invocation
def command(invocation: Invocation, *, ids: tuple[int, ...]) -> None:
    """Refuse held mails: the next `receive` moves them to the failure folder."""
    from redmine_mailbridge import app
    from redmine_mailbridge.printing import decided
    from redmine_mailbridge.store.life import State

    store = app.open_store(invocation.settings())
    try:
        decided(store, ids, State.HELD, store.reject, "is refused")
    finally:
        store.close()
