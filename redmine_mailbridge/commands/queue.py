"""`queue`: the mails that wait to be sent."""

import click

from redmine_mailbridge.cli import Invocation, pass_invocation


@click.command()
@click.option("--undelivered", is_flag=True, help="Those that were refused for good or came back, instead.")
@click.option("--limit", type=click.IntRange(1), default=200, show_default=True, help="How many at most.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a mail.")
@pass_invocation
def command(invocation: Invocation, *, undelivered: bool, limit: int, as_json: bool) -> None:
    """List the mails that wait to be sent, the next one first, each with why it waits."""
    import json

    from redmine_mailbridge import app
    from redmine_mailbridge.printing import shown
    from redmine_mailbridge.store.outbox import BOUNCED, FAILED, QUEUED, Outbox
    from redmine_mailbridge.tasks.desk import when

    store = app.open_store(invocation.settings())
    try:
        rows = Outbox(store.database, store.clock).listed(
            states=(FAILED, BOUNCED) if undelivered else (QUEUED,), limit=limit
        )
    finally:
        store.close()
    for row in rows:
        if as_json:
            click.echo(json.dumps(row.as_json(), ensure_ascii=False))
            continue
        issue = f"#{row.issue}" if row.issue else ""
        due = when(row.next_try_at) if row.next_try_at else "now"
        head = f"{row.id:>6}  {row.state:<8} {row.kind:<14} {issue:<7} {shown(row.recipient, 40):<40} "
        click.echo(head + (f"next try {due}, tried {row.tries} times" if row.state == QUEUED else ""))
        if row.reason:
            click.secho(f"{'':8}{shown(row.reason, 140)}", dim=True)
    if not rows and not as_json:
        click.echo("no mail waits" if not undelivered else "everything was delivered, as far as anybody said")
