"""The Message-IDs and the body marker of messages that the bridge sends: each contains its issue, and no one else can
create one.

An id reads `mb.KIND.ISSUE.INSTANCE.SERIAL.HASH@HOST`, a marker `mbzISSUEzINSTANCEzHASH` (one word of letters and
digits, which survives every mail program and markup). HASH is the first 130 bits of HMAC-SHA256 with the bridge's
own key, in base 32; INSTANCE distinguishes a test installation's messages from production's. Mail to third parties has
a kind and a marker (`mbx…`) of its own, so that a reply is recognized by whatever is left of it. Source: RFC 5322
section 3.6.4 for what an id may hold, RFC 2104 for the keyed hash.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterator
from dataclasses import field

from redmine_mailbridge.util.dataclass import dataclass

TO_TEAM = frozenset({"escalation", "withheld"})
"""The kinds that are meant for the team, in the mailbox's own language, even where a customer is among its readers."""
THIRD_PARTY = "third_party"
"""The kind of mail to those whom an agent's private note names: suppliers and the like, not the customer's side."""
APART = TO_TEAM | {THIRD_PARTY}
"""The kinds that are no part of the conversation with the customer."""
_HASH_LENGTH = 26
_ID = re.compile(
    r"mb\.([a-z_]{1,20})\.([1-9][0-9]{0,9})\.([0-9a-f]{8})\.([0-9a-z-]{1,64})\.([0-9a-v]{26})@[^\s@]{1,255}\Z"
)
_MARKER = re.compile(r"(?<![0-9A-Za-z])mb([xz])([1-9][0-9]{0,9})\1([0-9a-f]{8})\1([0-9a-v]{26})(?![0-9A-Za-z])")
_NOT_SERIAL = re.compile(r"[^0-9a-z-]")


@dataclass(frozen=True, slots=True)
class SignedId:
    """What one of our Message-IDs says: the kind of mail, its issue, and its serial."""

    kind: str
    issue: int
    serial: str


@dataclass(frozen=True, slots=True)
class Signer:
    """Makes and checks our own ids. `key` is secret, at least 16 bytes; `instance` any text that names this bridge."""

    key: bytes = field(repr=False)
    instance: str = ""

    def __post_init__(self) -> None:
        if len(self.key) < 16:
            raise ValueError("the signing key must have at least 16 bytes")

    @property
    def short_instance(self) -> str:
        """Eight hex digits that stand for the instance."""
        return hashlib.sha256(self.instance.encode()).hexdigest()[:8]

    def message_id(self, kind: str, issue: int, serial: str, host: str) -> str:
        """Given a kind of mail (letters, "_"), its issue, a serial and our host name, return the Message-ID without <>.

        The same input gives the same id, so that a mail that is sent again after a crash is the same mail.
        Raise ValueError when the kind or the issue cannot stand in an id.
        """
        clean = _NOT_SERIAL.sub("-", serial.lower())[:64] or "0"
        core = f"{kind}.{issue}.{self.short_instance}.{clean}"
        new_id = f"mb.{core}.{self._hash('id', core)}@{host}"
        if _ID.match(new_id) is None:
            raise ValueError(f"no Message-ID can be made of kind {kind!r} and issue {issue}")
        return new_id

    def read(self, message_id: str) -> SignedId | None:
        """Given a Message-ID without <>, return what it says if we made it; None if not. The host does not count:
        relays change it.
        """
        match = _ID.match(message_id.strip("<> ")[:512])
        if match is None:
            return None
        kind, issue, instance, serial, sent_hash = match.groups()
        expected_hash = self._hash("id", f"{kind}.{issue}.{instance}.{serial}")
        if instance != self.short_instance or not hmac.compare_digest(sent_hash, expected_hash):
            return None
        return SignedId(kind, int(issue), serial)

    def marker(self, issue: int, *, third_party: bool = False) -> str:
        """Given an issue, return the word that marks the text of our mails about it, or of those to third parties."""
        purpose, between = ("third-party-marker", "x") if third_party else ("marker", "z")
        own_hash = self._hash(purpose, f"{issue}.{self.short_instance}")
        return f"mb{between}{issue}{between}{self.short_instance}{between}{own_hash}"

    def markers_in(self, text: str) -> Iterator[int]:
        """Given a text, yield the issues of our markers in it, in order; forged ones are passed over."""
        for issue, _ in self._markers(text):
            yield issue

    def quotes_third_party_mail(self, text: str) -> bool:
        """Given a text, is a marker of our mail to third parties in it?"""
        return any(third_party for _, third_party in self._markers(text))

    def _markers(self, text: str) -> Iterator[tuple[int, bool]]:
        for match in _MARKER.finditer(text):
            issue, third_party = int(match[2]), match[1] == "x"
            if hmac.compare_digest(match[0], self.marker(issue, third_party=third_party)):
                yield issue, third_party

    def _hash(self, purpose: str, core: str) -> str:
        """Given a purpose and what is signed, return 26 characters of base 32 (0-9a-v)."""
        digest = hmac.new(self.key, f"{purpose}:{core}".encode(), hashlib.sha256).digest()
        return base64.b32hexencode(digest).decode().lower()[:_HASH_LENGTH]
