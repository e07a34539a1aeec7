"""Redmine fails on one mail, or on all that is written: whose fault it is, who waits, who is set aside."""

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import time_machine
from structlog.testing import capture_logs

from redmine_mailbridge.cli.output import apply_decision
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.tasks.receive import settle
from redmine_mailbridge.tasks.receive.once import IN_HAND_TRIES
from redmine_mailbridge.tasks.receive.result import ProcessingResult
from redmine_mailbridge.tasks.service.service import _away
from redmine_mailbridge.tasks.service.task_runner import TaskRunner
from tests.product import mail, message_id_of
from tests.unit.tasks.fake_redmine import FakeRedmine, open_fake_redmine
from tests.unit.tasks.service.test_nothing_starves import ended, serving, until

HTML = "<html><title>Request blocked</title></html>"


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRedmine]:
    """A desk that gives up after three tries."""
    with open_fake_redmine(tmp_path, monkeypatch, max_attempts=3) as made:
        yield made


def state_of(fake: FakeRedmine, subject: str) -> tuple[State, str]:
    """Where the mail with this subject stands, and why."""
    (row,) = [row for row in fake.rows() if row.subject == subject]
    return row.state, row.reason or ""


def with_good_ones(fake: FakeRedmine, passes: int = 6) -> None:
    """So many passes, before each of which another mail has come."""
    for number in range(passes):
        fake.server.append(mail(f"Good {number}"))
        fake.receive()


def goods(fake: FakeRedmine) -> list[str]:
    """The subjects of the good ones that are issues."""
    return [issue["subject"] for issue in fake.issues if issue["subject"].startswith("Good")]


@pytest.mark.fault("B7")
def test_one_issue_cannot_be_shown(fake: FakeRedmine) -> None:
    """A reply to an issue on which Redmine answers 500 waits alone and is set aside at last; the others go on."""
    start = mail("Start")
    fake.server.append(start)
    fake.receive()
    fake.reads = lambda url: (500, {}, "") if "/issues/1.json" in url else None
    fake.server.append(mail("Re: Start", In_Reply_To=message_id_of(start)))
    with_good_ones(fake)

    assert [f"Good {number}" for number in range(6)] == goods(fake)
    state, reason = state_of(fake, "Re: Start")
    assert State.FAILED is state
    assert "failed after 3 attempts: Redmine is available, but a request for this mail fails" in reason


@pytest.mark.fault("B7")
@pytest.mark.parametrize("answer", [(403, HTML), (412, "")], ids=["firewall", "login"])
def test_one_request_is_never_taken(fake: FakeRedmine, answer: tuple[int, str]) -> None:
    """A text that a firewall does not like, and a user that cannot be acted as any more, concern one mail only."""
    fake.always = lambda body: answer if "Blocked" in body else None
    fake.server.append(mail("Blocked"))
    with_good_ones(fake)

    assert [f"Good {number}" for number in range(6)] == goods(fake)
    state, reason = state_of(fake, "Blocked")
    assert State.FAILED is state
    assert f"({answer[0]})" in reason


def test_what_the_last_request_of_the_last_try_has_written_is_found(fake: FakeRedmine) -> None:
    """Redmine answers 500 and has written it all the same: the mail is looked for once more before it is set aside."""
    asked = 0

    def always(body: str) -> tuple[int, str] | None:
        nonlocal asked
        if "Fails" not in body:
            return None
        asked += 1
        return 500, "written" if last_try and asked == IN_HAND_TRIES else ""

    fake.always = always
    fake.server.append(mail("Fails"))
    last_try = False
    for number in range(6):
        fake.server.append(mail(f"Good {number}"))
        fake.receive()
        (row,) = [row for row in fake.rows() if row.subject == "Fails"]
        last_try, asked = row.tries == 2, 0
    assert (State.DONE, 1) == (row.state, sum(issue["subject"] == "Fails" for issue in fake.issues))


def test_a_fault_of_the_bridge_s_own_concerns_one_mail(fake: FakeRedmine) -> None:
    """An answer that is not as it should be: the mail is tried as often as any other, and said to be no mail's fault;
    nothing of the mail stands in the log.
    """
    start = mail("Start")
    fake.server.append(start)
    fake.receive()
    fake.reads = lambda url: (200, {}, '{"issue": {"id": 1}}') if "/issues/1.json" in url else None
    fake.server.append(mail("Re: Start", "Secret words.\n", In_Reply_To=message_id_of(start)))
    with capture_logs() as logs:
        with_good_ones(fake, 4)
    assert [f"Good {number}" for number in range(4)] == goods(fake)
    state, reason = state_of(fake, "Re: Start")
    assert State.FAILED is state
    assert reason.startswith("failed after 3 attempts: internal error (")
    faults = [line for line in logs if line["event"] == "mail.fault"]
    assert (3, {2}) == (len(faults), {line["id"] for line in faults})
    assert "Secret" not in str(faults)


@pytest.mark.fault("B7")
def test_decided_anew(fake: FakeRedmine) -> None:
    """A mail whose user Redmine would not act as any more is decided about anew, and not sent as it was for ever."""
    fake.answers = [(412, "")] * 2
    fake.server.append(mail("Anew"))
    fake.receive()
    assert State.STORED is state_of(fake, "Anew")[0]
    fake.receive()

    assert (State.DONE, 1) == (state_of(fake, "Anew")[0], len(fake.issues))


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param((500, ""), marks=pytest.mark.fault("B8"), id="500"),
        pytest.param((502, ""), marks=pytest.mark.fault("B8"), id="502"),
        pytest.param((503, ""), id="503"),
        pytest.param((403, HTML), id="blocked"),
    ],
)
def test_a_redmine_that_reads_but_cannot_write(fake: FakeRedmine, answer: tuple[int, str]) -> None:
    """A mail is not to blame for a Redmine that takes no mail at all: it waits, however long, and is written then."""
    fake.always = lambda _body: answer
    fake.server.append(mail("Lonely"))
    for _ in range(8):
        fake.receive()
    state, reason = state_of(fake, "Lonely")
    assert state in {State.STORED, State.WRITE_PENDING}, reason

    fake.always = lambda _body: None
    fake.receive()
    fake.receive()
    assert ["Lonely"] == [issue["subject"] for issue in fake.issues]


def test_a_mail_that_redmine_fails_on_waits_longer_each_time(
    fake: FakeRedmine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pause begins with `settle` and doubles at each attempt that counts: after Redmine has taken another mail."""
    redmine = fake.settings.redmine.model_copy(update={"settle": dt.timedelta(seconds=100)})
    fake.settings = fake.settings.model_copy(update={"redmine": redmine})
    fake.always = lambda body: (504, "") if "Blocked" in body else None
    fake.server.append(mail("Blocked"))
    at, pauses = dt.datetime.now(dt.UTC), []
    for number in range(5):
        at += dt.timedelta(hours=1)
        monkeypatch.setattr(settle, "now", lambda at=at: ("this start", at.timestamp()))
        with time_machine.travel(at):
            told = fake.receive()
        pauses += [one.retry_at - at.timestamp() for one in told if one.retry_at is not None]
        fake.server.append(mail(f"Good {number}"))
    assert [100, 100, 100, 200, 400] == [round(pause, -2) for pause in pauses], "and what the pass took"


@pytest.mark.parametrize(("waited", "expected"), [(0.0, 0.5), (30.0, 2.0), (1e9, 600.0), (-3600.0, 30.5)])
def test_a_copy_is_tried_right_after_the_mail_that_it_waits_for(
    fake: FakeRedmine, waited: float, expected: float
) -> None:
    """The later, the longer it has waited already; not later than half an hour and ten minutes, whatever the clock."""
    raw = mail("Twice")
    fake.always = lambda _body: (502, "")
    at = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    fake.server.append(raw)
    fake.receive()
    fake.server.append(raw)
    with time_machine.travel(at, tick=False), fake.application() as made:
        with made.store.database.write() as db:
            db.exec_driver_sql("UPDATE mail SET next_try_at = ?", (at.timestamp() + 1000.0,))
        made.receivers[0].once()
        for until, pause in ((1000.0, 1000.0), (1e6, 1800.0)):
            told: list[ProcessingResult] = []
            with made.store.database.write() as db:
                db.exec_driver_sql("UPDATE mail SET next_try_at = ? WHERE id = 1", (at.timestamp() + until,))
                db.exec_driver_sql(
                    "UPDATE mail SET next_try_at = 0, kept_at = ? WHERE id = 2", (at.timestamp() - waited,)
                )
            made.receivers[0].once(told.append)
            (copy,) = told
            assert copy.retry_at is not None
            assert pause + expected == pytest.approx(copy.retry_at - at.timestamp(), abs=0.01)


def test_lonely_in_one_process(fake: FakeRedmine) -> None:
    """A service whose Redmine does not show one issue sets its lonely reply aside in the end, too."""
    start = mail("Start")
    fake.server.append(start)
    fake.receive()
    fake.reads = lambda url: (500, {}, "") if "/issues/1.json" in url else None
    fake.server.append(mail("Re: Start", In_Reply_To=message_id_of(start)))
    with fake.application() as made:
        for _ in range(4):
            made.store.retry(2)
            made.receivers[0].once()
    assert State.FAILED is state_of(fake, "Re: Start")[0]


@pytest.mark.fault("N8")
@pytest.mark.parametrize("how", ["tasks run", "retry"])
def test_asked_for_by_hand_after_an_outage(fake: FakeRedmine, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """Who asks for a run or for a mail by hand has Redmine asked anew, whatever pause the service keeps."""
    fake.down = True
    fake.server.append(mail("Waited"))
    with serving(fake, monkeypatch, {}) as (made, service):
        assert until(lambda: made.shared.breaker.closed_for > 0)
        for _ in range(5):
            made.shared.breaker.record_failure(300.0, "502 for a while")
        fake.down = False
        assert [] == fake.issues
        if how == "tasks run":
            made.tasks.book.request_run("receive")
            assert until(lambda: ended(_by_hand(service.runner)) == 1)
            assert [None] == [run.error for run in _by_hand(service.runner)]
        else:
            apply_decision(fake.settings, [1], "retry")
        assert until(lambda: len(fake.issues) == 1)


def _by_hand(runner: TaskRunner) -> list:  # type: ignore[type-arg]
    """The runs of receive that somebody asked for."""
    return [run for run in runner._book.runs("receive") if run.planned_at is None]


@pytest.mark.fault("N8")
def test_asked_for_by_hand_during_an_outage(fake: FakeRedmine, monkeypatch: pytest.MonkeyPatch) -> None:
    """While Redmine is unavailable, whoever asks is told what it says now, not what it said minutes ago."""
    fake.down = True
    fake.server.append(mail("Waits"))
    with serving(fake, monkeypatch, {}) as (made, service):
        assert until(lambda: made.shared.breaker.closed_for > 0)
        made.shared.breaker.record_failure(300.0, "something of long ago")
        made.tasks.book.request_run("receive")
        assert until(lambda: ended(_by_hand(service.runner)) == 1)
        (run,) = _by_hand(service.runner)
    assert "(502)" in (run.error or "")
    assert "long ago" not in (run.error or "")


@pytest.mark.parametrize("pause", [0.0, 300.0])
def test_the_reason_is_told(fake: FakeRedmine, pause: float) -> None:
    """The line of a mail that waits says whether Redmine is unavailable, or answers otherwise."""
    fails: Callable[[str], bool] = lambda url: "/issues/1.json" in url  # noqa: E731 - one condition
    start = mail("Start")
    fake.server.append(start)
    fake.receive()
    fake.down = pause > 0
    fake.reads = lambda url: (500, {}, "") if fails(url) else None
    fake.server.append(mail("Re: Start", In_Reply_To=message_id_of(start)))
    (outcome,) = fake.receive()
    words = "Redmine is unavailable" if pause else "Redmine does not accept it at present"
    assert words in outcome.line


REALM = {"WWW-Authenticate": 'Basic realm="Redmine API"'}


@pytest.mark.fault("A12-5")
@pytest.mark.parametrize("at", ["the file {}/redmine.key ([redmine] api_key_file)", "[redmine] api_key"])
@pytest.mark.parametrize("first", [True, False], ids=["from the start", "later"])
def test_a_key_that_is_not_accepted(fake: FakeRedmine, tmp_path: Path, at: str, first: bool) -> None:
    """A key that Redmine does not accept is told as that, with where it stands and what to put there; nobody is told
    that Redmine is unavailable, and the mail goes on when the key is mended.
    """
    file = tmp_path / "redmine.key" if "file" in at else None
    redmine = fake.settings.redmine.model_copy(update={"api_key_file": file})
    fake.settings = fake.settings.model_copy(update={"redmine": redmine})
    fake.who = (401, REALM, "") if first else None
    fake.server.append(mail("Waits"))
    if not first:
        fake.receive()
        fake.who = (401, REALM, "")
        fake.server.append(mail("Waits too"))
    (outcome,) = fake.receive()
    said = [outcome.line]
    with fake.application() as made:
        if "is away" not in outcome.line:
            made.shared.breaker.record_failure(60.0)
            made.shared.breaker.ask_anew()
            said.append(_away(made.shared) or "")
    for words in said:
        assert "Redmine does not accept the API key (401)" in words
        assert "Redmine is unavailable" not in words
        assert f"(My account, API access key) to {at.format(tmp_path)}" in words
    fake.who = None
    assert all(one.state is State.DONE for one in fake.receive())


@pytest.mark.fault("A12-5")
def test_no_api(fake: FakeRedmine) -> None:
    """A Redmine whose REST API is switched off is told as that, with where to switch it on, and not as one that is
    away.
    """
    fake.who = (403, {}, "")
    fake.server.append(mail("Waits"))
    (outcome,) = fake.receive()
    assert "Redmine is unavailable" not in outcome.line
    assert "(Administration, Settings, API: Enable REST web service)" in outcome.line
    fake.who = None
    assert all(one.state is State.DONE for one in fake.receive())
