"""How long to pause requests to a server: its own request, and randomised pauses. Pure."""

import random
import re
from typing import Final

LONGEST: Final = 24 * 3600.0
"""Maximum pause, even if a server requests more: a day."""

_HINTS: Final = (
    # Exchange Online: "Request is throttled. Suggested Backoff Time: 299961 milliseconds"
    (re.compile(r"suggested backoff time:? {0,3}(\d{1,9}) {0,3}(?:milliseconds|ms)", re.IGNORECASE), 0.001),
    (re.compile(r"(?:retry|try again) (?:after|in) (\d{1,6}) {0,3}(?:seconds|sec|s)\b", re.IGNORECASE), 1.0),
    (re.compile(r"(?:retry|try again) (?:after|in) (\d{1,4}) {0,3}(?:minutes|min)\b", re.IGNORECASE), 60.0),
    # of Outlook.com, over POP3
    (re.compile(r"login limit for a (\d{1,4}) {0,3}minute", re.IGNORECASE), 60.0),
    # the bridge's own, from POP3's capability LOGIN-DELAY (RFC 2449 section 6.5)
    (re.compile(r"one login every (\d{1,6}) seconds"), 1.0),
)
_THROTTLED: Final = (
    "[throttled]", "is throttled", "suggested backoff time", "bandwidth limits", "rate limit", "too many requests",
    "too many commands", "exceeded the login limit", "[login-delay]",
)  # fmt: skip
"""Words of Exchange Online, Gmail, Yahoo, Amazon WorkMail and Outlook.com, and POP3's code; never caused by a
message."""


def hint(text: str) -> float | None:
    """Given a server's text, return the requested pause in seconds; None if it requests none."""
    for pattern, unit in _HINTS:
        match = pattern.search(text[:2000])
        if match is not None:
            return min(int(match[1]) * unit, LONGEST)
    return None


def throttled(text: str) -> bool:
    """Given a server's response to a command, return whether it only requests a pause: the message is not the cause."""
    low = text[:2000].lower()
    return any(words in low for words in _THROTTLED)


def jittered(seconds: float) -> float:
    """Given a pause, return 80 to 120 percent of it, so that mailboxes of one server do not all return at once."""
    return seconds * random.uniform(0.8, 1.2)  # noqa: S311 - nothing secret hangs on it
