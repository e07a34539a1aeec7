"""What is known of Google and Microsoft: addresses, scopes and peculiarities, each with the page that says so."""

from redmine_mailbridge.oauth.model import Endpoints

# https://developers.google.com/identity/protocols/oauth2/native-app and .../service-account
GOOGLE = Endpoints(
    token="https://oauth2.googleapis.com/token",  # noqa: S106 - an address
    authorization="https://accounts.google.com/o/oauth2/v2/auth",
    device="",
    revocation="https://oauth2.googleapis.com/revoke",
)

# https://developers.google.com/workspace/gmail/imap/xoauth2-protocol
GOOGLE_SCOPES = ("https://mail.google.com/", "openid", "email")
GOOGLE_SERVICE_SCOPES = ("https://mail.google.com/",)

# without these, Google gives a refresh token at the very first sign-in only
GOOGLE_ASKED = (("access_type", "offline"), ("prompt", "consent"))

# https://developers.google.com/identity/protocols/oauth2/limited-input-device#allowedscopes
GOOGLE_NO_DEVICE = "Google does not allow device codes for mail: sign in by browser"

# https://learn.microsoft.com/exchange/client-developer/legacy-protocols/how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth
MICROSOFT_SCOPES = (
    "https://outlook.office.com/IMAP.AccessAsUser.All",
    "https://outlook.office.com/POP.AccessAsUser.All",
    "https://outlook.office.com/SMTP.Send",
    "offline_access",
    "openid",
    "email",
    "profile",
)
# https://learn.microsoft.com/graph/permissions-reference: for protocol = "graph"
MICROSOFT_GRAPH_SCOPES = (
    "https://graph.microsoft.com/Mail.ReadWrite",
    "https://graph.microsoft.com/Mail.ReadWrite.Shared",
    "offline_access",
    "openid",
    "email",
    "profile",
)
# https://learn.microsoft.com/graph/api/user-sendmail: for transport = "graph"
MICROSOFT_GRAPH_SENDING_SCOPES = (
    "https://graph.microsoft.com/Mail.Send",
    "https://graph.microsoft.com/Mail.Send.Shared",
    *MICROSOFT_GRAPH_SCOPES,
)
MICROSOFT_GRAPH_APPLICATION_SCOPES = ("https://graph.microsoft.com/.default",)
MICROSOFT_APPLICATION_SCOPES = ("https://outlook.office365.com/.default",)


def microsoft(tenant: str) -> Endpoints:
    """Given a tenant (its domain or id, or common, organizations, consumers), return where Microsoft is asked what.

    Source: https://learn.microsoft.com/entra/identity-platform/v2-protocols
    """
    base = f"https://login.microsoftonline.com/{tenant}/oauth2/v2.0"
    return Endpoints(token=f"{base}/token", authorization=f"{base}/authorize", device=f"{base}/devicecode")
