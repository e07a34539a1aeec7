"""What servers say, and the advice for it."""

import pytest

from redmine_mailbridge.checks.advice import ABOUT_SIGN_INS, LOGIN_ADVICE, RIDDLES, advice, login_advice

SAID = {
    "A0001 BAD User is authenticated but not connected.": "opens no mailbox of that name",
    "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit "
    "https://aka.ms/smtp_auth_disabled for more information.": "Enable Authenticated SMTP",
    "535 5.7.139 Authentication unsuccessful, basic authentication is disabled.": "sign in with OAuth",
    "530 5.7.57 Client not authenticated to send mail.": "without a login",
    "[ALERT] Application-specific password required: https://support.google.com/accounts/answer/185833 (Failure)": (
        "app password"
    ),
    "534 5.7.9 Application-specific password required.": "app password",
    "[ALERT] Please log in via your web browser: https://support.google.com/mail/accounts/answer/78754 (Failure)": (
        "in a browser"
    ),
    "[WEBALERT https://accounts.google.com/signin/continue?sarp=1] Web login required. (Failure)": "in a browser",
    "535 5.7.8 Username and Password not accepted. For more information, go to": "app passwords",
    "[ALERT] Your account is not enabled for IMAP use. Please visit your Gmail settings page.": "IMAP is disabled",
    "-ERR [SYS/PERM] Your account is not enabled for POP access.": "POP is disabled",
    "NO IMAP access is disabled for this account": "IMAP is disabled",
    "NO [ALERT] Too many simultaneous connections. (Failure)": "Others are connected",
    "NO [UNAVAILABLE] Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)": (
        "Others are connected"
    ),
    "[OVERQUOTA] Account exceeded command or bandwidth limits.": "used up its quota",
    '{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}': "does not cover mail",
    '{"error":"invalid_grant","error_description":"Token has been expired or revoked."}': "sign in again",
    "AADSTS7000215: Invalid client secret provided.": "client secret is wrong",
    "AADSTS65001: The user or administrator has not consented to use the application": "no consent yet",
    "oauth ms (Microsoft): invalid_client: client authentication failed": "client_id and client secret",
    "oauth local: the provider says: access_denied the person said no": "sign in again and agree",
    "NO [AUTHORIZATIONFAILED] Authorization failed": "may not open this mailbox",
    "NO [PRIVACYREQUIRED] Plaintext authentication disallowed on non-secure (SSL/TLS) connections.": "requires TLS",
    "NO [EXPIRED] Password expired": "expired",
    "the server's certificate is not accepted: certificate has expired": "must renew",
    "the server's certificate is not accepted: Hostname mismatch, certificate is not valid for 'a'.": "other names",
    "the server's certificate is not accepted: self-signed certificate in certificate chain": "ca_file",
    "the server's certificate is not accepted: unable to get local issuer certificate": "ca_file",
    "cannot connect: [SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1016)": "does not speak TLS",
    "STARTTLS: TLS not supported by server": "offers no STARTTLS",
    "cannot log in: -ERR STLS not supported by server": "offers no STARTTLS",
    "Name or service not known": "spelling of host",
    "cannot connect: Connection refused": "Nothing listens there",
}


@pytest.mark.parametrize(("said", "wanted"), SAID.items())
def test_riddles(said: str, wanted: str) -> None:
    """What well-known servers say leads to the advice that helps, in one line."""
    found = advice(
        f"mailbox support (mail.example.com:993): the server refuses the login of a@example.com: PLAIN: {said}"
    )
    assert wanted in found
    assert "\n" not in found


def test_no_riddle() -> None:
    """What nobody has told us of gets no advice; neither do host names that look like a riddle."""
    assert not advice("NO [ALERT] Your mailbox is in another castle")
    assert not advice("mailbox imap (imap.disabled.example:993): NO not today")


def test_logins() -> None:
    """A refused login gets the riddle's advice, else the provider's own, else the usual one."""
    plain = "NO [AUTHENTICATIONFAILED] Authentication failed."
    assert LOGIN_ADVICE == login_advice(plain, "mail.example.com")
    assert "Make one." == login_advice(plain, "mail.example.com", preset_advice="Make one.")
    assert "OAuth" in login_advice("NO LOGIN failed.", "outlook.office365.com")
    assert ABOUT_SIGN_INS == login_advice("NO AUTHENTICATE failed.", "x", by_token=True, preset_advice="Make one.")
    assert "IMAP is disabled" in login_advice("NO IMAP is disabled", "x", preset_advice="Make one.")


def test_every_riddle_is_lower_case_and_reachable() -> None:
    """No row is hidden by one before it, and all are written as they are compared."""
    for needles, line in RIDDLES:
        assert all(needle == needle.lower() for needle in needles)
        assert line == advice(" ".join(needles)), needles
