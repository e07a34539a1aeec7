"""Which addresses of a mail's links may stand in an issue, and how they are written there."""

import re

_SAFE = re.compile(r"(?:https?|ftps?|mailto|tel|sip|callto|news|nntp|irc|xmpp):", re.IGNORECASE)
_BAD_IN_URL = {" ": "%20", "(": "%28", ")": "%29", "<": "%3C", ">": "%3E", '"': "%22", "\\": "%5C", "|": "%7C"}


def safe_address(href: str | None) -> str:
    """The address of a link, "" when it must not be one."""
    url = re.sub(r"[\x00-\x20\u2060\ufdd0-\ufdef]+", "", (href or "")[:4000])
    return "".join(_BAD_IN_URL.get(sign, sign) for sign in url) if _SAFE.match(url) else ""
