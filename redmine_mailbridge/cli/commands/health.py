"""`health`: what is wrong, as a plugin for Nagios, Icinga and Checkmk."""

import click

from redmine_mailbridge.cli.main import Invocation, pass_invocation


@click.command()
@pass_invocation
def command(invocation: Invocation) -> None:
    """Report what is wrong to a monitoring system.

    Prints one line with numbers, then details, as Nagios, Icinga and Checkmk read them. Connects to no server.

    Exits with 0 (ok), 1 (warning), 2 (critical) or 3 (unknown: the settings cannot be used).
    """
    from redmine_mailbridge.conditions.condition import worst
    from redmine_mailbridge.conditions.plugin_output import UNKNOWN, plugin_lines, unknown_line
    from redmine_mailbridge.errors import MailbridgeError
    from redmine_mailbridge.wiring.conditions import list_conditions

    try:
        conditions = list_conditions(invocation.loaded().settings)
    except MailbridgeError as error:
        click.echo(unknown_line(str(error)))
        raise SystemExit(UNKNOWN) from None
    click.echo("\n".join(plugin_lines(conditions)))
    raise SystemExit(int(worst(conditions)))
