"""What is written and recorded of a plan: as whom, and who takes part in the issue from then on."""

import threading
from dataclasses import replace

import pytest

from redmine_mailbridge.errors import RedmineUnclear
from redmine_mailbridge.mail.parse import parse
from redmine_mailbridge.model.facts import Issue
from redmine_mailbridge.model.mail import Address
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.plan import Action, IssueFields, Plan
from redmine_mailbridge.model.stored_mail import StoredMail
from redmine_mailbridge.redmine.groups import Groups
from redmine_mailbridge.redmine.writer import Writer
from redmine_mailbridge.store.queries.messages import MessageFilter
from redmine_mailbridge.tasks.receive.acknowledgements import AutoReplies
from redmine_mailbridge.tasks.receive.executor import PlanExecutor, WriteRules
from redmine_mailbridge.wiring.application import Application
from tests.product import mail
from tests.unit.tasks.fake_redmine import FakeRedmine

KIM = Address("Kim", "kim@c.example")
NOTE = Plan(Action.NOTE, "a reply", project="desk", issue=1, text="Again.", requester=KIM)


def stored(fake: FakeRedmine, made: Application, raw: bytes) -> StoredMail:
    """A mail that is kept, and not processed."""
    fake.server.append(raw)
    made.shared.breaker.record_failure()
    made.receivers[0].once()
    return made.message_queries.messages(MessageFilter())[0]


def executor_of(made: Application) -> PlanExecutor:
    return PlanExecutor(
        made.store, made.message_queries, Writer(made.client, made.metadata), made.metadata, WriteRules(0.0),
        groups=Groups(made.client, made.metadata), answers=AutoReplies({}), stop=threading.Event(),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (NOTE, {"kim@c.example", "jo@c.example"}),
        (replace(NOTE, machine=True), set()),
        (replace(NOTE, private_note=True), set()),
    ],
)
def test_who_takes_part_in_an_issue(fake: FakeRedmine, plan: Plan, expected: set[str]) -> None:
    """Who writes, and who is in Cc; nobody through an auto-reply or a note for the team: anyone can send those."""
    fake.server.append(mail("Printer", sender="zoe@elsewhere.example"))
    fake.receive()
    reply = mail("Re: Printer", sender="Kim <kim@c.example>", Cc="Jo <jo@c.example>")
    with fake.application() as made:
        row = stored(fake, made, reply)
        result = executor_of(made).execute(row, plan, "desk", parse(reply), Issue(1, "desk", "Printer"))
        assert 1 == result.issue
        found = made.message_queries.participants([1])[1]
    assert expected == set(found) - {"zoe@elsewhere.example"}


@pytest.mark.parametrize(
    ("sender", "expected"),
    [
        ("Kim <kim@c.example>", None),
        ("Anna <anna@example.com>", "kim@c.example"),
        ("Zoe <zoe@x.example>", "kim@c.example"),
    ],
)
def test_who_asks_is_recorded_if_it_is_not_the_sender(fake: FakeRedmine, sender: str, expected: str | None) -> None:
    fake.server.append(mail("Printer"))
    fake.receive()
    reply = mail("Re: Printer", sender=sender)
    with fake.application() as made:
        row = stored(fake, made, reply)
        executor_of(made).execute(row, NOTE, "desk", parse(reply), Issue(1, "desk", "Printer"))
        (row,) = made.message_queries.messages(MessageFilter(ids=[row.id]))
    assert expected == row.requester


def test_a_private_note_that_its_author_may_not_write_names_the_author(fake: FakeRedmine) -> None:
    """The key's own user writes it, who may; else nobody would know whose words they are."""
    fake.users = {"anna": 5}
    fake.server.append(mail("Printer"))
    fake.receive()
    reply = mail("Re: Printer", sender="Anna <anna@example.com>")
    plan = replace(NOTE, private_note=True, act_as="anna", requester=Address("Anna", "anna@example.com"))
    with fake.application() as made:
        row = stored(fake, made, reply)
        executor_of(made).execute(row, plan, "desk", parse(reply), Issue(1, "desk", "Printer"))
        lines = [step.line for step in made.message_queries.steps(row.id)]
    (note,) = fake.issues[0]["journals"]
    assert ("Mail Bridge", True, True) == (
        note["user"]["name"], "anna@example.com" in note["notes"], note["notes"].endswith("\n\nAgain.")
    )  # fmt: skip
    assert "anna may not write private notes here: written by the bridge's own user" in lines


def test_an_issue_is_looked_for_as_that_of_the_user_who_wrote_it(fake: FakeRedmine) -> None:
    """Whatever user has the sender's address."""
    fake.users = {"anna": 5, "tickets": 6}
    raw = mail("Printer", sender="anna@example.com")
    plan = Plan(Action.CREATE, "new", project="desk", act_as="tickets", fields=IssueFields(subject="Printer"))
    fake.answers = [(504, "written")]
    with fake.application() as made:
        row, executor = stored(fake, made, raw), executor_of(made)
        with pytest.raises(RedmineUnclear):
            executor.execute(row, plan, "desk", parse(raw))
        (row,) = made.message_queries.messages(MessageFilter(ids=[row.id]))
        found = executor.recover(row, parse(raw))
    assert found is not None
    assert (State.DONE, 1, ["tickets"]) == (found.state, found.issue, [one["author"]["name"] for one in fake.issues])
