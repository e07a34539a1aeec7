"""What `check` finds: a list of plain values, each one thing that works or does not, printed green or red."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import click

from redmine_mailbridge.settings.load import Loaded
from redmine_mailbridge.settings.mailbox import MailboxSettings
from redmine_mailbridge.settings.who_mails import WhoMails, who_mails

NOBODY = (
    "nothing proves who wrote a mail: no mail acts for a Redmine user, each issue is written by the bridge's own user "
    "and names its sender in the text"
)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. `name` says what ("mailbox support: login"), `words` what was found, in the
    server's own words when it failed. `ok` None is a warning: it works, and somebody should know.
    """

    name: str
    ok: bool | None
    words: str = ""


def failed(checks: Iterable[Check]) -> bool:
    """Whether any of them failed; warnings do not count."""
    return any(check.ok is False for check in checks)


def show(check: Check, *, as_json: bool = False) -> None:
    """Print one check as it is found: a JSON object, or a line that is green, yellow or red."""
    if as_json:
        click.echo(json.dumps(asdict(check), ensure_ascii=False))
        return
    sign, colour = {True: ("ok", "green"), None: ("note", "yellow"), False: ("FAIL", "red")}[check.ok]
    first, *more = check.words.splitlines() or [""]
    click.echo(click.style(f"{sign:<5}", fg=colour) + check.name + (f": {first}" if first else ""))
    for line in more:
        click.echo(f"     {line}")


def is_unproven(box: MailboxSettings) -> bool:
    """Is there nothing by which a sender could be proven, though the settings want it?"""
    return box.issue.trust == "authenticated" and not (box.reading.trusted_authserv_ids or box.reading.verify_dkim)


def line_of(mailbox: str, name: str = "") -> str:
    """Given a mailbox's name and that of its mail server, return the line that has it believed, and where it stands."""
    named = name or "mx.example.com"
    where = "" if name else " (the name at the beginning of your server's topmost Authentication-Results header)"
    return f'[mailboxes.{mailbox}] reading.trusted_authserv_ids = ["{named}"]{where}'


def settings_checks(loaded: Loaded) -> list[Check]:
    """Given loaded settings, return what can be said of them without asking any server."""
    settings = loaded.settings
    active = settings.active_mailboxes
    boxes = f"{len(active)} active mailbox{'' if len(active) == 1 else 'es'} of {len(settings.mailboxes)}"
    checks = [Check("settings", True, f"{loaded.path or 'environment'}: {boxes}")]
    checks += [Check("settings", None, warning) for warning in loaded.warnings]
    if not active:
        checks.append(Check("settings", None, "no mailbox is active: nothing will be read"))
    if not settings.tasks.receive.active:
        checks.append(Check("settings", None, "[tasks.receive] is not active: `run` reads no mail by itself"))
    if settings.admin.alert_to and not any(box.outgoing.over(settings.outgoing).sends for box in active.values()):
        checks.append(Check("settings", None, "[admin] alert_to: nobody can be warned: no mailbox sends mail"))
    for name, box in active.items():
        checks += _who_mails(name, who_mails(box, settings.outgoing))
        if box.security == "none" and box.allow_cleartext:
            checks.append(Check(f"mailbox {name}", None, f"the password goes to {box.host} in the clear"))
        if box.issue.trust == "any":
            checks.append(Check(f"mailbox {name}", None, 'trust = "any": whoever writes a From line acts as that user'))
        if is_unproven(box):
            words = f'trust = "authenticated", but {NOBODY}. Add {line_of(name)}, or reading.verify_dkim = true'
            checks.append(Check(f"mailbox {name}", None, words))
    return checks


def _who_mails(name: str, found: WhoMails) -> list[Check]:
    """Who acknowledges and who tells customers of notes; that nobody does is wrong unless the settings say so."""
    why, risks = found.told_by_nobody, found.risks
    words = "\n".join([found.words, *([why] if why else risks)])
    return [Check(f"mailbox {name}: who mails whom", False if why else None if risks else True, words)]
