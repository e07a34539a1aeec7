"""`init` and sender authentication: whose verdict counts; without one, no sender is authenticated."""

import click

from redmine_mailbridge.checks.result import UNAUTHENTICATED, line_of
from redmine_mailbridge.checks.vouching import VouchingCount
from redmine_mailbridge.cli.setup.drafting import name_of
from redmine_mailbridge.cli.setup.form import Form
from redmine_mailbridge.settings.reading import authserv_id

_QUESTION = "Name at the start of your mail server's Authentication-Results header (empty: it adds none)"


def ask_who_vouches(form: Form, count: VouchingCount | None) -> None:
    """Given what the existing messages say (None: they could not be read), ask whose verdict on senders counts, unless
    that is answered; explain what it means if there is none, and print the line to add.
    """
    if form["trusted_authserv_ids"] is not None:
        return
    if count is not None and count.name:
        click.echo(f"{count.summary}.")
        click.secho("A message can arrive with a forged header: answer yes only if you know that name.", fg="yellow")
        if click.confirm("Is this your own mail server, and should it authenticate senders?", default=count.always):
            form.answers["trusted_authserv_ids"] = count.name
            form.answered()
            return
    if count is not None and not (count.looked and not count.name):
        form.ask("trusted_authserv_ids", _QUESTION, "", show_default=False, value_proc=_name)
    if not form["trusted_authserv_ids"]:
        click.secho(f"Then {UNAUTHENTICATED}. Once you know: {line_of(name_of(form.answers))}", fg="yellow")


def _name(typed: str) -> str:
    """Given what was typed, return the name, or "". Raise UsageError, which makes the question come again."""
    try:
        return authserv_id(typed.strip())
    except ValueError as error:
        raise click.UsageError(str(error)) from None
