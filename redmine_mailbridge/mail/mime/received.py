"""The Received fields of a mail (RFC 5321 section 4.4): what each says, and which of them our own servers wrote."""

import ipaddress
import re
from collections.abc import Iterator

from redmine_mailbridge.mail.domains import organisation
from redmine_mailbridge.util.dataclass import dataclass

LONGEST = 4_000  # characters of a field that are read
_PIECE = re.compile(r"[^\s();]+|[();]")
_CLAUSES = frozenset({"from", "by", "via", "with", "id", "for"})
_ADDRESS = re.compile(r"(?<!\S)\[(?:IPv6:)?([0-9A-Fa-f:.]{2,45})\]", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z0-9._-]{1,255}")
_HELO = re.compile(r"[^\s\"(),;<>=\\@]{0,255}")
_SAYS_HELO = frozenset({"helo", "ehlo"})
_PRIVATE = tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fe80::/10")))
_GOOGLE = "mx.google.com"
_MICROSOFT = (".outlook.com", ".office365.com", ".exchangelabs.com")
_MICROSOFTS_DOOR = ".protection.outlook.com"


@dataclass(frozen=True, slots=True)
class Hop:
    """One Received: `by` is the host that wrote it; `named` how the one before called himself; `verified` the name
    that the writer found for that one's IP address, `address`, and that leads back to it; `protocol` in capitals. ""
    for what it does not say.
    `odd`: the client called himself something that a server would have to quote, so that what is written around it,
    here and in other fields, may be the client's own words.
    """

    by: str = ""
    named: str = ""
    verified: str = ""
    address: str = ""
    protocol: str = ""
    odd: bool = False

    @property
    def stayed(self) -> bool:
        """Was the mail on the same machine before, or handed over to be delivered (LMTP, RFC 2033)?"""
        return self.protocol.startswith("LMTP") or (
            bool(self.address) and ipaddress.ip_address(self.address).is_loopback
        )

    @property
    def stayed_within(self) -> bool:
        """Did the mail come from a network that the internet does not reach (RFC 1918, RFC 4193)?"""
        return self.stayed or (
            bool(self.address) and any(ipaddress.ip_address(self.address) in net for net in _PRIVATE)
        )


def read(value: str) -> Hop:
    """Given the value of a Received field, return what it says; an `odd` one when a client had a hand in it."""
    text = value[:LONGEST].strip()
    begins = text[:5].lower() == "from "
    clauses = {"from": "", "by": "", "with": ""}
    remarks: list[str] = []
    clause = waiting = ""
    for piece, depth in _pieces(text):
        if depth < 0:
            return Hop(odd=begins)
        if depth:
            remarks += [piece] if clause == "from" else []
        elif piece == ";":
            break
        elif waiting:
            clauses[waiting] = clauses.get(waiting) or piece
            waiting = ""
        elif piece.lower() in _CLAUSES:
            clause = waiting = piece.lower()
    verified_words = list(_found_out(remarks))
    address = _ip(" ".join(verified_words))
    verified = (
        verified_words[0]
        if verified_words and address and _NAME.fullmatch(verified_words[0]) and verified_words[0] != address
        else ""
    )
    if "forged" in verified_words:  # Sendmail's "(may be forged)": the name does not lead back to the address
        verified = ""
    return Hop(
        by=_host(clauses["by"]),
        named=_host(clauses["from"]),
        verified=_host(verified),
        address=address or (_ip(clauses["from"]) if remarks else ""),  # alone, it is what the client called himself
        protocol=clauses["with"].upper(),
        odd=begins and not (clauses["by"] and _HELO.fullmatch(clauses["from"])),
    )


def _pieces(text: str) -> Iterator[tuple[str, int]]:
    """Yield each word with how many comments it lies in; a last one of -1 when their brackets are not balanced."""
    depth = 0
    for match in _PIECE.finditer(text):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        if depth < 0:
            break
        if match[0] not in "()":
            yield match[0], depth
    if depth:
        yield "", -1


def _found_out(remarks: list[str]) -> Iterator[str]:
    """Given the words of the comments on the client, yield those that the server determined itself: not what the
    client called himself ("helo=[127.0.0.1]" as Exim has it, "HELO [127.0.0.1]" as qmail), nor what he said of his
    user ("ident=…").
    """
    his = False
    for word in remarks:
        if not his and "=" not in word and word.lower() not in _SAYS_HELO:
            yield word
        his = word.lower() in _SAYS_HELO


def _host(name: str) -> str:
    return name.lower().rstrip(".")


def _ip(text: str) -> str:
    """The first IP address in a text: in brackets, or a word for itself, as Exchange has it."""
    for word in (*_ADDRESS.findall(text), *(text.split() if "[" not in text else ())):
        try:
            return str(ipaddress.ip_address(word))
        except ValueError:
            continue
    return ""


def is_inner(hop: Hop, identities: frozenset[str]) -> bool:
    """Did a host of the bridge's domains, or of these authserv-ids' domains, relay the message to another of these?

    The first Received from the top of which this cannot be said is the door: the mail came in there, and what is
    below was in it then, but for what the server put there.
    """
    if hop.stayed and hop.by in {"localhost", "localhost.localdomain"}:
        return True
    return any(_is_inner(hop, identity) for identity in identities)


def wrote(hop: Hop, identity: str) -> bool:
    """Was this Received written by a host of this authserv-id's organisation?"""
    if identity == "*":
        return hop.by.endswith(_MICROSOFT)
    ours = organisation(identity)
    return hop.by == identity or bool(ours and organisation(hop.by) == ours)


def _is_inner(hop: Hop, identity: str) -> bool:
    if identity == "*":
        return hop.by.endswith(_MICROSOFT) and not hop.by.endswith(_MICROSOFTS_DOOR)
    if identity == _GOOGLE:
        return hop.by.startswith(("2002:a", "10.")) and not hop.named
    if hop.by == identity or hop.by.endswith(f".{identity}"):
        return hop.stayed
    ours = organisation(identity)
    if not ours or organisation(hop.by) != ours:
        return False
    name = hop.verified if hop.verified or hop.address else hop.named
    return hop.stayed_within or (bool(name) and organisation(name) == ours)
