"""What is said to a mail server with a token (XOAUTH2, OAUTHBEARER), and what its refusal means in words."""

import json

BY_TOKEN = ("OAUTHBEARER", "XOAUTH2")
"""The mechanisms, the standard before Google's and Microsoft's own."""

_MEANINGS = {
    "invalid_token": "the token is not good: it has run out, was revoked, or is of another account",
    "invalid_request": "the server does not understand the login",
    "insufficient_scope": "the token does not cover this",
    "400": "the token is not good for this account or does not cover mail",
    "401": "the token is not good: it has run out, was revoked, or is of another account",
    "403": "the token does not cover this",
}


def gs2_header(mailbox: str) -> str:
    """Given whose mailbox is opened, return how a message begins that opens it without channel binding (RFC 5801,
    section 4).
    """
    return f"n,a={mailbox.replace('=', '=3D').replace(',', '=2C')},"


def oauthbearer(user: str, token: str, host: str = "", port: int = 0) -> bytes:
    """Given whose mailbox is opened and a token, return OAUTHBEARER's one message (RFC 7628, section 3.1)."""
    where = f"host={host}\x01port={port}\x01" if host else ""
    return f"{gs2_header(user)}\x01{where}auth=Bearer {token}\x01\x01".encode()


def xoauth2(user: str, token: str) -> bytes:
    """Given whose mailbox is opened and a token, return XOAUTH2's one message.

    Source: https://developers.google.com/workspace/gmail/imap/xoauth2-protocol
    """
    return f"user={user}\x01auth=Bearer {token}\x01\x01".encode()


def in_words(challenge: bytes) -> str:
    """Given what a server sent in place of a yes (JSON, RFC 7628 section 3.2.2), return what it means; or nothing."""
    try:
        said = json.loads(challenge[:4096])
    except (ValueError, RecursionError):
        return ""
    if not isinstance(said, dict):
        return ""
    status, scope = str(said.get("status", ""))[:60], str(said.get("scope", ""))[:200]
    words = _MEANINGS.get(status.lower(), "")
    return "; ".join(filter(None, (words, f"it wants the scope {scope}" if scope else "")))
