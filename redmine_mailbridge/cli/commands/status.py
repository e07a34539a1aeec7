"""`status`: lists what is wrong, and what to do."""

import click

from redmine_mailbridge.cli.main import Invocation, pass_invocation

COLOURS = {"critical": "red", "warning": "yellow", "ok": None}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per condition.")
@pass_invocation
def command(invocation: Invocation, *, as_json: bool) -> None:
    """List what is wrong, the worst first.

    Reads what the service has observed; connects to no server. `check` tests the servers.
    """
    import json

    from redmine_mailbridge.outgoing.dates import Moment
    from redmine_mailbridge.wiring.conditions import list_conditions

    conditions = list_conditions(invocation.settings())
    for condition in conditions:
        if as_json:
            click.echo(json.dumps(condition.as_json(), ensure_ascii=False))
            continue
        word = click.style(f"{condition.severity.word:<9}", fg=COLOURS[condition.severity.word])
        since = f"  since {Moment.of(condition.since)}" if condition.since is not None else ""
        click.echo(f"{word} {click.style(condition.name, bold=True)}{since}")
        click.echo(f"{'':10}{condition.problem}")
        click.secho(f"{'':10}{condition.remedy}", dim=True)
    if not conditions and not as_json:
        click.secho("nothing is wrong", fg="green")
