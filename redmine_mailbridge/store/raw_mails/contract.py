"""What each place for raw messages does."""

from collections.abc import Collection
from typing import Protocol

import sqlalchemy as sa

from redmine_mailbridge.model.mailbox import RawMail
from redmine_mailbridge.store.raw_mails.spool import Content


class RawPlace(Protocol):
    """A place where raw messages are kept by their digest. The methods with `db` are called within a transaction."""

    def keep(self, raw: RawMail) -> str:
        """Given a fetched message, store its bytes durably and consume its file. Return their digest."""

    def put(self, content: Content) -> str:
        """Given bytes, store them durably. Return their digest."""

    def read(self, digest: str) -> Content:
        """Given a digest, return its bytes. Raise RawMissing, also for other bytes than these."""

    def whole(self, digest: str) -> bool:
        """Given a digest, are its bytes there, complete and unchanged?"""

    def hold(self, db: sa.Connection, digests: Collection[str]) -> None:
        """In the transaction that writes rows with these digests: keep the bytes. Raise StoreBusy if they are gone."""

    def remove(self, db: sa.Connection, digests: Collection[str]) -> set[str]:
        """Given digests that no row needs any more, remove their bytes. Return the digests whose bytes are gone."""
