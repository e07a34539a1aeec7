"""Settings that stop to fit Redmine: names are asked anew, then the mailbox waits, and goes on by itself."""

import contextlib
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from redmine_mailbridge.conditions.current import current_conditions
from redmine_mailbridge.conditions.kinds import MAILBOX_PAUSED
from redmine_mailbridge.errors import MailbridgeError
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.tasks.receive.admin_decisions import Decision, decide
from redmine_mailbridge.tasks.receive.result import ProcessingResult
from tests.product import mail
from tests.unit.tasks.fake_redmine import PROJECT, FakeRedmine, open_fake_redmine
from tests.unit.tasks.service.test_nothing_starves import serving, until

DESK = "/projects/desk.json"
OTHER = PROJECT | {"id": 8, "identifier": "other", "name": "Other"}
PRIORITIES = "/enumerations/issue_priorities.json"


def change(fake: FakeRedmine, name: str = "desk", **issue: Any) -> None:
    """Given keys of a mailbox's issue table, set them."""
    box = fake.settings.mailboxes[name]
    changed = box.model_copy(update={"issue": box.issue.model_copy(update=issue)})
    fake.settings = fake.settings.model_copy(update={"mailboxes": fake.settings.mailboxes | {name: changed}})


def subjects(fake: FakeRedmine) -> list[str]:
    """The subjects of the issues, in order."""
    return [issue["subject"] for issue in fake.issues]


def project(fake: FakeRedmine, **values: Any) -> None:
    """Given values of the project, have Redmine show them."""
    for path in (DESK, "/projects/7.json"):
        fake.pages[path] = {"project": PROJECT | values}


def states(fake: FakeRedmine) -> list[State]:
    """Where the mails stand, oldest first."""
    return [row.state for row in fake.rows()]


def gone(fake: FakeRedmine) -> None:
    """The project is not there for us any more."""
    fake.pages[DESK] = fake.pages["/projects/7.json"] = 404
    fake.pages["/projects.json"] = {"projects": [], "total_count": 0}


def back(fake: FakeRedmine) -> None:
    """It is there again."""
    project(fake)
    fake.pages["/projects.json"] = {"projects": [PROJECT], "total_count": 1}


@pytest.mark.fault("N14", "M14")
@pytest.mark.parametrize("how", ["closed", "no issue tracking", "gone"])
def test_the_project_takes_no_issues(fake: FakeRedmine, how: str) -> None:
    """While the project of the settings takes no issues, mail waits where it lies; when it does again, all of it
    becomes issues, and nobody is needed for that.
    """
    gone(fake) if how == "gone" else project(fake, **{"closed": {"status": 5}}.get(how, {"enabled_modules": []}))
    for number in range(3):
        fake.server.append(mail(f"Mail {number}"))
    fake.receive(hurry=False)
    assert [State.STORED] * 3 == states(fake)
    assert 3 == len(fake.server.contents("INBOX"))

    back(fake)
    fake.receive(hurry=False)
    assert ["Mail 0", "Mail 1", "Mail 2"] == sorted(subjects(fake))
    assert [State.DONE] * 3 == states(fake)


def test_others_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mailbox that is paused keeps no other mailbox from its work."""
    with open_fake_redmine(tmp_path, monkeypatch, boxes=("desk", "other")) as fake:
        change(fake, "other", project="other")
        fake.pages |= {"/projects/other.json": {"project": OTHER}, "/projects/8.json": {"project": OTHER}}
        for path in ("versions", "memberships"):
            fake.pages[f"/projects/other/{path}.json"] = {path: [], "total_count": 0}
        project(fake, status=5)
        with fake.application() as made:
            here, there = made.receivers
            fake.server.append(mail("For the closed one", to="desk@example.com"))
            here.once()
            fake.server.append(mail("For the other one", to="other@example.com"))
            there.once()
    assert ["For the other one"] == subjects(fake)


@pytest.mark.fault("M14", "N14")
def test_a_right_is_withdrawn(fake: FakeRedmine) -> None:
    """What Redmine refuses of any issue of the mailbox pauses it, in Redmine's words; the mail is not refused."""
    fake.wrong = lambda _values: ["Customer cannot be blank"]
    fake.server.append(mail("First"))
    fake.server.append(mail("Second"))
    outcomes = fake.receive(hurry=False)
    assert [State.STORED] * 2 == states(fake)
    assert "Customer cannot be blank" in outcomes[0].line
    assert [] == fake.issues

    fake.wrong = lambda _values: []
    fake.receive(hurry=False)
    assert ["First", "Second"] == sorted(subjects(fake))


def test_a_mail_of_its_own_fault(fake: FakeRedmine) -> None:
    """What Redmine refuses of one mail refuses that mail, and pauses nothing."""
    fake.wrong = lambda values: ["Description is rude"] if "rude" in values["description"] else []
    fake.server.append(mail("Refused", "A rude word\n"))
    fake.server.append(mail("Taken"))
    fake.receive()

    assert [State.REJECTED, State.DONE] == states(fake)
    assert ["Taken"] == subjects(fake)


def test_a_stranger_pauses_nothing(fake: FakeRedmine) -> None:
    """What Redmine refuses of a sender's address, where the settings put it into a field, refuses that mail alone."""
    field = {
        "id": 3,
        "name": "Requester",
        "customized_type": "issue",
        "field_format": "string",
        "trackers": [{"id": 1}],
    }
    project(fake, issue_custom_fields=[{"id": 3, "name": "Requester"}])
    fake.pages["/custom_fields.json"] = {"custom_fields": [field]}
    change(fake, requester_field="Requester")
    fake.wrong = lambda values: ["Requester is too long"] if "very-long" in str(values.get("custom_fields")) else []
    fake.server.append(mail("Refused", sender="very-long@elsewhere.example"))
    fake.server.append(mail("Taken"))
    fake.receive()

    assert ["Taken"] == subjects(fake)
    assert "waits" not in " ".join(row.reason or "" for row in fake.rows())


@pytest.mark.fault("M7")
def test_a_priority_made_anew(fake: FakeRedmine) -> None:
    """A name of the settings whose number in Redmine has changed under a running service is asked anew at the first
    refusal, and the mail is written with the new one.
    """
    change(fake, priority="Normal")
    sent: list[int] = []

    def wrong(values: dict[str, Any]) -> list[str]:
        sent.append(values["priority_id"])
        (only,) = fake.pages[PRIORITIES]["issue_priorities"]
        return [] if values["priority_id"] == only["id"] else ["Priority cannot be blank"]

    fake.wrong = wrong
    with fake.application() as made:
        fake.server.append(mail("Before"))
        made.receivers[0].once()
        fake.pages[PRIORITIES] = {"issue_priorities": [{"id": 9, "name": "Normal"}]}
        fake.server.append(mail("After"))
        made.receivers[0].once()
    assert ["Before", "After"] == subjects(fake)
    assert (4, 9) == (sent[0], sent[-1])


@pytest.mark.fault("M7")
def test_a_tracker_made_anew(fake: FakeRedmine) -> None:
    """An issue that Redmine files under another tracker, since the number of the settings' one has changed, is set
    right at once.
    """
    change(fake, tracker="Bug")
    changes: list[str] = []

    def always(body: str) -> None:
        changes.append(body)

    fake.always = always
    project(fake, trackers=[{"id": 1, "name": "Other"}, {"id": 5, "name": "Bug"}])
    with fake.application() as made:
        made.metadata.project("desk")
        project(fake, trackers=[{"id": 8, "name": "Bug"}])
        fake.server.append(mail("After"))
        made.receivers[0].once()
    assert ["After"] == subjects(fake)
    assert '"tracker_id": 8' in changes[-1]


@pytest.mark.fault("M7")
def test_a_tracker_that_is_gone(fake: FakeRedmine) -> None:
    """A mail is not filed under another tracker than the settings name: it waits until that is there again."""
    change(fake, tracker="Request")
    fake.server.append(mail("Asked for"))
    (outcome,) = fake.receive(hurry=False)
    assert [] == fake.issues
    assert 'tracker "Request" from the mailbox does not exist here' in outcome.line

    project(fake, trackers=[*PROJECT["trackers"], {"id": 2, "name": "Request"}])
    fake.receive(hurry=False)
    assert ["Asked for"] == subjects(fake)


@pytest.mark.fault("M7", "B7")
def test_a_login_renamed(fake: FakeRedmine) -> None:
    """A mail whose sender's login was renamed meanwhile is decided about anew at once."""
    fake.answers = [(412, "")]
    fake.server.append(mail("Renamed"))
    fake.receive(hurry=False)
    assert ["Renamed"] == subjects(fake)


@pytest.mark.fault("M14", "N14")
def test_a_service_goes_on_by_itself(fake: FakeRedmine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A running service tries a paused mailbox now and then, and goes on when its settings fit again."""
    with contextlib.suppress(ImportError):
        monkeypatch.setattr("redmine_mailbridge.store.pauses.LONGEST", 0.3)
    project(fake, status=5)
    fake.server.append(mail("Waits"))
    with serving(fake, monkeypatch, {}) as (made, _service):
        assert until(lambda: [row.reason for row in made.message_queries.messages(_all())] not in ([], [None]))
        project(fake)
        assert until(lambda: subjects(fake) == ["Waits"])


def _all() -> Any:
    from redmine_mailbridge.store.queries.messages import MessageFilter

    return MessageFilter()


def test_only_the_start_of_a_process_cuts_a_pause_short(fake: FakeRedmine) -> None:
    """Redmine or the settings may have changed since; the passes that follow ask nothing until it is over."""
    project(fake, status=5)
    fake.server.append(mail("Waits"))
    for _ in range(2):
        told: list[ProcessingResult] = []
        with fake.application() as made:
            for _ in range(3):
                made.receivers[0].once(told.append)
        assert [State.STORED] == [one.state for one in told]


def test_a_mail_of_a_paused_mailbox_asks_redmine_nothing(fake: FakeRedmine) -> None:
    """It waits for the one that was refused; what a person imports does not."""
    asked: list[str] = []

    def wrong(values: dict[str, Any]) -> list[str]:
        asked.append(values["subject"])
        return ["Customer cannot be blank"]

    fake.wrong = wrong
    fake.server.append(mail("First"))
    fake.receive(hurry=False)
    assert "First" in asked
    asked.clear()
    fake.server.append(mail("Second"), mail("Third"))
    with fake.application() as made:
        made.shared.settings_fitness.begin()
        with made.store.database.write() as db:
            db.exec_driver_sql("UPDATE mail SET next_try_at = 9e12 WHERE id = 1")
        made.receivers[0].once()
        assert [] == asked
        results = decide(made.store, made.message_queries, [2], Decision.IMPORT, project="desk")
        assert [True] == [one.ok for one in results]
        made.receivers[0].once()
    assert {"Second"} <= set(asked)
    assert [State.STORED, State.HELD, State.STORED] == states(fake)


def test_the_settings_are_tried_before_the_mail_that_paused_its_mailbox(fake: FakeRedmine) -> None:
    """Nothing of the mail is sent again until Redmine takes an issue with the values of the settings alone."""
    asked: list[str] = []

    def wrong(values: dict[str, Any]) -> list[str]:
        asked.append(values["subject"])
        return ["Customer cannot be blank"]

    fake.wrong = wrong
    fake.server.append(mail("Waits"))
    fake.receive(hurry=False)
    assert "Waits" in asked
    asked.clear()
    (outcome,) = fake.receive(hurry=False)
    assert (State.STORED, True) == (outcome.state, "Customer cannot be blank" in outcome.line)
    assert asked
    assert "Waits" not in asked


def test_the_end_of_a_pause_is_logged(fake: FakeRedmine) -> None:
    """With how many mails go on."""
    project(fake, status=5)
    fake.server.append(mail("First"), mail("Second"))
    fake.receive(hurry=False)
    project(fake)
    with capture_logs() as logs:
        fake.receive(hurry=False)
    assert ["desk"] == [one["paused"] for one in logs if one["event"] == "mailbox.resumed"]


def test_the_text_format_is_asked_for_when_a_mail_has_paused_its_mailbox(
    fake: FakeRedmine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it is believed for a while."""
    monkeypatch.setattr("redmine_mailbridge.redmine.formatting.text_format", lambda _connection: "textile")
    with fake.application() as made:
        fake.server.append(mail("Believed"))
        made.receivers[0].once()
        assert ["Believed"] == subjects(fake)
        project(fake, status=5)
        made.metadata.forget()
        fake.server.append(mail("Paused"))
        made.receivers[0].once()
        project(fake)
        made.shared.settings_fitness.look_now()
        told: list[ProcessingResult] = []
        made.receivers[0].once(told.append)
    assert ["Redmine's text formatting is textile"] == [one.line.partition(": ")[2].partition(",")[0] for one in told]
    assert ["Believed"] == subjects(fake)


@pytest.mark.fault("N14")
def test_it_is_told(fake: FakeRedmine) -> None:
    """The list of conditions, which alerts and the overview are made of, says what to change, until the pause ends."""
    project(fake, status=5)
    fake.server.append(mail("Waits"))
    fake.receive(hurry=False)
    with fake.application() as made:
        made.receivers[0].once()
        pauses = [each for each in current_conditions(made.store, made.settings) if each.key == MAILBOX_PAUSED]
        assert ["desk"] == [each.subject for each in pauses]
        assert "project desk from the mailbox is closed" in pauses[0].problem
        assert "waiting messages are then processed" in pauses[0].remedy
        project(fake)
        made.shared.settings_fitness.look_now()
        made.receivers[0].once()
        assert MAILBOX_PAUSED not in [each.key for each in current_conditions(made.store, made.settings)]


@pytest.mark.fault("N14")
def test_a_pass_by_hand_says_it(fake: FakeRedmine) -> None:
    """`receive --once` says that the mailbox is paused, and ends with an error."""
    from redmine_mailbridge.store.health import Health
    from redmine_mailbridge.tasks.service.service import one_pass

    project(fake, status=5)
    fake.server.append(mail("Waits"))
    with fake.application() as made:
        health = Health(made.store.database, made.store.clock)
        errors = one_pass(made.receivers, made.shared, made.tasks, health, update=True, on_outcome=lambda _one: None)
    assert any("paused" in line and "is closed" in line for line in errors)


@pytest.mark.parametrize("how", ["renamed", "left out"])
def test_the_settings_change(fake: FakeRedmine, how: str) -> None:
    """A mailbox that is renamed while it is paused stays so; who waits for one that is left out goes on."""
    project(fake, status=5)
    fake.server.append(mail("Waits"))
    fake.server.append(mail("Waits too"))
    fake.receive(hurry=False)
    box = fake.settings.mailboxes["desk"]
    name = "support" if how == "renamed" else "desk"
    fake.settings = fake.settings.model_copy(update={"mailboxes": {name: box}})
    project(fake)
    with contextlib.suppress(MailbridgeError):
        fake.receive(hurry=False)
    assert ["Waits", "Waits too"] == sorted(subjects(fake))
