"""The bridge's own notes that are being written."""

from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.note_intents import NoteIntents


def test_each_note_for_itself(store: Store) -> None:
    """A note is in progress from its intent until it is forgotten, by its issue and whole text."""
    intents = NoteIntents(store.database)
    assert None is intents.sent(7, "not delivered")
    intents.keep(7, "not delivered", "at one")
    intents.keep(8, "not delivered", "at two")
    intents.keep(7, "not delivered: \ud800", "at three")
    assert ["at one", "at two", "at three", None] == [
        intents.sent(issue, text)
        for issue, text in ((7, "not delivered"), (8, "not delivered"), (7, "not delivered: \ud800"), (7, "other"))
    ]
    intents.keep(7, "not delivered", "again")
    intents.forget(8, "not delivered")
    assert ("again", None) == (intents.sent(7, "not delivered"), intents.sent(8, "not delivered"))
    assert "again" == NoteIntents(store.database).sent(7, "not delivered")
