"""`reject ID…`: refuse held mails."""

import click

from redmine_mailbridge.cli.main import Invocation, pass_invocation


@click.command()
@click.argument("ids", nargs=-1, required=True, type=int)
@pass_invocation
def command(invocation: Invocation, *, ids: tuple[int, ...]) -> None:
    """Refuse held mails: the next `receive` moves them to the failure folder."""
    from redmine_mailbridge.cli.output import decided

    decided(invocation.settings(), ids, "reject")
