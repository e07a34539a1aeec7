"""`mailboxes`: lists the mailboxes and their state; `mailboxes resume`: resumes a paused one."""

import click

from redmine_mailbridge.cli.main import NUMBER, Invocation, pass_invocation


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per mailbox.")
@click.pass_context
def command(ctx: click.Context, *, as_json: bool) -> None:
    """List the mailboxes and their state."""
    if ctx.invoked_subcommand is None:
        listed(ctx.ensure_object(Invocation), as_json=as_json)


def listed(invocation: Invocation, *, as_json: bool) -> None:
    """Print each mailbox with the error that keeps it from being read."""
    import json

    from redmine_mailbridge.store.health import of_mailbox
    from redmine_mailbridge.wiring.store import health, open_store, pauses, task_book

    settings = invocation.settings()
    store = open_store(settings)
    try:
        conditions, paused = health(store).all(), pauses(store).all()
        stopped = {name: store.braked(name) for name in settings.mailboxes}
        everything = task_book(store).stopped
    finally:
        store.close()
    if everything:
        click.secho("processing is paused; run `redmine-mailbridge start` to resume it", fg="yellow", err=True)
    for name, box in settings.mailboxes.items():
        condition, pause = conditions.get(of_mailbox(name)), paused.get(name)
        error = condition.error if condition is not None else None
        if pause is not None:
            error = pause.words
        if stopped[name] is not None:
            error = f"paused at {stopped[name]} new messages: redmine-mailbridge mailboxes resume {name}"
        state = (
            "inactive" if not box.active else "error" if error else "ok" if condition is not None else "not read yet"
        )
        if as_json:
            values = {"mailbox": name, "address": box.address, "protocol": box.protocol, "state": state, "error": error}
            click.echo(json.dumps(values, ensure_ascii=False))
            continue
        colour = {"ok": "green", "error": "red"}.get(state)
        click.echo(f"{name:<20} {box.address:<40} {box.protocol:<7} {click.style(state, fg=colour)}")
        if error:
            click.secho(f"{'':4}{error}", dim=True)


@command.command()
@click.argument("mailbox")
@click.option("--up-to", type=NUMBER, metavar="N", help="Only if at most N messages are new.")
@pass_invocation
def resume(invocation: Invocation, *, mailbox: str, up_to: int | None) -> None:
    """Resume a mailbox that paused because of too many new messages."""
    from redmine_mailbridge.cli.audit import record_change
    from redmine_mailbridge.cli.output import require_mailboxes
    from redmine_mailbridge.store.folder_cursors import ALL_NEW
    from redmine_mailbridge.tasks.receive.admin_decisions import hurry_mailboxes
    from redmine_mailbridge.wiring.store import open_store, task_book

    settings = invocation.settings()
    require_mailboxes([mailbox], settings)
    store = open_store(settings)
    try:
        stopped = store.release(mailbox, ALL_NEW if up_to is None else up_to)
        if stopped is not None:
            hurry_mailboxes(task_book(store), [mailbox])
    finally:
        store.close()
    if stopped is None:
        raise click.ClickException(f"{mailbox} is not paused because of too many new messages")
    record_change(settings, "release", mailbox)
    click.echo(f"{mailbox} resumes with the next receive (it paused at {stopped} new messages)")
