"""`rules`: what the rules of time have done and would do."""

import click

from redmine_mailbridge.cli.main import Invocation, pass_invocation


@click.group()
def command() -> None:
    """What the rules of time have done, and what they would do now."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a rule.")
@pass_invocation
def list_(invocation: Invocation, *, as_json: bool) -> None:
    """List the rules: in words, what each has done, and for how many issues it is due."""
    import json

    from redmine_mailbridge.outgoing.sender_profile import when
    from redmine_mailbridge.wiring import time_rules

    with time_rules.opened(invocation.settings()) as rules:
        states = rules.states()
    for one in states:
        if as_json:
            click.echo(json.dumps(one.as_json(), ensure_ascii=False))
            continue
        state = "stopped" if one.stopped else "active" if one.rule.active else "off"
        colour = {"stopped": "red", "active": "green"}.get(state)
        click.echo(f"{click.style(one.rule.name, bold=True)}  {click.style(state, fg=colour)}")
        click.echo(f"    {one.text}")
        last = f", last {when(one.tally.last)}" if one.tally.last else ""
        click.echo(f"    done {one.tally.done}, failed {one.tally.failed}, due now {one.due}{last}")
        if one.stopped:
            click.echo(f'    more than at_most = {one.rule.at_most}: `rules release "{one.rule.name}"` lets it go on')
    if not states and not as_json:
        click.echo("there are no rules of time: [[rules]] in the settings makes them")


@command.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@pass_invocation
def preview(invocation: Invocation, *, as_json: bool) -> None:
    """List what the rules would do now, and do nothing. Reads from Redmine what has changed."""
    import json

    from redmine_mailbridge.cli.output import shown
    from redmine_mailbridge.wiring import time_rules

    with time_rules.opened(invocation.settings()) as rules:
        found = rules.preview()
    for one in found:
        if as_json:
            click.echo(json.dumps(one.as_json(), ensure_ascii=False))
        else:
            said = f"{one.application.rule}: {one.what}  ({one.application.reason})"
            click.echo(f"#{one.issue.id:<7} {shown(one.issue.subject, 40):<40}  {said}")
    if not as_json:
        click.echo(f"{len(found)} in all; nothing was done")


@command.command()
@click.argument("name")
@pass_invocation
def release(invocation: Invocation, *, name: str) -> None:
    """Let a rule go on that stopped since it is due for more issues than its at_most."""
    from redmine_mailbridge.wiring import time_rules

    time_rules.release(invocation.settings(), name)
    click.echo(f'rule "{name}" goes on with the next update')


@command.command()
@click.argument("name")
@pass_invocation
def retry(invocation: Invocation, *, name: str) -> None:
    """Let a rule try again where Redmine refused it."""
    from redmine_mailbridge.wiring import time_rules

    number = time_rules.retry(invocation.settings(), name)
    click.echo(f'rule "{name}" tries again on {number} issue{"" if number == 1 else "s"} with the next update')
