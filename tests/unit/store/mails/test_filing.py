"""When a mail is filed."""

import pytest

from redmine_mailbridge.model.mail_state import LONGEST_PAUSE, State, pause_after
from redmine_mailbridge.store.messages import Store
from tests.clocks import Clock
from tests.unit.store.kept import keep, lines, put


@pytest.fixture
def clock() -> Clock:
    return Clock()


def _to_file(store: Store, mailbox: str = "support") -> list[int]:
    return [row.id for row in store.unfiled(mailbox)]


def _closed(store: Store, uid: int) -> int:
    mail_id = keep(store, uid)
    put(store, mail_id, State.DONE)
    return mail_id


def test_a_mail_that_the_server_would_not_move_waits_longer_each_time(store: Store, clock: Clock) -> None:
    mail_id = _closed(store, 1)
    for tries in (1, 2, 3):
        store.defer_filing(mail_id, "no such folder")
        assert [] == _to_file(store)
        clock.now += pause_after(tries) - 1
        assert [] == _to_file(store)
        clock.now += 1
        assert [mail_id] == _to_file(store)
    assert "not filed yet: no such folder" == lines(store, mail_id)[-1]


def test_the_first_time_costs_no_pause_where_it_is_spared(store: Store, clock: Clock) -> None:
    mail_id = _closed(store, 1)
    store.defer_filing(mail_id, "it comes back", spare_first=True)
    assert [mail_id] == _to_file(store)
    store.defer_filing(mail_id, "it comes back", spare_first=True)
    assert [] == _to_file(store)
    clock.now += pause_after(1)
    assert [mail_id] == _to_file(store)


def test_mails_that_wait_longer_than_any_pause_are_filed_soon(store: Store, clock: Clock) -> None:
    """The clock was set back; a mail that is to stay on the server until a day stays."""
    store.hurry_filing()
    deferred, staying, waiting = (_closed(store, uid) for uid in range(3))
    store.defer_filing(waiting, "no such folder")
    store.file_after(staying, clock.now + 10 * LONGEST_PAUSE)
    clock.now += 10 * LONGEST_PAUSE
    store.defer_filing(deferred, "no such folder")
    clock.now -= 10 * LONGEST_PAUSE
    store.hurry_filing()
    assert [deferred] == _to_file(store)
    clock.now += pause_after(1)
    assert [deferred, waiting] == _to_file(store)


def test_a_mail_stays_on_the_server_until_its_day_and_begins_anew_then(store: Store, clock: Clock) -> None:
    mail_id = _closed(store, 1)
    store.defer_filing(mail_id, "no such folder")
    until = clock.now + 86_400
    store.file_after(mail_id, until)
    assert "left on the server until 1970-01-13 13:46 UTC" == lines(store, mail_id)[-1]
    clock.now = until - 1
    assert [] == _to_file(store)
    clock.now = until
    assert [mail_id] == _to_file(store)
    store.defer_filing(mail_id, "no such folder", spare_first=True)
    assert [mail_id] == _to_file(store)
