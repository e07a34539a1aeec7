"""The whole of `init`'s questions, in the order in which an admin knows the answers."""

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
Senders who are no Redmine users:
  accept   the bridge's own user writes the issue and names the sender
  create   likewise, and they get a Redmine account
  hold     their mail waits until an admin decides
  ignore, refuse   no issue; filed as done, or to the failure folder"""
_NOTES = """\
Agents' notes that go to the customer by mail:
  public_notes   each public note
  marked         public notes that begin with /mail
  never          none: customers without a Redmine account hear nothing"""


def ask_for_all(form: Form, file: Path, *, finding: bool) -> Offers:
    """Ask for Redmine and a first mailbox. Return what Redmine offers."""
    offers = Offers()
    ask_for_redmine(form, offers)
    ask_for_one(form, offers, file, finding=finding)
    return offers


def ask_for_one(
    form: Form, offers: Offers, file: Path, *, finding: bool, there: Settings | None = None, base: str = ""
) -> None:
    """Ask for a mailbox and what becomes of its mail. `there` are the settings that there are, `base` their text."""
    ask_for_mailbox(form, file, finding=finding, there=there, base=base)
    ask_for_project(form, offers)
    if form["unknown_sender"] is None:
        click.echo(_STRANGERS)
    form.ask("unknown_sender", "What to do with them", "accept", type=choice(UNKNOWN))
    _ask_who_mails_whom(form)
    if form["answers"] != "never" or form["received"]:
        ask_for_smtp(form, file, base)


def _ask_who_mails_whom(form: Form) -> None:
    """Nothing is taken for granted of who tells customers what agents answer."""
    if form["answers"] is None:
        click.echo(_NOTES)
    form.ask("answers", "Which notes of agents go to customers by mail", "public_notes", type=choice(NOTES))
    while form["redmine_users"] is None:
        question = "Does Redmine itself send mails to customers who have an account there?"
        if click.confirm(question, default=False):
            form.answers["redmine_users"] = "leave_to_redmine"
        elif form["answers"] != "never":
            form.answers["redmine_users"] = "mail"
        else:
            click.secho("Then nobody would tell any customer what agents answer.", fg="red")
            form.answers["answers"] = None
            form.ask("answers", "Which notes of agents go to customers by mail", "public_notes", type=choice(NOTES))
    form.confirm("received", "Shall who writes get a mail that says that the issue was made?", default=False)
