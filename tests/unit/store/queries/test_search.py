"""The search for a subject: newest first, as far back as its time reaches, and on from there."""

from dataclasses import replace

import pytest
import sqlalchemy as sa

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.queries.search import MessageFilter, SearchResult, search
from redmine_mailbridge.store.tables import mail
from tests.unit.store.kept import keep

LEAST = 20
MANY = 5 * LEAST


class StoppedWatch:
    """A clock that goes on by so many seconds whenever it is read."""

    def __init__(self, step: float) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


@pytest.fixture
def store(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A hundred messages, looked at twenty at a time; the subject of one in each twenty has the word."""
    monkeypatch.setattr("redmine_mailbridge.store.queries.search.LEAST", LEAST)
    keep(store, 0)
    with store.database.write() as db:
        first = dict(db.execute(sa.select(mail)).one()._mapping)
        rows = [
            first | {"id": n, "uid": str(n), "subject": f"Rare WORD {n}" if n % LEAST == 7 else f"Mail {n}",
                     "kept_at": float(n), "state": "failed" if n % LEAST == 7 else "done"}
            for n in range(first["id"] + 1, MANY + 1)
        ]  # fmt: skip
        db.execute(sa.insert(mail), rows)
    return store


def ids(found: SearchResult) -> list[int]:
    return [row.id for row in found.rows]


def test_a_search_that_has_the_time_finds_all(store: Store) -> None:
    """However many messages there are, the search ends at the first one when its time suffices."""
    found = search(store.database, MessageFilter(subject="rare word"), within=1e9)
    assert [n * LEAST + 7 for n in (4, 3, 2, 1, 0)] == ids(found)
    assert (None, None) == (found.before, found.since)


def test_a_search_ends_with_its_time_and_says_how_far_it_came(store: Store) -> None:
    """It has looked at one range at least; what it says leads on from there: nothing is found twice, none left out."""
    wanted, found, pages = MessageFilter(subject="word"), list[int](), 0
    before = None
    while True:
        part = search(store.database, MessageFilter(subject="word", before=before), within=1, clock=StoppedWatch(2))
        found += ids(part)
        pages += 1
        if part.before is None:
            break
        assert (before or MANY + 1) - LEAST == part.before
        assert float(part.before) == part.since
        before = part.before
    assert ids(search(store.database, wanted, within=1e9)) == found
    assert MANY // LEAST == pages


def test_the_limit_ends_a_search_first(store: Store) -> None:
    """A full page is no search that ran out of time: it goes on after its last row."""
    found = search(store.database, MessageFilter(subject="word", limit=2), within=1e9)
    assert [4 * LEAST + 7, 3 * LEAST + 7] == ids(found)
    assert found.before is None


@pytest.mark.parametrize(
    "wanted",
    [
        MessageFilter(subject="word", outcomes=("failed",)),
        MessageFilter(subject="word", ids=(7,)),
        MessageFilter(subject="word", issue=1),
        MessageFilter(mailbox="none"),
    ],
)
def test_what_an_index_finds_is_searched_whole(store: Store, wanted: MessageFilter) -> None:
    """Rare states, numbers and issues are looked for in all messages at once."""
    assert search(store.database, wanted, within=0, clock=StoppedWatch(1)).before is None


def test_states_of_many_are_looked_for_within_the_range(store: Store) -> None:
    """Done and ignored messages are very many: they are read as far as the time reaches, like any."""
    wanted = MessageFilter(subject="mail", outcomes=("ignored", State.FAILED), limit=3)
    assert [MANY, MANY - 1, MANY - 2] == ids(search(store.database, wanted, within=1, clock=StoppedWatch(2)))
    none = search(store.database, MessageFilter(subject="mail", outcomes=("done",)), within=1, clock=StoppedWatch(2))
    assert ([], MANY + 1 - LEAST) == (ids(none), none.before)


@pytest.mark.parametrize(("words", "count"), [("RARE word", 5), ("%", 0), ("word 7", 1), ("_", 0)])
def test_case_and_signs_of_patterns(store: Store, words: str, count: int) -> None:
    """The case of letters does not matter, and % and _ are themselves."""
    assert count == len(search(store.database, MessageFilter(subject=words), within=1e9).rows)


@pytest.mark.fault("A24-1")
def test_numbers_of_deleted_messages_take_no_time(store: Store) -> None:
    """Between two messages a million numbers are missing: the search does not look there, and does not take a range
    for quick that had hardly a message, so that the next one would take the whole store at once.
    """
    with store.database.write() as db:
        first = dict(db.execute(sa.select(mail).where(mail.c.id == 1)).one()._mapping)
        db.execute(sa.insert(mail), first | {"id": 1_000_000, "uid": "later", "kept_at": 1e9})
    found = search(store.database, MessageFilter(subject="word"), within=1, clock=StoppedWatch(2))
    assert ([], MANY + 1, 1e9) == (ids(found), found.before, found.since)

    ranges: list[int] = []

    @sa.event.listens_for(store.database.engine, "before_cursor_execute")
    def note(_db: object, _cursor: object, statement: str, given: tuple[object, ...], *_: object) -> None:
        if "mail.id > ?" in statement:
            bounds = [one for one in given if isinstance(one, int)]
            ranges.append(bounds[1] - bounds[0])

    found = search(store.database, MessageFilter(subject="word"), within=1, clock=StoppedWatch(1e-9))
    assert ([87, 67, 47, 27, 7], None) == (ids(found), found.before)
    assert [LEAST, 4 * LEAST, LEAST] == ranges


@pytest.mark.fault("A24-1")
def test_a_search_that_has_looked_at_all_does_not_continue(store: Store) -> None:
    """Where the first messages have been deleted, nobody is sent on to search for none."""
    with store.database.write() as db:
        db.execute(sa.delete(mail).where(mail.c.id <= MANY - LEAST))
    found = search(store.database, MessageFilter(subject="word"), within=1, clock=StoppedWatch(2))
    assert ([MANY - LEAST + 7], None) == (ids(found), found.before)


@pytest.mark.fault("A24-2")
@pytest.mark.parametrize(
    ("subject", "words"),
    [("Übergabe an Frau Ëmil", "übergabe AN frau ëm"), ("ÄÖÜ [1]*?", "äöü [1]*?"), ("ЗАКАЗ [a-z]", "заказ [a-z]")],
)
def test_case_beyond_ascii(store: Store, subject: str, words: str) -> None:
    """The case of letters that ASCII has not does not matter either, and the signs of patterns are themselves."""
    with store.database.write() as db:
        db.execute(sa.update(mail).where(mail.c.id == MANY).values(subject=subject))
    assert [MANY] == ids(search(store.database, MessageFilter(subject=words), within=1e9))
    assert [] == ids(search(store.database, MessageFilter(subject=f"{words}ü"), within=1e9))


def test_a_search_continues_for_the_very_first_message(store: Store) -> None:
    """Also if it is the only one that was not looked at."""
    with store.database.write() as db:
        db.execute(sa.delete(mail).where(mail.c.id > 1, mail.c.id <= LEAST))
        db.execute(sa.update(mail).where(mail.c.id == 1).values(subject="word"))
    wanted = MessageFilter(subject="word", before=2 * LEAST + 1)
    part = search(store.database, wanted, within=1, clock=StoppedWatch(2))
    assert ([LEAST + 7], 2) == (ids(part), part.before)
    part = search(store.database, replace(wanted, before=part.before), within=1, clock=StoppedWatch(2))
    assert ([1], None) == (ids(part), part.before)
