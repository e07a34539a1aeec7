"""`init`: asks, or takes flags, and writes a settings file that works."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from redmine_mailbridge.cli.main import Invocation, pass_invocation
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
@click.option("--gateway-user", metavar="NAME", help="The user of a gateway's basic authentication before Redmine.")
@click.option("--gateway-password-file", type=_FILE, help="A file with that user's password.")
@click.option("--text-format", type=click.Choice(FORMATS), help="Redmine's text formatting.")
@click.option("--mailbox", metavar="NAME", help="Your name for the mailbox [default: from its address].")
@click.option("--address", metavar="ADDRESS", help="The mailbox's mail address.")
@click.option("--preset", metavar="NAME", help="The mail provider, when it is a known one: discover --list.")
@click.option("--discover/--no-discover", "finding", default=True, help="Find the servers of the address, or not.")
@click.option("--protocol", type=click.Choice(["imap", "pop3"]), help="How the mail is read.")
@click.option("--host", metavar="HOST", help="The mail server's name.")
@click.option("--port", type=click.IntRange(1, 65535), help="The mail server's port.")
@click.option("--security", type=click.Choice(SECURITIES), help="How the connection is protected.")
@click.option("--ca-file", type=_FILE, help="Certificates to trust for the mail server, in PEM.")
@click.option("--username", metavar="NAME", help="The name to log in with [default: the address].")
@click.option("--password-file", type=_FILE, help="A file with the mailbox's password.")
@click.option(
    "--client-id", metavar="ID", help="The application's id, at a provider that takes no passwords (Microsoft)."
)
@click.option("--start-from", metavar="WHEN", help="What counts of the mail that lies there: all, now, or a date.")
@click.option(
    "--trusted-authserv-ids",
    metavar="NAME",
    help="The name with which your mail server begins its Authentication-Results headers: whose word proves senders.",
)
@click.option("--project", metavar="IDENTIFIER", help="The project that new issues go to.")
@click.option("--tracker", metavar="NAME", help="The tracker of new issues.")
@click.option(
    "--unknown-sender",
    type=click.Choice(["accept", "create", "hold", "ignore", "refuse"]),
    help="What to do with senders who are no Redmine users.",
)
@click.option("--answers", type=click.Choice(ANSWERS), help="Which notes of agents go to customers by mail.")
@click.option("--redmine-users", type=click.Choice(REDMINE_USERS), help="Who mails notes to those with an account.")
@click.option("--received/--no-received", default=None, help="Acknowledge mail that makes an issue, or not.")
@click.option("--smtp-host", metavar="HOST", help="The server by which mail goes out.")
@click.option("--smtp-port", type=click.IntRange(1, 65535), help="Its port.")
@click.option("--smtp-security", type=click.Choice(SECURITIES), help="How the connection to it is protected.")
@click.option("--service", is_flag=True, help="Set it up as a systemd service: user, folders, rights, unit. As root.")
@click.option("--add", is_flag=True, help="Add a mailbox to the settings that are there.")
@click.option("--check/--no-check", "tries", default=True, help="Try each answer when it is given, or not.")
@click.option("--no-input", is_flag=True, help="Ask nothing, try nothing: what is not given takes its default.")
@click.option("--force", is_flag=True, help="Write over a settings file that is there.")
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
    **given: Any,
) -> None:
    """Write a settings file that works, or add a mailbox to one.

    Asks for what is not given, and tries it: servers, logins, what Redmine has. What is wrong is asked again. Where the
    mail lies, it finds out from the address. Secrets that are typed go to files of their own in secrets/; secrets in
    the environment (MAILBRIDGE_REDMINE__API_KEY, MAILBRIDGE_MAILBOXES__NAME__PASSWORD) stay there.

    What was answered before it is broken off (Ctrl-C) is kept beside the settings, without secrets, and offered by the
    next init.
    """
    kept: list[Path] = []
    try:
        _init(invocation, given, service=service, add=add, no_input=no_input, force=force, finding=finding, tries=tries,
              kept=kept)  # fmt: skip
    except (click.Abort, KeyboardInterrupt):
        there = [str(file) for file in kept if file.exists()]
        if there:
            again = "init --add" if there[-1].endswith("-add") else "init"
            words = f"What was answered is kept in {there[-1]}, without secrets: the next `{again}` offers it."
            click.secho(f"\n{words}", fg="yellow", err=True)
        if sys.stdin.isatty():  # somebody has pressed Ctrl-C
            raise click.Abort from None
        raise click.UsageError(
            "init asks, and nobody answers here: give its answers as flags, with --no-input (see init --help)"
        ) from None


def _init(
    invocation: Invocation, given: dict[str, Any], *, service: bool, add: bool, no_input: bool, force: bool,
    finding: bool, tries: bool, kept: list[Path],
) -> None:  # fmt: skip
    from redmine_mailbridge.cli import service_install
    from redmine_mailbridge.cli.setup import resume
    from redmine_mailbridge.cli.setup.form import Form
    from redmine_mailbridge.cli.setup.questions import ask_for_all

    if service:
        service_install.require_root()
    form = Form(given, tries=tries)
    if add:
        _add(form, invocation, no_input=no_input, finding=finding, kept=kept)
        return
    file = invocation.settings_file or (service_install.SETTINGS if service else Path("settings.toml"))
    if file.exists() and not force:
        raise SettingsError(f"{file}: is there already; --force writes over it, --add adds a mailbox to it")
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
    """Offer what an init before was told; from now on keep there, as the last of `kept`, what this one is told."""
    from functools import partial

    from redmine_mailbridge.cli.setup import resume

    place = resume.place(file, adding=adding)
    kept.append(place)
    if (before := resume.offered(place)) is not None:
        form.go_on(before.answers, before.typed)
    form.keep_by(partial(resume.keep, place))


def _taken(form: "Form", *, finding: bool, of_redmine: bool = True) -> None:
    """Take the flags as they are: nothing is asked. Raise UsageError for what must be given."""
    from redmine_mailbridge.cli.setup.drafting import NOBODY, by_password, signs_in, told_by_nobody
    from redmine_mailbridge.cli.setup.mailbox import found_out
    from redmine_mailbridge.cli.setup.redmine import said_format

    answers = form.answers
    answers |= found_out(answers, finding=finding)
    if of_redmine and answers["text_format"] is None and answers["redmine_url"]:
        answers["text_format"] = said_format(form)
    missing = [name for name in (*(["redmine_url"] if of_redmine else []), "address", "project") if not answers[name]]
    missing += [] if answers["host"] or answers["preset"] or not answers["address"] else ["host"]
    missing += ["client_id"] if answers["address"] and signs_in(answers) and not by_password(answers) else []
    if missing:
        flags = ", ".join("--" + name.replace("_", "-") for name in missing)
        raise click.UsageError(f"Without questions these must be given: {flags}")
    if told_by_nobody(answers):
        raise click.UsageError(NOBODY)


def _write(form: "Form", file: Path, *, force: bool = False, base: str = "") -> None:
    """Write the file, or add to `base`, what it says: then its owner and rights stay."""
    from redmine_mailbridge.cli import service_install
    from redmine_mailbridge.cli.setup.drafting import draft_of
    from redmine_mailbridge.settings.init_file import write

    service = bool(base) and service_install.is_handed_over(file)
    write(draft_of(form.answers, file, whole=not base), file, force=force, base=base)
    if service:
        service_install.hand_over(file)
    click.secho(f"Wrote {file}.", fg="green")


def _more(form: "Form", offers: "Offers", file: Path, *, finding: bool, kept: list[Path]) -> None:
    """Further mailboxes, as long as there are some. Ctrl-C at the question is a no: everything is written."""
    while _wanted():
        _one_more(form, offers, file, finding=finding, kept=kept)


def _wanted() -> bool:
    try:
        return click.confirm("Add another mailbox?", default=False)
    except click.Abort:
        click.echo()
        return False


def _one_more(form: "Form", offers: "Offers", file: Path, *, finding: bool, kept: list[Path]) -> None:
    """Ask for one more mailbox, and add it to the file, whose owner and rights stay."""
    from redmine_mailbridge.cli.setup import resume
    from redmine_mailbridge.cli.setup.form import Form
    from redmine_mailbridge.cli.setup.questions import ask_for_one
    from redmine_mailbridge.settings.load import load

    there, base = load(file), file.read_text("utf-8-sig")
    mailbox = Form(_empty(there), tries=form.tries)
    _go_on(mailbox, file, kept, adding=True)
    ask_for_one(mailbox, offers, file, finding=finding, there=there, base=base)
    _write(mailbox, file, base=base)
    resume.forget(kept[-1])
    if mailbox["client_id"]:
        form.answers.setdefault("sign_ins", []).append(mailbox)


def _empty(there: "Settings") -> dict[str, Any]:
    """No answers yet, for a mailbox that is added to settings."""
    names = [parameter.name for parameter in command.params if isinstance(parameter, click.Option)]
    return dict.fromkeys(name for name in names if name is not None) | {
        "outgoing_there": there.outgoing.sends,
        "providers_there": tuple(there.oauth),
    }


def _add(form: "Form", invocation: Invocation, *, no_input: bool, finding: bool, kept: list[Path]) -> None:
    """Add a mailbox to the settings that are there."""
    import os

    from redmine_mailbridge.cli import service_install
    from redmine_mailbridge.cli.setup import resume
    from redmine_mailbridge.cli.setup.questions import ask_for_one
    from redmine_mailbridge.cli.setup.redmine import Offers
    from redmine_mailbridge.settings.load import find, load

    file = find(invocation.settings_file, os.environ)
    if file is None:
        raise SettingsError("there are no settings yet that a mailbox could be added to: `init` writes them")
    given = [name for name in _OF_REDMINE if form[name] is not None]
    if given:
        raise click.UsageError(f"--add leaves Redmine as it is: take out --{given[0].replace('_', '-')}")
    there, base = load(file), file.read_text("utf-8-sig")
    form.answers = _empty(there) | {name: value for name, value in form.answers.items() if value is not None}
    if no_input:
        _taken(form, finding=finding, of_redmine=False)
    else:
        _go_on(form, file, kept, adding=True)
        offers = Offers()
        if form.tries and (wrong := offers.known_by(there.redmine)):
            click.secho(wrong, fg="yellow")
        ask_for_one(form, offers, file, finding=finding, there=there, base=base)
    _write(form, file, base=base)
    resume.forget(resume.place(file, adding=True))
    _say_next(form, file, ["systemctl reload redmine-mailbridge"] if service_install.is_handed_over(file) else [])


def _say_next(form: "Form", file: Path, last: list[str]) -> None:
    """Name the commands that come next."""
    from redmine_mailbridge.cli import service_install
    from redmine_mailbridge.cli.setup.drafting import name_of

    signed = [one for one in (form, *form.answers.get("sign_ins", ())) if one["client_id"]]
    where = f" --settings {file}" if file not in {Path("settings.toml"), service_install.SETTINGS} else ""
    names = [*(f"oauth login {name_of(one.answers)}" for one in signed), "check", "receive --once --dry-run"]
    steps = [f"redmine-mailbridge {name}{where}" for name in names]
    click.echo("Next: " + ", then ".join([*steps, *last]))
