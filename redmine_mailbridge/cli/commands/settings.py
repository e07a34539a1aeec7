"""`settings show`: prints the effective values and the source of each."""

import click

from redmine_mailbridge.cli.main import Invocation, pass_invocation


@click.group(invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """Show the settings in effect."""
    if context.invoked_subcommand is None:
        context.invoke(show, as_json=False, changed=False)


@command.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per value.")
@click.option("--changed", is_flag=True, help="Omit values that are at their default.")
@pass_invocation
def show(invocation: Invocation, *, as_json: bool, changed: bool) -> None:
    """Print every value and its source.

    Secrets are shown as "set" or "not set".
    """
    import json

    from redmine_mailbridge.settings.effective import values

    loaded = invocation.loaded()
    table = None
    for value in values(loaded):
        if changed and value.origin.kind == "default":
            continue
        if as_json:
            line = {"table": value.table, "key": value.key, "value": value.text, "origin": str(value.origin)}
            click.echo(json.dumps(line, ensure_ascii=False))
            continue
        if table != value.table:
            table = value.table
            click.secho(f"[{table}]", bold=True)
        origin = "" if value.origin.kind == "default" else click.style(f"  # {value.origin}", dim=True)
        click.echo(f"{value.key} = {value.text}{origin}")
    if not as_json:
        for warning in loaded.warnings:
            click.secho(warning, fg="yellow", err=True)
