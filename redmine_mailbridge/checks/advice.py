"""The riddles of mail servers: what they say when something fails, and what to do about it.

Each row is words of a server (or of this machine's network), in lower case, and one line of advice. The first row
whose words all stand in the text wins, so that the particular stands before the general.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from redmine_mailbridge.errors import LoginRefused

Row = tuple[tuple[str, ...], str]

_WRONG_SCOPE: Final = (
    "The token does not cover mail. Google wants the scope https://mail.google.com/, Microsoft IMAP.AccessAsUser.All "
    "(POP.AccessAsUser.All, SMTP.Send) and offline_access; after a change sign in again."
)

MICROSOFT: Final[tuple[Row, ...]] = (
    (
        ("authenticated but not connected",),
        "Exchange knows who signs in, but opens no mailbox of that name: is the username the mailbox's own address, "  # noqa: ISC004 - one line of advice
        "is IMAP on for it, has it a licence, and has who signs in full access to it?",
    ),
    (
        ("smtpclientauthentication is disabled",),
        "Switch on Authenticated SMTP for this mailbox: admin centre, the user, Mail, Manage email apps.",
    ),
    (("5.7.57",), "The server takes no mail without a login: give outgoing.username and a password or OAuth."),
    (("basic authentication is disabled",), "Passwords are not taken there any more: sign in with OAuth."),
    (("basicauthblocked",), "Passwords are not taken there any more: sign in with OAuth."),
    (("aadsts7000215",), "The client secret is wrong: take the secret's value, not its id."),
    (("aadsts7000222",), "The client secret has run out: make a new one in the app registration."),
    (("aadsts700016",), "The application is not known in this directory: check client id and tenant."),
    (("aadsts65001",), "Nobody has agreed to what the application may do: sign in again, or have an admin consent."),
    (("aadsts70011",), _WRONG_SCOPE),
    (("aadsts700082",), "The sign-in has run out: sign in again."),
    (("aadsts50076",), "A second factor is wanted: sign in again in a browser."),
    (("aadsts53003",), "A conditional access policy forbids this sign-in: ask the directory's administrator."),
)

GOOGLE: Final[tuple[Row, ...]] = (
    (
        ("application-specific password required",),
        "Google wants an app password here, not the account's: https://myaccount.google.com/apppasswords, or OAuth.",
    ),
    (
        ("invalidsecondfactor",),
        "Google wants an app password here, not the account's: https://myaccount.google.com/apppasswords, or OAuth.",
    ),
    (
        ("username and password not accepted",),
        "Google takes app passwords (16 letters) and OAuth only; the account's own password never.",
    ),
    (
        ("web browser",),
        "Google is suspicious: sign in once in a browser with this account, and use an app password or OAuth.",
    ),
    (("webalert",), "Google is suspicious: sign in once in a browser with this account, then try again."),
    (
        ("exceeded command or bandwidth limits",),
        "The account has used up its allowance: wait up to a day, and read less often.",
    ),
    (('"scope":"https://mail.google.com/"',), _WRONG_SCOPE),
    (("invalid_grant",), "The sign-in was revoked or has run out: sign in again."),
    (("invalid_scope",), _WRONG_SCOPE),
    (("insufficient_scope",), _WRONG_SCOPE),
    (("offline_access",), _WRONG_SCOPE),
    (("invalid_token",), "The server does not take the token: sign in again, with the account that owns the mailbox."),
    (("refresh token",), "There is no token to renew the sign-in with: sign in again, with the scope offline_access."),
)

APPLICATION: Final[tuple[Row, ...]] = (
    (
        ("invalid_client",),
        "The provider does not take the application: are client_id and client secret right, and has it not run out?",
    ),
    (
        ("unauthorized_client",),
        "The application may not sign in this way: allow it in its registration (for --device: public client flows).",
    ),
    (("redirect_uri",), "Register http://localhost and http://127.0.0.1/ as redirect URIs of the application."),
    (("access_denied",), "Whoever signed in, or their administrator, said no: sign in again and agree."),
)
"""What a provider says of the application (RFC 6749 sections 4.1.2.1 and 5.2)."""


def _switched_off(what: str, names: Iterable[str]) -> tuple[Row, ...]:
    """The ways of saying that a protocol is off for an account."""
    line = f"{what} is switched off for this account: switch it on in the provider's settings."
    verbs = ("is disabled", "disabled", "is deactivated", "is not enabled", "not enabled", "is turned off")
    return tuple(((f"{name} {verb}",), line) for name in names for verb in verbs)


ACCOUNT: Final[tuple[Row, ...]] = (
    (("not enabled for imap",), "IMAP is switched off for this account: switch it on in the provider's settings."),
    (("not enabled for pop",), "POP is switched off for this account: switch it on in the provider's settings."),
    *_switched_off("IMAP", ("imap", "imap4", "imap access")),
    *_switched_off("POP", ("pop", "pop3", "pop access", "pop3 access")),
    (("imap is not allowed",), "IMAP is not allowed for this account: the provider's settings or plan must allow it."),
    (("app password",), "The provider wants an app password here: make one in the account's security settings."),
    (("application password",), "The provider wants an app password: make one in the account's security settings."),
    (("app-specific password",), "The provider wants an app password: make one in the account's security settings."),
    (("authenticationfailed", "too many"), "Too many wrong logins: the server blocks them for a while."),
    (("[expired]",), "The password has run out: set a new one at the provider."),
    (
        ("authorizationfailed",),
        "The login is right, but it may not open this mailbox: check the rights of the shared one.",
    ),
    (("contactadmin",), "Only the server's administrator can help: the account is locked or not set up."),
    (("temporarily locked",), "The account is locked for a while, mostly after wrong passwords."),
    (("account", "locked"), "The account is locked: unlock it at the provider, then mend the password here."),
    (("mailbox", "suspended"), "The provider has suspended the mailbox."),
    (("too many simultaneous",), "Others are connected to this account already: close some, or read fewer folders."),
    (("maximum number of connections",), "Others are connected to this account already: close some of them."),
    (("too many connections",), "Others are connected to this account already: close some of them."),
    (("quota",), "The mailbox is full: make room in it, or nothing can be moved."),
)

NETWORK: Final[tuple[Row, ...]] = (
    (
        ("hostname mismatch",),
        "The certificate is for other names: write host as one of them, if it is your provider's.",
    ),
    (("ip address mismatch",), "The certificate is for names, not for this number: write the server's name as host."),
    (
        ("certificate has expired",),
        "Whoever runs the server must renew its certificate; or this machine's clock is wrong.",
    ),
    (("certificate is not yet valid",), "Is this machine's clock right?"),
    (("self-signed certificate",), "Give ca_file when the server's certificate is your own authority's."),
    (("self signed certificate",), "Give ca_file when the server's certificate is your own authority's."),
    (("certificate is not accepted",), "Give ca_file when the server's certificate is your own authority's."),
    (("certificate_verify_failed",), "Give ca_file when the server's certificate is your own authority's."),
    (("name or service not known",), "Is host written right, and does this machine's DNS know it?"),
    (("no address associated",), "Is host written right? The name is there, but has no address."),
    (("temporary failure in name resolution",), "This machine's DNS does not answer: is the network up?"),
    (("connection refused",), "Nothing listens there: is the port right (it goes by security), and is the server up?"),
    (("network is unreachable",), "This machine has no way there: network, routing, IPv6?"),
    (("no route to host",), "This machine has no way there: network, routing, a firewall?"),
    (("wrong version number",), 'The server speaks no TLS on this port: security = "starttls", or another port.'),
    (("record layer failure",), 'The server speaks no TLS on this port: security = "starttls", or another port.'),
    (("unsupported protocol",), "The server knows only old TLS (1.0, 1.1), which is not spoken any more."),
    (("handshake failure",), "Server and this machine share no way to encrypt: is the server very old?"),
    (
        ("starttls", "not supported"),
        'The server offers no STARTTLS on this port: security = "tls", with port 993 (IMAP), 995 (POP3) or 465 (SMTP).',
    ),
    (
        ("tls not supported",),
        'The server offers no STARTTLS on this port: security = "tls", with port 993 (IMAP), 995 (POP3) or 465 (SMTP).',
    ),
    (("plaintext authentication disallowed",), 'The server wants TLS first: security = "starttls" or "tls".'),
    (("privacyrequired",), 'The server wants TLS first: security = "starttls" or "tls".'),
    (("logindisabled",), 'The server takes no login without TLS: security = "starttls" or "tls".'),
    (("without tls no password is sent",), 'Set security = "tls" or "starttls".'),
    (("no answer in time",), "A firewall, or another port than this security belongs to (tls: 993, 995)."),
    (("timed out",), "A firewall, or another port than this security belongs to (tls: 465; starttls: 587)."),
)

LOGIN: Final[tuple[Row, ...]] = (
    (
        ("no login that settings and server both allow",),
        "Change login or prevent_cleartext_login, or ask the server's administrator for a mechanism that both know.",
    ),
)

RIDDLES: Final[tuple[Row, ...]] = (*MICROSOFT, *GOOGLE, *APPLICATION, *ACCOUNT, *NETWORK, *LOGIN)

LOGIN_ADVICE: Final = "Are username and password right? Some providers want an app password, or have IMAP switched off."
ABOUT_SIGN_INS: Final = "May who signed in open that mailbox, do the scopes cover mail, and is IMAP or POP on for it?"
_NO_PASSWORDS: Final = ("outlook.office365.com", "smtp.office365.com", "smtp-mail.outlook.com", "outlook.office.com")


def advice(text: str, rows: Sequence[Row] = RIDDLES) -> str:
    """Given what a server said, return the line of advice for it, or an empty text."""
    low = text.lower()
    return next((line for needles, line in rows if _all_in(needles, low)), "")


def with_advice(text: str) -> str:
    """Given what a server said, return it with the line of advice for it below, where there is one."""
    line = advice(text)
    return f"{text}\n{line}" if line else text


@contextmanager
def advising() -> Iterator[None]:
    """Put the line of advice below a refusal that passes by."""
    try:
        yield
    except LoginRefused as refused:
        raise LoginRefused(with_advice(str(refused))) from None


def login_advice(text: str, host: str, *, by_token: bool = False, preset_advice: str = "") -> str:
    """Given the server's refusal of a login, return what to do: its own riddle, the provider's way, or the usual."""
    found = advice(text)
    if found:
        return found
    if by_token:
        return ABOUT_SIGN_INS
    if host.lower() in _NO_PASSWORDS:
        return "Microsoft takes no passwords there any more: sign in with OAuth."
    return preset_advice or LOGIN_ADVICE


def _all_in(needles: Iterable[str], text: str) -> bool:
    return all(needle in text for needle in needles)
