"""Which header fields the mail's own servers wrote: those above the Received by which the mail came in (the door).

What is below may have come in with the message. Shared by everything that believes a server's word in a header:
`authenticity` (Authentication-Results) and `spam` (verdicts of spam filters).
"""

from collections.abc import Iterator

from redmine_mailbridge.mail.mime import received
from redmine_mailbridge.mail.mime.encoded_words import unfold
from redmine_mailbridge.mail.mime.headers import Headers
from redmine_mailbridge.model.mail import ReadingOptions
from redmine_mailbridge.util.dataclass import dataclass

_AUTHORS = frozenset({"received", "from", "to", "subject", "date", "message-id", "mime-version", "content-type"})
_WRITES_BELOW = frozenset({"mx.google.com"})  # always writes, and takes others' fields of its name away


@dataclass(frozen=True, slots=True)
class ServersField:
    """A field that a server may have written: `name` in lower case, `servers` are the trusted names that write there.

    `inside`: it is above the door, where only the mail's own servers write.
    """

    name: str
    raw: bytes
    servers: frozenset[str]
    inside: bool


def identities_of(options: ReadingOptions) -> frozenset[str]:
    """The trusted authserv-ids, in lower case."""
    return frozenset(identity.strip().lower() for identity in options.trusted_authserv_ids if identity.strip())


def servers_fields(headers: Headers, identities: frozenset[str], *, below: bool) -> Iterator[ServersField]:
    """Yield each field down to the Received by which the mail came in, with all names; and those right below it, down
    to the first field of the author's, with the names of its server where that one writes there: `below` says that it
    does.
    """
    places = identities
    inside = True
    for name, raw in headers.fields:
        key = name.lower()
        if key == "received":
            if not inside:
                return
            hop = received.read(unfold(raw, headers.fallback))
            if hop.odd or not received.is_inner(hop, identities):
                inside = False
                places = frozenset(
                    identity
                    for identity in identities
                    if (below or identity in _WRITES_BELOW) and received.wrote(hop, identity)
                )
        elif key in _AUTHORS and not inside:
            return
        else:
            yield ServersField(key, raw, places, inside)
