"""`queue`: the outgoing messages that are waiting; `queue retry` and `queue discard` decide about them."""

import click

from redmine_mailbridge.cli.main import NUMBER, ROW, Invocation, pass_invocation


@click.group(invoke_without_command=True)
@click.option("--undelivered", is_flag=True, help="Show rejected and bounced messages instead.")
@click.option("--limit", type=NUMBER, default=200, show_default=True, help="Maximum number.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per message.")
@click.pass_context
def command(ctx: click.Context, *, undelivered: bool, limit: int, as_json: bool) -> None:
    """List queued outgoing mail, next first."""
    if ctx.invoked_subcommand is None:
        listed(ctx.ensure_object(Invocation), undelivered=undelivered, limit=limit, as_json=as_json)


def listed(invocation: Invocation, *, undelivered: bool, limit: int, as_json: bool) -> None:
    """Print the messages of the outbox."""
    import json

    from redmine_mailbridge.cli.output import one_line
    from redmine_mailbridge.outgoing.dates import Moment
    from redmine_mailbridge.store.outgoing.rows import BOUNCED, FAILED, QUEUED
    from redmine_mailbridge.wiring.store import open_store, outbox

    store = open_store(invocation.settings())
    try:
        states = (FAILED, BOUNCED) if undelivered else (QUEUED,)
        rows = outbox(store).listed(states=states, limit=limit, whole=False)
    finally:
        store.close()
    for row in rows:
        if as_json:
            click.echo(json.dumps(row.as_json(), ensure_ascii=False))
            continue
        issue = f"#{row.issue}" if row.issue else ""
        due = Moment.of(row.next_try_at) if row.next_try_at else "now"
        head = f"{row.id:>6}  {row.state:<8} {row.kind:<14} {issue:<7} {one_line(row.recipient, 40):<40} "
        click.echo(head + (f"next try {due}, tried {row.tries} times" if row.state == QUEUED else ""))
        if row.reason:
            click.secho(f"{'':8}{one_line(row.reason, 140)}", dim=True)
    if not rows and not as_json:
        click.echo("no mail is queued" if not undelivered else "no delivery failure is known")


@command.command()
@click.argument("ids", nargs=-1, type=ROW)
@click.option("--all", "everything", is_flag=True, help="Retry all failed messages.")
@pass_invocation
def retry(invocation: Invocation, *, ids: tuple[int, ...], everything: bool) -> None:
    """Send failed mail again.

    IDS are the numbers that `queue --undelivered` shows.

    Redmine is queried first: notes that have become private are not sent.
    """
    from redmine_mailbridge.cli.audit import current_user, record_change
    from redmine_mailbridge.cli.output import one_line
    from redmine_mailbridge.wiring import application as app
    from redmine_mailbridge.wiring.outgoing import resending

    if bool(ids) == everything:
        raise click.UsageError("give the numbers of the messages, or --all")
    settings = invocation.settings()
    application = app.build(settings)
    try:
        rows = resending(application.store, application.mailer)(None if everything else ids, current_user())
    finally:
        application.close()
    if queued := [row.id for row, why in rows if not why]:
        record_change(settings, "retry outgoing", ", ".join(map(str, queued)))
    for row, why in rows:
        what = f"{row.id:>6}  {row.kind} to {one_line(row.recipient, 40)}"
        click.secho(f"{what}: not sent again: {why}" if why else f"{what}: queued again", fg="yellow" if why else None)
    unknown = sorted(set(ids) - {row.id for row, _ in rows})
    if unknown:
        raise click.ClickException(f"no failed message with this number: {', '.join(map(str, unknown))}")
    if not rows:
        click.echo("no mail has failed")


@command.command()
@click.argument("ids", nargs=-1, required=True, type=ROW)
@pass_invocation
def discard(invocation: Invocation, *, ids: tuple[int, ...]) -> None:
    """Discard queued or failed mail.

    IDS are those that `queue` and `queue --undelivered` show. A discarded mail is not sent.
    """
    from redmine_mailbridge.cli.audit import current_user, record_change
    from redmine_mailbridge.cli.output import one_line
    from redmine_mailbridge.wiring.store import open_store, outbox

    settings = invocation.settings()
    store = open_store(settings)
    try:
        rows = outbox(store).discard(ids, by=current_user())
    finally:
        store.close()
    if rows:
        record_change(settings, "discard outgoing", ", ".join(str(row.id) for row in rows))
    for row in rows:
        click.echo(f"{row.id:>6}  {row.kind} to {one_line(row.recipient, 40)}: discarded")
    unknown = sorted(set(ids) - {row.id for row in rows})
    if unknown:
        raise click.ClickException(f"no queued or failed mail: {', '.join(map(str, unknown))}")
