"""`report`: hours and times by project, customer, agent, month …"""

import datetime as dt

import click

from redmine_mailbridge.cli.main import Invocation, pass_invocation

BYS = ("issue", "project", "mailbox", "customer", "requester", "agent", "activity", "month")
_DAY = click.DateTime(["%Y-%m-%d"])


@click.command()
@click.option("--by", type=click.Choice(BYS), default="project", show_default=True, help="What to sum by.")
@click.option("--from", "first", type=_DAY, metavar="DAY", help="The first day, as 2026-01-31 [default: the first].")
@click.option("--to", "last", type=_DAY, metavar="DAY", help="The last day [default: today].")
@click.option(
    "--format", "style", type=click.Choice(("table", "csv", "json", "html")), default="table", show_default=True,
    help="html is one page with charts that needs nothing else.",
)  # fmt: skip
@click.option("--output", type=click.Path(dir_okay=False, writable=True), metavar="FILE", help="Write to a file.")
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
    """Hours spent, times to first answer and resolution, mails, reopened and open issues, and budgets.

    From what the last `aggregate` has computed; asks nothing of Redmine.
    """
    from typing import cast

    from redmine_mailbridge.reports.overview import Format, overview
    from redmine_mailbridge.reports.report import By, Period
    from redmine_mailbridge.wiring import aggregate, application

    if first is not None and last is not None and last < first:
        raise click.UsageError("--to must not be before --from")
    period = Period(first.date() if first else None, last.date() if last else None)
    settings = invocation.settings()
    store = application.open_store(settings)
    try:
        text = overview(aggregate.kept(settings, store), cast("By", by), period).text(cast("Format", style))
    finally:
        store.close()
    if output is None:
        click.echo(text, nl=False)
    else:
        with click.open_file(output, "w", encoding="utf-8", atomic=True) as file:
            file.write(text)
