"""Domains as those who may prove something: the organisation behind one, and whether two are of the same."""

from functools import lru_cache

import idna
from publicsuffixlist import PublicSuffixList


@lru_cache(maxsize=2)
def _suffix_list(*, encoded: bool) -> PublicSuffixList:
    return PublicSuffixList(accept_encoded_idn=encoded)


def _suffixes(text: str) -> PublicSuffixList:
    """Given a domain in ASCII, return the list that the package brings (https://publicsuffix.org), with the suffixes
    that companies rent out. Only a domain with encoded labels needs the encoded suffixes, and those take two thirds of
    the time in which the list is read.
    """
    return _suffix_list(encoded="xn--" in text)


def ascii_domain(domain: str) -> str:
    """Given a domain, return it in lower case and in ASCII (IDNA 2008), without a last dot; "" when it is none."""
    text = domain.strip().lower().rstrip(".")
    try:
        return text if text.isascii() else idna.encode(text, uts46=False).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return ""


def organisation(domain: str) -> str:
    """Given a domain, return its organisational domain (RFC 7489 section 3.2): one label below the public suffix.

    "" for a public suffix itself, for an address of numbers, and for what is not a domain: it has no owner.
    """
    text = ascii_domain(domain)
    if not text or text.startswith("[") or ":" in text or text.rpartition(".")[2].isdigit() or ".." in text:
        return ""
    return _suffixes(text).privatesuffix(text) or ""


def is_public_suffix(domain: str) -> bool:
    """Is this domain on the list of public suffixes ("com", "co.uk")? A name of the local network ("intranet") is not,
    though no organisation is behind it that others could know.
    """
    text = ascii_domain(domain)
    return bool(text) and _suffixes(text).publicsuffix(text, accept_unknown=False) == text


def same(first: str, second: str) -> bool:
    """Are the two the same domain, with an owner?"""
    return bool(organisation(first)) and ascii_domain(first) == ascii_domain(second)


def aligned(authenticated: str, domain: str) -> bool:
    """Given an authenticated domain and From's domain, are they of one organisation (relaxed, RFC 7489 section 3.1)?"""
    return bool(organisation(authenticated)) and organisation(authenticated) == organisation(domain)
