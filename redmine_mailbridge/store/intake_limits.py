"""A pause when too much is due at once: it waits for an admin, whose release holds until the work resumes."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.dialects import one_at_a_time
from redmine_mailbridge.store.meta import Meta


class IntakeStops:
    """The pauses of one kind: of mailboxes, or of rules. `kind` is the prefix of their stored names."""

    def __init__(self, database: Database, kind: str = "") -> None:
        self._database = database
        self._kind = kind

    def stop(self, name: str, number: int) -> None:
        """It is paused until an admin resumes it, because too much is due."""
        if self.stopped(name) != number:
            self._put("braked", name, number)

    def stopped(self, name: str) -> int | None:
        """The amount at which it was paused; None: it is not paused."""
        return self._number("braked", name)

    def release(self, name: str, number: int) -> int | None:
        """An admin resumes it with up to this amount. Return the amount at which it was paused; None, and nothing is
        released, if it is not paused: a release never applies to the next pause. It may resume at the same
        moment in another process (`end`): check and release are one transaction.
        """
        with self._one_by_one(name) as db:
            stopped = Meta(db).get(self._key("braked", name))
            if stopped is not None:
                Meta(db).put(self._key("released", name), str(number))
        return None if stopped is None else int(stopped)

    def released(self, name: str) -> int | None:
        """The amount that an admin has released since the pause; None: nothing."""
        return self._number("released", name)

    def end(self, name: str) -> None:
        """It has resumed: the next time too much is due, it is paused again."""
        if self.stopped(name) is None and self.released(name) is None:
            return
        with self._one_by_one(name) as db:
            Meta(db).remove(self._key("braked", name), self._key("released", name))

    @contextmanager
    def _one_by_one(self, name: str) -> Iterator[sa.Connection]:
        """A transaction during which no other releases or ends this pause."""
        with self._database.write() as db:
            one_at_a_time(db, self._key("braked", name))
            yield db

    def _number(self, what: str, name: str) -> int | None:
        with self._database.read() as db:
            value = Meta(db).get(self._key(what, name))
        return None if value is None else int(value)

    def _put(self, what: str, name: str, number: int) -> None:
        with self._database.write() as db:
            Meta(db).put(self._key(what, name), str(number))

    def _key(self, what: str, name: str) -> str:
        return f"{self._kind}{what}:{name}"
