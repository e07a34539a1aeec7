"""Selects the mechanisms to try, strongest first, and creates them."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from redmine_mailbridge.errors import LoginRefused
from redmine_mailbridge.model.mailbox import LoginChoice, MailboxConfig
from redmine_mailbridge.sasl.bearer import OauthBearer, Xoauth2
from redmine_mailbridge.sasl.bearer_messages import BY_TOKEN
from redmine_mailbridge.sasl.cram_md5 import CramMd5
from redmine_mailbridge.sasl.login import Login
from redmine_mailbridge.sasl.mechanism import Credentials, Mechanism
from redmine_mailbridge.sasl.ntlm import Ntlm
from redmine_mailbridge.sasl.plain import Plain
from redmine_mailbridge.util.lazy import lazy_import

if TYPE_CHECKING:
    from redmine_mailbridge.sasl import scram
else:  # scramp loads all of asn1crypto
    scram = lazy_import("redmine_mailbridge.sasl.scram")

MECHANISMS: Mapping[str, Callable[[Credentials], Mechanism]] = {
    "SCRAM-SHA-256": lambda who: scram.Scram(who, "SCRAM-SHA-256"),
    "SCRAM-SHA-1": lambda who: scram.Scram(who, "SCRAM-SHA-1"),
    "CRAM-MD5": CramMd5,
    "OAUTHBEARER": OauthBearer,
    "XOAUTH2": Xoauth2,
    "PLAIN": Plain,
    "LOGIN": Login,
    "NTLM": Ntlm,
}
"""The SASL mechanisms. APOP belongs to POP3, and is not a SASL mechanism."""

RANK = ("SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "APOP", "OAUTHBEARER", "XOAUTH2", "PLAIN", "LOGIN", "NTLM")
"""Strongest first. NTLM is last because it is only ever tried alone."""

SENDS_SECRET = frozenset({"PLAIN", "LOGIN", *BY_TOKEN})
CARRIES_MAILBOX = frozenset({"SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", *BY_TOKEN})
"""Those that can name a shared mailbox in addition to the user."""

MOST_TRIES = 3
"""A server that locks accounts after a few failures must not do so because of one pass of the bridge.

The last try is a mechanism that sends the password itself, if that is allowed: it works with every form in which a
server stores passwords, while many servers offer mechanisms that their stored form does not support.
"""


def choose(config: MailboxConfig, who: Credentials, offered: Iterable[str], *, private: bool) -> tuple[str, ...]:
    """Given the settings, the mechanisms a server offers and whether the connection is private, return what to try.

    `private` means TLS, loopback, or a setting that allows clear text. Raise LoginRefused, with the offered
    mechanisms and what excludes them, if none is left.
    """
    offers = frozenset(name.upper() for name in offered)
    configured = config.login.value.upper()
    possible = tuple(name for name in RANK if allowed(name, config, who, private=private))
    if config.login is not LoginChoice.AUTO:
        possible = tuple(name for name in possible if name == configured)
    chosen = tuple(name for name in possible if name in offers)
    if chosen:
        return limited(chosen)
    text = f"mailbox {config.name}: no login mechanism is allowed by both settings and server"
    text += f": the server offers {', '.join(sorted(offers)) or 'none'}; allowed here: {', '.join(possible) or 'none'}"
    if not private and offers & SENDS_SECRET:
        text += ' (without TLS no password is sent: set security = "tls" or "starttls")'
    raise LoginRefused(text)


def limited(chosen: tuple[str, ...]) -> tuple[str, ...]:
    """Given the mechanisms that may be tried, strongest first, return at most `MOST_TRIES` of them."""
    first, rest = chosen[: MOST_TRIES - 1], chosen[MOST_TRIES - 1 :]
    return first + (tuple(name for name in rest if name in SENDS_SECRET) or rest)[:1]


def allowed(name: str, config: MailboxConfig, who: Credentials, *, private: bool) -> bool:
    """Given a mechanism, return whether settings, credentials and connection allow it."""
    if (name in BY_TOKEN) != bool(who.token):
        return False
    if name in SENDS_SECRET and not private:
        return False
    if name in SENDS_SECRET.difference(BY_TOKEN) and config.prevent_cleartext_login:
        return False
    if name == "NTLM" and (config.login is not LoginChoice.NTLM or config.prevent_ntlm):
        return False
    return not who.authorize_as or name in CARRIES_MAILBOX
