"""What a mail server means when it says no: is it about what was asked for, or about the server itself? Pure.

A server that speaks of itself (busy, throttling, a fault of its own) is an outage: whatever was asked for is asked for
again later, and no mail is blamed for it. Words prove little, though: Gmail says "System Error" and Yahoo "Server
error" to one and the same mail for ever while all others come. So this is the first half of the verdict only; the
second is what becomes of the other mails (see tasks/receive/fetch/fetch_each.py).

Sources: RFC 5530 (IMAP response codes), RFC 2449 section 8 and RFC 3206 (POP3 response codes), and what Gmail, Yahoo,
Exchange Online, Dovecot, Courier and Cyrus were seen to say where they give no code.
"""

import re
from typing import Final

from redmine_mailbridge.util.backoff import throttled

READ: Final = 2000
"""Characters of a server's words that are looked at."""

_SERVER_CODES: Final = (
    "UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG", "CONTACTADMIN", "CORRUPTION", "EXPUNGEISSUED",  # RFC 5530
    "SYS", "IN-USE", "LOGIN-DELAY",  # RFC 3206 (SYS/TEMP and SYS/PERM), RFC 2449
    "THROTTLED", "TEMPFAIL",  # Gmail and Yahoo
)  # fmt: skip
_OTHER_CODES: Final = (
    "AUTHENTICATIONFAILED", "AUTHORIZATIONFAILED", "EXPIRED", "PRIVACYREQUIRED", "NOPERM", "OVERQUOTA", "CANNOT",
    "ALREADYEXISTS", "NONEXISTENT", "CLIENTBUG", "TRYCREATE", "UNKNOWN-CTE", "READ-ONLY", "AUTH",
)  # fmt: skip
_CODE: Final = re.compile(r"(?:-ERR|NO|BAD)? {0,3}\[([A-Z-]{1,40})[] /]", re.IGNORECASE)

_SERVER_WORDS: Final = re.compile(
    r"system (?:error|problem|failure)|server error|internal (?:server )?(?:error|failure)"
    r"|(?:server|service)(?: is)?(?: temporarily)? (?:busy|unavailable|not available|overloaded)|temporar(?:y|il)"
    r"|try again|timed? ?-?out|too many|overload|maintenance|already locked|(?:is|mailbox) locked"
    r"|lock (?:busy|failed)|unable to lock|backend|lost connection|connection (?:lost|refused|closed|to )",
    re.IGNORECASE,
)
_SIGN_IN_WORDS: Final = re.compile(
    r"password|credential|authenticat|log-?(?:in|on) fail|user ?name|invalid log",
    re.IGNORECASE,
)


def code_of(reason: str) -> str:
    """Given what a server said, return its response code, upper case, without what follows "/" or a blank; "" for none.

    `-ERR [SYS/TEMP] …` has the code SYS, `[UNAVAILABLE] …` the code UNAVAILABLE.
    """
    match = _CODE.match(reason)
    return match[1].upper() if match is not None else ""


def about_server(reason: str) -> bool:
    """Given the words of a NO, BAD or -ERR, say whether the server speaks of itself and not of what was asked for.

    A response code decides where there is a known one; else its words do. What speaks of a password or a sign-in
    without such a code is about that.
    """
    reason = reason[:READ].strip()
    if throttled(reason):
        return True
    code = code_of(reason)
    if code in _SERVER_CODES or code in _OTHER_CODES:
        return code in _SERVER_CODES
    return _SERVER_WORDS.search(reason) is not None and _SIGN_IN_WORDS.search(reason) is None
