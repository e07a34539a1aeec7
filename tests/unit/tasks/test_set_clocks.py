"""A clock that is set back by a day has nothing wait for a day: no answer, no reply, no sign-in, no custom field."""

import datetime as dt
from pathlib import Path

import pytest
import time_machine

from redmine_mailbridge.errors import AlreadyRunning
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.mailbox import Listed, Location
from redmine_mailbridge.model.stored_mail import Cursor
from redmine_mailbridge.outgoing.rate_limits import held_back
from redmine_mailbridge.store.admin_sessions import Audit
from redmine_mailbridge.store.aggregate_results import AggregateResults
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.outgoing.adding import NewAnswer
from redmine_mailbridge.store.outgoing.outbox import Outbox
from tests.clocks import Clock
from tests.product import mail
from tests.unit.tasks.fake_redmine import open_fake_redmine

DAY = 86_400.0
NOW = 2_000_000_000.0


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.mark.fault("A11-F1")
def test_the_limits_of_what_goes_out(store: Store, clock: Clock) -> None:
    """Mails that were queued before the clock was set back do not hold back those of the next day."""
    outbox = Outbox(store.database, clock)

    def queued(number: int) -> bool:
        one = NewAnswer(
            "desk", "note", "a@x.example", "b@x.example", f"{number}@x.example", b"x",
            lambda count: held_back(count, refusal=False),
        )  # fmt: skip
        return outbox.queue([one])[0][0]

    assert [*[True] * 10, False] == [queued(number) for number in range(11)]
    clock.now -= DAY
    assert queued(11)


@pytest.mark.fault("A11-F1")
def test_what_is_counted_of_sign_ins(store: Store, clock: Clock) -> None:
    """Sign-ins that failed in the future lock nobody out."""
    book, seen = Audit(store.database, clock), list[int]()
    for back in (0.0, 0.0, DAY):
        clock.now -= back
        book.attempt("anna", "", "192.0.2.1", lambda tries, _known: seen.append(len(tries)))
    assert [0, 1, 0] == seen


@pytest.mark.fault("A11-F1")
def test_a_field_that_redmine_refused(store: Store, clock: Clock) -> None:
    """A custom field that was refused before the clock was set back is tried again."""
    results = AggregateResults(store.database)
    results.put_written("issue", 1, {"Hours": "1"}, {"Hours": "not now"}, clock())
    assert {(1, "Hours"): "1"} == results.written("issue", clock(), refused_within=DAY)
    assert {} == results.written("issue", clock() - DAY, refused_within=DAY)


@pytest.mark.fault("A11-F1")
def test_a_mail_that_was_not_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replies wait an hour at most for a mail that the server does not hand out, also where the clock is set back."""
    with open_fake_redmine(tmp_path, monkeypatch) as fake, fake.application() as made:
        place = Location("desk", "INBOX", "1", "99")
        store: Store = made.store
        store.add_unfetched(
            Listed(place, 10), "no", cursor=Cursor("1", None), state=State.STORED, next_try_at=store.clock() + 900
        )
        reply = mail("Re: Something", In_Reply_To="<never-seen@example.com>")
        with time_machine.travel(dt.datetime.now(dt.UTC) - dt.timedelta(days=1)):
            fake.server.append(reply)
            made.receivers[0].once()
        assert ["Re: Something"] == [issue["subject"] for issue in fake.issues]


@pytest.mark.fault("A11-F2")
@pytest.mark.parametrize("what", ["file", "folder"])
def test_one_store_by_two_names(tmp_path: Path, what: str) -> None:
    """A second service that is led to the store by a link finds that the first one works on it."""
    (tmp_path / "one").mkdir()
    first = Store.open(f"sqlite:///{tmp_path}/one/db", tmp_path / "raw")
    if what == "file":
        (tmp_path / "two").mkdir()
        (tmp_path / "two" / "db").symlink_to(tmp_path / "one" / "db")
    else:
        (tmp_path / "two").symlink_to(tmp_path / "one")
    second = Store.open(f"sqlite:///{tmp_path}/two/db", tmp_path / "raw")
    held = first.lock("service")
    assert second.is_locked("service")
    with pytest.raises(AlreadyRunning):
        second.lock("service")
    held.release()
    for one in (first, second):
        one.close()
