"""Which addresses mail systems speak from, and what of a name is shown. Pure."""

import unicodedata

_SYSTEMS = frozenset({"mailer-daemon", "postmaster"})


def is_mail_system(address: str) -> bool:
    """Is it an address that mail systems speak from (RFC 5321 section 4.5.1, RFC 3834 section 2)?"""
    return address.rpartition("@")[0].lower() in _SYSTEMS


def plain_name(name: str) -> str:
    """Given a stranger's display name, return it when it says nothing but a name: at most 40 letters, blanks, hyphens
    and apostrophes; else "".
    """
    name = unicodedata.normalize("NFC", " ".join(name.split()))
    is_plain = len(name) <= 40 and all(unicodedata.category(sign)[0] in "LM" or sign in " -'’" for sign in name)
    return name if is_plain else ""
