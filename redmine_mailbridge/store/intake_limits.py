"""A stop where very much is to be done at once: it asks, an admin answers, and the answer holds until it went on."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.dialects import one_at_a_time
from redmine_mailbridge.store.meta import Meta


class Brake:
    """The stops of one kind: of mailboxes, or of rules. `kind` begins the names under which they are kept."""

    def __init__(self, database: Database, kind: str = "") -> None:
        self._database = database
        self._kind = kind

    def stop(self, name: str, number: int) -> None:
        """It has stopped and asks, since there is so much to do."""
        if self.stopped(name) != number:
            self._put("braked", name, number)

    def stopped(self, name: str) -> int | None:
        """With how much to do it has stopped; None: it has not."""
        return self._number("braked", name)

    def release(self, name: str, number: int) -> int | None:
        """An admin lets it go on with up to so much. Return with how much it has stopped; None, and nothing is
        released, when it has not: a release is an answer, and none to the next question. It may go on at that very
        moment, in another process (`end`): looked and released is in one transaction.
        """
        with self._one_by_one(name) as db:
            stopped = Meta(db).get(self._key("braked", name))
            if stopped is not None:
                Meta(db).put(self._key("released", name), str(number))
        return None if stopped is None else int(stopped)

    def released(self, name: str) -> int | None:
        """How much at once an admin has released since it stopped; None: nothing."""
        return self._number("released", name)

    def end(self, name: str) -> None:
        """It went on: the next time that there is very much to do, it stops again."""
        if self.stopped(name) is None and self.released(name) is None:
            return
        with self._one_by_one(name) as db:
            Meta(db).remove(self._key("braked", name), self._key("released", name))

    @contextmanager
    def _one_by_one(self, name: str) -> Iterator[sa.Connection]:
        """A transaction beside which no other answers or ends this stop."""
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
