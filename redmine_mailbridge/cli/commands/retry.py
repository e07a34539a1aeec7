"""`retry ID…`: try refused, held or set-aside mails again."""

import click

from redmine_mailbridge.cli.main import Invocation, pass_invocation


@click.command()
@click.argument("ids", nargs=-1, required=True, type=int)
@click.option("--import", "as_wanted", is_flag=True, help="Import them whatever turned them away, ignored ones too.")
@click.option("--issue", type=click.IntRange(1), metavar="N", help="Make them notes of this issue.")
@click.option("--dry-run", is_flag=True, help="Only say what would be tried again.")
@pass_invocation
def command(invocation: Invocation, *, ids: tuple[int, ...], as_wanted: bool, issue: int | None, dry_run: bool) -> None:
    """Have mails tried again with the next `receive`: those refused, held, set aside or waiting for their pause."""
    from redmine_mailbridge.cli.output import decided

    decision = "file" if issue is not None else "import" if as_wanted else "retry"
    decided(invocation.settings(), ids, decision, issue=issue, dry_run=dry_run)
