"""Logs in to an SMTP server (RFC 4954), by the SASL mechanisms by which mailboxes are read."""

import smtplib
from collections.abc import Collection

from redmine_mailbridge.errors import LoginRefused
from redmine_mailbridge.outgoing.smtp_config import SmtpConfig
from redmine_mailbridge.sasl.bearer_messages import BY_TOKEN
from redmine_mailbridge.sasl.exchange import Exchange
from redmine_mailbridge.sasl.mechanism import Credentials
from redmine_mailbridge.sasl.selection import MECHANISMS, RANK, SENDS_SECRET, limited
from redmine_mailbridge.util.redact import redact

INITIAL_RESPONSE = frozenset({"PLAIN", *BY_TOKEN})
"""Mechanisms whose first message goes with the AUTH command: some servers take PLAIN in no other way."""


def log_in_by_token(server: smtplib.SMTP, config: SmtpConfig) -> None:
    """Given a connected server, log in with an OAuth token by the first mechanism that it offers.

    Raise smtplib.SMTPAuthenticationError with the server's words and never the token, and whatever `config.token`
    raises.
    """
    if config.token is None:
        return
    offered = _offered(server)
    name = next((each for each in config.mechanisms if each in offered), None)
    if name is None:
        allowed = " or ".join(config.mechanisms)
        raise smtplib.SMTPNotSupportedError(f"the server takes no token: it offers {' '.join(offered)}, not {allowed}")
    user = config.username or ""
    who = Credentials(user, user, token=config.token())
    code, words = _log_in_by(server, name, who)
    if code == 235:
        return
    if 500 <= code < 600 and config.token_refused is not None:
        config.token_refused(who.token)
    raise smtplib.SMTPAuthenticationError(code, words.encode())


def log_in_by_password(server: smtplib.SMTP, config: SmtpConfig) -> None:
    """Given a connected server, log in by the strongest mechanisms that it offers and the settings allow, in order.

    Raise smtplib.SMTPAuthenticationError with the server's words and never the password, and LoginRefused when no
    mechanism is left.
    """
    who = Credentials(config.username or "", config.username or "", config.password)
    code, refusals = 535, list[str]()
    for name in _chosen(config, _offered(server)):
        code, words = _log_in_by(server, name, who)
        if code == 235:
            return
        refusals.append(f"{name}: {words}")
        if not 500 <= code < 600:
            break
    raise smtplib.SMTPAuthenticationError(code, "; ".join(refusals).encode())


def _offered(server: smtplib.SMTP) -> list[str]:
    server.ehlo_or_helo_if_needed()
    return server.esmtp_features.get("auth", "").upper().split()


def _chosen(config: SmtpConfig, offered: Collection[str]) -> tuple[str, ...]:
    """Given what the server offers, return the mechanisms to try. Raise LoginRefused when there is none."""
    setting = config.login.upper()
    possible = [name for name in RANK if name in MECHANISMS and name not in BY_TOKEN]
    possible = [name for name in possible if name == setting or (setting == "AUTO" and name != "NTLM")]
    if config.prevent_cleartext_login:
        possible = [name for name in possible if name not in SENDS_SECRET]
    if config.prevent_ntlm:
        possible = [name for name in possible if name != "NTLM"]
    chosen = tuple(name for name in possible if name in offered)
    if not chosen:
        words = f"the server offers {', '.join(offered) or 'none'}; allowed here: {', '.join(possible) or 'none'}"
        raise LoginRefused(f"no login mechanism is allowed by both settings and server: {words}")
    return limited(chosen)


def _log_in_by(server: smtplib.SMTP, name: str, who: Credentials) -> tuple[int, str]:
    """Given a mechanism, log in by it. Return the server's last code and words, without secrets."""
    exchange = Exchange(name, who)
    first = [exchange.line()] if name in INITIAL_RESPONSE else []
    code, words = server.docmd("AUTH", " ".join([name, *first]))
    while code == 334:
        code, words = server.docmd(exchange.line(words))
    redacted = redact(words.decode("utf-8", "replace"), who.secrets)
    return code, f"{redacted} {exchange.hint}".strip()
