"""`run`: runs the service."""

import click

from redmine_mailbridge.cli.main import Invocation, pass_invocation


@click.command()
@click.option(
    "--wait",
    type=float,
    metavar="SECONDS",
    help="Wait up to SECONDS for another service to end. Default: 0; with PostgreSQL, stand by without limit.",
)
@click.option("--no-listen", is_flag=True, help="Receive on schedule only, without IMAP IDLE.")
@pass_invocation
def command(invocation: Invocation, *, wait: float | None, no_listen: bool) -> None:
    """Run the service.

    Receives mail on schedule and as it arrives. SIGTERM ends it, SIGHUP reloads the settings.
    """
    from redmine_mailbridge.cli.daemon import Daemon

    Daemon(invocation.settings(), invocation.settings_file, listen=not no_listen).run(wait=wait)
