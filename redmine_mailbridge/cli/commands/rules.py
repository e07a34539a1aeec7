"""`rules`: what the time-based rules have done and would do."""

import click

from redmine_mailbridge.cli.main import Invocation, pass_invocation


class RulesGroup(click.Group):
    """A command that was renamed is refused with its present name."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As in click."""
        if args and args[0] == "release":
            ctx.fail('unknown command "release": it is called `rules resume` now.')
        return super().resolve_command(ctx, args)


@click.group(cls=RulesGroup, invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """List the time-based rules, preview and resume them."""
    if context.invoked_subcommand is None:
        context.invoke(list_, as_json=False)


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per rule.")
@pass_invocation
def list_(invocation: Invocation, *, as_json: bool) -> None:
    """List rules, their results and due issues."""
    import json

    from redmine_mailbridge.outgoing.dates import Moment
    from redmine_mailbridge.wiring import time_rules

    with time_rules.opened(invocation.settings()) as rules:
        states = rules.states()
    for status in states:
        if as_json:
            click.echo(json.dumps(status.as_json(), ensure_ascii=False))
            continue
        state = "stopped" if status.stopped else "active" if status.rule.active else "off"
        colour = {"stopped": "red", "active": "green"}.get(state)
        click.echo(f"{click.style(status.rule.name, bold=True)}  {click.style(state, fg=colour)}")
        click.echo(f"    {status.text}")
        last = f", last {Moment.of(status.tally.last)}" if status.tally.last else ""
        click.echo(f"    done {status.tally.done}, failed {status.tally.failed}, due now {status.due}{last}")
        if status.stopped:
            click.echo(f'    more than max_issues = {status.rule.max_issues}: run `rules resume "{status.rule.name}"`')
    if not states and not as_json:
        click.echo("there are no time-based rules; define them as [[rules]] in the settings")


@command.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
@pass_invocation
def preview(invocation: Invocation, *, as_json: bool) -> None:
    """List what the rules would do now.

    Reads changes from Redmine; changes nothing.
    """
    import json

    from redmine_mailbridge.cli.output import one_line
    from redmine_mailbridge.wiring import time_rules

    with time_rules.opened(invocation.settings()) as rules:
        actions = rules.preview()
    for action in actions:
        if as_json:
            click.echo(json.dumps(action.as_json(), ensure_ascii=False))
        else:
            line = f"{action.match.rule}: {action.what}  ({action.match.reason})"
            click.echo(f"#{action.issue.id:<7} {one_line(action.issue.subject, 40):<40}  {line}")
    if not as_json:
        click.echo(f"{len(actions)} in total; nothing was changed")


@command.command()
@click.argument("name")
@pass_invocation
def resume(invocation: Invocation, *, name: str) -> None:
    """Resume a rule that paused at its max_issues."""
    from redmine_mailbridge.cli.audit import record_change
    from redmine_mailbridge.wiring import time_rules

    settings = invocation.settings()
    time_rules.release(settings, name)
    record_change(settings, "resume rule", name)
    click.echo(f'rule "{name}" resumes with the next update')


@command.command()
@click.argument("name")
@pass_invocation
def retry(invocation: Invocation, *, name: str) -> None:
    """Retry a rule where Redmine rejected its change."""
    from redmine_mailbridge.cli.audit import record_change
    from redmine_mailbridge.wiring import time_rules

    settings = invocation.settings()
    number = time_rules.retry(settings, name)
    record_change(settings, "retry rule", name)
    click.echo(f'rule "{name}" retries {number} issue{"" if number == 1 else "s"} with the next update')
