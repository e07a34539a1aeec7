"""`oauth`: signs in at providers and shows the state of each sign-in."""

import click

from redmine_mailbridge.cli.main import Invocation, pass_invocation


@click.group()
def command() -> None:
    """Sign in to Google, Microsoft and others."""


@command.command()
@click.argument("mailbox")
@click.option("--device", "how", flag_value="device", help="Type a code on any device.")
@click.option("--paste", "how", flag_value="paste", help="Use a browser on another machine and paste its last address.")
@click.option("--browser", "how", flag_value="browser", help="Use a browser on this machine [default].")
@pass_invocation
def login(invocation: Invocation, mailbox: str, how: str | None) -> None:
    """Sign in for MAILBOX.

    Use MAILBOX/outgoing, or outgoing, for the sign-in used for sending. An existing sign-in is replaced.
    """
    from redmine_mailbridge.checks.advice import advising
    from redmine_mailbridge.cli.audit import record_change
    from redmine_mailbridge.oauth.terminal_login import by_browser, by_device, by_paste
    from redmine_mailbridge.wiring.oauth import opened

    settings = invocation.settings()
    with opened(settings) as signs, advising():
        if how == "device":
            standing = by_device(signs, mailbox, click.echo)
        elif how == "paste":
            standing = by_paste(signs, mailbox, click.echo, lambda question: str(click.prompt(question)))
        else:
            standing = by_browser(signs, mailbox, click.echo, open_page=click.launch)
    who = standing.signed_in_as
    record_change(settings, "oauth", f"signed in {mailbox}" + (f" as {who}" if who else ""))
    click.secho(f"{mailbox}: signed in" + (f" as {who}" if who else ""), fg="green")
    if "@" in who and who.lower() != standing.account.lower():
        click.secho(f"expected {standing.account}; check that {who} may access that mailbox", fg="yellow")


@command.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
@pass_invocation
def status(invocation: Invocation, *, as_json: bool) -> None:
    """Show the state of each sign-in.

    Does not contact the providers. Exits with 1 if a sign-in is missing or no longer works.
    """
    import dataclasses
    import datetime as dt
    import json

    from redmine_mailbridge.wiring.oauth import opened

    with opened(invocation.settings()) as signs:
        sign_ins = signs.status()
    for sign_in in sign_ins:
        if as_json:
            click.echo(json.dumps(dataclasses.asdict(sign_in) | {"works": sign_in.works}, ensure_ascii=False))
            continue
        words = f"{sign_in.connection}: {sign_in.provider}, {sign_in.account}: {sign_in.state}"
        words += f" as {sign_in.signed_in_as}" if sign_in.signed_in_as else ""
        if sign_in.renewed_at is not None and sign_in.works:
            words += f", renewed {dt.datetime.fromtimestamp(sign_in.renewed_at, dt.UTC):%Y-%m-%d %H:%M} UTC"
        click.secho(words + (f": {sign_in.reason}" if sign_in.reason else ""), fg="green" if sign_in.works else "red")
    if not sign_ins and not as_json:
        click.echo("no mailbox uses OAuth")
    if not all(sign_in.works for sign_in in sign_ins):
        raise SystemExit(1)


@command.command()
@click.argument("mailbox")
@pass_invocation
def forget(invocation: Invocation, mailbox: str) -> None:
    """Delete the sign-in of MAILBOX and revoke it."""
    from redmine_mailbridge.cli.audit import record_change
    from redmine_mailbridge.wiring.oauth import opened

    settings = invocation.settings()
    with opened(settings) as signs:
        gone = signs.forget(mailbox)
    record_change(settings, "oauth", f"forgot {mailbox}")
    click.echo(f"{mailbox}: sign-in deleted" if gone else f"{mailbox}: there was no sign-in")
