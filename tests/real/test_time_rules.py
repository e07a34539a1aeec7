"""Rules of time on a real Redmine: remind, close and escalate, each once, as Redmine shows it."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from redmine_mailbridge.model.task_result import TaskStepResult
from redmine_mailbridge.policy.issue_text import literal
from redmine_mailbridge.settings.calendars import calendars
from redmine_mailbridge.store.tables import outbox
from redmine_mailbridge.tasks.update.rule_runner import RuleRunner
from redmine_mailbridge.wiring import application as app
from redmine_mailbridge.wiring import outgoing
from redmine_mailbridge.wiring import time_rules as ruling
from tests.product import CAROL, STRANGER, Product, mail, message_id_of, product
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox

pytestmark = pytest.mark.real

DAY = 86400.0
REMIND = {
    "name": "remind",
    "when": {"waiting_for": "customer", "agent_silent": "3d"},
    "then": {"mail": "reminder", "note": "Reminded: {reason}.", "private_note": True},
}
CLOSE = {
    "name": "close",
    "when": {"waiting_for": "customer", "agent_silent": "14d"},
    "then": {"status": "Closed", "note": "Closed: {reason}, {requester.name}.", "mail": "closed"},
}
ESCALATE = {
    "name": "escalate",
    "when": {"no_answer": "4 business hours"},
    "then": {"priority": "High", "assignee": "anna@example.com", "mail": "escalation", "mail_to": ["assignee"]},
}


class Later:
    """A clock that can be put forward, so that nobody has to wait."""

    ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def bridge(tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str) -> Product:
    made = product(tmp_path, redmine, mailbox, project)
    made.change({
        "outgoing": {"host": "127.0.0.1", "security": "none"},
        "rules": [REMIND, CLOSE, ESCALATE],
        "calendars": {"office": {"time_zone": "Europe/Berlin"}},
    })  # fmt: skip
    made.support(answers={"notes": "public_notes"})
    made.passes()  # what lies there when a mailbox is read for the first time is never answered
    with made.application() as application:
        answer(application)  # nor are the notes from before
    return made


@pytest.fixture
def application(bridge: Product) -> Iterator[app.Application]:
    with bridge.application() as made:
        yield made


def rules_of(application: app.Application, clock: Callable[[], float]) -> RuleRunner:
    one = application
    return ruling.time_rules(
        one.settings, one.store, one.client, one.metadata, issue_sync=one.issue_sync, mailer=one.mailer, now=clock
    )


def mails(application: app.Application) -> list[tuple[str, str]]:
    """The kind and the recipient of each mail that was queued, in order."""
    with application.store.database.read() as db:
        found = db.execute(sa.select(outbox.c.kind, outbox.c.recipient).order_by(outbox.c.id))
        return [(row.kind, row.recipient) for row in found]


def answer(application: app.Application) -> None:
    """Mail what agents have written, as an update does before it looks at the rules."""
    one = application
    station = outgoing.agent_answers(
        one.settings, one.store, one.client, one.metadata, issue_sync=one.issue_sync, mailer=one.mailer
    )
    assert station.once(threading.Event()).error is None


def once(rules: RuleRunner) -> TaskStepResult:
    return rules.once(threading.Event())


def test_remind_close_and_begin_anew(
    redmine: Redmine, mailbox: Mailbox, bridge: Product, application: app.Application
) -> None:
    """Three days after the agent's question the customer is reminded, once; after 14 the issue is closed, once; the
    customer's answer opens both rules again.
    """
    clock = Later()
    rules = rules_of(application, clock)
    first = mail("Printer on fire", sender=STRANGER)
    mailbox.append(first)
    (made,) = bridge.receive()
    number = made.issue
    assert number is not None
    redmine.api("bob").call("PUT", f"/issues/{number}.json", {"issue": {"notes": "Is it out?"}})
    answer(application)

    assert TaskStepResult() == once(rules)
    clock.ahead = 3 * DAY + 60
    assert TaskStepResult(done=1) == once(rules)
    assert TaskStepResult() == once(rules)
    assert [(kind, "zoe@elsewhere.example") for kind in ("answer", "reminder")] == mails(application)
    reminded = redmine.admin.issue(number)["journals"][-1]
    assert ("Reminded: it waits for the customer" in reminded["notes"]) is False
    assert ("Reminded: no word from an agent for 3 days.", True) == (reminded["notes"], reminded["private_notes"])

    clock.ahead = 14 * DAY + 60
    assert TaskStepResult(done=1) == once(rules)
    assert TaskStepResult() == once(rules)
    closed = redmine.admin.issue(number)
    assert "Closed" == closed["status"]["name"]
    name = literal("Zoe Stranger", application.settings.redmine.text_format)
    assert f"Closed: no word from an agent for 14 days, {name}." == closed["journals"][-1]["notes"]
    assert ("closed", "zoe@elsewhere.example") == mails(application)[-1]
    lines = [step.line for step in application.message_queries.steps(made.row.id)]
    assert ['rule "remind" applied: no word from an agent for 3 days'] == [one for one in lines if '"remind"' in one]
    assert ['rule "close" applied: no word from an agent for 14 days'] == [one for one in lines if '"close"' in one]

    bridge.issue(reopen_status="In Progress")
    mailbox.append(mail("Re: Printer on fire", sender=STRANGER, In_Reply_To=message_id_of(first)))
    bridge.receive()
    clock.ahead = 30 * DAY
    assert TaskStepResult() == once(rules), "it is an agent's turn"
    redmine.api("bob").call("PUT", f"/issues/{number}.json", {"issue": {"notes": "And now?", "status_id": 2}})
    answer(application)
    clock.ahead = 31 * DAY
    assert TaskStepResult(done=2) == once(rules)
    said = ["answer", "reminder", "closed"]
    assert [*said, *said] == [kind for kind, _ in mails(application)]


@pytest.mark.fault("N1")
def test_nobody_waits_for_an_answer_to_what_was_not_mailed(
    redmine: Redmine, mailbox: Mailbox, tmp_path: Path, project: str
) -> None:
    """Where agents' notes go to nobody by mail, nobody is reminded of them; a customer with an account counts as told
    where the settings leave that to Redmine.
    """
    bridge = product(tmp_path, redmine, mailbox, project)
    rule = {"name": "remind", "when": {"waiting_for": "customer", "agent_silent": "1s"}, "then": {"priority": "Low"}}
    bridge.change({"rules": [rule]})
    bridge.passes()
    mailbox.append(mail("Printer on fire", sender=STRANGER), mail("Mine too", sender=CAROL))
    stranger, carol = (one.issue for one in sorted(bridge.receive(), key=lambda one: one.row.id))
    for number in (stranger, carol):
        redmine.api("bob").call("PUT", f"/issues/{number}.json", {"issue": {"notes": "Is it out?"}})

    until = time.monotonic() + 30
    while not (due := bridge.quick_json("rules", "preview")):
        assert time.monotonic() < until
    assert [carol] == [one["issue"] for one in due]
    bridge.support(answers={"redmine_users": "mail"})
    assert [] == bridge.quick_json("rules", "preview")


def test_escalate_in_business_hours(
    redmine: Redmine, mailbox: Mailbox, bridge: Product, application: app.Application
) -> None:
    """Without a first answer an issue is escalated when 4 business hours are over, not a moment earlier; an answered
    one is not.
    """
    clock = Later()
    rules = rules_of(application, clock)
    mailbox.append(mail("Nobody cares", sender=STRANGER), mail("Somebody cares", sender=STRANGER))
    ignored, answered = (outcome.issue for outcome in sorted(bridge.receive(), key=lambda one: one.row.id))
    assert ignored is not None
    assert answered is not None
    redmine.api("bob").call("PUT", f"/issues/{answered}.json", {"issue": {"notes": "I do."}})
    rules.preview()
    made = next(row for row in rules._issues.issues() if row.id == ignored)
    due_at = calendars(bridge.settings().calendars).of("any").after(made.created_on, 4 * 3600)

    clock.ahead = due_at - time.time() - 60  # the test itself takes some of it
    assert TaskStepResult() == once(rules)
    clock.ahead = due_at - time.time() + 1
    (due,) = rules.preview()
    assert (ignored, "no first answer for 4 business hours") == (due.issue.id, due.match.reason)
    assert TaskStepResult(done=1) == once(rules)
    assert TaskStepResult() == once(rules)
    issue = redmine.admin.issue(ignored)
    assert ("High", "Anna Agent") == (issue["priority"]["name"], issue["assigned_to"]["name"])
    assert [("escalation", "anna@example.com")] == mails(application)
    assert [] == [one for one in redmine.admin.issue(answered)["journals"] if not one["notes"]]


def test_what_redmine_refuses_is_said(redmine: Redmine, mailbox: Mailbox, tmp_path: Path, project: str) -> None:
    """Where Redmine does not take what a rule sets (an assignee who is no member), the rule fails with that, once, and
    can be let try again.
    """
    bridge = product(tmp_path, redmine, mailbox, project)
    rule = {"name": "rise", "when": {"created": "1s"}, "then": {"assignee": "carol@example.org"}}
    bridge.change({"rules": [rule]})
    bridge.passes()
    mailbox.append(mail("A question", sender=STRANGER))
    (made,) = bridge.receive()
    with bridge.application() as application:
        clock = Later()
        clock.ahead = 60
        rules = rules_of(application, clock)
        result = once(rules)
        assert (0, 1, None) == (result.done, result.failed, result.error)
        assert TaskStepResult() == once(rules)
        lines = [step.line for step in application.message_queries.steps(made.row.id)]
        assert any('rule "rise" could not be applied: ' in line for line in lines), lines
    assert "assigned_to" not in redmine.admin.issue(made.issue or 0)
    (state,) = bridge.quick_json("rules", "list")
    assert (0, 1) == (state["done"], state["failed"])
    assert "retries 1 issue" in bridge.quick("rules", "retry", "rise").output


def test_too_many_at_once_ask_first(
    redmine: Redmine, mailbox: Mailbox, bridge: Product, application: app.Application
) -> None:
    """A rule that is due for more issues than its max_issues touches none until an admin releases it."""
    bridge.change(
        {"rules": [{"name": "tidy", "max_issues": 2, "when": {"created": "1h"}, "then": {"priority": "Low"}}]}
    )
    mailbox.append(*[mail(f"Question {n}", sender=STRANGER) for n in range(3)])
    made = {outcome.issue for outcome in bridge.receive()}

    def priorities() -> set[str]:
        return {redmine.admin.issue(number)["priority"]["name"] for number in made if number}

    with bridge.application() as again:
        clock = Later()
        clock.ahead = 7200
        rules = rules_of(again, clock)
        result = once(rules)
        assert 0 == result.done
        assert result.error is not None
        assert 'rule "tidy" is due for 3 issues, more than max_issues = 2' in result.error
        assert {"Normal"} == priorities()
        assert 3 == len(rules.preview())
        assert [(3, True)] == [(one.due, one.stopped) for one in rules.states()]
        assert "resumes with the next update" in bridge.quick("rules", "resume", "tidy").output
        assert TaskStepResult(done=3) == once(rules)
        assert {"Low"} == priorities()
        assert not rules._rule_runs.released("tidy")
