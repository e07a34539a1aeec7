"""The suspect message of a folder: the connection breaks when it is fetched, or only it is not returned.

Stored, so that a process that is started for each pass (`receive --once`) gets past it too.
"""

import json
from dataclasses import asdict

from redmine_mailbridge.model.mailbox import Location
from redmine_mailbridge.side_effects import SideEffect, side_effect
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.meta import Meta
from redmine_mailbridge.util.dataclass import dataclass


@dataclass(slots=True)
class Doubt:
    """`single`: messages are fetched one by one. `uid` is the suspect message, "" for none; `fails` is in how many
    passes it was not returned, `blamed` how often directly after another one was, `words` the last error.
    `other_first`: the next pass fetches another message before it.
    """

    uid: str = ""
    fails: int = 0
    blamed: int = 0
    words: str = ""
    single: bool = False
    other_first: bool = False

    def against(self, uid: str, words: str) -> None:
        """That message was not returned (again)."""
        if self.uid != uid:
            self.lift()
        self.uid, self.words = uid, words
        self.fails += 1

    def lift(self) -> None:
        """No message is suspect any more."""
        self.uid, self.fails, self.blamed, self.words, self.other_first = "", 0, 0, "", False


class Doubts:
    """The suspects in the folders of one mailbox, read once and stored when they change."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._noted: dict[str, str] = {}

    def of(self, place: Location) -> Doubt:
        """Given a location, return the suspect of its folder."""
        text = self._text(_key(place))
        return Doubt(**json.loads(text)) if text else Doubt()

    def note(self, place: Location, doubt: Doubt) -> None:
        """Given a location and the suspect of its folder, store it; nothing, if there is none."""
        key = _key(place)
        text = json.dumps(asdict(doubt)) if doubt != Doubt() else ""
        if text == self._text(key):
            return
        with side_effect(SideEffect.KEEP_ROW), self._store.database.write() as db:
            if text:
                Meta(db).put(key, text)
            else:
                Meta(db).remove(key)
        self._noted[key] = text

    def _text(self, key: str) -> str:
        if key not in self._noted:
            with self._store.database.read() as db:
                self._noted[key] = Meta(db).get(key) or ""
        return self._noted[key]


def _key(place: Location) -> str:
    return f"doubt:{place.mailbox}/{place.uid_validity}/{place.folder}"
