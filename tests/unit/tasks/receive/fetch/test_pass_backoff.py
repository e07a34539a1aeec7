"""Pauses of a mailbox's thread grow with trouble in a row, and only with that."""

import pytest

from redmine_mailbridge.tasks.receive.fetch.pass_backoff import CALM, FailureStreak, PassBackoff, PassTrigger
from tests.clocks import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock(1000.0)


@pytest.fixture
def backoff(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> PassBackoff:
    """One without the chance in its pauses."""
    monkeypatch.setattr("redmine_mailbridge.tasks.receive.fetch.pass_backoff.jittered", lambda seconds: seconds)
    return PassBackoff(clock)


def pauses_of_failures(
    backoff: PassBackoff, clock: Clock, times: int, *, between: float, did_work: bool
) -> list[float]:
    """Given how long a pass that went well lies before each failure, return the pauses after so many failures."""
    pauses = []
    for _ in range(times):
        backoff.passed(PassTrigger.AGAIN, did_work=did_work)
        clock.now += between
        backoff.failed("IDLE: BAD")
        pauses.append(backoff.pause)
        clock.now += backoff.pause
    return pauses


def test_passes_that_went_through_between_failures_shorten_no_pause(backoff: PassBackoff, clock: Clock) -> None:
    """Listening that fails right after each pass pauses longer each time, although each pass goes well."""
    assert [15, 30, 60, 120, 240] == pauses_of_failures(backoff, clock, 5, between=1, did_work=False)


def test_a_pass_that_found_something_begins_anew(backoff: PassBackoff, clock: Clock) -> None:
    """After a pass that found a mail, the next failure is a first one."""
    assert [15, 15, 15] == pauses_of_failures(backoff, clock, 3, between=1, did_work=True)


def test_a_calm_minute_begins_anew(backoff: PassBackoff, clock: Clock) -> None:
    """A connection that held for a minute shows a server at work: the next failure is a first one."""
    assert [15, 15, 15] == pauses_of_failures(backoff, clock, 3, between=CALM, did_work=False)


def test_a_refused_login_is_not_repeated_soon(backoff: PassBackoff, clock: Clock) -> None:
    """After a login that the server refused, the first pause is a minute: accounts are locked after a few of those."""
    backoff.failed("wrong password", login_refused=True)
    assert 60 == backoff.pause


def test_a_pass_that_found_something_and_then_failed(backoff: PassBackoff, clock: Clock) -> None:
    """A connection that breaks after each mail makes the next mail wait no longer each time, however many commands
    were sent.
    """
    for _ in range(40):
        backoff.failed("broken", did_work=True, commands=500)
        assert 15 == backoff.pause


def test_a_pass_ends_a_pause(backoff: PassBackoff, clock: Clock) -> None:
    """A pass that somebody asked for in a pause and that went well ends it: listening begins at once."""
    backoff.failed("away")
    assert (True, True) == (backoff.failing, backoff.pause > 0)
    backoff.passed(PassTrigger.ASKED, did_work=False)
    assert (False, 0.0) == (backoff.failing, backoff.pause)


def test_a_server_that_asks_for_more_gets_it(backoff: PassBackoff, clock: Clock) -> None:
    """A server that names a time is left alone for so long, by everybody."""
    backoff.failed("Request is throttled. Suggested Backoff Time: 299961 milliseconds")
    assert (299.961, 299.961) == (pytest.approx(backoff.pause), pytest.approx(backoff.left_alone))
    clock.now += 300
    assert (0.0, 0.0) == (backoff.pause, backoff.left_alone)


def test_hints_for_nothing_slow_down(backoff: PassBackoff, clock: Clock) -> None:
    """A server that keeps telling of mails that are not there is believed less and less."""
    pauses = []
    for _ in range(7):
        backoff.passed(PassTrigger.HINT, did_work=False)
        pauses.append(backoff.pause)
        clock.now += backoff.pause
    assert [1, 5, 15, 60, 60, 60, 60] == pauses


def test_a_mail_restores_belief_step_by_step(backoff: PassBackoff, clock: Clock) -> None:
    """A mail among many false hints is fetched at once, and does not make up for all of them."""
    for _ in range(4):
        backoff.passed(PassTrigger.HINT, did_work=False)
        clock.now += backoff.pause
    backoff.passed(PassTrigger.HINT, did_work=True)
    assert backoff.pause == 0.0
    backoff.passed(PassTrigger.HINT, did_work=False)
    assert 60 == backoff.pause


def test_calm_makes_up_for_false_hints(backoff: PassBackoff, clock: Clock) -> None:
    """False hints that are more than a minute apart cost a second each, however many there are."""
    for _ in range(10):
        backoff.passed(PassTrigger.HINT, did_work=False)
        assert 1 == backoff.pause
        clock.now += CALM + 2


def test_hints_that_bring_mail_cost_no_time(backoff: PassBackoff) -> None:
    """However fast mails come, none waits for a pause."""
    for _ in range(1000):
        backoff.passed(PassTrigger.HINT, did_work=True)
        assert backoff.pause == 0.0


def test_mails_that_are_due_and_get_nowhere_slow_down(backoff: PassBackoff, clock: Clock) -> None:
    """A mail that is due again and again for nothing makes fewer passes, and hinders no hint of the server."""
    pauses = []
    for _ in range(4):
        backoff.passed(PassTrigger.DUE, did_work=False)
        pauses.append(backoff.due_pause)
        clock.now += backoff.due_pause
    assert [1, 5, 15, 60] == pauses
    backoff.passed(PassTrigger.DUE, did_work=False)
    assert (True, 0.0) == (backoff.due_pause > 0, backoff.pause)


def test_a_minute_for_nothing_costs_few_commands(clock: Clock) -> None:
    """A server that has us at work for nothing is left alone until a minute holds less than thirty commands for it;
    passes that found something count for nothing, however many commands they took.
    """
    backoff = PassBackoff(clock)
    backoff.passed(PassTrigger.HINT, did_work=True, commands=500)
    assert 0.0 == backoff.pause
    for _ in range(3):
        clock.now += 1
        backoff.passed(PassTrigger.AGAIN, did_work=False, commands=15)
    assert 59 == backoff.pause == backoff.due_pause
    clock.now += 59
    assert 0.0 == backoff.pause


def test_passes_that_ask_the_server_nothing_cost_nothing(clock: Clock) -> None:
    """However many there are within a minute."""
    backoff = PassBackoff(clock)
    for _ in range(100):
        backoff.passed(PassTrigger.AGAIN, did_work=False)
    assert (0.0, 0.0) == (backoff.pause, backoff.due_pause)


@pytest.mark.fault("A17-1")
def test_the_schedules_own_passes_hold_up_nothing(clock: Clock) -> None:
    """However often the schedule wants a pass, and however little that finds, the server is listened to in between."""
    backoff = PassBackoff(clock)
    for _ in range(20):
        backoff.passed(PassTrigger.ASKED, did_work=False, commands=15)
        assert (0.0, 0.0) == (backoff.pause, backoff.due_pause)
        clock.now += 10


def test_a_success_ends_the_pause_and_takes_one_failure_back() -> None:
    """After three failures and a success the next pause is as long as the third, neither the longest nor the first."""
    streak, now = FailureStreak(), 1000.0
    pauses = []
    for _ in range(3):
        streak.again(now)
        pauses.append(streak.until - now)
        now = streak.until
    streak.not_for_nothing(now)
    assert now == streak.until
    streak.again(now)
    assert pauses[2] == streak.until - now
    fresh = FailureStreak()
    fresh.not_for_nothing(now)
    fresh.again(now)
    assert pauses[0] == fresh.until - now


@pytest.mark.parametrize("now", [5.0, 1000.0])
def test_the_first_failure_counts_as_the_first(now: float) -> None:
    """Also within a minute of the machine's start, where the clock begins."""
    streak = FailureStreak()
    streak.again(now)
    assert 1.0 == streak.until - now
