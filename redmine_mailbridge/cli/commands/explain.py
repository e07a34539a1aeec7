"""`explain FILE.eml…`: what would become of a mail, and why."""

from pathlib import Path

import click

from redmine_mailbridge.cli.main import Invocation, pass_invocation


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--mailbox", metavar="NAME", help="As if it had come to this mailbox [default: the first one].")
@click.option("--offline", is_flag=True, help="Do not ask Redmine; a reference to an issue is taken at its word.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a file.")
@pass_invocation
def command(
    invocation: Invocation, *, files: tuple[Path, ...], mailbox: str | None, offline: bool, as_json: bool
) -> None:
    """Print what would become of mails, and the steps that lead there. Writes nothing."""
    import json

    from redmine_mailbridge.cli.output import known_mailboxes, shown
    from redmine_mailbridge.errors import SettingsError
    from redmine_mailbridge.policy.explanation import as_json as as_value
    from redmine_mailbridge.tasks.receive.explain import explain
    from redmine_mailbridge.wiring import read_only

    settings = invocation.settings()
    name = mailbox or next(iter(settings.active_mailboxes), None)
    if name is None:
        raise SettingsError("no mailbox is active, so nothing would become of any mail")
    known_mailboxes([name], settings)
    with read_only.deciding(settings, offline=offline) as decider:
        for file in files:
            told = explain(decider, file.read_bytes(), name)
            if as_json:
                click.echo(json.dumps(as_value(str(file), told.message, told.plan), ensure_ascii=False))
                continue
            click.secho(f"{file}: {shown(told.message.subject, 80) or '(no subject)'}", bold=True)
            for line in told.lines:
                click.echo(f"  {line}")
            if told.plan.text:
                click.echo("  " + "\n  ".join(["", *told.plan.text.splitlines()]))
