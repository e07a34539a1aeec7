"""`check`: does everything work that the settings name?"""

import click

from redmine_mailbridge.cli.main import Invocation, pass_invocation


@click.command()
@click.option("--mailbox", "mailboxes", multiple=True, metavar="NAME", help="Only this mailbox; can be repeated.")
@click.option("--send-test", is_flag=True, help="Send a mail to each mailbox, see it arrive, and remove it again.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@pass_invocation
def command(invocation: Invocation, *, mailboxes: tuple[str, ...], send_test: bool, as_json: bool) -> None:
    """Try every server, login, folder, right and name of the settings, and say what is wrong. Writes nothing.

    Ends with exit code 1 when anything failed; notes (yellow) are no failures.
    """
    from redmine_mailbridge.checks.result import failed, settings_checks, show
    from redmine_mailbridge.checks.servers import server_checks
    from redmine_mailbridge.cli.output import known_mailboxes

    loaded = invocation.loaded()
    known_mailboxes(mailboxes, loaded.settings)
    found = settings_checks(loaded)
    for one in found:
        show(one, as_json=as_json)
    for one in server_checks(loaded.settings, only=mailboxes, send_test=send_test):
        show(one, as_json=as_json)
        found.append(one)
    if not as_json:
        wrong = sum(one.ok is False for one in found)
        notes = sum(one.ok is None for one in found)
        sums = f"{wrong} of {len(found)} failed" if wrong else f"all {len(found)} passed"
        click.echo(sums + (f", {notes} note{'' if notes == 1 else 's'}" if notes else ""))
    if failed(found):
        raise SystemExit(1)
