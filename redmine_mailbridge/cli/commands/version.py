"""`version`: prints the version, and on request what a bug report needs."""

import click

from redmine_mailbridge import __version__
from redmine_mailbridge.cli.main import Invocation, pass_invocation


@click.command()
@click.option("--all", "everything", is_flag=True, help="Print what a bug report needs: versions and kinds.")
@pass_invocation
def command(invocation: Invocation, *, everything: bool) -> None:
    """Print the version.

    --all prints the versions of what this program uses, and the kinds of mailboxes and database in the settings: no
    names, addresses or secrets. Connects to no server but the database.
    """
    if not everything:
        click.echo(f"redmine-mailbridge {__version__}")
        return
    from redmine_mailbridge.errors import SettingsError
    from redmine_mailbridge.wiring import version

    lines = [*version.installation()]
    try:
        lines += version.setup(invocation.loaded().settings)
    except SettingsError as error:
        lines.append(("settings", version.refused(error)))
    wide = max(len(name) for name, _ in lines)
    for name, value in lines:
        click.echo(f"{name:<{wide}}  {value}")
