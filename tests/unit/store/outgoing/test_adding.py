"""What a limit counts before a mail is queued."""

from collections.abc import Callable

import pytest

from redmine_mailbridge.store.outgoing.adding import CountMails
from redmine_mailbridge.store.outgoing.outbox import Outbox
from tests.clocks import Clock
from tests.unit.store.kept import answer


def _asks(by: str, seconds: float, answers: list[int]) -> Callable[[CountMails], str | None]:
    def why_not(count: CountMails) -> str | None:
        answers.append(count(by, seconds))
        return "too many" if answers[-1] > 1 else None

    return why_not


def test_what_counts_for_a_limit_are_mails_about_the_issue_or_to_the_person(outbox: Outbox, clock: Clock) -> None:
    outbox.queue([answer(1), answer(1, to="cora@client.example"), answer(2, kind="note"), answer(3, issue=8)])
    clock.now += 100
    answers: list[int] = []

    def counted(number: int, by: str, seconds: float, **more: object) -> int:
        outbox.queue([answer(number, why_not=_asks(by, seconds, answers), **more)])  # type: ignore[arg-type]
        return answers[-1]

    assert 2 == counted(90, "issue", 100.0), "the copies of one mail are one"
    assert 0 == counted(91, "issue", 99.0)
    assert 0 == counted(92, "issue", 100.0, issue=None)
    assert 1 == counted(93, "issue", 100.0, among=frozenset({"note"}))
    assert 6 == counted(94, "person", 500.0, issue=99, to="KIM@client.example")
    assert 1 == counted(95, "person", 100.0, to="cora@client.example", issue=99)
    assert 1 == counted(96, "refusal", 100.0, kind="note", issue=98)
    assert ["m94@x", "m90@x"] == [number for number in ("m94@x", "m90@x") if not outbox.copies([number])]


def test_a_mail_that_is_too_much_is_not_queued_and_the_line_says_why(outbox: Outbox) -> None:
    refused = answer(1, why_not=lambda _: "more than 3 within an hour")
    assert [(False, "more than 3 within an hour (received to kim@client.example)")] == outbox.queue([refused])
    assert {} == outbox.waiting()


def test_a_person_has_one_count_under_all_subaddresses(outbox: Outbox) -> None:
    for number, address in enumerate(("kim@c.example", "kim+a@c.example", "kim+b@d.example", "kimberly@c.example")):
        outbox.queue([answer(number, to=address)])
    answers: list[int] = []
    asks = _asks("person", 60.0, answers)
    outbox.queue([answer(90, to="kim+z@c.example", person="kim@c.example", why_not=asks, issue=99)])
    outbox.queue([answer(91, to="kim+a@c.example", why_not=asks, issue=99)])
    outbox.queue([answer(92, to="kim@c.example", why_not=asks, issue=99)])
    assert [2, 1, 1] == answers


@pytest.mark.parametrize(
    ("person", "other"), [("k_m@c.example", "kim+a@c.example"), ("kim@c_d.example", "kim+a@cxd.example")]
)
def test_similar_persons(outbox: Outbox, person: str, other: str) -> None:
    """An address that differs in a character is another person's, even where the other one has "_" there."""
    local, _, domain = person.partition("@")
    for number, address in enumerate((person, f"{local}+a@{domain}", other, "a@a.example", "b@a.example")):
        outbox.queue([answer(number, to=address)])
    answers: list[int] = []
    outbox.queue([answer(90, to=person, person=person, why_not=_asks("person", 60.0, answers), issue=99)])
    assert [2] == answers
