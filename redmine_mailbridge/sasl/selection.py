"""Chooses the mechanisms that are tried, strongest first, and makes them."""

from collections.abc import Callable, Iterable, Mapping

from redmine_mailbridge.errors import LoginRefused
from redmine_mailbridge.model.mailbox import LoginChoice, MailboxConfig
from redmine_mailbridge.sasl.bearer import OauthBearer, Xoauth2
from redmine_mailbridge.sasl.bearer_messages import BY_TOKEN
from redmine_mailbridge.sasl.cram_md5 import CramMd5
from redmine_mailbridge.sasl.login import Login
from redmine_mailbridge.sasl.mechanism import Credentials, Mechanism
from redmine_mailbridge.sasl.ntlm import Ntlm
from redmine_mailbridge.sasl.plain import Plain
from redmine_mailbridge.sasl.scram import Scram

MAKERS: Mapping[str, Callable[[Credentials], Mechanism]] = {
    "SCRAM-SHA-256": lambda who: Scram(who, "SCRAM-SHA-256"),
    "SCRAM-SHA-1": lambda who: Scram(who, "SCRAM-SHA-1"),
    "CRAM-MD5": CramMd5,
    "OAUTHBEARER": OauthBearer,
    "XOAUTH2": Xoauth2,
    "PLAIN": Plain,
    "LOGIN": Login,
    "NTLM": Ntlm,
}
"""The SASL mechanisms. APOP is POP3's own, and no SASL."""

RANK = ("SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "APOP", "OAUTHBEARER", "XOAUTH2", "PLAIN", "LOGIN", "NTLM")
"""Strongest first. NTLM stands last because it is only ever tried alone."""

SENDS_SECRET = frozenset({"PLAIN", "LOGIN", *BY_TOKEN})
CARRIES_MAILBOX = frozenset({"SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", *BY_TOKEN})
"""Those that can name a shared mailbox beside the one who signs in."""

MOST_TRIES = 3
"""A server that locks accounts after a few failures must not do so because of one pass of ours.

The last try is one that sends the password itself, where that is allowed: it is good for whatever form a server keeps
passwords in, while many offer mechanisms that their stored form cannot serve.
"""


def choose(config: MailboxConfig, who: Credentials, offered: Iterable[str], *, private: bool) -> tuple[str, ...]:
    """Given the settings, the mechanisms a server offers and whether nobody can listen, return what to try, in order.

    `private` means TLS, loopback, or a setting that allows clear text. Raise LoginRefused, with what was offered
    and what stood against it, when nothing is left.
    """
    have = frozenset(name.upper() for name in offered)
    wanted = config.login.value.upper()
    possible = tuple(name for name in RANK if allowed(name, config, who, private=private))
    if config.login is not LoginChoice.AUTO:
        possible = tuple(name for name in possible if name == wanted)
    chosen = tuple(name for name in possible if name in have)
    if chosen:
        first, rest = chosen[: MOST_TRIES - 1], chosen[MOST_TRIES - 1 :]
        return first + (tuple(name for name in rest if name in SENDS_SECRET) or rest)[:1]
    text = f"mailbox {config.name}: no login that settings and server both allow"
    text += f": the server offers {', '.join(sorted(have)) or 'none'}; allowed here: {', '.join(possible) or 'none'}"
    if not private and have & SENDS_SECRET:
        text += ' (without TLS no password is sent: set security = "tls" or "starttls")'
    raise LoginRefused(text)


def allowed(name: str, config: MailboxConfig, who: Credentials, *, private: bool) -> bool:
    """Given a mechanism, say whether settings, credentials and connection allow it."""
    if (name in BY_TOKEN) != bool(who.token):
        return False
    if name in SENDS_SECRET and not private:
        return False
    if name in SENDS_SECRET.difference(BY_TOKEN) and config.prevent_cleartext_login:
        return False
    if name == "NTLM" and (config.login is not LoginChoice.NTLM or config.prevent_ntlm):
        return False
    return not who.authorize_as or name in CARRIES_MAILBOX
