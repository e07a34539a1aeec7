"""`settings show`: the values in force, and where each comes from."""

import click

from redmine_mailbridge.cli.main import Invocation, pass_invocation


@click.group()
def command() -> None:
    """Look at the settings as they are in force."""


@command.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a value.")
@click.option("--changed", is_flag=True, help="Leave out what is at its default.")
@pass_invocation
def show(invocation: Invocation, *, as_json: bool, changed: bool) -> None:
    """Print every value in force and where it comes from. Secrets are shown as set or not set."""
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
