"""Logs in to an SMTP server with a password (RFC 4954), by the mechanisms by which mailboxes are read."""

import smtplib
from base64 import b64decode, b64encode
from collections.abc import Collection

from redmine_mailbridge.errors import LoginRefused
from redmine_mailbridge.outgoing.smtp_config import SmtpConfig
from redmine_mailbridge.sasl.bearer_messages import BY_TOKEN
from redmine_mailbridge.sasl.mechanism import Credentials, Mechanism
from redmine_mailbridge.sasl.selection import MAKERS, MOST_TRIES, RANK, SENDS_SECRET

MOST_CHALLENGES = 10


def log_in_by_password(server: smtplib.SMTP, config: SmtpConfig) -> None:
    """Given a connected server, log in by the strongest mechanisms that it offers and the settings allow, in order.

    Raise smtplib.SMTPAuthenticationError with the server's words and never the password, and LoginRefused when no
    mechanism is left.
    """
    server.ehlo_or_helo_if_needed()
    who = Credentials(config.username or "", config.username or "", config.password)
    code, refusals = 535, list[str]()
    for name in _chosen(config, server.esmtp_features.get("auth", "").upper().split()):
        code, said = _by(server, name, MAKERS[name](who))
        if code == 235:
            return
        words = said.decode("utf-8", "replace")
        refusals.append(f"{name}: {words.replace(config.password, '***') if config.password else words}")
        if not 500 <= code < 600:
            break
    raise smtplib.SMTPAuthenticationError(code, "; ".join(refusals).encode())


def _chosen(config: SmtpConfig, offered: Collection[str]) -> tuple[str, ...]:
    """Given what the server offers, return what is tried. Raise LoginRefused when that is nothing.

    A server that locks accounts must not do so because of us: there is an end to the tries, and the last one sends the
    password itself where that is allowed, since that is good for whatever form a server keeps passwords in.
    """
    wanted = config.login.upper()
    possible = [name for name in RANK if name in MAKERS and name not in BY_TOKEN]
    possible = [name for name in possible if name == wanted or (wanted == "AUTO" and name != "NTLM")]
    if config.prevent_cleartext_login:
        possible = [name for name in possible if name not in SENDS_SECRET]
    if config.prevent_ntlm:
        possible = [name for name in possible if name != "NTLM"]
    chosen = [name for name in possible if name in offered]
    if not chosen:
        words = f"the server offers {', '.join(offered) or 'none'}; allowed here: {', '.join(possible) or 'none'}"
        raise LoginRefused(f"no login that settings and server both allow: {words}")
    first, rest = chosen[: MOST_TRIES - 1], chosen[MOST_TRIES - 1 :]
    return (*first, *([name for name in rest if name in SENDS_SECRET] or rest)[:1])


def _by(server: smtplib.SMTP, name: str, mechanism: Mechanism) -> tuple[int, bytes]:
    """Given a mechanism, log in by it, a challenge a line, until the server says yes or no. Return its last word.

    PLAIN goes with the command itself: some servers take it in no other way. An old Exchange begins NTLM with words
    in place of a challenge.
    """
    if name == "PLAIN":
        return server.docmd("AUTH", f"PLAIN {_line(mechanism.answer(b''))}")
    code, said = server.docmd("AUTH", name)
    for number in range(MOST_CHALLENGES):
        if code != 334:
            break
        try:
            challenge = b64decode(said, validate=True)
        except ValueError:
            challenge = b""
        answer = mechanism.answer(b"" if number == 0 and name == "NTLM" else challenge)
        code, said = server.docmd("*" if answer is None else _line(answer))
    return code, said


def _line(answer: bytes | None) -> str:
    return b64encode(answer or b"").decode()
