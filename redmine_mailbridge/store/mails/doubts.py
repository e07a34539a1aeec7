"""Which mail of a folder is in doubt: the connection breaks when it is fetched, or it alone does not come.

Noted, so that a process that is started for each pass (`receive --once`) gets past it too.
"""

import json
from dataclasses import asdict, dataclass

from redmine_mailbridge.model.mailbox import Location
from redmine_mailbridge.side_effects import Effect, effect
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.meta import Meta


@dataclass(slots=True)
class Doubt:
    """`single`: mails are fetched one by one. `uid` is the mail in doubt, "" for none; `fails` is in how many passes it
    did not come, `blamed` how often right after another one came, `words` what was said then. `other_first`: the next
    pass asks for another one before it.
    """

    uid: str = ""
    fails: int = 0
    blamed: int = 0
    words: str = ""
    single: bool = False
    other_first: bool = False

    def against(self, uid: str, words: str) -> None:
        """That mail did not come (once more)."""
        if self.uid != uid:
            self.lift()
        self.uid, self.words = uid, words
        self.fails += 1

    def lift(self) -> None:
        """No mail is in doubt any more."""
        self.uid, self.fails, self.blamed, self.words, self.other_first = "", 0, 0, "", False


class Doubts:
    """The doubts about the folders of one mailbox, read once and noted when they change."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._noted: dict[str, str] = {}

    def of(self, place: Location) -> Doubt:
        """Given where a mail lies, return the doubt about its folder."""
        text = self._text(_key(place))
        return Doubt(**json.loads(text)) if text else Doubt()

    def note(self, place: Location, doubt: Doubt) -> None:
        """Given where a mail lies and the doubt about its folder, remember it; nothing, when there is none."""
        key = _key(place)
        text = json.dumps(asdict(doubt)) if doubt != Doubt() else ""
        if text == self._text(key):
            return
        with effect(Effect.KEEP_ROW), self._store.database.write() as db:
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
    return f"doubt:{place.mailbox}/{place.validity}/{place.folder}"
