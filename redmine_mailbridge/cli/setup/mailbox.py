"""`init` and a mailbox: where it lies, the login, what lies there already, and who vouches for senders there."""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from redmine_mailbridge.checks.mailbox import mailbox_checks
from redmine_mailbridge.checks.result import Check
from redmine_mailbridge.checks.vouching import Vouched, vouched
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
from redmine_mailbridge.util.loopback import is_loopback
from redmine_mailbridge.wiring import application

CLOCKS_DIFFER = dt.timedelta(hours=1)
"""How far the mail server's clock may be from ours: mail that comes to an empty mailbox counts."""
POP3_WAITS = (
    'Then nothing is taken before the settings say start_from = "all": clear the mailbox before, or read it over IMAP, '
    "which tells what is new."
)
NO_ANSWERS = "Nobody gets an automatic answer to a mail that lay there already."
SECURITIES = ("tls", "starttls", "none")
_PLACEHOLDER = {"project": "project", "redmine_users": "mail"}
"""What a draft needs to be tried before it is asked for."""
_SERVER = ("host", "security", "port", "allow_cleartext", "ca_file")
_LOGIN = ("username", "password")


@dataclass(frozen=True, slots=True)
class _Lying:
    """How many mails lie in a mailbox, the moment, by its server's clock, from which on mail is newer, and who vouches
    for senders in them.
    """

    count: int
    after: dt.datetime
    vouched: Vouched


def ask_for_mailbox(form: Form, file: Path, *, finding: bool, there: Settings | None = None, base: str = "") -> None:
    """Ask for a mailbox: its address, its servers as far as they are not found out, and the login, which is tried.

    `there` are the settings that it is added to, `base` their text. A mailbox of the domain of one that is there is
    taken to lie on the same servers.
    """
    form.until_right(("address",), lambda: form.ask("address", "Mail address of the mailbox"), lambda: _address(form))
    names = set(there.mailboxes) if there is not None else set()
    while name_of(form.answers) in names:
        form.answers["mailbox"] = None
        form.ask("mailbox", f'There is a mailbox "{name_of(form.answers)}" already. Your name for this one')
    like = _like(form, there)
    form.found_out(_as_there(form, like, there) if like is not None and there is not None else {"offer": None})
    if like is None:
        form.found_out(found_out(form.answers, finding=finding))
    if form["preset"] is None:
        form.ask("protocol", "How its mail is read", "imap", type=choice(["imap", "pop3"]))
    if signs_in(form.answers) and not by_password(form.answers):
        words = "Id of your application there (docs/mailboxes.md says how to make one; empty: log in by password)"
        form.ask("client_id", words, "", show_default=False)
    found: list[_Lying] = []
    form.until_right(
        (*(() if form["preset"] else _SERVER), *_LOGIN),
        lambda: _server_and_login(form),
        lambda: try_settings(form, file, base, lambda settings, name: _logged_in(form, settings, name, found.append)),
    )
    if found:
        _what_lies_there(form, found[-1])
    ask_who_vouches(form, found[-1].vouched if found else None)


def _like(form: Form, there: Settings | None) -> MailboxSettings | None:
    """A mailbox of the same domain among those that there are."""
    domain = str(form["address"]).rpartition("@")[2].lower()
    boxes = there.active_mailboxes.values() if there is not None else ()
    alike = [box for box in boxes if box.address.rpartition("@")[2].lower() == domain and box.protocol != "graph"]
    return alike[-1] if alike and not (form["host"] or form["preset"]) else None


def _as_there(form: Form, like: MailboxSettings, there: Settings) -> Answers:
    """The servers of a mailbox that is there, as answers, as far as they are not given. Say so."""
    out = like.outgoing.over(there.outgoing)
    found: Answers = {"protocol": like.protocol, "preset": like.preset, "offer": None}
    if like.preset is None:
        names = ("host", "port", "security", "ca_file", "allow_cleartext")
        found |= {name: getattr(like, name) for name in names}
    if like.preset is None and out.host is not None and not there.outgoing.sends:
        found |= {f"smtp_{name}": getattr(out, name) for name in ("host", "port", "security", "ca_file")}
        found |= {"smtp_allow_cleartext": out.allow_cleartext, "smtp_username": "" if out.username == "" else None}
    click.secho(f"On the same servers as {like.address}: {like.host}:{like.port}.", dim=True)
    return {name: value for name, value in found.items() if form[name] is None}


def found_out(answers: Answers, *, finding: bool) -> Answers:
    """Given answers, find out where the address's mail lies, unless they say so. Say what is tried."""
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


def _as_answers(offer: Offer | None, given: Answers) -> Answers:
    """Given what was found, return the answers that follow from it, as far as they are not given."""
    server = offer.server(given["protocol"]) if offer and given["protocol"] else offer.incoming if offer else None
    if offer is None or server is None:
        return {}
    if offer.preset is not None:
        return {"preset": offer.preset}
    found = {"protocol": server.protocol, "host": server.host, "port": server.port, "security": server.security}
    found |= {"username": server.username} if server.username else {}
    return {name: value for name, value in found.items() if given[name] is None}


# ---------------------------------------------------------------------- what is asked


def _server_and_login(form: Form) -> None:
    if form["preset"] is None:
        protocol = form["protocol"]
        form.ask("host", "Mail server", f"{protocol.rstrip('3')}.{form['address'].rpartition('@')[2]}")
        form.ask("security", "Protection of the connection", "tls", type=choice(SECURITIES))
        form.ask("port", "Port", PORTS[protocol, form["security"]], type=click.IntRange(1, 65535))
        confirm_cleartext(form, "host", "security", "allow_cleartext")
        form.ask_for_authority("ca_file", needed=bool(form.answers.get("needs_ca_file")))
        form.ask("username", "Name to log in with", form["address"])
    if not form["client_id"] and not by_password(form.answers):
        form.ask("password", f"Password of {form['username'] or form['address']}")


def confirm_cleartext(form: Form, host: str, security: str, allowed: str) -> None:
    """Without TLS to another machine is a decision of its own."""
    if form[security] == "none" and not is_loopback(form[host]):
        form.confirm(allowed, f"Passwords and mail go to {form[host]} in the clear then. Allow that?", default=False)


def _what_lies_there(form: Form, lying: _Lying) -> None:
    """Ask what becomes of the mail that lies in the mailbox already; whatever comes after it counts, also before the
    first pass.
    """
    if form["start_from"] is not None:
        return
    if not lying.count:
        form.answers["start_from"] = "all" if form["protocol"] == "pop3" else lying.after
        return
    mails = "1 mail lies" if lying.count == 1 else f"{lying.count} mails lie"
    if form["protocol"] == "pop3":
        form.confirm("all", f"{mails} there, and POP3 does not tell when one came: make issues of all?", default=False)
        form.answers["start_from"] = "all" if form.answers.pop("all") else None
        if form.answers["start_from"] is None:
            click.secho(POP3_WAITS, fg="yellow")
        return
    question = f"{mails} in the inbox: make issues of all, or only of what comes from now on"
    wanted = click.prompt(question, default="now", type=choice(["all", "now"]))
    form.answers["start_from"] = lying.after if wanted == "now" else wanted
    form.answered()
    if wanted == "all":
        click.secho(NO_ANSWERS, dim=True)


# ---------------------------------------------------------------------- what is tried


def _address(form: Form) -> str:
    try:
        one_address(form["address"])
    except ValueError as error:
        return f"{form['address']}: {error}"
    return ""


def try_settings(form: Form, file: Path, base: str, trial: Callable[[Settings, str], str]) -> str:
    """Given what to try with the settings as they would be and the mailbox's name, return what is wrong, or ""."""
    if form["client_id"]:
        return ""  # `oauth login` comes first
    try:
        settings = _settings(form, file, base)
    except SettingsError as error:
        return str(error)
    return trial(settings, name_of(form.answers))


def _logged_in(form: Form, settings: Settings, name: str, tell: Callable[[_Lying], object]) -> str:
    """Log in, and look at the folders. Return what is wrong, or ""; `tell` is told what lies there."""
    box = settings.mailboxes[name]
    wrong = failures(mailbox_checks(name, box, application.mailbox(name, box)))
    form.answers["needs_ca_file"] = "certificate" in wrong.lower()
    if not wrong:
        tell(_lying(settings, name))
        click.secho(f"Logged in at {box.host} as {box.username}.", dim=True)
    return wrong


def _lying(settings: Settings, name: str) -> _Lying:
    """Look at what lies in the folders of a mailbox."""
    box = settings.mailboxes[name]
    mailbox = application.mailbox(name, box)
    there: list[Listed] = []
    found = Vouched()
    try:
        mailbox.connected()
        for folder in box.folders:
            mailbox.state(folder)
            here = mailbox.list_new(folder)
            there += here
            found = found if found.name else vouched(mailbox, list(here))
    except MailbridgeError as error:
        click.secho(f"What lies there could not be listed: {error}", fg="yellow")
    finally:
        mailbox.close()
    newest = max((one.received_at for one in there if one.received_at is not None), default=None)
    after = newest + dt.timedelta(seconds=1) if newest is not None else dt.datetime.now(dt.UTC) - CLOCKS_DIFFER
    return _Lying(len(there), after.astimezone(dt.UTC).replace(microsecond=0), found)


def _settings(form: Form, file: Path, base: str) -> Settings:
    """The settings as they would be. Raise SettingsError when they cannot be."""
    answers = _PLACEHOLDER | {name: value for name, value in form.answers.items() if value is not None}
    whole = form.answers | {name: answers[name] for name in _PLACEHOLDER}
    return tried(draft_of(whole, file, whole=not base), file, base=base)


def failures(checks: Iterable[Check]) -> str:
    """The failed ones of what was found, in lines."""
    failed: Sequence[Check] = [one for one in checks if one.ok is False]
    return "\n".join(f"{one.name}: {one.words}" for one in failed)
