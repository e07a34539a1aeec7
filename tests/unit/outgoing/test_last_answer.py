"""What the field of an issue shows of the last note that was sent, from the rows of the outbox alone."""

import datetime as dt
import itertools
import random
from zoneinfo import ZoneInfo

import pytest

from redmine_mailbridge.outgoing.last_answer import last_answer
from redmine_mailbridge.store.outgoing.answers import MailedAnswer
from redmine_mailbridge.store.outgoing.rows import BOUNCED, DISCARDED, FAILED, LIMIT_REACHED, QUEUED, SENT

BERLIN = ZoneInfo("Europe/Berlin")
AT = dt.datetime(2026, 11, 28, 14, 5, tzinfo=BERLIN).timestamp()
KIM, LEE, MAX = "kim@customer.example", "lee@customer.example", "max@customer.example"


def row(number: int, to: str = KIM, state: str = SENT, *, message: str = "m1", at: float | None = AT,
        reason: str | None = None) -> MailedAnswer:  # fmt: skip
    """A mail to one recipient. One that has not been handed over has no time."""
    sent = at if state in {SENT, BOUNCED, DISCARDED} else None
    return MailedAnswer(number, 1, "desk", 5, message, to, state, AT - 60, sent, reason)


WAITING = row(4, state=QUEUED, message="m2", reason=LIMIT_REACHED)
CASES = {
    "nothing": ([], False, ""),
    "queued": ([row(1, state=QUEUED)], False, ""),
    "sent": ([row(1)], False, f"2026-11-28 14:05 to {KIM}"),
    "in Cc": ([row(1), row(2, LEE), row(3, MAX)], False, f"2026-11-28 14:05 to {KIM}, 2 in Cc"),
    "only in Cc": ([row(2, LEE), row(3, MAX)], False, f"2026-11-28 14:05 to {LEE}, 1 in Cc"),
    "one in Cc is refused at once": (
        [row(1), row(2, LEE, FAILED), row(3, MAX)],
        False,
        f"2026-11-28 14:05 to {KIM}, 1 in Cc; not delivered to {LEE}",
    ),
    "the requester is refused, Cc is not": (
        [row(1, state=FAILED), row(2, LEE)],
        False,
        f"2026-11-28 14:05 to {LEE}; not delivered to {KIM}",
    ),
    "one is not handed over yet": ([row(1), row(2, LEE, QUEUED)], False, f"2026-11-28 14:05 to {KIM}"),
    "returned": ([row(1, state=BOUNCED)], False, f"2026-11-28 14:05 to {KIM} (not delivered)"),
    "returned and dismissed": ([row(1, state=DISCARDED)], False, f"2026-11-28 14:05 to {KIM} (not delivered)"),
    "one in Cc is returned": (
        [row(1), row(2, LEE), row(3, MAX, BOUNCED)],
        False,
        f"2026-11-28 14:05 to {KIM}, 1 in Cc, 1 in Cc not delivered",
    ),
    "the newest counts": (
        [row(1, at=AT - 86_400), row(2, message="m2")],
        False,
        f"2026-11-28 14:05 to {KIM}",
    ),
    "refused": ([row(1, state=FAILED)], False, f"not delivered to {KIM}"),
    "sent, the next one refused": (
        [row(1), row(2, state=FAILED, message="m2")],
        False,
        f"2026-11-28 14:05 to {KIM}; not delivered to {KIM}",
    ),
    "refused, the next one sent": (
        [row(1, state=FAILED, message="m0"), row(2)],
        False,
        f"2026-11-28 14:05 to {KIM}",
    ),
    "over a limit of the account": (
        [row(1), WAITING],
        False,
        f"2026-11-28 14:05 to {KIM}; another one waits for a sending limit",
    ),
    "the first is over a limit": ([WAITING], False, "waits for a sending limit"),
    "a note is held back": ([row(1)], True, f"2026-11-28 14:05 to {KIM}; another one waits for a sending limit"),
    "waits for its server": ([row(1, state=QUEUED, reason="421 later")], False, ""),
}


@pytest.mark.parametrize("case", CASES)
def test_what_the_field_shows(case: str) -> None:
    """What the server has accepted was sent, at that time in the zone of the mailbox's mail; nothing else was. A later
    report of failure, and a limit that holds a note back, change what is shown.
    """
    rows, held, shown = CASES[case]
    newest_first = sorted(rows, key=lambda one: -one.id)
    assert shown == last_answer(newest_first, KIM, BERLIN, held=held)


def test_the_zone() -> None:
    """The time is in the zone of the mailbox's mail."""
    assert f"2026-11-28 13:05 to {KIM}" == last_answer([row(1)], KIM, dt.UTC, held=False)


@pytest.mark.parametrize("seed", range(50))
def test_nothing_private_whatever_happened(seed: int) -> None:
    """Over any history of mails, the value has no words of a server, and no address but the one it names; it is one
    printable line of at most 400 characters.
    """
    chance = random.Random(seed)
    states = [SENT, BOUNCED, FAILED, QUEUED, DISCARDED]
    people = [KIM, LEE, MAX, f"{'x' * 240}@customer.example", "k\nim@x"]
    rows = [
        row(number, chance.choice(people), chance.choice(states), message=f"m{chance.randrange(4)}",
            at=AT + chance.randrange(1000), reason=chance.choice([None, "550 SECRET words", LIMIT_REACHED]))
        for number in range(chance.randrange(12))
    ]  # fmt: skip
    shown = last_answer(rows[::-1], KIM, BERLIN, held=chance.random() < 0.5)
    assert "SECRET" not in shown
    assert shown.isprintable()
    assert len(shown) <= 400
    named = [one for one in people if one in shown]
    assert len(named) <= 2  # the one it was sent to, and the one whom a later one did not reach
    if not any(one.sent_at for one in rows):
        assert " to " not in shown.replace("not delivered to ", "")


def test_who_is_shown_does_not_depend_on_the_order() -> None:
    """The requester is named, in whatever order the copies were sent."""
    copies = [row(1, LEE), row(2, KIM), row(3, MAX)]
    values = {last_answer(list(some), KIM, BERLIN, held=False) for some in itertools.permutations(copies)}
    assert {f"2026-11-28 14:05 to {KIM}, 2 in Cc"} == values


@pytest.mark.fault("A36-6")
def test_a_clock_that_was_set_back() -> None:
    """A mail that was sent while the clock was years ahead is the last one only until the next is sent."""
    first, second = row(1, at=AT + 315_360_000), row(2, message="m2")
    assert f"2026-11-28 14:05 to {KIM}" == last_answer([second, first], KIM, BERLIN, held=False, now=AT + 60)
    lost = row(3, state=FAILED, message="m3")
    shown = last_answer([lost, first], KIM, BERLIN, held=False, now=AT + 60)
    assert shown.endswith(f" to {KIM}; not delivered to {KIM}")
