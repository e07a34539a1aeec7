"""`init` and the server for what goes out: found out, or asked for, and tried."""

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
"""Seconds for which the server's greeting is waited for, while somebody waits before the terminal."""


def ask_for_smtp(form: Form, file: Path, base: str = "") -> None:
    """Ask for the server by which answers go out, unless one is known, and try it."""

    def server() -> None:
        if sends(form.answers) and form["smtp_host"] is None:
            return
        form.ask("smtp_host", "SMTP server", _near(form["host"], form["address"], "smtp"))
        form.ask("smtp_security", "Protection of the connection", "starttls", type=choice(SECURITIES))
        form.ask("smtp_port", "Port", SMTP_PORTS[form["smtp_security"]], type=click.IntRange(1, 65535))
        confirm_cleartext(form, "smtp_host", "smtp_security", "smtp_allow_cleartext")
        form.ask_for_authority("smtp_ca_file", needed=bool(form.answers.get("smtp_needs_ca")))
        if form.tries and form["smtp_username"] is None and _wants_login(form) is False:
            click.secho("The SMTP server asks for no login.", dim=True)
            form.answers["smtp_username"] = ""
        elif form.answers.get("smtp_refused"):
            form.ask("smtp_username", "Name to log in with there (-: none)", form["username"] or form["address"])
            form.answers["smtp_username"] = form["smtp_username"].removeprefix("-")
            if form["smtp_username"]:
                form.ask("smtp_password", f"Password of {form['smtp_username']} there")

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
    """Does the server offer a login (RFC 4954)? None when it cannot be reached: the trial tells why."""
    ca_file = Path(form["smtp_ca_file"]) if form["smtp_ca_file"] else None
    security = form["smtp_security"]
    try:
        found = asks_for_login(
            SmtpConfig(form["smtp_host"], form["smtp_port"], security, ca_file=ca_file, timeout=_PATIENCE)
        )
    except SendingError:
        found = None
    form.answers["smtp_reached"] = found is not None
    return found


def _sending(form: Form, settings: Settings, name: str) -> str:
    """Ask the SMTP server. Return what is wrong, or ""."""
    box = settings.mailboxes[name]
    wrong = failures(outgoing_checks(name, settings, box))
    form.answers["smtp_needs_ca"] = "certificate" in wrong.lower()
    refused = bool(wrong) and form.answers.get("smtp_reached", True)
    form.answers["smtp_refused"] = refused or form.answers.get("smtp_refused", False)
    if not wrong:
        click.secho("The SMTP server takes our mail.", dim=True)
    return wrong
