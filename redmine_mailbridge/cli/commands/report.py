"""`report`: prints hours and times by project, customer, agent, month and more."""

import datetime as dt

import click

from redmine_mailbridge.cli.main import Invocation, pass_invocation

BYS = ("issue", "project", "mailbox", "customer", "requester", "agent", "activity", "month")
_DAY = click.DateTime(["%Y-%m-%d"])


@click.command()
@click.option("--by", type=click.Choice(BYS), default="project", show_default=True, help="What to group by.")
@click.option(
    "--from", "first", type=_DAY, metavar="DAY", help="First day, such as 2026-01-31 [default: the first with data]."
)
@click.option("--to", "last", type=_DAY, metavar="DAY", help="Last day [default: today].")
@click.option(
    "--format", "style", type=click.Choice(("table", "csv", "json", "html")), default="table", show_default=True,
    help="html is one self-contained page with charts.",
)  # fmt: skip
@click.option("--output", type=click.Path(dir_okay=False, writable=True), metavar="FILE", help="Write to FILE.")
@pass_invocation
def command(
    invocation: Invocation,
    *,
    by: str,
    first: dt.datetime | None,
    last: dt.datetime | None,
    style: str,
    output: str | None,
) -> None:
    """Report hours, response times and budgets.

    Also the number of messages, and of open and reopened issues.

    Uses the results of the last `aggregate`; does not query Redmine.
    """
    from typing import cast

    from redmine_mailbridge.reports.overview import Format, overview
    from redmine_mailbridge.reports.report import By, Period
    from redmine_mailbridge.wiring import aggregate
    from redmine_mailbridge.wiring.store import open_store

    if first is not None and last is not None and last < first:
        raise click.UsageError("--to must not be before --from")
    period = Period(first.date() if first else None, last.date() if last else None)
    settings = invocation.settings()
    store = open_store(settings)
    try:
        text = overview(aggregate.kept(settings, store), cast("By", by), period).text(cast("Format", style))
    finally:
        store.close()
    if output is None:
        click.echo(text, nl=False)
    else:
        with click.open_file(output, "w", encoding="utf-8", atomic=True) as file:
            file.write(text)
