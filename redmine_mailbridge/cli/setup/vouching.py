"""`init` and proof: whose word on senders counts, without which nobody is believed to be who the mail says."""

import click

from redmine_mailbridge.checks.result import NOBODY, line_of
from redmine_mailbridge.checks.vouching import Vouched
from redmine_mailbridge.cli.setup.drafting import name_of
from redmine_mailbridge.cli.setup.form import Form
from redmine_mailbridge.settings.reading import authserv_id

_QUESTION = "Name with which your mail server begins its Authentication-Results header (empty: it writes none)"


def ask_who_vouches(form: Form, found: Vouched | None) -> None:
    """Given what the mails say that lie there (None: nobody could look), ask whose word on senders counts, unless that
    is answered; say what it means that nobody's does, and the line to add.
    """
    if form["trusted_authserv_ids"] is not None:
        return
    if found is not None and found.name:
        click.echo(f"{found.said}.")
        click.secho("A mail may bring such a header along: say yes only if you know that name.", fg="yellow")
        if click.confirm("Is that your own mail server, whose word proves senders?", default=found.always):
            form.answers["trusted_authserv_ids"] = found.name
            form.answered()
            return
    if found is not None and not (found.looked and not found.name):
        form.ask("trusted_authserv_ids", _QUESTION, "", show_default=False, value_proc=_name)
    if not form["trusted_authserv_ids"]:
        click.secho(f"Then {NOBODY}. Once you know: {line_of(name_of(form.answers))}", fg="yellow")


def _name(typed: str) -> str:
    """Given what was typed, return the name, or "". Raise UsageError, upon which it is asked again."""
    try:
        return authserv_id(typed.strip())
    except ValueError as error:
        raise click.UsageError(str(error)) from None
