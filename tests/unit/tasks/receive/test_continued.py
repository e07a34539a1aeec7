"""Replies to closed issues that continue elsewhere, against a small Redmine: lost answers, two at once, circles."""

from typing import Any

import pytest
import sqlalchemy as sa

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.redmine.facts import MAX_SUCCESSORS
from redmine_mailbridge.store.tables import notice
from tests.product import mail, message_id_of
from tests.unit.tasks.fake_redmine import FakeRedmine

KIM, LEE = "Kim <kim@client.example>", "Lee <lee@client.example>"
CLOSED = {"id": 5, "name": "Closed", "is_closed": True}


def asks(fake: FakeRedmine, *people: str) -> list[bytes]:
    """These people write, each a new issue. Return the mails."""
    mails = [mail(f"Question {number}", sender=one) for number, one in enumerate(people)]
    for one in mails:
        fake.server.append(one)
        fake.receive()
    return mails


def related(fake: FakeRedmine, closed: int, *others: int) -> None:
    """Close an issue as the duplicate of others."""
    issue: dict[str, Any] = fake.issues[closed]
    issue["status"] = CLOSED
    issue["relations"] = [
        {"id": number, "issue_id": issue["id"], "issue_to_id": other, "relation_type": "duplicates"}
        for number, other in enumerate(others, 1)
    ]


def notices(fake: FakeRedmine) -> list[tuple[int, str]]:
    """What agents of other issues are notified of."""
    with fake.application() as made, made.store.database.read() as db:
        return [(row.issue, row.text) for row in db.execute(sa.select(notice).order_by(notice.c.id))]


def replies(to: bytes, sender: str, text: str = "More.\n") -> bytes:
    """An answer to a mail."""
    return mail("Re: Question", text, sender=sender, In_Reply_To=message_id_of(to))


@pytest.mark.parametrize("answer", [(504, "written"), (504, "")], ids=["written", "not written"])
def test_a_lost_answer_makes_one_note_and_one_notice(fake: FakeRedmine, answer: tuple[int, str]) -> None:
    """The answer to the note is lost: the note is there once, and the agents of the other issue are notified once."""
    first, _ = asks(fake, KIM, LEE)
    related(fake, 0, fake.issues[1]["id"])
    fake.answers = [answer]
    fake.server.append(replies(first, KIM))
    for _ in range(3):
        fake.receive()
    assert 1 == len(fake.issues[0]["journals"])
    assert [] == fake.issues[1]["journals"]
    ((issue, text),) = notices(fake)
    assert (fake.issues[1]["id"], True) == (issue, f"answers #{fake.issues[0]['id']}, which" in text)
    assert {State.DONE} == {row.state for row in fake.rows()}


def test_a_lost_answer_to_a_note_on_the_other_issue(fake: FakeRedmine) -> None:
    """The same where the reply goes to the other issue: one note there, and no notice."""
    first, _ = asks(fake, KIM, KIM)
    related(fake, 0, fake.issues[1]["id"])
    fake.answers = [(504, "written")]
    fake.server.append(replies(first, KIM))
    for _ in range(3):
        fake.receive()
    assert [0, 1] == [len(issue["journals"]) for issue in fake.issues]
    assert [] == notices(fake)


def test_two_replies_at_once(fake: FakeRedmine) -> None:
    """Two replies, to two duplicates of one issue, are two notes on it."""
    first, second, _ = asks(fake, KIM, KIM, KIM)
    for number in (0, 1):
        related(fake, number, fake.issues[2]["id"])
    fake.server.append(replies(first, KIM, "One.\n"), replies(second, KIM, "Two.\n"))
    fake.receive()
    assert [0, 0, 2] == [len(issue["journals"]) for issue in fake.issues]


def test_each_reply_is_notified_of(fake: FakeRedmine) -> None:
    """Each reply that stays is one notice."""
    first, _ = asks(fake, KIM, LEE)
    related(fake, 0, fake.issues[1]["id"])
    fake.server.append(replies(first, KIM, "One.\n"), replies(first, KIM, "Two.\n"))
    fake.receive()
    assert 2 == len(notices(fake))


def test_an_issue_with_many_relations_and_a_circle(fake: FakeRedmine) -> None:
    """A hundred relations cost no more than the limit of requests, and a circle ends."""
    first, second = asks(fake, KIM, KIM)
    related(fake, 0, *range(1000, 1100), fake.issues[1]["id"])
    related(fake, 1, fake.issues[0]["id"])
    asked: list[str] = []
    fake.reads = asked.append  # type: ignore[assignment]  # it returns None
    fake.server.append(replies(first, KIM), replies(second, KIM))
    fake.receive()
    assert 2 == sum(len(issue["journals"]) for issue in fake.issues)
    others = sum("/issues/1" in url and "/issues/1.json" not in url for url in asked)
    assert MAX_SUCCESSORS <= others <= 2 * MAX_SUCCESSORS
