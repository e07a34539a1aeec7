"""`oauth`: signs in at providers, and says where sign-ins stand."""

import click

from redmine_mailbridge.cli.main import Invocation, pass_invocation


@click.group()
def command() -> None:
    """Sign in at Google, Microsoft and others, instead of giving a password."""


@command.command()
@click.argument("mailbox")
@click.option("--device", "how", flag_value="device", help="Type a code on any device.")
@click.option("--paste", "how", flag_value="paste", help="Use a browser on another machine and paste its last address.")
@click.option("--browser", "how", flag_value="browser", help="Use a browser on this machine [default].")
@pass_invocation
def login(invocation: Invocation, mailbox: str, how: str | None) -> None:
    """Sign in once for MAILBOX (or MAILBOX/outgoing, or outgoing). What was kept before is replaced."""
    from redmine_mailbridge.checks.advice import advising
    from redmine_mailbridge.oauth.terminal_login import by_browser, by_device, by_paste
    from redmine_mailbridge.wiring.oauth import opened

    with opened(invocation.settings()) as signs, advising():
        if how == "device":
            standing = by_device(signs, mailbox, click.echo)
        elif how == "paste":
            standing = by_paste(signs, mailbox, click.echo, lambda question: str(click.prompt(question)))
        else:
            standing = by_browser(signs, mailbox, click.echo, open_page=click.launch)
    who = standing.signed_in_as
    click.secho(f"{mailbox}: signed in" + (f" as {who}" if who else ""), fg="green")
    if "@" in who and who.lower() != standing.account.lower():
        click.secho(f"{standing.account} was expected: does {who} have a right to that mailbox?", fg="yellow")


@command.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@pass_invocation
def status(invocation: Invocation, *, as_json: bool) -> None:
    """Say where each sign-in stands. No provider is asked. Ends with exit code 1 when one needs a person."""
    import dataclasses
    import datetime as dt
    import json

    from redmine_mailbridge.wiring.oauth import opened

    with opened(invocation.settings()) as signs:
        found = signs.status()
    for one in found:
        if as_json:
            click.echo(json.dumps(dataclasses.asdict(one) | {"works": one.works}, ensure_ascii=False))
            continue
        words = f"{one.connection}: {one.provider}, {one.account}: {one.state}"
        words += f" as {one.signed_in_as}" if one.signed_in_as else ""
        if one.renewed_at is not None and one.works:
            words += f", renewed {dt.datetime.fromtimestamp(one.renewed_at, dt.UTC):%Y-%m-%d %H:%M} UTC"
        click.secho(words + (f": {one.reason}" if one.reason else ""), fg="green" if one.works else "red")
    if not found and not as_json:
        click.echo("no mailbox signs in by OAuth")
    if not all(one.works for one in found):
        raise SystemExit(1)


@command.command()
@click.argument("mailbox")
@pass_invocation
def forget(invocation: Invocation, mailbox: str) -> None:
    """Remove what is kept of MAILBOX's sign-in, and tell the provider where it wants to know."""
    from redmine_mailbridge.wiring.oauth import opened

    with opened(invocation.settings()) as signs:
        gone = signs.forget(mailbox)
    click.echo(f"{mailbox}: forgotten" if gone else f"{mailbox}: nothing was kept")
