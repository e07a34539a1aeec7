"""`admin`: serves the web pages alone; `admin password`: sets the local password for when Redmine is down."""

import click

from redmine_mailbridge.cli.main import Invocation, pass_invocation


@click.group(invoke_without_command=True)
@click.option("--listen", metavar="HOST:PORT", help="Where to listen [default: [admin] listen, or 127.0.0.1:8025].")
@click.pass_context
@pass_invocation
def command(invocation: Invocation, ctx: click.Context, listen: str | None) -> None:
    """Serve the web pages only.

    `run` serves them too when `listen` is set in [admin].
    """
    if ctx.invoked_subcommand is not None:
        return
    from redmine_mailbridge.web.standalone import serve

    serve(invocation.loaded(), listen, lambda address: click.echo(f"The admin page is at {address}/"))


@command.command()
@click.option("--stdin", "from_stdin", is_flag=True, help="Read the password from standard input.")
@pass_invocation
def password(invocation: Invocation, *, from_stdin: bool) -> None:
    """Set the emergency password.

    It opens the web pages while Redmine is down. Its hash is written to `password_hash_file` in [admin].
    """
    import sys

    from redmine_mailbridge.web.passwords import keep

    settings = invocation.settings().admin
    if from_stdin:
        new_password = sys.stdin.readline().rstrip("\r\n")
    else:
        new_password = click.prompt("New password", hide_input=True, confirmation_prompt=True)
    file = keep(settings.password_hash_file, new_password)
    click.secho(f'Wrote {file}: sign in with this password under "Redmine is down?".', fg="green")
