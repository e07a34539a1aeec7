"""`init` and the server for outgoing mail: detected, or asked for, and tested."""

from pathlib import Path

import click

from redmine_mailbridge.checks.outgoing import asks_for_login, outgoing_checks
from redmine_mailbridge.cli.setup.drafting import sends
from redmine_mailbridge.cli.setup.form import Form, choice
from redmine_mailbridge.cli.setup.mailbox import SECURITIES, confirm_cleartext, failures, try_settings
from redmine_mailbridge.errors import SendingError
from redmine_mailbridge.outgoing.smtp_config import SmtpConfig
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.settings.outgoing import SMTP_PORTS

_PATIENCE = 20.0
"""Seconds to wait for the server's greeting, while the user waits at the terminal."""


def ask_for_smtp(form: Form, file: Path, base: str = "") -> None:
    """Ask for the server for outgoing mail, unless one is known, and test it."""

    def server() -> None:
        if sends(form.answers) and form["smtp_host"] is None:
            return
        form.ask("smtp_host", "SMTP server", _near(form["host"], form["address"], "smtp"))
        form.ask("smtp_security", "Encryption", "starttls", type=choice(SECURITIES))
        form.ask("smtp_port", "Port", SMTP_PORTS[form["smtp_security"]], type=click.IntRange(1, 65535))
        confirm_cleartext(form, "smtp_host", "smtp_security", "smtp_allow_cleartext")
        form.ask_for_authority("smtp_ca_file", needed=bool(form.answers.get("smtp_needs_ca")))
        if form.tries and form["smtp_username"] is None and _wants_login(form) is False:
            click.secho("The SMTP server needs no login.", dim=True)
            form.answers["smtp_username"] = ""
        elif form.answers.get("smtp_refused"):
            form.ask("smtp_username", "Login name there (- for none)", form["username"] or form["address"])
            form.answers["smtp_username"] = form["smtp_username"].removeprefix("-")
            if form["smtp_username"]:
                form.ask("smtp_password", f"Password for {form['smtp_username']} there")

    names = ("smtp_host", "smtp_security", "smtp_port", "smtp_allow_cleartext", "smtp_ca_file", "smtp_username")
    form.until_right(
        (*names, "smtp_password"),
        server,
        lambda: try_settings(form, file, base, lambda settings, name: _sending(form, settings, name)),
    )


def _near(host: str | None, address: str, kind: str) -> str:
    """A likely name of the SMTP server: beside the server of incoming mail, else in the address's domain."""
    first, _, rest = (host or "").partition(".")
    if host and first not in {"imap", "pop", "pop3"}:
        return host
    return f"{kind}.{rest or address.rpartition('@')[2]}"


def _wants_login(form: Form) -> bool | None:
    """Does the server offer a login (RFC 4954)? None if it cannot be reached: the test reports why."""
    ca_file = Path(form["smtp_ca_file"]) if form["smtp_ca_file"] else None
    security = form["smtp_security"]
    try:
        offered = asks_for_login(
            SmtpConfig(form["smtp_host"], form["smtp_port"], security, ca_file=ca_file, timeout=_PATIENCE)
        )
    except SendingError:
        offered = None
    form.answers["smtp_reached"] = offered is not None
    return offered


def _sending(form: Form, settings: Settings, name: str) -> str:
    """Query the SMTP server. Return what is wrong, or ""."""
    box = settings.mailboxes[name]
    wrong = failures(outgoing_checks(name, settings, box))
    form.answers["smtp_needs_ca"] = "certificate" in wrong.lower()
    refused = bool(wrong) and form.answers.get("smtp_reached", True)
    form.answers["smtp_refused"] = refused or form.answers.get("smtp_refused", False)
    if not wrong:
        click.secho("The SMTP server accepts mail.", dim=True)
    return wrong
