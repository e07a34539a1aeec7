"""The raw messages of a store: in the place that the settings name, and, until they are moved, in the other one."""

import threading
from collections.abc import Callable, Collection
from pathlib import Path

import sqlalchemy as sa

from redmine_mailbridge.errors import RawUnreadable
from redmine_mailbridge.model.mailbox import RawMail
from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.dialects import one_at_a_time
from redmine_mailbridge.store.raw_mails.contract import RawPlace
from redmine_mailbridge.store.raw_mails.folder import RawFolder
from redmine_mailbridge.store.raw_mails.spool import Content, clear_spool, sweep_spool, temporary_spool
from redmine_mailbridge.store.raw_mails.table import RawTable


class RawStore:
    """Stores raw messages. New ones go to `here`; what is not there is looked for `elsewhere`.

    `folder` is None if there is none: then the messages are in the database.
    """

    def __init__(
        self, database: Database, folder: RawFolder | None, *, in_database: bool, clock: Callable[[], float]
    ) -> None:
        self._alone = database.is_sqlite
        self.folder = folder
        self.spool = folder.spool if folder is not None else temporary_spool()
        """The folder for temporary files."""
        self.table = RawTable(database, self.spool, clock)
        self.in_database = in_database or folder is None
        places: list[RawPlace] = [self.table] if folder is None else [folder, self.table]
        self.here: RawPlace = places.pop() if self.in_database else places.pop(0)
        self.elsewhere: RawPlace | None = places[0] if places else None
        self.in_use = threading.Lock()
        """Held from storing bytes until their row exists, and while unreferenced bytes are removed."""

    def clear_spool(self) -> None:
        """Remove partial files left by a crash; only for the holder of the service's lock."""
        if self._alone:
            clear_spool(self.spool)
        else:  # other processes on this store may be fetching
            sweep_spool(self.spool)

    def sweep(self) -> int:
        """Remove orphaned files of the spool, and messages that were only written in part. Return how many."""
        return sweep_spool(self.spool) + self.table.sweep()

    def keep(self, raw: RawMail) -> str:
        """Given a fetched message, store its bytes durably, consume its file. Return their digest. Raise StoreFull."""
        return self.here.keep(raw)

    def hold(self, db: sa.Connection, digests: Collection[str]) -> None:
        """In the transaction that writes rows with these digests: keep the bytes. Raise StoreBusy if they are gone."""
        self.here.hold(db, digests)

    def read(self, digest: str) -> Content:
        """Given a digest, return its bytes. Raise RawMissing or RawUnreadable if only this message is affected,
        StoreError if all are.
        """
        try:
            return self.here.read(digest)
        except RawUnreadable as error:
            try:
                if self.elsewhere is not None:
                    return self.elsewhere.read(digest)
            except RawUnreadable:
                pass
            try:
                return self.here.read(digest)  # it may have been moved in between
            except RawUnreadable:
                raise error from None

    def whole(self, digest: str) -> bool:
        """Given a digest, are its bytes there, complete and unchanged?"""
        return self.here.whole(digest) or (self.elsewhere is not None and self.elsewhere.whole(digest))

    def lock(self, db: sa.Connection, digests: Collection[str]) -> None:
        """Within a transaction that may remove these bytes: no other process removes or moves any, or begins to use
        these, before it ends.
        """
        one_at_a_time(db, "raw messages")
        self.table.lock(db, digests)  # in any case: a process whose settings have changed may be storing there

    def remove(self, db: sa.Connection, digests: Collection[str]) -> set[str]:
        """Given locked digests that no row needs, remove their bytes. Return the digests whose bytes are gone."""
        gone = self.here.remove(db, digests)
        return gone if self.elsewhere is None else self.elsewhere.remove(db, gone)

    @property
    def root(self) -> Path:
        """The folder of the raw messages."""
        return self._folder_of_files().root

    def path(self, digest: str) -> Path:
        """The file in the folder of the bytes with this digest."""
        return self._folder_of_files().path(digest)

    def _folder_of_files(self) -> RawFolder:
        if self.folder is None:
            raise ValueError("the raw messages are in the database")
        return self.folder
