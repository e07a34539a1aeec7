"""`check`: tests everything that the settings refer to."""

import click

from redmine_mailbridge.cli.main import Invocation, pass_invocation


@click.command()
@click.option("--mailbox", "mailboxes", multiple=True, metavar="NAME", help="Check only this mailbox; repeatable.")
@click.option("--send-test", is_flag=True, help="Send a message to each mailbox, wait for it, and delete it.")
@click.option("--try-issues", is_flag=True, help="Submit issues without a subject to see what else Redmine rejects.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
@pass_invocation
def command(
    invocation: Invocation, *, mailboxes: tuple[str, ...], send_test: bool, try_issues: bool, as_json: bool
) -> None:
    """Test the settings against the real servers.

    Tests every server, login, folder, permission and name, and prints what to change. Changes nothing.

    Exits with 1 if a check failed; notes (yellow) are not failures.
    """
    from redmine_mailbridge.checks.result import failed, settings_checks, show
    from redmine_mailbridge.checks.servers import server_checks
    from redmine_mailbridge.cli.output import require_mailboxes

    loaded = invocation.loaded()
    require_mailboxes(mailboxes, loaded.settings)
    checks = settings_checks(loaded)
    for check in checks:
        show(check, as_json=as_json)
    for check in server_checks(loaded.settings, only=mailboxes, send_test=send_test, try_issues=try_issues):
        show(check, as_json=as_json)
        checks.append(check)
    if not as_json:
        wrong = sum(check.ok is False for check in checks)
        notes = sum(check.ok is None for check in checks)
        sums = f"{wrong} of {len(checks)} failed" if wrong else f"all {len(checks)} passed"
        click.echo(sums + (f", {notes} note{'' if notes == 1 else 's'}" if notes else ""))
    if failed(checks):
        raise SystemExit(1)
