"""How long to leave a server alone: what it says itself, and pauses that do not all end at the same moment. Pure."""

import random
import re
from typing import Final

LONGEST: Final = 24 * 3600.0
"""A server that asks for more is asked again after a day all the same."""

_HINTS: Final = (
    # Exchange Online: "Request is throttled. Suggested Backoff Time: 299961 milliseconds"
    (re.compile(r"suggested backoff time:? {0,3}(\d{1,9}) {0,3}(?:milliseconds|ms)", re.IGNORECASE), 0.001),
    (re.compile(r"(?:retry|try again) (?:after|in) (\d{1,6}) {0,3}(?:seconds|sec|s)\b", re.IGNORECASE), 1.0),
    (re.compile(r"(?:retry|try again) (?:after|in) (\d{1,4}) {0,3}(?:minutes|min)\b", re.IGNORECASE), 60.0),
    # of Outlook.com, over POP3
    (re.compile(r"login limit for a (\d{1,4}) {0,3}minute", re.IGNORECASE), 60.0),
    # ours, from POP3's capability LOGIN-DELAY (RFC 2449 section 6.5)
    (re.compile(r"one login every (\d{1,6}) seconds"), 1.0),
)
_THROTTLED: Final = (
    "[throttled]", "is throttled", "suggested backoff time", "bandwidth limits", "rate limit", "too many requests",
    "too many commands", "exceeded the login limit", "[login-delay]",
)  # fmt: skip
"""Words of Exchange Online, Gmail, Yahoo, Amazon WorkMail and Outlook.com, and POP3's code; never a mail's fault."""


def hint(text: str) -> float | None:
    """Given what a server said, return for how many seconds it asks to be left alone; None when it does not."""
    for pattern, unit in _HINTS:
        found = pattern.search(text[:2000])
        if found is not None:
            return min(int(found[1]) * unit, LONGEST)
    return None


def throttled(text: str) -> bool:
    """Given what a server said to a command, say whether it only wants to be left alone: the mail is not at fault."""
    low = text[:2000].lower()
    return any(words in low for words in _THROTTLED)


def jittered(seconds: float) -> float:
    """Given a pause, return one of 80 to 120 percent of it: mailboxes of one server do not all come back at once."""
    return seconds * random.uniform(0.8, 1.2)  # noqa: S311 - nothing secret hangs on it
