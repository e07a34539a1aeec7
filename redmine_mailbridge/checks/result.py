"""The results of `check`: a list of plain values, each one thing that works or does not, printed green or red."""

import json
from collections.abc import Iterable
from dataclasses import asdict

import click

from redmine_mailbridge.settings.load import Loaded
from redmine_mailbridge.settings.mailbox import MailboxSettings
from redmine_mailbridge.settings.who_mails import WhoMails, who_mails
from redmine_mailbridge.util.dataclass import dataclass

UNAUTHENTICATED = (
    "no sender can be authenticated: no message acts for a Redmine user; the bridge's own user creates every issue and "
    "names the sender in the text"
)


@dataclass(frozen=True, slots=True)
class Check:
    """One result. `name` says what was tested ("mailbox support: login"), `words` the finding, in the server's own
    words on failure. `ok` None is a warning: it works, but someone should know.
    """

    name: str
    ok: bool | None
    words: str = ""


def failed(checks: Iterable[Check]) -> bool:
    """Whether any of them failed; warnings do not count."""
    return any(check.ok is False for check in checks)


def show(check: Check, *, as_json: bool = False) -> None:
    """Print one result: a JSON object, or a line that is green, yellow or red."""
    if as_json:
        click.echo(json.dumps(asdict(check), ensure_ascii=False))
        return
    sign, colour = {True: ("ok", "green"), None: ("note", "yellow"), False: ("FAIL", "red")}[check.ok]
    first, *more = check.words.splitlines() or [""]
    click.echo(click.style(f"{sign:<5}", fg=colour) + check.name + (f": {first}" if first else ""))
    for line in more:
        click.echo(f"     {line}")


def is_unproven(box: MailboxSettings) -> bool:
    """Can no sender be authenticated although the settings require it?"""
    return box.issue.trust == "authenticated" and not (box.reading.trusted_authserv_ids or box.reading.verify_dkim)


def line_of(mailbox: str, name: str = "") -> str:
    """Given a mailbox's name and that of its mail server, return the line that makes the server trusted, and its
    place.
    """
    named = name or "mx.example.com"
    explanation = "" if name else " (the name at the start of your server's topmost Authentication-Results header)"
    return f'[mailboxes.{mailbox}] reading.trusted_authserv_ids = ["{named}"]{explanation}'


def settings_checks(loaded: Loaded) -> list[Check]:
    """Given loaded settings, return what can be checked without any server."""
    settings = loaded.settings
    active = settings.active_mailboxes
    boxes = f"{len(active)} active mailbox{'' if len(active) == 1 else 'es'} of {len(settings.mailboxes)}"
    checks = [Check("settings", True, f"{loaded.path or 'environment'}: {boxes}")]
    checks += [Check("settings", None, line) for line in (*loaded.warnings, *settings.settled_too_early())]
    if not active:
        checks.append(Check("settings", None, "no mailbox is active: nothing will be read"))
    if not settings.tasks.receive.active:
        checks.append(Check("settings", None, "[tasks.receive] is not active: `run` reads no mail"))
    if settings.admin.alert_to and not any(box.outgoing.over(settings.outgoing).sends for box in active.values()):
        checks.append(Check("settings", None, "[admin] alert_to: alerts cannot be sent, since no mailbox sends mail"))
    hash_file = settings.admin.password_hash_file
    if hash_file is not None and not hash_file.is_file():
        words = (
            f"{hash_file} does not exist: run `redmine-mailbridge admin password` to create it; until then the pages "
            "accept Redmine accounts only"
        )
        checks.append(Check("settings: [admin] password_hash_file", None, words))
    for name, box in active.items():
        checks += _who_mails(name, who_mails(box, settings.outgoing))
        if box.security == "none" and box.allow_cleartext:
            checks.append(Check(f"mailbox {name}", None, f"the password is sent to {box.host} unencrypted"))
        if box.issue.trust == "any":
            checks.append(
                Check(f"mailbox {name}", None, 'trust = "any": anyone who forges a From line acts as that user')
            )
        if box.senders.spam != "accept" and not box.reading.trusted_authserv_ids:
            words = f'senders.spam = "{box.senders.spam}", but no server\'s verdict is trusted. Add {line_of(name)}'
            checks.append(Check(f"mailbox {name}", None, words))
        if is_unproven(box):
            words = (
                f'trust = "authenticated", but {UNAUTHENTICATED}. Add {line_of(name)}, or reading.verify_dkim = true'
            )
            checks.append(Check(f"mailbox {name}", None, words))
    return checks


def _who_mails(name: str, mailing: WhoMails) -> list[Check]:
    """Who acknowledges mail and who mails notes to customers; no one is an error unless the settings say so."""
    why, risks = mailing.unsent_reason, mailing.risks
    words = "\n".join([mailing.words, *([why] if why else risks)])
    return [Check(f"mailbox {name}: who mails whom", False if why else None if risks else True, words)]
