"""Which addresses mail can go to, as they stand in envelopes and header fields (RFC 5321, RFC 5322, RFC 6531). Pure."""

import re
import unicodedata

import idna

from redmine_mailbridge.mail.message import Address

LONGEST = 320
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_QUOTED = re.compile(r'"(?:[ !#-\[\]-~]|\\[ -~])*"')
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_LITERAL = re.compile(r"\[[0-9A-Za-z.:-]{1,60}\]")
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zs", "Zl", "Zp"})
_SYSTEMS = frozenset({"mailer-daemon", "postmaster"})


def mailable(person: Address) -> Address | None:
    """Given whom a stranger's mail names, return it as an address that can stand in a header and an envelope, its
    domain in ASCII (IDNA 2008); None when it cannot: nothing but the writer's own fault keeps mail from there.

    What stands before the @ may be other than ASCII: only a server with SMTPUTF8 takes it (RFC 6531).
    """
    local, at, domain = person.address.strip().rpartition("@")
    host = ascii_host(domain)
    if not at or host is None or not _is_local(local) or len(local) + len(host) >= LONGEST:
        return None
    return Address(person.name, f"{local}@{host}")


def ascii_host(host: str) -> str | None:
    """Given a host name or an address literal, return it in ASCII (IDNA 2008, RFC 5891: "straße" stays another name
    than "strasse"); None when it is no name.
    """
    if len(host) > 255:
        return None
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode()
        except (idna.IDNAError, UnicodeError):
            return None
    return host if _HOST.fullmatch(host) or _LITERAL.fullmatch(host) else None


def comparable(address: str) -> str:
    """Given an address as somebody wrote it, return what to compare it by: lower case, the domain in ASCII."""
    local, at, domain = address.strip().rpartition("@")
    return f"{local}{at}{ascii_host(domain) or domain}".lower()


def without_tag(address: str) -> str:
    """Given `support+desk@example.com`, return `support@example.com`; other addresses as they are."""
    local, at, domain = address.rpartition("@")
    base, plus, _ = local.partition("+")
    return f"{base}{at}{domain}" if plus and base else address


def is_mail_system(address: str) -> bool:
    """Is it an address that mail systems speak from (RFC 5321 section 4.5.1, RFC 3834 section 2)?"""
    return address.rpartition("@")[0].lower() in _SYSTEMS


def plain_name(name: str) -> str:
    """Given a stranger's display name, return it when it says nothing but a name: at most 40 letters, blanks, hyphens
    and apostrophes; else "".
    """
    name = unicodedata.normalize("NFC", " ".join(name.split()))
    said = len(name) <= 40 and all(unicodedata.category(sign)[0] in "LM" or sign in " -'’" for sign in name)
    return name if said else ""


def _is_local(local: str) -> bool:
    if local.isascii():
        return bool(_LOCAL.fullmatch(local) or _QUOTED.fullmatch(local)) and "=?" not in local
    pieces = ("".join("x" if not sign.isascii() else sign for sign in piece) for piece in local.split("."))
    seen = not any(unicodedata.category(sign) in _INVISIBLE for sign in local)
    return seen and all(_LOCAL.fullmatch(piece) for piece in pieces)
