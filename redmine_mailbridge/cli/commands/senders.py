"""`senders`: lists the senders that a person has blocked or allowed; `senders block|allow|remove`: changes that."""

from collections.abc import Sequence

import click

from redmine_mailbridge.cli.main import Invocation, pass_invocation


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per entry.")
@click.pass_context
def command(ctx: click.Context, *, as_json: bool) -> None:
    """List the senders that were blocked or allowed by hand."""
    if ctx.invoked_subcommand is None:
        listed(ctx.ensure_object(Invocation), as_json=as_json)


def listed(invocation: Invocation, *, as_json: bool) -> None:
    """Print each entry with who made it and when."""
    import json
    from dataclasses import asdict

    from redmine_mailbridge.cli.output import local_time
    from redmine_mailbridge.util.printable import printable_text
    from redmine_mailbridge.wiring.store import open_store, sender_list

    store = open_store(invocation.settings())
    try:
        entries = sender_list(store).all()
    finally:
        store.close()
    for entry in entries:
        if as_json:
            click.echo(json.dumps(asdict(entry), ensure_ascii=False))
            continue
        colour = {"block": "red", "allow": "green"}[entry.listing.value]
        listing_shown = click.style(f"{entry.listing.value:<6}", fg=colour)
        click.echo(
            f"{listing_shown} {printable_text(entry.pattern):<40} {local_time(entry.at)}  {printable_text(entry.who)}"
        )
    if not entries and not as_json:
        click.echo("no sender is blocked or allowed, apart from those in the settings")


@command.command()
@click.argument("senders", nargs=-1, required=True)
@pass_invocation
def block(invocation: Invocation, *, senders: tuple[str, ...]) -> None:
    """Block senders, by address or domain.

    SENDER is "someone@example.com", "example.com" or "*.example.com".
    """
    change(invocation, senders, "block")


@command.command()
@click.argument("senders", nargs=-1, required=True)
@pass_invocation
def allow(invocation: Invocation, *, senders: tuple[str, ...]) -> None:
    """Allow senders, whatever the settings block."""
    change(invocation, senders, "allow")


@command.command()
@click.argument("senders", nargs=-1, required=True)
@pass_invocation
def remove(invocation: Invocation, *, senders: tuple[str, ...]) -> None:
    """Remove entries from the list: the settings decide again."""
    change(invocation, senders, None)


def change(invocation: Invocation, senders: Sequence[str], listing: str | None) -> None:
    """Change the list and print what came of it. Exit with 1 if something was wrong."""
    from redmine_mailbridge.cli.audit import current_user, record_change
    from redmine_mailbridge.model.sender_list import SenderListing
    from redmine_mailbridge.tasks.receive.sender_decisions import decide_senders
    from redmine_mailbridge.util.printable import printable_text
    from redmine_mailbridge.wiring.store import open_store, sender_list

    settings = invocation.settings()
    store = open_store(settings)
    try:
        decision = SenderListing(listing) if listing is not None else None
        results = list(decide_senders(sender_list(store), senders, decision, by=current_user()))
    finally:
        store.close()
    if done := [result.pattern for result in results if result.ok]:
        record_change(settings, f"{listing or 'remove'} sender", ", ".join(done))
    for result in results:
        click.secho(
            f"{printable_text(result.pattern)}: {result.words}", fg=None if result.ok else "red", err=not result.ok
        )
    if len(done) < len(results):
        raise SystemExit(1)
