"""`init`: asks questions, or takes options, and writes a settings file that works."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from redmine_mailbridge.cli.main import PORT, Invocation, pass_invocation
from redmine_mailbridge.errors import SettingsError

if TYPE_CHECKING:
    from redmine_mailbridge.cli.setup.form import Form
    from redmine_mailbridge.cli.setup.redmine import Offers
    from redmine_mailbridge.settings.models import Settings

FORMATS = ("common_mark", "textile", "markdown")
ANSWERS = ("never", "public_notes", "marked")
REDMINE_USERS = ("mail", "leave_to_redmine")
SECURITIES = ("tls", "starttls", "none")
_OF_REDMINE = ("redmine_url", "api_key_file", "gateway_user", "gateway_password_file", "text_format")
_FILE = click.Path(dir_okay=False, exists=True, path_type=Path)


@click.command()
@click.option("--redmine-url", metavar="URL", help="Redmine's address.")
@click.option("--api-key-file", type=_FILE, help="A file with the API key of the bridge's Redmine user.")
@click.option("--gateway-user", metavar="NAME", help="User for the gateway's basic authentication in front of Redmine.")
@click.option("--gateway-password-file", type=_FILE, help="A file with that user's password.")
@click.option("--text-format", type=click.Choice(FORMATS), help="Redmine's text formatting.")
@click.option("--mailbox", metavar="NAME", help="Name of the mailbox in the settings [default: from its address].")
@click.option("--address", metavar="ADDRESS", help="The mailbox's mail address.")
@click.option("--preset", metavar="NAME", help="The mail provider's preset, see discover --list.")
@click.option(
    "--discover/--no-discover", "finding", default=True, help="Whether to look up the servers of the address."
)
@click.option("--protocol", type=click.Choice(["imap", "pop3"]), help="The protocol to read mail with.")
@click.option("--host", metavar="HOST", help="The mail server's name.")
@click.option("--port", type=PORT, help="The mail server's port.")
@click.option("--security", type=click.Choice(SECURITIES), help="Encryption of the connection.")
@click.option("--ca-file", type=_FILE, help="CA certificates for the mail server, in PEM.")
@click.option("--username", metavar="NAME", help="The login name [default: the address].")
@click.option("--password-file", type=_FILE, help="A file with the mailbox's password.")
@click.option(
    "--client-id", metavar="ID", help="The application (client) id, for a provider without password logins (Microsoft)."
)
@click.option(
    "--start-from", metavar="WHEN", help="Which existing mail to import: all, now (none), or mail since a date."
)
@click.option(
    "--trusted-authserv-ids",
    metavar="NAME",
    help="The name at the start of your mail server's Authentication-Results headers, trusted to authenticate senders.",
)
@click.option("--project", metavar="IDENTIFIER", help="The project for new issues.")
@click.option("--tracker", metavar="NAME", help="The tracker of new issues.")
@click.option(
    "--unknown-sender",
    type=click.Choice(["accept", "create", "hold", "ignore", "refuse"]),
    help="What to do with senders without a Redmine account.",
)
@click.option("--answers", type=click.Choice(ANSWERS), help="Which agents' notes are mailed to customers.")
@click.option("--redmine-users", type=click.Choice(REDMINE_USERS), help="Who mails notes to customers with an account.")
@click.option("--received/--no-received", default=None, help="Whether to acknowledge messages that create an issue.")
@click.option("--smtp-host", metavar="HOST", help="The server for outgoing mail.")
@click.option("--smtp-port", type=PORT, help="Its port.")
@click.option("--smtp-security", type=click.Choice(SECURITIES), help="Encryption of that connection.")
@click.option(
    "--service", is_flag=True, help="Install a systemd service: user, folders, permissions, unit. Needs root."
)
@click.option("--add", is_flag=True, help="Add a mailbox to the existing settings.")
@click.option("--check/--no-check", "tries", default=True, help="Whether to test each answer.")
@click.option("--no-input", is_flag=True, help="Ask and test nothing; use the defaults for missing options.")
@click.option("--force", is_flag=True, help="Overwrite an existing settings file.")
@pass_invocation
def command(
    invocation: Invocation,
    /,
    *,
    service: bool,
    add: bool,
    no_input: bool,
    force: bool,
    finding: bool,
    tries: bool,
    **options: Any,
) -> None:
    """Write a settings file, or add a mailbox to it.

    Asks for what is not given as an option and tests each answer: servers, logins, names in Redmine. Wrong answers
    are asked again. The servers are looked up from the address. Secrets that are typed are written to separate files in
    secrets/; secrets in the environment (MAILBRIDGE_REDMINE__API_KEY, MAILBRIDGE_MAILBOXES__NAME__PASSWORD) stay there.

    If it is interrupted (Ctrl-C), the answers so far, without secrets, are saved beside the settings; the next init
    offers them.
    """
    kept: list[Path] = []
    try:
        _init(invocation, options, service=service, add=add, no_input=no_input, force=force, finding=finding,
              tries=tries, kept=kept)  # fmt: skip
    except (click.Abort, KeyboardInterrupt):
        saved = [str(file) for file in kept if file.exists()]
        if saved:
            again = "init --add" if saved[-1].endswith("-add") else "init"
            words = f"The answers so far, without secrets, are saved in {saved[-1]}; the next `{again}` offers them."
            click.secho(f"\n{words}", fg="yellow", err=True)
        if sys.stdin.isatty():  # Ctrl-C was pressed
            raise click.Abort from None
        raise click.UsageError(
            "init needs a terminal to ask its questions; pass the answers as options with --no-input (see init --help)"
        ) from None


def _init(
    invocation: Invocation, options: dict[str, Any], *, service: bool, add: bool, no_input: bool, force: bool,
    finding: bool, tries: bool, kept: list[Path],
) -> None:  # fmt: skip
    from redmine_mailbridge.cli import service_install
    from redmine_mailbridge.cli.setup import resume
    from redmine_mailbridge.cli.setup.form import Form
    from redmine_mailbridge.cli.setup.questions import ask_for_all

    if service:
        service_install.require_root()
    form = Form(options, tries=tries)
    if add:
        _add(form, invocation, no_input=no_input, finding=finding, kept=kept)
        return
    file = invocation.settings_file or (service_install.SETTINGS if service else Path("settings.toml"))
    if file.exists() and not force:
        raise SettingsError(f"{file}: already exists; use --force to overwrite it or --add to add a mailbox to it")
    form.answers["store_url"] = service_install.STORE_URL if service else "sqlite:///mailbridge.db"
    offers = None
    if no_input:
        _taken(form, finding=finding)
    else:
        _go_on(form, file, kept, adding=False)
        offers = ask_for_all(form, file, finding=finding)
    if service:
        service_install.prepare(file)
    _write(form, file, force=force)
    resume.forget(resume.place(file, adding=False))
    if service:
        service_install.hand_over(file)
        service_install.install_unit(file)
    if form["text_format"] is None:
        from redmine_mailbridge.redmine.formatting import NO_FORMAT

        click.secho(NO_FORMAT, fg="yellow")
    if offers is not None:
        _more(form, offers, file, finding=finding, kept=kept)
    _say_next(form, file, ["systemctl enable --now redmine-mailbridge"] if service else [])


def _go_on(form: "Form", file: Path, kept: list[Path], *, adding: bool) -> None:
    """Offer the answers of an interrupted init; from now on, save this one's answers there (the last of `kept`)."""
    from functools import partial

    from redmine_mailbridge.cli.setup import resume

    place = resume.place(file, adding=adding)
    kept.append(place)
    if (before := resume.offered(place)) is not None:
        form.go_on(before.answers, before.typed)
    form.keep_by(partial(resume.keep, place))


def _taken(form: "Form", *, finding: bool, of_redmine: bool = True) -> None:
    """Use the options as they are, without questions. Raise UsageError if a required one is missing."""
    from redmine_mailbridge.cli.setup.drafting import (
        ANSWERS_REACH_NO_CUSTOMER,
        by_password,
        notes_reach_no_one,
        signs_in,
    )
    from redmine_mailbridge.cli.setup.mailbox import found_out
    from redmine_mailbridge.cli.setup.redmine import reported_format

    answers = form.answers
    answers |= found_out(answers, finding=finding)
    if of_redmine and answers["text_format"] is None and answers["redmine_url"]:
        answers["text_format"] = reported_format(form)
    missing = [name for name in (*(["redmine_url"] if of_redmine else []), "address", "project") if not answers[name]]
    missing += [] if answers["host"] or answers["preset"] or not answers["address"] else ["host"]
    missing += ["client_id"] if answers["address"] and signs_in(answers) and not by_password(answers) else []
    if missing:
        flags = ", ".join("--" + name.replace("_", "-") for name in missing)
        raise click.UsageError(f"missing options, required without questions: {flags}")
    if notes_reach_no_one(answers):
        raise click.UsageError(ANSWERS_REACH_NO_CUSTOMER)


def _write(form: "Form", file: Path, *, force: bool = False, base: str = "") -> None:
    """Write the file, or add to `base` and keep its owner and mode."""
    from redmine_mailbridge.cli import service_install
    from redmine_mailbridge.cli.setup.drafting import draft_of
    from redmine_mailbridge.settings.init_file import write

    service = bool(base) and service_install.is_handed_over(file)
    write(draft_of(form.answers, file, whole=not base), file, force=force, base=base)
    if service:
        service_install.hand_over(file)
    click.secho(f"Wrote {file}.", fg="green")


def _more(form: "Form", offers: "Offers", file: Path, *, finding: bool, kept: list[Path]) -> None:
    """Ask for further mailboxes until there are no more. Ctrl-C at the question means no: everything is written."""
    while _wanted():
        _one_more(form, offers, file, finding=finding, kept=kept)


def _wanted() -> bool:
    try:
        return click.confirm("Add another mailbox?", default=False)
    except click.Abort:
        click.echo()
        return False


def _one_more(form: "Form", offers: "Offers", file: Path, *, finding: bool, kept: list[Path]) -> None:
    """Ask for one more mailbox and add it to the file, whose owner and mode stay."""
    from redmine_mailbridge.cli.setup import resume
    from redmine_mailbridge.cli.setup.form import Form
    from redmine_mailbridge.cli.setup.questions import ask_for_one
    from redmine_mailbridge.settings.load import load

    existing, base = load(file), file.read_text("utf-8-sig")
    mailbox = Form(_empty(existing), tries=form.tries)
    _go_on(mailbox, file, kept, adding=True)
    ask_for_one(mailbox, offers, file, finding=finding, existing=existing, base=base)
    _write(mailbox, file, base=base)
    resume.forget(kept[-1])
    if mailbox["client_id"]:
        form.answers.setdefault("sign_ins", []).append(mailbox)


def _empty(existing: "Settings") -> dict[str, Any]:
    """No answers yet, for a mailbox that is added to existing settings."""
    names = [parameter.name for parameter in command.params if isinstance(parameter, click.Option)]
    return dict.fromkeys(name for name in names if name is not None) | {
        "outgoing_there": existing.outgoing.sends,
        "providers_there": tuple(existing.oauth),
    }


def _add(form: "Form", invocation: Invocation, *, no_input: bool, finding: bool, kept: list[Path]) -> None:
    """Add a mailbox to the existing settings."""
    import os

    from redmine_mailbridge.cli import service_install
    from redmine_mailbridge.cli.setup import resume
    from redmine_mailbridge.cli.setup.questions import ask_for_one
    from redmine_mailbridge.cli.setup.redmine import Offers
    from redmine_mailbridge.settings.load import find, load

    file = find(invocation.settings_file, os.environ)
    if file is None:
        raise SettingsError("no settings file to add a mailbox to; run `init` first")
    redmine_options = [name for name in _OF_REDMINE if form[name] is not None]
    if redmine_options:
        raise click.UsageError(f"--add keeps the settings of Redmine; remove --{redmine_options[0].replace('_', '-')}")
    existing, base = load(file), file.read_text("utf-8-sig")
    form.answers = _empty(existing) | {name: value for name, value in form.answers.items() if value is not None}
    if no_input:
        _taken(form, finding=finding, of_redmine=False)
    else:
        _go_on(form, file, kept, adding=True)
        offers = Offers()
        if form.tries and (wrong := offers.known_by(existing.redmine)):
            click.secho(wrong, fg="yellow")
        ask_for_one(form, offers, file, finding=finding, existing=existing, base=base)
    _write(form, file, base=base)
    resume.forget(resume.place(file, adding=True))
    _say_next(form, file, ["systemctl reload redmine-mailbridge"] if service_install.is_handed_over(file) else [])


def _say_next(form: "Form", file: Path, last: list[str]) -> None:
    """Print the commands to run next."""
    from redmine_mailbridge.cli import service_install
    from redmine_mailbridge.cli.setup.drafting import name_of

    signed = [each for each in (form, *form.answers.get("sign_ins", ())) if each["client_id"]]
    option = f" --settings {file}" if file not in {Path("settings.toml"), service_install.SETTINGS} else ""
    names = [*(f"oauth login {name_of(each.answers)}" for each in signed), "check", "receive --dry-run"]
    steps = [f"redmine-mailbridge {name}{option}" for name in names]
    click.echo("Next: " + ", then ".join([*steps, *last]))
