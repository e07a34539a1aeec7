"""`run`: the service."""

import click

from redmine_mailbridge.cli.main import Invocation, pass_invocation


@click.command()
@click.option("--wait", type=float, default=0.0, metavar="SECONDS", help="Wait so long for another service to end.")
@click.option("--no-listen", is_flag=True, help="Receive on schedule only; do not wait for hints of the servers.")
@pass_invocation
def command(invocation: Invocation, *, wait: float, no_listen: bool) -> None:
    """Receive mail on schedule and whenever it arrives, until told to stop (SIGTERM). SIGHUP reads settings again."""
    from redmine_mailbridge.cli.daemon import Daemon

    Daemon(invocation.settings(), invocation.settings_file, listen=not no_listen).run(wait=wait)
