"""`init` and a mailbox: its servers, the login, existing mail, and who authenticates senders there."""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import click

from redmine_mailbridge.checks.mailbox import mailbox_checks
from redmine_mailbridge.checks.result import Check
from redmine_mailbridge.checks.vouching import VouchingCount, vouched
from redmine_mailbridge.cli.setup.drafting import by_password, draft_of, name_of, signs_in
from redmine_mailbridge.cli.setup.form import Answers, Form, choice
from redmine_mailbridge.cli.setup.vouching import ask_who_vouches
from redmine_mailbridge.discovery.find import discover
from redmine_mailbridge.discovery.model import Offer
from redmine_mailbridge.discovery.output import nothing, step_lines
from redmine_mailbridge.errors import MailbridgeError, SettingsError
from redmine_mailbridge.model.mailbox import Listed
from redmine_mailbridge.settings.init_file import tried
from redmine_mailbridge.settings.mailbox import PORTS, MailboxSettings
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.settings.value_types import one_address
from redmine_mailbridge.util.dataclass import dataclass
from redmine_mailbridge.util.loopback import is_loopback
from redmine_mailbridge.wiring.mailboxes import mailbox_of

CLOCKS_DIFFER = dt.timedelta(hours=1)
"""How far the mail server's clock may be off: mail that arrives in an empty mailbox counts."""
POP3_WAITS = (
    'Then nothing is imported until the settings say start_from = "all": empty the mailbox first, or read it over '
    "IMAP, which shows when a message arrived."
)
NO_ANSWERS = "Existing messages get no automatic answers."
SECURITIES = ("tls", "starttls", "none")
_PLACEHOLDER = {"project": "project", "redmine_users": "mail"}
"""What a draft needs before it is asked for, so that it can be tested."""
_SERVER = ("host", "security", "port", "allow_cleartext", "ca_file")
_LOGIN = ("username", "password")


@dataclass(frozen=True, slots=True)
class _Lying:
    """How many messages a mailbox holds, the moment by its server's clock after which mail is new, and who
    authenticates senders in them.
    """

    count: int
    after: dt.datetime
    vouched: VouchingCount


def ask_for_mailbox(form: Form, file: Path, *, finding: bool, existing: Settings | None = None, base: str = "") -> None:
    """Ask for a mailbox: its address, its servers unless detected, and the login, which is tested.

    `existing` are the settings that it is added to, `base` their text. A mailbox in the domain of an existing one is
    assumed to be on the same servers.
    """
    form.until_right(("address",), lambda: form.ask("address", "Email address of the mailbox"), lambda: _address(form))
    names = set(existing.mailboxes) if existing is not None else set()
    while name_of(form.answers) in names:
        form.answers["mailbox"] = None
        form.ask("mailbox", f'The name "{name_of(form.answers)}" is in use. Name for this mailbox')
    like = _like(form, existing)
    form.found_out(_as_there(form, like, existing) if like is not None and existing is not None else {"offer": None})
    if like is None:
        form.found_out(found_out(form.answers, finding=finding))
    if form["preset"] is None:
        form.ask("protocol", "Protocol", "imap", type=choice(["imap", "pop3"]))
    if signs_in(form.answers) and not by_password(form.answers):
        words = "Client id of your application (see docs/admin/mailboxes.md; empty: log in with a password)"
        form.ask("client_id", words, "", show_default=False)
    backlogs: list[_Lying] = []
    form.until_right(
        (*(() if form["preset"] else _SERVER), *_LOGIN),
        lambda: _server_and_login(form),
        lambda: try_settings(
            form, file, base, lambda settings, name: _logged_in(form, settings, name, backlogs.append)
        ),
    )
    if backlogs:
        _what_lies_there(form, backlogs[-1])
    ask_who_vouches(form, backlogs[-1].vouched if backlogs else None)


def _like(form: Form, existing: Settings | None) -> MailboxSettings | None:
    """An existing mailbox of the same domain."""
    domain = str(form["address"]).rpartition("@")[2].lower()
    boxes = existing.active_mailboxes.values() if existing is not None else ()
    alike = [
        box for box in boxes if box.address.rpartition("@")[2].lower() == domain and box.protocol in ("imap", "pop3")
    ]
    return alike[-1] if alike and not (form["host"] or form["preset"]) else None


def _as_there(form: Form, like: MailboxSettings, existing: Settings) -> Answers:
    """The servers of an existing mailbox as answers, unless they are given. Print them."""
    out = like.outgoing.over(existing.outgoing)
    servers: Answers = {"protocol": like.protocol, "preset": like.preset, "offer": None}
    if like.preset is None:
        names = ("host", "port", "security", "ca_file", "allow_cleartext")
        servers |= {name: getattr(like, name) for name in names}
    if like.preset is None and out.host is not None and not existing.outgoing.sends:
        servers |= {f"smtp_{name}": getattr(out, name) for name in ("host", "port", "security", "ca_file")}
        servers |= {"smtp_allow_cleartext": out.allow_cleartext, "smtp_username": "" if out.username == "" else None}
    click.secho(f"Using the servers of {like.address}: {like.host}:{like.port}.", dim=True)
    return {name: value for name, value in servers.items() if form[name] is None}


def found_out(answers: Answers, *, finding: bool) -> Answers:
    """Given answers, detect the servers of the address unless the answers say so. Print what is tried."""
    address = answers.get("address")
    if not finding or not address or answers.get("host") or answers.get("preset"):
        return {"offer": None}
    offer, steps = None, []
    for step in discover(address):
        steps.append(step)
        click.secho("\n".join(step_lines(step, address, as_json=False)), dim=True)
        offer = step.offer or offer
    if offer is None:
        click.secho(nothing(steps), fg="yellow")
    elif offer.advice:
        click.secho(offer.advice, fg="yellow")
    return {"offer": offer} | _as_answers(offer, answers)


def _as_answers(offer: Offer | None, answers: Answers) -> Answers:
    """Given the detected servers, return the answers that follow from them, unless they are given."""
    server = offer.server(answers["protocol"]) if offer and answers["protocol"] else offer.incoming if offer else None
    if offer is None or server is None:
        return {}
    if offer.preset is not None:
        return {"preset": offer.preset}
    detected = {"protocol": server.protocol, "host": server.host, "port": server.port, "security": server.security}
    detected |= {"username": server.username} if server.username else {}
    return {name: value for name, value in detected.items() if answers[name] is None}


# ---------------------------------------------------------------------- questions


def _server_and_login(form: Form) -> None:
    if form["preset"] is None:
        protocol = form["protocol"]
        form.ask("host", "Mail server", f"{protocol.rstrip('3')}.{form['address'].rpartition('@')[2]}")
        form.ask("security", "Encryption", "tls", type=choice(SECURITIES))
        form.ask("port", "Port", PORTS[protocol, form["security"]], type=click.IntRange(1, 65535))
        confirm_cleartext(form, "host", "security", "allow_cleartext")
        form.ask_for_authority("ca_file", needed=bool(form.answers.get("needs_ca_file")))
        form.ask("username", "Login name", form["address"])
    if not form["client_id"] and not by_password(form.answers):
        form.ask("password", f"Password for {form['username'] or form['address']}")


def confirm_cleartext(form: Form, host: str, security: str, allowed: str) -> None:
    """Connecting to another machine without TLS needs a decision of its own."""
    if form[security] == "none" and not is_loopback(form[host]):
        form.confirm(
            allowed, f"Passwords and mail would be sent to {form[host]} unencrypted. Allow this?", default=False
        )


def _what_lies_there(form: Form, backlog: _Lying) -> None:
    """Ask what to do with existing mail; whatever arrives later counts, also before the first pass."""
    if form["start_from"] is not None:
        return
    if not backlog.count:
        form.answers["start_from"] = "all" if form["protocol"] == "pop3" else backlog.after
        return
    mails = "The mailbox holds 1 message" if backlog.count == 1 else f"The mailbox holds {backlog.count} messages"
    if form["protocol"] == "pop3":
        form.confirm("all", f"{mails}, and POP3 has no arrival times. Create issues from all of them?", default=False)
        form.answers["start_from"] = "all" if form.answers.pop("all") else None
        if form.answers["start_from"] is None:
            click.secho(POP3_WAITS, fg="yellow")
        return
    question = f"{mails}. Create issues from all of them, or only from new mail from now on"
    choice_ = click.prompt(question, default="now", type=choice(["all", "now"]))
    form.answers["start_from"] = backlog.after if choice_ == "now" else choice_
    form.answered()
    if choice_ == "all":
        click.secho(NO_ANSWERS, dim=True)


# ---------------------------------------------------------------------- tests


def _address(form: Form) -> str:
    try:
        one_address(form["address"])
    except ValueError as error:
        return f"{form['address']}: {error}"
    return ""


def try_settings(form: Form, file: Path, base: str, trial: Callable[[Settings, str], str]) -> str:
    """Given a test to run with the draft settings and the mailbox's name, return what is wrong, or ""."""
    if form["client_id"]:
        return ""  # `oauth login` comes first
    try:
        settings = _settings(form, file, base)
    except SettingsError as error:
        return str(error)
    return trial(settings, name_of(form.answers))


def _logged_in(form: Form, settings: Settings, name: str, tell: Callable[[_Lying], object]) -> str:
    """Log in and look at the folders. Return what is wrong, or ""; `tell` receives what the folders hold."""
    box = settings.mailboxes[name]
    wrong = failures(mailbox_checks(name, box, mailbox_of(name, box)))
    form.answers["needs_ca_file"] = "certificate" in wrong.lower()
    if not wrong:
        tell(_lying(settings, name))
        click.secho(f"Logged in at {box.host} as {box.username}.", dim=True)
    return wrong


def _lying(settings: Settings, name: str) -> _Lying:
    """Count the messages in the folders of a mailbox."""
    box = settings.mailboxes[name]
    mailbox = mailbox_of(name, box)
    listed: list[Listed] = []
    vouching = VouchingCount()
    try:
        mailbox.connected()
        for folder in box.folders:
            mailbox.state(folder)
            here = mailbox.list_new(folder)
            listed += here
            vouching = vouching if vouching.name else vouched(mailbox, list(here))
    except MailbridgeError as error:
        click.secho(f"cannot list the existing messages: {error}", fg="yellow")
    finally:
        mailbox.close()
    newest = max((message.received_at for message in listed if message.received_at is not None), default=None)
    after = newest + dt.timedelta(seconds=1) if newest is not None else dt.datetime.now(dt.UTC) - CLOCKS_DIFFER
    return _Lying(len(listed), after.astimezone(dt.UTC).replace(microsecond=0), vouching)


def _settings(form: Form, file: Path, base: str) -> Settings:
    """The settings as they would be. Raise SettingsError if they are invalid."""
    answers = _PLACEHOLDER | {name: value for name, value in form.answers.items() if value is not None}
    whole = form.answers | {name: answers[name] for name in _PLACEHOLDER}
    return tried(draft_of(whole, file, whole=not base), file, base=base)


def failures(checks: Iterable[Check]) -> str:
    """The failed checks, in lines."""
    failed: Sequence[Check] = [check for check in checks if check.ok is False]
    return "\n".join(f"{check.name}: {check.words}" for check in failed)
