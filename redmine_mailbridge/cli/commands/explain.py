"""`explain FILE.eml…`: how a message would be handled, and why."""

from pathlib import Path

import click

from redmine_mailbridge.cli.main import Invocation, pass_invocation

STANDARD_INPUT = Path("-")


@click.command()
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)
)
@click.option("--mailbox", metavar="NAME", help="Explain it as received in this mailbox [default: the first one].")
@click.option("--offline", is_flag=True, help="Do not query Redmine; references to issues are not verified.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per file.")
@pass_invocation
def command(
    invocation: Invocation, *, files: tuple[Path, ...], mailbox: str | None, offline: bool, as_json: bool
) -> None:
    """Print how messages would be handled, and why.

    Lists every step of the decision. Changes nothing. FILES are messages as mail programs save them (.eml); - reads
    one from standard input.
    """
    import json
    import sys

    from redmine_mailbridge.cli.output import one_line, require_mailboxes
    from redmine_mailbridge.errors import SettingsError
    from redmine_mailbridge.policy.explanation import as_json as as_value
    from redmine_mailbridge.tasks.receive.explain import explain
    from redmine_mailbridge.util.printable import printable_text
    from redmine_mailbridge.wiring import read_only

    settings = invocation.settings()
    name = mailbox or next(iter(settings.active_mailboxes), None)
    if name is None:
        raise SettingsError("no mailbox is active: set active = true in a [mailboxes.NAME] table")
    require_mailboxes([name], settings)
    with read_only.deciding(settings, offline=offline) as planner:
        for file in files:
            content = sys.stdin.buffer.read() if file == STANDARD_INPUT else file.read_bytes()
            explanation = explain(planner, content, name)
            if as_json:
                click.echo(json.dumps(as_value(str(file), explanation.message, explanation.plan), ensure_ascii=False))
                continue
            click.secho(f"{file}: {one_line(explanation.message.subject, 80) or '(no subject)'}", bold=True)
            for line in explanation.lines:
                click.echo(f"  {printable_text(line)}")
            if explanation.plan.text:
                click.echo("  " + "\n  ".join(["", *map(printable_text, explanation.plan.text.splitlines())]))
