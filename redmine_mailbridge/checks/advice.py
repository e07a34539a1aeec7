"""Cryptic errors of mail servers, and what to do about each.

Each row has phrases of a server (or of this machine's network), in lower case, and one line of advice. The first row
whose phrases all occur in the text applies, so specific rows come before general ones.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from redmine_mailbridge.errors import LoginRefused

AdviceRow = tuple[tuple[str, ...], str]

_WRONG_SCOPE: Final = (
    "The token does not cover mail. Google needs the scope https://mail.google.com/, Microsoft IMAP.AccessAsUser.All "
    "(POP.AccessAsUser.All, SMTP.Send) and offline_access; after a change sign in again."
)

MICROSOFT: Final[tuple[AdviceRow, ...]] = (
    (
        ("authenticated but not connected",),
        "Exchange accepts the sign-in but opens no mailbox of that name: check that username is its own address, "  # noqa: ISC004 - one line of advice
        "that IMAP is enabled and licensed for it, and that the account signed in has full access to it.",
    ),
    (
        ("smtpclientauthentication is disabled",),
        "Enable Authenticated SMTP for this mailbox: admin centre, the user, Mail, Manage email apps.",
    ),
    (
        ("mailboxnotenabledforrestapi",),
        "Microsoft Graph reaches no mailbox of that name: it needs an Exchange Online licence, and must not lie on a "  # noqa: ISC004 - one line of advice
        "server of your own.",
    ),
    (
        ("erroraccessdenied",),
        "The application may not do that with this mailbox: grant Mail.Send and Mail.ReadWrite with an admin's "  # noqa: ISC004 - one line of advice
        "consent, put the mailbox into the scope of its role (RBAC for Applications), and sign in again.",
    ),
    (
        ("errorsendasdenied",),
        "The mailbox may not send as the From address: remove outgoing.from_address, or grant the right Send As.",
    ),
    (("5.7.57",), "The server accepts no mail without a login: set outgoing.username and a password or OAuth."),
    (("basic authentication is disabled",), "Passwords are no longer accepted there: sign in with OAuth."),
    (("basicauthblocked",), "Passwords are no longer accepted there: sign in with OAuth."),
    (("aadsts7000215",), "The client secret is wrong: use the secret's value, not its id."),
    (("aadsts7000222",), "The client secret has expired: create a new one in the app registration."),
    (("aadsts700016",), "The application does not exist in this directory: check client id and tenant."),
    (("aadsts65001",), "The application has no consent yet: sign in again and agree, or have an admin consent."),
    (("aadsts70011",), _WRONG_SCOPE),
    (("aadsts700082",), "The sign-in has expired: sign in again."),
    (("aadsts50076",), "A second factor is required: sign in again in a browser."),
    (("aadsts53003",), "A conditional access policy blocks this sign-in: ask the directory's administrator."),
)

GOOGLE: Final[tuple[AdviceRow, ...]] = (
    (
        ("application-specific password required",),
        "Google requires an app password here, not the account's: https://myaccount.google.com/apppasswords, or OAuth.",
    ),
    (
        ("invalidsecondfactor",),
        "Google requires an app password here, not the account's: https://myaccount.google.com/apppasswords, or OAuth.",
    ),
    (
        ("username and password not accepted",),
        "Google accepts only app passwords (16 letters) and OAuth, never the account's own password.",
    ),
    (
        ("web browser",),
        "Google is suspicious: sign in once in a browser with this account, and use an app password or OAuth.",
    ),
    (("webalert",), "Google is suspicious: sign in once in a browser with this account, then try again."),
    (
        ("exceeded command or bandwidth limits",),
        "The account has used up its quota of commands: wait up to a day, and read less often.",
    ),
    (('"scope":"https://mail.google.com/"',), _WRONG_SCOPE),
    (("invalid_grant",), "The sign-in was revoked or has expired: sign in again."),
    (("invalid_scope",), _WRONG_SCOPE),
    (("insufficient_scope",), _WRONG_SCOPE),
    (("offline_access",), _WRONG_SCOPE),
    (("invalid_token",), "The server does not accept the token: sign in again with the account that owns the mailbox."),
    (
        ("refresh token",),
        "The sign-in cannot be renewed without a refresh token: sign in again with the scope offline_access.",
    ),
)

APPLICATION: Final[tuple[AdviceRow, ...]] = (
    (
        ("invalid_client",),
        "The provider rejects the application: check client_id and client secret, and that the secret has not expired.",
    ),
    (
        ("unauthorized_client",),
        "The application may not sign in this way: allow it in its registration (for --device: public client flows).",
    ),
    (("redirect_uri",), "Register http://localhost and http://127.0.0.1/ as redirect URIs of the application."),
    (("access_denied",), "The user or an administrator declined: sign in again and agree."),
)
"""What a provider reports about the application (RFC 6749 sections 4.1.2.1 and 5.2)."""


def _switched_off(what: str, names: Iterable[str]) -> tuple[AdviceRow, ...]:
    """The phrases for a protocol that is disabled for an account."""
    line = f"{what} is disabled for this account: enable it in the provider's settings."
    verbs = ("is disabled", "disabled", "is deactivated", "is not enabled", "not enabled", "is turned off")
    return tuple(((f"{name} {verb}",), line) for name in names for verb in verbs)


ACCOUNT: Final[tuple[AdviceRow, ...]] = (
    (("not enabled for imap",), "IMAP is disabled for this account: enable it in the provider's settings."),
    (("not enabled for pop",), "POP is disabled for this account: enable it in the provider's settings."),
    *_switched_off("IMAP", ("imap", "imap4", "imap access")),
    *_switched_off("POP", ("pop", "pop3", "pop access", "pop3 access")),
    (("imap is not allowed",), "IMAP is not allowed for this account: the provider's settings or plan must allow it."),
    (("app password",), "The provider requires an app password: create one in the account's security settings."),
    (
        ("application password",),
        "The provider requires an app password: create one in the account's security settings.",
    ),
    (
        ("app-specific password",),
        "The provider requires an app password: create one in the account's security settings.",
    ),
    (("authenticationfailed", "too many"), "Too many wrong logins: the server blocks them for a while."),
    (("[expired]",), "The password has expired: set a new one at the provider."),
    (
        ("authorizationfailed",),
        "The login is right but may not open this mailbox: check the permissions on the shared mailbox.",
    ),
    (("contactadmin",), "Only the server's administrator can help: the account is locked or not set up."),
    (("temporarily locked",), "The account is locked for a while, mostly after wrong passwords."),
    (("account", "locked"), "The account is locked: unlock it at the provider, then correct the password here."),
    (("mailbox", "suspended"), "The provider has suspended the mailbox."),
    (("too many simultaneous",), "Others are connected to this account already: close some, or read fewer folders."),
    (("maximum number of connections",), "Others are connected to this account already: close some of them."),
    (("too many connections",), "Others are connected to this account already: close some of them."),
    (("quota",), "The mailbox is full: delete messages, or nothing can be moved."),
)

NETWORK: Final[tuple[AdviceRow, ...]] = (
    (
        ("hostname mismatch",),
        "The certificate is for other names: write host as one of them, if it is your provider's.",
    ),
    (("ip address mismatch",), "The certificate is for names, not for this number: write the server's name as host."),
    (
        ("certificate has expired",),
        "The server's operator must renew its certificate, or this machine's clock is wrong.",
    ),
    (("certificate is not yet valid",), "Check this machine's clock."),
    (("self-signed certificate",), "Give ca_file when the server's certificate is your own authority's."),
    (("self signed certificate",), "Give ca_file when the server's certificate is your own authority's."),
    (("certificate is not accepted",), "Give ca_file when the server's certificate is your own authority's."),
    (("certificate_verify_failed",), "Give ca_file when the server's certificate is your own authority's."),
    (("name or service not known",), "Check the spelling of host, and that this machine's DNS resolves it."),
    (("no address associated",), "Check the spelling of host: the name exists but has no address."),
    (("temporary failure in name resolution",), "This machine's DNS does not answer: check the network."),
    (("connection refused",), "Nothing listens there: check port (it depends on security), and that the server is up."),
    (("network is unreachable",), "This machine has no route to it: check network, routing and IPv6."),
    (("no route to host",), "This machine has no route to it: check network, routing and firewall."),
    (
        ("wrong version number",),
        'The server does not speak TLS on this port: set security = "starttls", or another port.',
    ),
    (
        ("record layer failure",),
        'The server does not speak TLS on this port: set security = "starttls", or another port.',
    ),
    (("unsupported protocol",), "The server supports only TLS 1.0 or 1.1, which are no longer supported."),
    (("handshake failure",), "The server and this machine share no cipher: the server may be very old."),
    (
        ("starttls", "not supported"),
        'The server offers no STARTTLS on this port: set security = "tls" (port: IMAP 993, POP3 995, SMTP 465).',
    ),
    (
        ("tls not supported",),
        'The server offers no STARTTLS on this port: set security = "tls" (port: IMAP 993, POP3 995, SMTP 465).',
    ),
    (("plaintext authentication disallowed",), 'The server requires TLS: set security = "starttls" or "tls".'),
    (("privacyrequired",), 'The server requires TLS: set security = "starttls" or "tls".'),
    (("logindisabled",), 'The server accepts no login without TLS: set security = "starttls" or "tls".'),
    (("without tls no password is sent",), 'Set security = "tls" or "starttls".'),
    (("no answer in time",), "A firewall, or another port than this security belongs to (tls: 993, 995)."),
    (("timed out",), "A firewall, or another port than this security belongs to (tls: 465; starttls: 587)."),
)

LOGIN: Final[tuple[AdviceRow, ...]] = (
    (
        ("no login mechanism is allowed by both settings and server",),
        "Change login or prevent_cleartext_login, or ask the server's administrator for a mechanism that both know.",
    ),
)

RIDDLES: Final[tuple[AdviceRow, ...]] = (*MICROSOFT, *GOOGLE, *APPLICATION, *ACCOUNT, *NETWORK, *LOGIN)

_ADDRESS_OF_REDMINE: Final = (
    "Check the path in [redmine] url: it is the address of Redmine's home page without /login or /projects, such as "
    "https://example.com/redmine where Redmine runs below a path."
)
_PLAIN_HTTP: Final = (
    "The server speaks plain HTTP on this port: check scheme and port of [redmine] url, such as http://… or https://… "
    "without a port."
)
_KEY: Final = (
    "Copy the key again: sign in to Redmine as the bridge's user, My account, API access key, Show; put it into "
    "[redmine] api_key or api_key_file."
)
_HTTPS: Final = "If the server speaks HTTPS on this port, write https:// in [redmine] url."
_AUTHORITY: Final = "Set [redmine] ca_file if your own authority issued the server's certificate."

_CLIENT_CERTIFICATE: Final = (
    "Set [redmine] client_certificate_file and client_key_file to a certificate that this gateway accepts."
)
_PROXY_LOGIN: Final = "The proxy refuses: check [redmine] proxy, proxy_user and proxy_password_file."

REDMINE: Final[tuple[AdviceRow, ...]] = (
    (("tunnel connection failed",), _PROXY_LOGIN),
    (("requires a client certificate",), _CLIENT_CERTIFICATE),
    (("certificate required",), _CLIENT_CERTIFICATE),
    (("alert", "certificate"), _CLIENT_CERTIFICATE),
    (("does not accept the api key",), _KEY),
    (("wrong version number",), _PLAIN_HTTP),
    (("record layer failure",), _PLAIN_HTTP),
    (("not understood (400)",), _HTTPS),
    (("certificate", "is not accepted"), _AUTHORITY),
    (("certificate_verify_failed",), _AUTHORITY),
    (("name or service not known",), "Check the host name in [redmine] url, and that this machine's DNS resolves it."),
    (("temporary failure in name resolution",), "This machine's DNS does not answer: check its network."),
    (("connection refused",), "Nothing listens there: check host and port in [redmine] url, and that Redmine runs."),
    (("(404)",), _ADDRESS_OF_REDMINE),
    (("this is not a redmine",), _ADDRESS_OF_REDMINE),
)
"""What Redmine, or what answers at its address, says of the first request."""

LOGIN_ADVICE: Final = (
    "Check username and password. Some providers require an app password, or have IMAP disabled by default."
)
ABOUT_SIGN_INS: Final = (
    "Check that the account signed in may open that mailbox, that the scopes cover mail, and that IMAP or POP is on."
)
_NO_PASSWORDS: Final = ("outlook.office365.com", "smtp.office365.com", "smtp-mail.outlook.com", "outlook.office.com")


def advice(text: str, rows: Sequence[AdviceRow] = RIDDLES) -> str:
    """Given a server's words, return the line of advice for them, or an empty text."""
    low = text.lower()
    return next((line for needles, line in rows if _all_in(needles, low)), "")


def with_advice(text: str, rows: Sequence[AdviceRow] = RIDDLES) -> str:
    """Given a server's words, return them with the line of advice for them below, where there is one."""
    return with_line(text, advice(text, rows))


def with_line(text: str, line: str) -> str:
    """Given a text and a line of advice, return the text with the line below, if there is one."""
    return f"{text}\n{line}" if line else text


@contextmanager
def advising() -> Iterator[None]:
    """Within the block, add the line of advice to a LoginRefused."""
    try:
        yield
    except LoginRefused as refused:
        raise LoginRefused(with_advice(str(refused))) from None


def login_advice(text: str, host: str, *, by_token: bool = False, preset_advice: str = "") -> str:
    """Given the server's refusal of a login, return what to do: specific advice, the provider's, or the general one."""
    specific = advice(text)
    if specific:
        return specific
    if by_token:
        return ABOUT_SIGN_INS
    if host.lower() in _NO_PASSWORDS:
        return "Microsoft no longer accepts passwords there: sign in with OAuth."
    return preset_advice or LOGIN_ADVICE


def _all_in(needles: Iterable[str], text: str) -> bool:
    return all(needle in text for needle in needles)
