"""Time-based rules: each acts once, whatever Redmine answers, and its record says what became of it."""

import threading
import time
from typing import Any

import pytest

from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.model.task_result import TaskStepResult
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.tasks.receive import settle
from redmine_mailbridge.tasks.update.update import Updater
from redmine_mailbridge.wiring import time_rules
from tests.helpdesk import ANNA, BOB, BRIDGE, HelpDesk, iso, sent_mails, writes

KIM = "kim@client.example"
NOTE = "Nobody has answered."
OLD = {"name": "old", "when": {"created": "1h"}, "then": {"note": NOTE, "private_note": True}}


@pytest.fixture
def values() -> dict[str, Any]:
    """It tells nobody anything by itself, and one rule is about old issues."""
    answers = {"received": False, "received_reply": False, "closed": False}
    return {"mailboxes": {"desk": {"answers": answers}}, "rules": [OLD]}


def rule(**then: Any) -> dict[str, Any]:
    """The rule for old issues, with these actions."""
    return OLD | {"then": then}


def old_issues(desk: HelpDesk, count: int = 1) -> None:
    """So many issues came by mail, two hours ago."""
    for number in range(count):
        desk.mail(writes(f"Kim Client <{KIM}>" if not number else f"p{number}@client.example", f"Printer {number}"))
    desk.change({"rules": []})
    desk.turn()
    desk.change({"rules": [OLD]})
    for number in desk.redmine.issues:
        desk.redmine.issues[number]["created_on"] = iso(time.time() - 7200)
        desk.redmine.touch(number)


def notes(desk: HelpDesk, issue: int = 1) -> list[str]:
    """What the bridge has written on an issue."""
    return [one["notes"] for one in desk.redmine.issues[issue]["journals"] if one["user"]["id"] == BRIDGE]


def runs(desk: HelpDesk) -> list[tuple[int, str]]:
    """The issues on which rules have run, and how far."""
    with desk.application() as made, made.store.database.read() as db:
        rows = db.exec_driver_sql("SELECT issue, state FROM applied ORDER BY issue").all()
    return [(row.issue, str(row.state)) for row in rows]


def test_a_rule_changes_all_that_it_says_at_once(desk: HelpDesk) -> None:
    """Status, priority, assignee by address and a private note are one request; the next runs make none."""
    old_issues(desk)
    desk.redmine.members = (ANNA, BOB)
    desk.change(
        {
            "rules": [
                rule(
                    status="in progress",
                    priority="High",
                    assignee="anna@example.com",
                    note="{rule}: {reason}, {requester.name}",
                    private_note=True,
                )
            ]
        }
    )
    for _ in range(3):
        desk.turn()
    issue = desk.redmine.issues[1]
    assert ("In Progress", "High", ANNA) == (
        issue["status"]["name"],
        issue["priority"]["name"],
        issue["assigned_to"]["id"],
    )
    change, entry = issue["journals"]  # Redmine splits a private note from the change that came with it
    assert ("", False) == (change["notes"], change["private_notes"])
    assert ("old: created 1 hour ago, `Kim Client`", True) == (entry["notes"], entry["private_notes"])
    assert 1 == desk.story().count('rule "old" applied: created 1 hour ago')


def test_values_that_are_there_are_not_asked_for(desk: HelpDesk) -> None:
    """Where status, priority and assignee are as the rule wants them, Redmine is asked for nothing; its mail goes out
    once.
    """
    old_issues(desk)
    desk.redmine.members = (BOB,)
    desk.redmine.issues[1]["assigned_to"] = {"id": BOB, "name": "Bob Builder"}
    then = {"status": "NEW", "priority": "normal", "assignee": "bob", "mail": "escalation", "mail_to": ["assignee"]}
    desk.change({"rules": [rule(**then)]})
    for _ in range(2):
        desk.turn()
    assert [] == [path for method, path in desk.redmine.requests if method == "PUT"]
    assert ["bob@example.com"] == [to for to, _ in sent_mails(desk)]
    assert [(1, "done")] == runs(desk)


@pytest.mark.parametrize(
    ("then", "why"),
    [
        ({"status": "Clsed"}, 'the status "Clsed" does not exist here, did you mean "Closed"?'),
        ({"priority": "Immediate"}, 'the priority "Immediate" does not exist here'),
        ({"assignee": "carol@client.example"}, 'the assignee "carol@client.example" does not exist here'),
    ],
)
def test_a_name_that_redmine_does_not_know(desk: HelpDesk, then: dict[str, str], why: str) -> None:
    """A rule with a name that does not exist there, or of somebody who is not in the project, changes nothing; the
    record says so once, and `rules retry` lets it try again.
    """
    old_issues(desk)
    desk.redmine.members = (ANNA, BOB)
    desk.change({"rules": [rule(**then)]})
    assert (0, 1) == _counts(desk.turn())
    assert (0, 0) == _counts(desk.turn())
    assert [] == desk.redmine.issues[1]["journals"]
    assert 1 == desk.story().count(f'rule "old" could not be applied: {why}')
    settings = Settings.model_validate(desk.values)
    assert 1 == time_rules.retry(settings, "old")
    assert 0 == time_rules.retry(settings, "old")
    desk.change({"rules": [rule(status="Closed")]})
    desk.turn()
    assert "Closed" == desk.redmine.issues[1]["status"]["name"]


def _counts(result: TaskStepResult) -> tuple[int, int]:
    return result.done, result.failed


def test_more_issues_than_the_rule_may_act_on(desk: HelpDesk) -> None:
    """A rule that is due for more issues than `max_issues` acts on none, and says how to let it; once let, it acts on
    all, and stops again the next time.
    """
    old_issues(desk, 3)
    desk.change({"rules": [OLD | {"max_issues": 2}]})
    settings = Settings.model_validate(desk.values)
    stopped = 'rule "old" is due for 3 issues, more than max_issues = 2: nothing was done'
    for _ in range(2):
        assert stopped in str(desk.turn().error)
    assert [[], [], []] == [notes(desk, number) for number in (1, 2, 3)]
    with desk.application() as made:
        (state,) = made.rules.states()
        assert (3, True, 0) == (state.due, state.stopped, state.tally.done)
    time_rules.release(settings, "old")
    assert None is desk.turn().error
    assert [[NOTE]] * 3 == [notes(desk, number) for number in (1, 2, 3)]
    with pytest.raises(SettingsError, match="is not paused"):
        time_rules.release(settings, "old")
    with pytest.raises(SettingsError, match='no rule is called "odl", did you mean "old"'):
        time_rules.release(settings, "odl")
    with desk.application() as made:
        (state,) = made.rules.states()
        assert {"rule": "old", "done": 3, "failed": 0, "due": 0, "stopped": False}.items() <= state.as_json().items()


def test_a_preview_changes_nothing(desk: HelpDesk) -> None:
    """A preview names each issue, since when the rule is due and what it would do; a rule that is not active is not in
    it, and nothing is done.
    """
    old_issues(desk)
    desk.change({"rules": [OLD, OLD | {"name": "paused", "active": False}]})
    with desk.application() as made:
        (found,) = made.rules.preview()
        assert [("old", 1), ("paused", 0)] == [(one.rule.name, one.due) for one in made.rules.states()]
    assert {"rule": "old", "issue": 1, "subject": "Printer 0", "reason": "created 1 hour ago"}.items() <= (
        found.as_json().items()
    )
    assert "private note" in found.what
    assert [] == notes(desk)


@pytest.mark.parametrize("landed", [True, False])
def test_an_answer_that_was_lost(desk: HelpDesk, monkeypatch: pytest.MonkeyPatch, *, landed: bool) -> None:
    """Where Redmine's answer to a change is lost, the rule waits until it must have been carried out, and looks: it
    writes again only what is not there. Other rules leave the issue alone meanwhile.
    """
    other = OLD | {"name": "other", "then": {"note": "Another rule's.", "private_note": True}}
    old_issues(desk)
    desk.change({"redmine": {"settle": "30s"}, "rules": [OLD, other]})
    desk.redmine.loses = 1
    for _ in range(3):
        desk.turn()
    assert [] == notes(desk)
    assert 1 == len(desk.redmine.late)
    if landed:
        desk.redmine.lands()
    boot, now = settle.now()
    monkeypatch.setattr(settle, "now", lambda: (boot, now + 31.0))
    for _ in range(3):
        desk.turn()
    assert ["Another rule's.", NOTE] == sorted(notes(desk))


def test_a_change_that_cannot_be_read_back(desk: HelpDesk) -> None:
    """Redmine makes the change and fails on the issue right after it: the rule counts as unclear, is not done twice,
    and is finished when the issue can be read.
    """
    old_issues(desk)
    desk.redmine.hears = desk.redmine.fails.add
    assert (0, 1) == _counts(desk.turn())
    assert [(1, "intended")] == runs(desk)
    desk.redmine.hears, desk.redmine.fails = lambda _issue: None, set()
    desk.turn()
    assert ([NOTE], [(1, "done")]) == (notes(desk), runs(desk))
    assert 1 == desk.story().count('rule "old" applied')


def test_redmine_is_cut_off_before_the_change(desk: HelpDesk) -> None:
    """A change that certainly never reached Redmine is made by the next run."""
    old_issues(desk)
    desk.redmine.cut_off = True
    desk.turn()
    assert ([], []) == (notes(desk), runs(desk))
    desk.turn()
    assert ([NOTE], [(1, "done")]) == (notes(desk), runs(desk))


def test_redmine_refuses_the_change(desk: HelpDesk) -> None:
    """What Redmine refuses is recorded in its words and not asked for at each run; other issues have their turn."""
    old_issues(desk, 2)
    desk.redmine.refuses = "Status is invalid"
    assert (0, 2) == _counts(desk.turn())
    desk.redmine.refuses = ""
    assert (0, 0) == _counts(desk.turn())
    assert 2 == desk.story().count('rule "old" could not be applied: ')
    assert "Status is invalid" in desk.story()
    assert [(1, "failed"), (2, "failed")] == runs(desk)


@pytest.mark.parametrize(
    ("then", "why"),
    [
        ({"note": NOTE, "private_note": True}, "Redmine took no note on #1"),
        ({"priority": "High"}, "priority"),
    ],
)
def test_redmine_takes_the_change_and_makes_none(desk: HelpDesk, then: dict[str, Any], why: str) -> None:
    """Redmine answers a change with success and drops it: the rule is not reported as applied."""
    old_issues(desk)
    desk.change({"rules": [rule(**then)]})
    desk.redmine.ignores = {"notes", "private_notes", "priority_id"}
    assert (0, 1) == _counts(desk.turn())
    assert (0, 0) == _counts(desk.turn())
    (line,) = [one for one in desk.story().splitlines() if "could not be applied" in one]
    assert why in line
    assert "applied: created" not in desk.story()


def test_a_part_of_the_change_is_dropped(desk: HelpDesk) -> None:
    """Of a change that Redmine makes in part, the record names the rest."""
    old_issues(desk)
    desk.change({"rules": [rule(priority="High", note=NOTE, private_note=True)]})
    desk.redmine.ignores = {"priority_id"}
    for _ in range(2):
        desk.turn()
    assert [NOTE] == notes(desk)
    assert 1 == desk.story().count('rule "old" applied')
    assert "priority" in desk.story()


def crashed_before_its_mail(desk: HelpDesk) -> None:
    """A rule has changed the issue, and the process ended before the mail was queued."""
    with desk.application() as made:
        Updater(made.tasks.steps).once(threading.Event())
        with made.store.database.write() as db:
            db.exec_driver_sql("UPDATE applied SET state = 'written' WHERE state = 'done'")
            db.exec_driver_sql("DELETE FROM outbox")


@pytest.mark.parametrize("what", ["kept", "rule gone", "issue gone"])
def test_a_crash_between_the_change_and_its_mail(desk: HelpDesk, what: str) -> None:
    """After a crash behind the change its mail goes out once, and the note stays the only one; where the rule or the
    issue is gone by then, the record says that there is no mail.
    """
    old_issues(desk)
    desk.change({"rules": [rule(note=NOTE, private_note=True, mail="escalation", mail_to=["chief@example.com"])]})
    crashed_before_its_mail(desk)
    if what == "rule gone":
        desk.change({"rules": []})
    if what == "issue gone":
        desk.redmine.fails.clear()
        gone = desk.redmine.issues.pop(1)
    for _ in range(2):
        desk.turn()
    assert (["chief@example.com"] if what == "kept" else []) == [to for to, _ in sent_mails(desk)]
    assert [NOTE] == (notes(desk) if what != "issue gone" else [one["notes"] for one in gone["journals"]])
    told = {
        "kept": 'rule "old" applied: created 1 hour ago',
        "rule gone": 'rule "old" is no longer in the settings: no mail',
        "issue gone": "no mail: the issue is not visible in Redmine",
    }
    assert told[what] in desk.story()
    assert [(1, "done")] == runs(desk)


def test_an_issue_that_was_answered_meanwhile(desk: HelpDesk) -> None:
    """A rule looks at the issue right before it acts: what changed since the copy was made counts."""
    old_issues(desk)
    when = {"no_answer": "1h"}
    desk.change({"rules": [OLD | {"when": when}]})
    with desk.application() as made:
        assert [1] == [one.issue.id for one in made.rules.preview()]
        desk.redmine.writes(1, BOB, "We look at it.")
        desk.redmine.issues[1]["updated_on"] = desk.redmine.issues[1]["created_on"]  # so that no list shows it
        made.rules.once(threading.Event())
    assert [] == notes(desk)


def test_an_issue_that_was_deleted_meanwhile(desk: HelpDesk) -> None:
    """An issue that is gone when the rule comes to act is left out, and nothing fails."""
    old_issues(desk, 2)
    with desk.application() as made:
        assert 2 == len(made.rules.preview())
        del desk.redmine.issues[1]
        assert TaskStepResult(1) == made.rules.once(threading.Event())
    assert [NOTE] == notes(desk, 2)


def test_a_stop_between_two_issues(desk: HelpDesk) -> None:
    """When the service stops, the issue in hand is finished and no other begun."""
    old_issues(desk, 3)
    stop = threading.Event()
    with desk.application() as made:
        made.rules.preview()
        desk.redmine.hears = lambda _issue: stop.set()
        made.rules.once(stop)
    assert 1 == sum(len(notes(desk, number)) for number in (1, 2, 3))
    desk.turn()
    assert [[NOTE]] * 3 == [notes(desk, number) for number in (1, 2, 3)]


def test_redmine_is_away(desk: HelpDesk) -> None:
    """While Redmine does not answer, a run says so and records nothing; the rule acts afterwards."""
    old_issues(desk)
    with desk.application() as made:
        desk.redmine.down = True
        result = made.rules.once(threading.Event())
        assert (0, 0, True) == (result.done, result.failed, result.error is not None)
        assert [] == runs(desk)
        desk.redmine.down = False
        assert None is made.rules.once(threading.Event()).error
    assert ([NOTE], [(1, "done")]) == (notes(desk), runs(desk))


def test_an_issue_that_was_deleted_while_its_change_was_in_doubt(desk: HelpDesk) -> None:
    """Where the issue is gone when the result of a change is looked for, the record says that it was not applied, and
    no run is left open.
    """
    old_issues(desk)
    desk.redmine.loses = 1
    desk.turn()
    assert [(1, "intended")] == runs(desk)
    del desk.redmine.issues[1]
    for _ in range(2):
        desk.turn()
    assert [(1, "failed")] == runs(desk)
    assert 1 == desk.story().count('rule "old" could not be applied: ')
