"""Wires sending by Microsoft Graph: from which mailbox, with whose tokens."""

from redmine_mailbridge.model.mailbox import MailboxConfig, MailProtocol, Security
from redmine_mailbridge.settings.mailbox import MailboxSettings
from redmine_mailbridge.settings.outgoing import DEFAULT_TIMEOUT, GRAPH_PORTS, OutgoingSettings
from redmine_mailbridge.wiring.oauth import TokenGiver


def graph_config(
    name: str, out: OutgoingSettings, host: str, tokens: TokenGiver | None, box: MailboxSettings
) -> MailboxConfig:
    """Given a mailbox and how its mail is sent by Microsoft Graph, return how to reach the mailbox that sends."""
    security = Security(out.security or "tls")
    own = out.username in {None, "", box.username}
    username = box.username if own else str(out.username)
    return MailboxConfig(
        name=name,
        host=host,
        port=out.port or GRAPH_PORTS[security.value],
        username=username if "@" in username or box.authorize_as else box.address,
        protocol=MailProtocol.GRAPH,
        security=security,
        token=tokens,
        token_refused=tokens.refused if tokens is not None else None,
        authorize_as=box.authorize_as if own else None,
        ca_file=out.ca_file,
        timeout=(out.timeout or DEFAULT_TIMEOUT).total_seconds(),
        allow_cleartext=out.allow_cleartext,
    )
