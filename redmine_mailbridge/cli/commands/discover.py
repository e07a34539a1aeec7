"""`discover`: finds the mail servers of an address."""

import click


@click.command()
@click.argument("address", required=False)
@click.option("--list", "as_list", is_flag=True, help="List the providers with a preset.")
@click.option("--all", "everything", is_flag=True, help="Try every method, even after one has found servers.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per method.")
def command(address: str | None, *, as_list: bool, everything: bool, as_json: bool) -> None:
    """Find the mail servers of ADDRESS.

    Prints the lines for the settings file.

    Tries the provider presets, then what the domain publishes: autoconfig, SRV records, mail exchangers, Microsoft's
    autodiscover. No password is sent. Exits with 1 if nothing was found.
    """
    from redmine_mailbridge.discovery.find import discover
    from redmine_mailbridge.discovery.output import lines, nothing, provider_lines, step_lines

    if as_list:
        for line in provider_lines(as_json=as_json):
            click.echo(line)
        return
    if not address:
        raise click.UsageError("give an address, such as support@example.com, or --list.")
    offer, steps = None, []
    for step in discover(address, everything=everything):
        steps.append(step)
        offer = offer or step.offer
        for line in step_lines(step, address, as_json=as_json):
            click.echo(line)
    if not as_json and offer is not None:
        click.echo("")
        for line in lines(offer, address):
            click.echo(line)
    if offer is None:
        click.echo(nothing(steps), err=True)
        raise SystemExit(1)
