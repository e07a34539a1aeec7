"""Which account a mailbox's settings speak of: what stays when its name, its port or its protocol changes."""

from redmine_mailbridge.sasl.username import parse_username

USUAL_PORTS = frozenset({143, 993, 110, 995, 443, 80})
"""Ports of IMAP, POP3 and Graph by which a host's one mail server is reached; any other may be another server's."""

ONE_SERVICE = dict.fromkeys(("outlook.office365.com", "outlook.office.com", "graph.microsoft.com"), "microsoft365")
"""Hosts that lead to the same mailboxes, whatever is spoken there."""


def account_of(host: str, port: int, username: str, authorize_as: str | None) -> str:
    """Given the keys of a mailbox that say what is opened where, return the account in words: two mailboxes with the
    same are one account.
    """
    opened = authorize_as or parse_username(username).mailbox
    host = host.lower().rstrip(".")
    where = ONE_SERVICE.get(host, host) + ("" if port in USUAL_PORTS else f":{port}")
    return f"{opened.strip().casefold()} at {where}"
