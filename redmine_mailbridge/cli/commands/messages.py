"""`messages`: what became of each mail."""

import click

from redmine_mailbridge.cli.main import Invocation, pass_invocation

STATES = ("kept", "writing", "done", "refused", "held", "aside")


@click.command()
@click.argument("ids", nargs=-1, type=int)
@click.option("--state", type=click.Choice(STATES), help="Only mails in this state.")
@click.option("--mailbox", metavar="NAME", help="Only mails of this mailbox.")
@click.option("--sender", metavar="TEXT", help="Only mails whose sender's address holds this.")
@click.option("--subject", metavar="TEXT", help="Only mails whose subject holds this.")
@click.option("--issue", type=int, metavar="N", help="Only mails that led to this issue.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many at most, newest first.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a mail, with its steps.")
@pass_invocation
def command(
    invocation: Invocation,
    *,
    ids: tuple[int, ...],
    state: str | None,
    mailbox: str | None,
    sender: str | None,
    subject: str | None,
    issue: int | None,
    limit: int,
    as_json: bool,
) -> None:
    """List what became of each mail, newest first. With IDS, tell those mails' whole stories."""
    import datetime as dt
    import json

    from redmine_mailbridge.cli.output import COLOURS, shown
    from redmine_mailbridge.model.mail_state import State
    from redmine_mailbridge.store.queries.messages import Archive, MessageFilter
    from redmine_mailbridge.wiring import application

    def when(seconds: float) -> str:
        return dt.datetime.fromtimestamp(seconds).astimezone().isoformat(" ", "seconds")

    store = application.open_store(invocation.settings())
    try:
        archive = Archive(store.database)
        wanted = MessageFilter(
            state=State(state) if state else None,
            mailbox=mailbox,
            sender=sender,
            subject=subject,
            issue=issue,
            ids=ids or None,
            limit=limit,
        )
        for row in archive.messages(wanted):
            steps = archive.steps(row.id) if ids or as_json else []
            if as_json:
                click.echo(json.dumps(row.as_json() | {"steps": [step.line for step in steps]}, ensure_ascii=False))
                continue
            made = f"#{row.issue}" if row.issue else ""
            state_shown = click.style(f"{row.state.value:<8}", fg=COLOURS.get(row.state.value))
            head = f"{row.id:>6}  {when(row.kept_at)[:19]}  {state_shown} {made:<7} "
            click.echo(f"{head}{shown(row.sender, 28):<28}  {shown(row.subject, 50)}")
            if row.reason and not ids:
                click.secho(f"{'':8}{shown(row.reason, 140)}", dim=True)
            for step in steps:
                click.echo(f"{'':8}{when(step.at)[:19]}  {step.line}")
    finally:
        store.close()
