"""`messages`: the history of each message; `messages accept|reject|retry`: an admin's decisions about some."""

from typing import TYPE_CHECKING

import click

from redmine_mailbridge.cli.main import NUMBER, ROW, Invocation, pass_invocation

if TYPE_CHECKING:
    from redmine_mailbridge.store.queries.messages import MessageFilter

STATES = ("stored", "write_pending", "done", "rejected", "held", "failed")
FILTERS = ("state", "mailbox", "sender", "subject", "issue")


class MessagesGroup(click.Group):
    """`messages 7` is `messages show 7`."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As in click; numbers mean `show` with these numbers."""
        if args and args[0].isdecimal():
            return "show", self.get_command(ctx, "show"), args
        return super().resolve_command(ctx, args)


@click.group(cls=MessagesGroup, invoke_without_command=True)
@click.option("--state", type=click.Choice(STATES), help="Only messages in this state.")
@click.option("--mailbox", metavar="NAME", help="Only messages of this mailbox.")
@click.option("--sender", metavar="TEXT", help="Only messages whose sender's address contains TEXT.")
@click.option("--subject", metavar="TEXT", help="Only messages whose subject contains TEXT.")
@click.option("--issue", type=NUMBER, metavar="N", help="Only messages that belong to this issue.")
@click.option("--limit", type=NUMBER, default=50, show_default=True, help="Maximum number, newest first.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per message, with its history.")
@click.pass_context
def command(
    ctx: click.Context,
    *,
    state: str | None,
    mailbox: str | None,
    sender: str | None,
    subject: str | None,
    issue: int | None,
    limit: int,
    as_json: bool,
) -> None:
    """List messages and what happened to them, newest first."""
    if ctx.invoked_subcommand is not None:
        return
    from redmine_mailbridge.model.mail_state import State
    from redmine_mailbridge.store.queries.messages import MessageFilter

    filter_ = MessageFilter(
        state=State(state) if state else None,
        mailbox=mailbox,
        sender=sender,
        subject=subject,
        issue=issue,
        limit=limit,
    )
    listed(ctx.ensure_object(Invocation), filter_, whole=False, as_json=as_json)


@command.command()
@click.argument("ids", nargs=-1, required=True, type=ROW)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per message.")
@click.pass_context
def show(ctx: click.Context, *, ids: tuple[int, ...], as_json: bool) -> None:
    """Show the full history of messages (`messages ID` is the same)."""
    from redmine_mailbridge.store.queries.messages import MessageFilter

    above = ctx.parent.params if ctx.parent is not None else {}
    filter_options = [f"--{name}" for name in FILTERS if above.get(name) is not None]
    if filter_options:
        raise click.UsageError(
            f"{', '.join(filter_options)}: filters the list; leave it out to show messages by their numbers"
        )
    filter_ = MessageFilter(ids=ids, limit=len(ids))
    shown = listed(ctx.ensure_object(Invocation), filter_, whole=True, as_json=as_json or above.get("as_json", False))
    if unknown := sorted(set(ids) - shown):
        raise click.ClickException(f"no message with this number: {', '.join(map(str, unknown))}")


def listed(invocation: Invocation, filter_: "MessageFilter", *, whole: bool, as_json: bool) -> set[int]:
    """Print the messages of a filter; `whole`: with their history. Return their numbers."""
    import json

    from redmine_mailbridge.cli.output import COLOURS, local_time, one_line
    from redmine_mailbridge.util.printable import printable_text
    from redmine_mailbridge.wiring.store import message_queries, open_store

    store, numbers = open_store(invocation.settings()), set[int]()
    try:
        queries = message_queries(store)
        for row in queries.messages(filter_):
            numbers.add(row.id)
            steps = queries.steps(row.id) if whole or as_json else []
            if as_json:
                click.echo(json.dumps(row.as_json() | {"steps": [step.line for step in steps]}, ensure_ascii=False))
                continue
            issue_shown = f"#{row.issue}" if row.issue else ""
            state_shown = click.style(f"{row.state.value:<13}", fg=COLOURS.get(row.state.value))
            head = f"{row.id:>6}  {local_time(row.kept_at)}  {state_shown} {issue_shown:<7} "
            click.echo(f"{head}{one_line(row.requester or row.sender, 28):<28}  {one_line(row.subject, 50)}")
            if row.reason and not whole:
                click.secho(f"{'':8}{one_line(row.reason, 140)}", dim=True)
            for step in steps:
                click.echo(f"{'':8}{local_time(step.at)}  {printable_text(step.line)}")
    finally:
        store.close()
    return numbers


@command.command()
@click.argument("ids", nargs=-1, required=True, type=ROW)
@pass_invocation
def accept(invocation: Invocation, *, ids: tuple[int, ...]) -> None:
    """Accept held messages: the next `receive` imports them."""
    from redmine_mailbridge.cli.output import apply_decision

    apply_decision(invocation.settings(), ids, "accept")


@command.command()
@click.argument("ids", nargs=-1, required=True, type=ROW)
@pass_invocation
def reject(invocation: Invocation, *, ids: tuple[int, ...]) -> None:
    """Reject held messages: they go to the failure folder."""
    from redmine_mailbridge.cli.output import apply_decision

    apply_decision(invocation.settings(), ids, "reject")


@command.command()
@click.argument("ids", nargs=-1, required=True, type=ROW)
@click.option(
    "--import", "as_wanted", is_flag=True, help="Import them regardless of why they were not, even ignored ones."
)
@click.option("--issue", type=NUMBER, metavar="N", help="Add them as notes to this issue.")
@click.option("--dry-run", is_flag=True, help="Only print what would be retried.")
@pass_invocation
def retry(invocation: Invocation, *, ids: tuple[int, ...], as_wanted: bool, issue: int | None, dry_run: bool) -> None:
    """Retry messages: rejected, held, failed or pending ones."""
    from redmine_mailbridge.cli.output import apply_decision

    decision = "file" if issue is not None else "import" if as_wanted else "retry"
    apply_decision(invocation.settings(), ids, decision, issue=issue, dry_run=dry_run)


@command.command()
@click.argument("ids", nargs=-1, required=True, type=ROW)
@click.option("--issue", type=NUMBER, metavar="N", help="They become notes of this issue.")
@click.option("--project", metavar="NAME", help="They become new issues of this project (its identifier).")
@click.option("--dry-run", is_flag=True, help="Only print what would be moved.")
@pass_invocation
def move(
    invocation: Invocation, *, ids: tuple[int, ...], issue: int | None, project: str | None, dry_run: bool
) -> None:
    """Move messages to another issue or project.

    Also those that are in Redmine already; `messages undo` reverts it.
    """
    from redmine_mailbridge.cli.output import apply_decision

    if (issue is None) is (project is None):
        raise click.UsageError("give either --issue or --project")
    decision = "file" if issue is not None else "new"
    apply_decision(invocation.settings(), ids, decision, issue=issue, project=project, dry_run=dry_run)


@command.command()
@click.argument("ids", nargs=-1, required=True, type=ROW)
@click.option("--dry-run", is_flag=True, help="Only print what would be undone.")
@pass_invocation
def undo(invocation: Invocation, *, ids: tuple[int, ...], dry_run: bool) -> None:
    """Undo the last import or move of messages."""
    from redmine_mailbridge.cli.output import apply_decision

    apply_decision(invocation.settings(), ids, "undo", dry_run=dry_run)


@command.command()
@click.argument("message", metavar="ID", type=ROW)
@click.argument("address", required=False)
@click.option("--name", default="", help="The person's name, as answers address it.")
@click.option("--undo", "undoes", is_flag=True, help="Restore the requester from before.")
@pass_invocation
def requester(invocation: Invocation, *, message: int, address: str | None, name: str, undoes: bool) -> None:
    """Set the requester of the issue that a message created.

    Answers go to ADDRESS from now on.
    """
    from redmine_mailbridge.cli.audit import current_user, record_change
    from redmine_mailbridge.tasks.receive.requester_decisions import set_requester, undo_requester
    from redmine_mailbridge.util.printable import printable_text
    from redmine_mailbridge.wiring.store import open_store

    if undoes is (address is not None):
        raise click.UsageError("give either ADDRESS or --undo")
    settings = invocation.settings()
    store = open_store(settings)
    try:
        if address is None:
            result = undo_requester(store, message, by=current_user())
        else:
            ours = settings.own_addresses
            result = set_requester(store, message, address, name, by=current_user(), ours=ours)
        who = address if address is not None or not result.ok else store.requesters.current(message)[0]
    finally:
        store.close()
    if not result.ok:
        raise click.ClickException(f"{printable_text(who or f'message {message}')}: {result.words}")
    record_change(settings, "undo requester" if undoes else "requester", f"#{result.issue}: {who}")
    click.echo(f"#{result.issue}: {printable_text(who or '')} {result.words}")
