"""All questions of `init`, in the order in which an admin knows the answers."""

from pathlib import Path

import click

from redmine_mailbridge.cli.setup.form import Form, choice
from redmine_mailbridge.cli.setup.mailbox import ask_for_mailbox
from redmine_mailbridge.cli.setup.redmine import Offers, ask_for_project, ask_for_redmine
from redmine_mailbridge.cli.setup.sending import ask_for_smtp
from redmine_mailbridge.settings.models import Settings

UNKNOWN = ("accept", "create", "hold", "ignore", "refuse")
NOTES = ("never", "public_notes", "marked")
_STRANGERS = """\
Senders without a Redmine account:
  accept   the bridge's own user creates the issue and names the sender in it
  create   as accept, and the sender gets a Redmine account
  hold     the message waits for an admin's decision
  ignore, refuse   no issue; the message goes to the success or the failure folder"""
_NOTES = """\
Agents' notes to mail to the customer:
  public_notes   every public note
  marked         public notes that begin with /mail
  never          none: customers without a Redmine account get no answers"""


def ask_for_all(form: Form, file: Path, *, finding: bool) -> Offers:
    """Ask for Redmine and a first mailbox. Return what Redmine offers."""
    offers = Offers()
    ask_for_redmine(form, offers)
    ask_for_one(form, offers, file, finding=finding)
    return offers


def ask_for_one(
    form: Form, offers: Offers, file: Path, *, finding: bool, existing: Settings | None = None, base: str = ""
) -> None:
    """Ask for a mailbox and how its mail is handled. `existing` are the settings there are, `base` their text."""
    ask_for_mailbox(form, file, finding=finding, existing=existing, base=base)
    ask_for_project(form, offers)
    if form["unknown_sender"] is None:
        click.echo(_STRANGERS)
    form.ask("unknown_sender", "Unknown senders", "accept", type=choice(UNKNOWN))
    _ask_who_mails_whom(form)
    if form["answers"] != "never" or form["received"]:
        ask_for_smtp(form, file, base)


def _ask_who_mails_whom(form: Form) -> None:
    """Ask explicitly who sends agents' answers to customers."""
    if form["answers"] is None:
        click.echo(_NOTES)
    form.ask("answers", "Notes to mail", "public_notes", type=choice(NOTES))
    while form["redmine_users"] is None:
        question = "Does Redmine itself mail customers who have an account?"
        if click.confirm(question, default=False):
            form.answers["redmine_users"] = "leave_to_redmine"
        elif form["answers"] != "never":
            form.answers["redmine_users"] = "mail"
        else:
            click.secho("Then no customer would get agents' answers.", fg="red")
            form.answers["answers"] = None
            form.ask("answers", "Notes to mail", "public_notes", type=choice(NOTES))
    form.confirm("received", "Acknowledge messages that create an issue?", default=False)
