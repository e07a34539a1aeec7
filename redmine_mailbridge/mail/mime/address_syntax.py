"""What may stand before and behind the @ of an address that mail goes to (RFC 5321, RFC 5322, RFC 6531). Pure."""

import contextlib
import re
import unicodedata
from collections.abc import Collection

import idna

_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_QUOTED = re.compile(r'"(?:[ !#-\[\]-~]|\\[ -~])*"')
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_LITERAL = re.compile(r"\[[0-9A-Za-z.:-]{1,60}\]")
_DOTS = ".\u3002\uff0e\uff61"  # IDNA reads each as a dot (UTS 46)
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zs", "Zl", "Zp"})


def ascii_host(host: str) -> str | None:
    """Given a host name or an address literal, return it in ASCII (IDNA 2008, RFC 5891: "straße" stays another name
    than "strasse"); None if it is not a name.
    """
    if len(host) > 255:
        return None
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode()
        except (idna.IDNAError, UnicodeError):
            return None
    return host if _HOST.fullmatch(host) or _LITERAL.fullmatch(host) else None


def is_local_part(local: str) -> bool:
    """Given the part before the @, is it allowed? Letters beyond ASCII may (RFC 6531), what looks like an encoded word
    may not: some mail programs would read it.
    """
    if local.isascii():
        return bool(_ATOMS.fullmatch(local) or _QUOTED.fullmatch(local)) and "=?" not in local
    if any(unicodedata.category(sign) in _INVISIBLE for sign in local):
        return False
    return _ATOMS.fullmatch("".join(sign if sign.isascii() else "x" for sign in local)) is not None


def unquoted(local: str) -> str:
    """Given the part before the @, return it without quotes that it does not need: it is the same mailbox (RFC 5321
    section 4.1.2).
    """
    inner = local[1:-1]
    return inner if len(local) > 2 and local[0] == local[-1] == '"' and _ATOMS.fullmatch(inner) else local


def without_subaddress(address: str) -> str:
    """Given `support+sales@example.com`, return `support@example.com`; other addresses as they are."""
    local, at, domain = address.rpartition("@")
    base, plus, _ = local.partition("+")
    return f"{base}{at}{domain}" if plus and base else address


def spellings(address: str) -> frozenset[str]:
    """Given an address, return it in lower case in each way in which its domain may be written: as it is, in ASCII, in
    its own script.
    """
    local, at, domain = address.strip().lower().rpartition("@")
    host = ascii_host(domain) or domain
    ways = {domain, host}
    if not host.isascii() or "xn--" in host:  # any other is in its own script
        with contextlib.suppress(idna.IDNAError, UnicodeError):
            ways.add(idna.decode(host, uts46=True))
    return frozenset(f"{local}{at}{way}" for way in ways)


def is_among(address: str, addresses: Collection[str]) -> bool:
    """Given an address, and others in lower case, is it one of them, whichever the subaddress of either and the
    spelling of its domain?
    """
    return not spellings(without_subaddress(address)).isdisjoint(map(without_subaddress, addresses))


def ways_to_write(address: str) -> frozenset[str]:
    """Given an address, return it in lower case in each way that means the same mailbox, with the plainest among them:
    besides its `spellings`, without quotes that it does not need, and without a last dot.
    """
    local, at, domain = address.strip().rpartition("@")
    return spellings(address) | spellings(f"{unquoted(local)}{at}{domain.rstrip(_DOTS)}")
