"""The messages to a mail server with a token (XOAUTH2, OAUTHBEARER), and the meaning of its rejection."""

import json

BY_TOKEN = ("OAUTHBEARER", "XOAUTH2")
"""The mechanisms, the standard before Google's and Microsoft's own."""

_MEANINGS = {
    "invalid_token": "the token is invalid: it has expired, was revoked, or belongs to another account",
    "invalid_request": "the server does not understand the login",
    "insufficient_scope": "the token does not cover this",
    "400": "the token is invalid for this account or does not cover mail",
    "401": "the token is invalid: it has expired, was revoked, or belongs to another account",
    "403": "the token does not cover this",
}


def gs2_header(mailbox: str) -> str:
    """Given the mailbox to open, return the start of a message that opens it without channel binding (RFC 5801,
    section 4).
    """
    return f"n,a={mailbox.replace('=', '=3D').replace(',', '=2C')},"


def oauthbearer(user: str, token: str) -> bytes:
    """Given whose mailbox is opened and a token, return OAUTHBEARER's one message (RFC 7628, section 3.1)."""
    return f"{gs2_header(user)}\x01auth=Bearer {token}\x01\x01".encode()


def xoauth2(user: str, token: str) -> bytes:
    """Given the mailbox to open and a token, return XOAUTH2's one message.

    Source: https://developers.google.com/workspace/gmail/imap/xoauth2-protocol
    """
    return f"user={user}\x01auth=Bearer {token}\x01\x01".encode()


def in_words(challenge: bytes) -> str:
    """Given a server's error response (JSON, RFC 7628 section 3.2.2), return its meaning; or nothing."""
    try:
        response = json.loads(challenge[:4096])
    except (ValueError, RecursionError):
        return ""
    if not isinstance(response, dict):
        return ""
    status, scope = str(response.get("status", ""))[:60], str(response.get("scope", ""))[:200]
    words = _MEANINGS.get(status.lower(), "")
    return "; ".join(filter(None, (words, f"it requires the scope {scope}" if scope else "")))
