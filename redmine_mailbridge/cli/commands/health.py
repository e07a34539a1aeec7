"""`health`: what is wrong, as a plugin for Nagios, Icinga and Checkmk."""

import sys
from typing import Any, NoReturn

import click

from redmine_mailbridge.cli.main import Invocation, pass_invocation
from redmine_mailbridge.cli.streams import leave


class MonitoringPlugin(click.Command):
    """A command whose exit codes a monitoring system reads: whatever keeps it from an answer is 3, unknown."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """As in click, but wrong usage is unknown, where click's 2 would be critical."""
        try:
            return super().make_context(*args, **kwargs)
        except click.UsageError as error:
            _unknown(error.format_message())

    def invoke(self, ctx: click.Context) -> Any:
        """As in click, but an error is unknown, where Python's 1 would be a warning."""
        from redmine_mailbridge.errors import MailbridgeError
        from redmine_mailbridge.util.error_boundary import fault, where

        try:
            return super().invoke(ctx)
        except MailbridgeError as error:
            _unknown(str(error))
        except Exception as error:  # noqa: BLE001 - its reader knows exit codes alone
            _say(where(error))
            _unknown(fault(error))


def _unknown(reason: str) -> NoReturn:
    """Print why nothing can be determined, and exit."""
    from redmine_mailbridge.conditions.plugin_output import UNKNOWN, unknown_line

    _print(unknown_line(reason))
    raise SystemExit(UNKNOWN)


def _print(text: str) -> None:
    """Print. If that is impossible, exit: the answer is unknown."""
    from redmine_mailbridge.conditions.plugin_output import UNKNOWN

    try:
        click.echo(text)
    except OSError as error:
        leave(sys.stdout)
        _say(f"standard output: {error.strerror}\n")
        raise SystemExit(UNKNOWN) from None


def _say(text: str) -> None:
    """Print to standard error, if it can be written."""
    try:
        click.echo(text, err=True, nl=False)
    except OSError:
        leave(sys.stderr)


@click.command(cls=MonitoringPlugin)
@pass_invocation
def command(invocation: Invocation) -> None:
    """Report what is wrong to a monitoring system.

    Prints one line with numbers, then details, as Nagios, Icinga and Checkmk read them. Connects to no server.

    Exits with 0 (ok), 1 (warning), 2 (critical) or 3 (unknown: the settings cannot be used, the command is
    wrong, or the output cannot be written).
    """
    from redmine_mailbridge.conditions.condition import worst
    from redmine_mailbridge.conditions.plugin_output import plugin_lines
    from redmine_mailbridge.wiring.conditions import list_conditions

    conditions = list_conditions(invocation.loaded().settings)
    _print("\n".join(plugin_lines(conditions)))
    raise SystemExit(int(worst(conditions)))
