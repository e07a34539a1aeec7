"""`init`: asks, or takes flags, and writes a settings file that works."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from redmine_mailbridge.cli import Invocation, pass_invocation
from redmine_mailbridge.errors import SettingsError

if TYPE_CHECKING:
    from redmine_mailbridge.discovery.values import Offer
    from redmine_mailbridge.settings.draft import Draft

Answers = dict[str, Any]
FORMATS = ("common_mark", "textile")
ANSWERS = ("never", "public_notes", "marked")
REDMINE_USERS = ("mail", "leave_to_redmine")
_REQUIRED = ("redmine_url", "address", "project")
NOBODY = (
    "Nobody would tell customers what agents answer: give --answers public_notes (or marked) with --smtp-host; or "
    "--redmine-users leave_to_redmine, when Redmine itself mails those who have an account"
)
_FILE = click.Path(dir_okay=False, exists=True, path_type=Path)


@click.command()
@click.option("--redmine-url", metavar="URL", help="Redmine's address.")
@click.option("--api-key-file", type=_FILE, help="A file with the API key of the bridge's Redmine user.")
@click.option("--text-format", type=click.Choice(FORMATS), help="Redmine's text formatting.")
@click.option("--mailbox", metavar="NAME", help="Your name for the mailbox [default: from its address].")
@click.option("--address", metavar="ADDRESS", help="The mailbox's mail address.")
@click.option("--preset", metavar="NAME", help="The mail provider, when it is a known one: discover --list.")
@click.option("--discover/--no-discover", "finding", default=True, help="Find the servers of the address, or not.")
@click.option("--protocol", type=click.Choice(["imap", "pop3"]), help="How the mail is read.")
@click.option("--host", metavar="HOST", help="The mail server's name.")
@click.option("--port", type=click.IntRange(1, 65535), help="The mail server's port.")
@click.option("--security", type=click.Choice(["tls", "starttls", "none"]), help="How the connection is protected.")
@click.option("--username", metavar="NAME", help="The name to log in with [default: the address].")
@click.option("--password-file", type=_FILE, help="A file with the mailbox's password.")
@click.option(
    "--client-id", metavar="ID", help="The application's id, at a provider that takes no passwords (Microsoft)."
)
@click.option("--project", metavar="IDENTIFIER", help="The project that new issues go to.")
@click.option("--tracker", metavar="NAME", help="The tracker of new issues.")
@click.option("--unknown-sender", type=click.Choice(["accept", "create", "ignore", "refuse"]), help="What to do then.")
@click.option("--answers", type=click.Choice(ANSWERS), help="Which notes of agents go to customers by mail.")
@click.option("--redmine-users", type=click.Choice(REDMINE_USERS), help="Who mails notes to those with an account.")
@click.option("--smtp-host", metavar="HOST", help="The server by which mail goes out.")
@click.option("--service", is_flag=True, help="Set it up as a systemd service: user, folders, rights, unit. As root.")
@click.option("--no-input", is_flag=True, help="Ask nothing: what is not given takes its default.")
@click.option("--force", is_flag=True, help="Write over a settings file that is there.")
@pass_invocation
def command(
    invocation: Invocation, /, *, service: bool, no_input: bool, force: bool, finding: bool, **given: Any
) -> None:
    """Write a settings file that works.

    Asks for what is not given; where the mail lies, it finds out from the address. Secrets that are typed go to
    files of their own in secrets/; secrets in the environment (MAILBRIDGE_REDMINE__API_KEY,
    MAILBRIDGE_MAILBOXES__NAME__PASSWORD) stay there.
    """
    from redmine_mailbridge import installing
    from redmine_mailbridge.settings.draft import write

    if service:
        installing.require_root()
    file = invocation.settings_file or (installing.SETTINGS if service else Path("settings.toml"))
    if file.exists() and not force:
        raise SettingsError(f"{file}: is there already; --force writes over it")
    answers = _found(given, finding=finding) if no_input else _ask(given, finding=finding)
    if answers["text_format"] is None:
        answers["text_format"] = _formatting(answers)
    missing = [name for name in _REQUIRED if not answers[name]]
    missing += [] if answers["host"] or answers["preset"] or not answers["address"] else ["host"]
    missing += ["client_id"] if no_input and _signs_in(answers) and not _by_password(answers) else []
    if missing:
        flags = ", ".join("--" + name.replace("_", "-") for name in missing)
        raise click.UsageError(f"Without questions these must be given: {flags}")
    if (answers["answers"] or "never") == "never" and answers["redmine_users"] is None:
        raise click.UsageError(NOBODY)
    if service:
        installing.prepare(file)
    answers["store_url"] = installing.STORE_URL if service else "sqlite:///mailbridge.db"
    write(_draft(answers, file), file, force=force)
    if service:
        installing.hand_over(file)
        installing.install_unit(file)
    click.secho(f"Wrote {file}.", fg="green")
    if answers["text_format"] is None:
        from redmine_mailbridge.redmine.formatting import NO_FORMAT

        click.secho(NO_FORMAT, fg="yellow")
    commands = [f"oauth login {_name(answers)}"] if answers["client_id"] else []
    where = f" --settings {file}" if file not in {Path("settings.toml"), installing.SETTINGS} else ""
    steps = [f"redmine-mailbridge {name}{where}" for name in (*commands, "check")]
    steps += ["systemctl enable --now redmine-mailbridge"] if service else []
    click.echo("Next: " + ", then ".join(steps))


def _formatting(answers: Answers) -> str | None:
    """Redmine's text formatting, where it tells it. Say so."""
    if not answers["redmine_url"]:
        return None
    from redmine_mailbridge.redmine.client import Connection
    from redmine_mailbridge.redmine.formatting import text_format

    found = text_format(Connection(str(answers["redmine_url"]), "", connect_timeout=5.0))
    if found not in FORMATS:
        return None
    click.secho(f"Redmine says that its text formatting is {found}.", dim=True)
    return found


def _found(given: Answers, *, finding: bool) -> Answers:
    """Given answers, find out where the address's mail lies, unless they say so. Say what is tried."""
    address = given["address"]
    if not finding or not address or given["host"] or given["preset"]:
        return given | {"offer": None}
    from redmine_mailbridge.discovery.find import discover
    from redmine_mailbridge.discovery.show import nothing, step_lines

    offer, steps = None, []
    for step in discover(address):
        steps.append(step)
        click.secho("\n".join(step_lines(step, address, as_json=False)), dim=True)
        offer = step.offer or offer
    if offer is None:
        click.secho(nothing(steps), fg="yellow")
    elif offer.advice:
        click.secho(offer.advice, fg="yellow")
    return given | {"offer": offer} | _as_answers(offer, given)


def _as_answers(offer: "Offer | None", given: Answers) -> Answers:
    """Given what was found, return the answers that follow from it, as far as they are not given."""
    server = offer.server(given["protocol"]) if offer and given["protocol"] else offer.incoming if offer else None
    if offer is None or server is None:
        return {}
    if offer.preset is not None:
        return {"preset": offer.preset}
    found = {"protocol": server.protocol, "host": server.host, "port": server.port, "security": server.security}
    found |= {"username": server.username} if server.username else {}
    return {name: value for name, value in found.items() if given[name] is None}


def _ask(given: Answers, *, finding: bool) -> Answers:
    """Ask for each answer that is not given, in the order in which an admin knows them."""
    answers = dict(given)

    def ask(name: str, question: str, default: Any = None, **how: Any) -> None:
        if answers[name] is None:
            answers[name] = click.prompt(question, default=default, **how)

    ask("redmine_url", "Redmine's address (https://…)")
    if answers["api_key_file"] is None and not os.environ.get("MAILBRIDGE_REDMINE__API_KEY"):
        answers["api_key"] = click.prompt("API key of the bridge's own Redmine user (My account)", hide_input=True)
    if answers["text_format"] is None and (said := _formatting(answers)):
        answers["text_format"] = said
    hint = "Redmine's text formatting (Administration, Settings, General; before 6.0 it comes with textile)"
    ask("text_format", hint, type=click.Choice(FORMATS))
    ask("address", "Mail address of the first mailbox")
    answers = _found(answers, finding=finding)
    if answers["preset"] is None:
        ask("protocol", "How its mail is read", "imap", type=click.Choice(["imap", "pop3"]))
        ask("host", "Mail server", f"{answers['protocol'].rstrip('3')}.{answers['address'].rpartition('@')[2]}")
        ask("security", "Protection of the connection", "tls", type=click.Choice(["tls", "starttls", "none"]))
        ask("username", "Name to log in with", answers["address"])
    if _signs_in(answers) and not _by_password(answers):
        words = "Id of your application there (docs/mailboxes.md says how to make one; empty: log in by password)"
        ask("client_id", words, "", show_default=False)
    if not answers["client_id"] and not _by_password(answers):
        answers["password"] = click.prompt(f"Password of {answers['username'] or answers['address']}", hide_input=True)
    ask("project", "Project for new issues (its identifier)")
    ask("tracker", "Tracker of new issues (empty: the project's first)", "", show_default=False)
    ask(
        "unknown_sender",
        "What to do with senders who are no Redmine users",
        "accept",
        type=click.Choice(["accept", "create", "ignore", "refuse"]),
    )
    ask("answers", "Which notes of agents go to customers by mail", "public_notes", type=click.Choice(ANSWERS))
    if answers["redmine_users"] is None:
        if click.confirm("Does Redmine itself send mails to customers who have an account there?", default=False):
            answers["redmine_users"] = "leave_to_redmine"
        elif answers["answers"] != "never":
            answers["redmine_users"] = "mail"
    if answers["answers"] != "never" and not (answers["preset"] or _offers_smtp(answers)):
        ask("smtp_host", "SMTP server", f"smtp.{answers['address'].rpartition('@')[2]}")
    return answers


def _offers_smtp(answers: Answers) -> bool:
    """Was a server for outgoing mail found?"""
    offer: Offer | None = answers.get("offer")
    return offer is not None and offer.server("smtp") is not None


def _name(answers: Answers) -> str:
    """The mailbox's name: as given, else the local part of its address, in letters that a name may have."""
    if answers["mailbox"]:
        return str(answers["mailbox"])
    local = str(answers["address"]).partition("@")[0].lower()
    name = "".join(c if c.isascii() and c.isalnum() else "-" for c in local).strip("-")
    return name[:64] or "mailbox"


def _signs_in(answers: Answers) -> str:
    """The preset of the [oauth.NAME] table that the mailbox needs since its provider takes no passwords, or ""."""
    from redmine_mailbridge.settings.presets import presets

    preset = presets().get(answers["preset"] or "")
    return preset.oauth if preset is not None and preset.tokens_only else ""


def _by_password(answers: Answers) -> bool:
    """Is there a password already, or an application in its place?"""
    given = answers["password_file"] or answers["client_id"]
    return bool(given or os.environ.get(_password_variable(_name(answers))))


def _password_variable(name: str) -> str:
    return f"MAILBRIDGE_MAILBOXES__{name.upper().replace('-', '_')}__PASSWORD"


def _draft(answers: Answers, file: Path) -> "Draft":
    """Given the answers, return the values and secrets to write. What was not answered is left to its default."""
    from redmine_mailbridge.settings.draft import Draft

    name, secrets = _name(answers), {}
    box = ("mailboxes", name)

    def reference(kind: str, target: str) -> str | None:
        if answers.get(kind):
            secrets[target] = str(answers[kind])
            return f"secrets/{target}"
        given: Path | None = answers[f"{kind}_file"]
        return os.path.relpath(given, file.parent) if given is not None else None

    values: dict[tuple[str, ...], Any] = {
        ("redmine", "url"): answers["redmine_url"],
        ("redmine", "api_key_file"): reference("api_key", "redmine-api-key"),
        ("redmine", "text_format"): answers["text_format"],
        ("store", "url"): answers["store_url"],
        ("admin", "listen"): "127.0.0.1:8025",
        **_provider(answers),
        (*box, "active"): True,
        (*box, "address"): answers["address"],
        (*box, "preset"): answers["preset"],
        (*box, "protocol"): answers["protocol"] or "imap",
        (*box, "host"): answers["host"],
        (*box, "port"): answers["port"],
        (*box, "security"): answers["security"] or (None if answers["preset"] else "tls"),
        (*box, "username"): answers["username"],
        (*box, "oauth"): (_signs_in(answers) or None) if answers["client_id"] else None,
        (*box, "password_file"): reference("password", name),
    }
    if values[*box, "protocol"] == "imap":
        values |= {
            (*box, "folders"): ["INBOX"],
            (*box, "success_folder"): "Processed",
            (*box, "failure_folder"): "Failed",
        }
    values |= {
        (*box, "issue", "project"): answers["project"],
        (*box, "issue", "tracker"): answers["tracker"] or None,
        (*box, "issue", "unknown_sender"): answers["unknown_sender"] or "accept",
        (*box, "answers", "notes"): answers["answers"] or "never",
        (*box, "answers", "redmine_users"): answers["redmine_users"],
        (*box, "outgoing", "host"): answers["smtp_host"],
    }
    offer: Offer | None = answers.get("offer")
    if offer is not None and offer.preset is None:
        values |= {(*box, *path): said for path, said in offer.settings(answers["address"]).items() if len(path) > 1}
    return Draft({path: value for path, value in values.items() if value is not None}, secrets)


def _provider(answers: Answers) -> dict[tuple[str, ...], Any]:
    """Given the answers, return the table to sign in by, when an application was named."""
    kind = _signs_in(answers)
    if not answers["client_id"] or not kind:
        return {}
    return {("oauth", kind, "preset"): kind, ("oauth", kind, "client_id"): answers["client_id"]}
