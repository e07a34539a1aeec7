"""The account that a mailbox's settings describe: it stays the same when name, port or protocol change."""

from redmine_mailbridge.sasl.username import parse_username

USUAL_PORTS = frozenset({143, 993, 110, 995, 443, 80})
"""Standard ports of IMAP, POP3 and Graph, which reach a host's one mail server; others may be another server's."""

ONE_SERVICE = dict.fromkeys(("outlook.office365.com", "outlook.office.com", "graph.microsoft.com"), "microsoft365")
"""Hosts that lead to the same mailboxes with every protocol."""


def account_of(host: str, port: int, username: str, authorize_as: str | None) -> str:
    """Given the keys of a mailbox that identify its account, return the account as text. Two mailboxes with the
    same text read the same account.
    """
    opened = authorize_as or parse_username(username).mailbox
    host = host.lower().rstrip(".")
    server = ONE_SERVICE.get(host, host) + ("" if port in USUAL_PORTS else f":{port}")
    return f"{opened.strip().casefold()} at {server}"
