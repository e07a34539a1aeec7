"""`queue`: the mails that wait to be sent; `queue retry`: those that failed, sent again."""

import click

from redmine_mailbridge.cli.main import Invocation, pass_invocation


@click.group(invoke_without_command=True)
@click.option("--undelivered", is_flag=True, help="Those that were refused for good or came back, instead.")
@click.option("--limit", type=click.IntRange(1), default=200, show_default=True, help="How many at most.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a mail.")
@click.pass_context
def command(ctx: click.Context, *, undelivered: bool, limit: int, as_json: bool) -> None:
    """List the mails that wait to be sent, the next one first, each with why it waits; or send failed ones again."""
    if ctx.invoked_subcommand is None:
        listed(ctx.ensure_object(Invocation), undelivered=undelivered, limit=limit, as_json=as_json)


def listed(invocation: Invocation, *, undelivered: bool, limit: int, as_json: bool) -> None:
    """Print the mails of the outbox."""
    import json

    from redmine_mailbridge.cli.output import shown
    from redmine_mailbridge.outgoing.sender_profile import when
    from redmine_mailbridge.store.outbox import BOUNCED, FAILED, QUEUED, Outbox
    from redmine_mailbridge.wiring import application as app

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


@command.command()
@click.argument("ids", nargs=-1, type=int)
@click.option("--all", "everything", is_flag=True, help="All that failed.")
@pass_invocation
def retry(invocation: Invocation, *, ids: tuple[int, ...], everything: bool) -> None:
    """Send mails again that were refused or given up (ids as `queue --undelivered` shows them).

    Redmine is asked first: what has become private since is not sent.
    """
    from redmine_mailbridge.cli.output import shown
    from redmine_mailbridge.outgoing.resend import send_again
    from redmine_mailbridge.store.outbox import Outbox
    from redmine_mailbridge.wiring import application as app

    if bool(ids) == everything:
        raise click.UsageError("name the mails by their numbers, or say --all")
    application = app.build(invocation.settings())
    try:
        outbox = Outbox(application.store.database, application.store.clock)
        letters = application.letters
        rows = send_again(outbox, letters.desks, letters.look, None if everything else ids, by="an admin")
    finally:
        application.close()
    for row, why in rows:
        what = f"{row.id:>6}  {row.kind} to {shown(row.recipient, 40)}"
        click.secho(f"{what}: not sent again: {why}" if why else f"{what}: is sent again", fg="yellow" if why else None)
    unknown = sorted(set(ids) - {row.id for row, _ in rows})
    if unknown:
        raise click.ClickException(f"no such mail that failed: {', '.join(map(str, unknown))}")
    if not rows:
        click.echo("no mail has failed")
