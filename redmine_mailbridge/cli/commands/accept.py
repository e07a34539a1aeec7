"""`accept ID…`: let held mails pass."""

import click

from redmine_mailbridge.cli.main import Invocation, pass_invocation


@click.command()
@click.argument("ids", nargs=-1, required=True, type=int)
@pass_invocation
def command(invocation: Invocation, *, ids: tuple[int, ...]) -> None:
    """Let held mails pass: the next `receive` makes issues or notes of them. `messages --state held` lists them."""
    from redmine_mailbridge.cli.output import decided

    decided(invocation.settings(), ids, "accept")
