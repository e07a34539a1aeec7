"""`discover`: which servers does an address's mail lie on?"""

import click


@click.command()
@click.argument("address", required=False)
@click.option("--list", "as_list", is_flag=True, help="Name the providers that are known as presets.")
@click.option("--all", "everything", is_flag=True, help="Try every way, also after one has found servers.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a way.")
def command(address: str | None, *, as_list: bool, everything: bool, as_json: bool) -> None:
    """Find the mail servers of ADDRESS, and print the lines for the settings.

    By the providers that are known, then by what the domain publishes: autoconfig, SRV records, mail exchangers,
    Microsoft's autodiscover. Nobody is sent a password. Ends with exit code 1 when nothing was found.
    """
    from redmine_mailbridge.discovery.find import discover
    from redmine_mailbridge.discovery.output import lines, nothing, provider_lines, step_lines

    if as_list:
        for line in provider_lines(as_json=as_json):
            click.echo(line)
        return
    if not address:
        raise click.UsageError("Give an address, such as support@example.com, or --list.")
    found, steps = None, []
    for step in discover(address, everything=everything):
        steps.append(step)
        found = found or step.offer
        for line in step_lines(step, address, as_json=as_json):
            click.echo(line)
    if not as_json and found is not None:
        click.echo("")
        for line in lines(found, address):
            click.echo(line)
    if found is None:
        click.echo(nothing(steps), err=True)
        raise SystemExit(1)
