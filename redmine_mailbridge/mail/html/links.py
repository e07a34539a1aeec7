"""Which addresses of a mail's links may stand in an issue, and how they are written there."""

import re
from urllib.parse import quote

_SAFE = re.compile(r"(?:https?|ftps?|mailto|tel|sip|callto|news|nntp|irc|xmpp):", re.IGNORECASE)
_ADDRESS = re.compile(
    r"(?:[a-z][a-z0-9+.-]{1,20}://|www\.)[^\s<>\"'()\[\]]+|[\w.+-]{1,100}@[\w.-]{1,200}\.[a-z]{2,}", re.IGNORECASE
)
_NAME = re.compile(r"(?:[\w-]{1,63}\.){1,8}[a-z]{2,24}(?:[:/?#]\S*)?", re.IGNORECASE)
_BAD_IN_URL = {sign: quote(sign) for sign in ' ()<>"\\|{}[]`^*'}
_MENTION = re.compile(r"(?<![A-Za-z0-9_])@|~(?=~)|(?<=~)~")


def safe_address(href: str | None) -> str:
    """The address of a link, "" when it must not be one."""
    url = re.sub(r"[\x00-\x20\x7f-\x9f\u2060\ufdd0-\ufdef\ufeff]+", "", (href or "")[:4000])
    shown = "".join(_BAD_IN_URL.get(sign, sign) for sign in url) if _SAFE.match(url) else ""
    return _MENTION.sub(lambda match: f"%{ord(match[0]):X}", shown)


def shows_address(text: str) -> bool:
    """Is an address of the web or of mail in this text of a link? The formats would make a link of it, too."""
    return _ADDRESS.search(text[:2000]) is not None


def speaks_of_another(text: str, url: str) -> bool:
    """Given the text of a link and its address, does the text show another address than where the link leads?"""
    shown = _ADDRESS.findall(text[:2000])
    bare = text.strip().strip("<>")
    if not shown and _NAME.fullmatch(bare[:300]):
        shown = [bare]
    return any(_place(address) != _place(url) for address in shown)


def _place(address: str) -> str:
    """The host of an address of the web, or the address of mail, by which two are compared."""
    text = address.strip().lower()
    if text.startswith("mailto:") or ("@" in text and "://" not in text):
        return text.removeprefix("mailto:").partition("?")[0].rstrip(".")
    host = re.split(r"[/?#\\]", text.partition("://")[2] or text, maxsplit=1)[0]
    return host.rpartition("@")[2].partition(":")[0].rstrip(".").removeprefix("www.")
