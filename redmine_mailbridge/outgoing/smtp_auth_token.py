"""Logs in to an SMTP server with an OAuth token (RFC 4954 with RFC 7628, or XOAUTH2)."""

import smtplib
from base64 import b64decode, b64encode

from redmine_mailbridge.outgoing.smtp_config import SmtpConfig
from redmine_mailbridge.sasl import bearer_messages


def log_in_by_token(server: smtplib.SMTP, config: SmtpConfig) -> None:
    """Given a connected server, log in by the first mechanism that it offers.

    Raise smtplib.SMTPAuthenticationError with the server's words and never the token, and whatever `config.token`
    raises.
    """
    if config.token is None:
        return
    server.ehlo_or_helo_if_needed()
    offered = server.esmtp_features.get("auth", "").upper().split()
    name = next((each for each in config.mechanisms if each in offered), None)
    if name is None:
        wanted = " or ".join(config.mechanisms)
        raise smtplib.SMTPNotSupportedError(f"the server takes no token: it offers {' '.join(offered)}, not {wanted}")
    token, user = config.token(), config.username or ""
    whole = (
        bearer_messages.xoauth2(user, token)
        if name == "XOAUTH2"
        else bearer_messages.oauthbearer(user, token, config.host, config.port)
    )
    code, said = server.docmd("AUTH", f"{name} {b64encode(whole).decode()}")
    told = ""
    if code == 334:  # the error, which must be acknowledged before the server says no
        told = _told(said)
        code, said = server.docmd("" if name == "XOAUTH2" else b64encode(b"\x01").decode())
    if code == 235:
        return
    if 500 <= code < 600 and config.token_refused is not None:
        config.token_refused(token)
    words = f"{said.decode('utf-8', 'replace')} {told}".strip()
    for secret in (token, b64encode(whole).decode()):
        words = words.replace(secret, "***")
    raise smtplib.SMTPAuthenticationError(code, words.encode())


def _told(challenge: bytes) -> str:
    """Given the error as it came, in base64, return it and what it means."""
    try:
        plain = b64decode(challenge, validate=True)
    except ValueError:
        return ""
    meaning = bearer_messages.in_words(plain)
    text = " ".join(plain.decode("utf-8", "replace").split())[:400]
    return f"{text} ({meaning})" if meaning else text
