"""Settings that stop to fit Redmine: names are asked anew, then the mailbox waits, and goes on by itself."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from redmine_mailbridge.errors import MailbridgeError
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.store.health import Health
from tests.product import mail
from tests.unit.tasks.desk import PROJECT, Desk, open_desk
from tests.unit.tasks.service.test_nothing_starves import serving, until

DESK = "/projects/desk.json"
OTHER = PROJECT | {"id": 8, "identifier": "other", "name": "Other"}
PRIORITIES = "/enumerations/issue_priorities.json"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A desk with one mailbox."""
    with open_desk(tmp_path, monkeypatch) as made:
        yield made


def change(desk: Desk, name: str = "desk", **issue: Any) -> None:
    """Given keys of a mailbox's issue table, set them."""
    box = desk.settings.mailboxes[name]
    changed = box.model_copy(update={"issue": box.issue.model_copy(update=issue)})
    desk.settings = desk.settings.model_copy(update={"mailboxes": desk.settings.mailboxes | {name: changed}})


def subjects(desk: Desk) -> list[str]:
    """The subjects of the issues, in order."""
    return [issue["subject"] for issue in desk.issues]


def project(desk: Desk, **values: Any) -> None:
    """Given values of the project, have Redmine show them."""
    for path in (DESK, "/projects/7.json"):
        desk.pages[path] = {"project": PROJECT | values}


def states(desk: Desk) -> list[State]:
    """Where the mails stand, oldest first."""
    return [row.state for row in desk.rows()]


def gone(desk: Desk) -> None:
    """The project is not there for us any more."""
    desk.pages[DESK] = desk.pages["/projects/7.json"] = 404
    desk.pages["/projects.json"] = {"projects": [], "total_count": 0}


def back(desk: Desk) -> None:
    """It is there again."""
    project(desk)
    desk.pages["/projects.json"] = {"projects": [PROJECT], "total_count": 1}


@pytest.mark.fault("N14", "M14")
@pytest.mark.parametrize("how", ["closed", "no issue tracking", "gone"])
def test_the_project_takes_no_issues(desk: Desk, how: str) -> None:
    """While the project of the settings takes no issues, mail waits where it lies; when it does again, all of it
    becomes issues, and nobody is needed for that.
    """
    gone(desk) if how == "gone" else project(desk, **{"closed": {"status": 5}}.get(how, {"enabled_modules": []}))
    for number in range(3):
        desk.server.append(mail(f"Mail {number}"))
    desk.receive(hurry=False)
    assert [State.KEPT] * 3 == states(desk)
    assert 3 == len(desk.server.contents("INBOX"))

    back(desk)
    desk.receive(hurry=False)
    assert ["Mail 0", "Mail 1", "Mail 2"] == sorted(subjects(desk))
    assert [State.DONE] * 3 == states(desk)


def test_others_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mailbox that is paused keeps no other mailbox from its work."""
    with open_desk(tmp_path, monkeypatch, boxes=("desk", "other")) as desk:
        change(desk, "other", project="other")
        desk.pages |= {"/projects/other.json": {"project": OTHER}, "/projects/8.json": {"project": OTHER}}
        for path in ("versions", "memberships"):
            desk.pages[f"/projects/other/{path}.json"] = {path: [], "total_count": 0}
        project(desk, status=5)
        with desk.application() as made:
            here, there = made.receivers
            desk.server.append(mail("For the closed one", to="desk@example.com"))
            here.once()
            desk.server.append(mail("For the other one", to="other@example.com"))
            there.once()
    assert ["For the other one"] == subjects(desk)


@pytest.mark.fault("M14", "N14")
def test_a_right_is_withdrawn(desk: Desk) -> None:
    """What Redmine refuses of any issue of the mailbox pauses it, in Redmine's words; the mail is not refused."""
    desk.wrong = lambda _values: ["Customer cannot be blank"]
    desk.server.append(mail("First"))
    desk.server.append(mail("Second"))
    outcomes = desk.receive(hurry=False)
    assert [State.KEPT] * 2 == states(desk)
    assert "Customer cannot be blank" in outcomes[0].line
    assert [] == desk.issues

    desk.wrong = lambda _values: []
    desk.receive(hurry=False)
    assert ["First", "Second"] == sorted(subjects(desk))


def test_a_mail_of_its_own_fault(desk: Desk) -> None:
    """What Redmine refuses of one mail refuses that mail, and pauses nothing."""
    desk.wrong = lambda values: ["Description is rude"] if "rude" in values["description"] else []
    desk.server.append(mail("Refused", "A rude word\n"))
    desk.server.append(mail("Taken"))
    desk.receive()

    assert [State.REFUSED, State.DONE] == states(desk)
    assert ["Taken"] == subjects(desk)


def test_a_stranger_pauses_nothing(desk: Desk) -> None:
    """What Redmine refuses of a sender's address, where the settings put it into a field, refuses that mail alone."""
    field = {
        "id": 3,
        "name": "Requester",
        "customized_type": "issue",
        "field_format": "string",
        "trackers": [{"id": 1}],
    }
    project(desk, issue_custom_fields=[{"id": 3, "name": "Requester"}])
    desk.pages["/custom_fields.json"] = {"custom_fields": [field]}
    change(desk, requester_field="Requester")
    desk.wrong = lambda values: ["Requester is too long"] if "very-long" in str(values.get("custom_fields")) else []
    desk.server.append(mail("Refused", sender="very-long@elsewhere.example"))
    desk.server.append(mail("Taken"))
    desk.receive()

    assert ["Taken"] == subjects(desk)
    assert "waits" not in " ".join(row.reason or "" for row in desk.rows())


@pytest.mark.fault("M7")
def test_a_priority_made_anew(desk: Desk) -> None:
    """A name of the settings whose number in Redmine has changed under a running service is asked anew at the first
    refusal, and the mail is written with the new one.
    """
    change(desk, priority="Normal")
    sent: list[int] = []

    def wrong(values: dict[str, Any]) -> list[str]:
        sent.append(values["priority_id"])
        (only,) = desk.pages[PRIORITIES]["issue_priorities"]
        return [] if values["priority_id"] == only["id"] else ["Priority cannot be blank"]

    desk.wrong = wrong
    with desk.application() as made:
        desk.server.append(mail("Before"))
        made.receivers[0].once()
        desk.pages[PRIORITIES] = {"issue_priorities": [{"id": 9, "name": "Normal"}]}
        desk.server.append(mail("After"))
        made.receivers[0].once()
    assert ["Before", "After"] == subjects(desk)
    assert (4, 9) == (sent[0], sent[-1])


@pytest.mark.fault("M7")
def test_a_tracker_made_anew(desk: Desk) -> None:
    """An issue that Redmine files under another tracker, since the number of the settings' one has changed, is set
    right at once.
    """
    change(desk, tracker="Bug")
    changes: list[str] = []

    def always(body: str) -> None:
        changes.append(body)

    desk.always = always
    project(desk, trackers=[{"id": 1, "name": "Other"}, {"id": 5, "name": "Bug"}])
    with desk.application() as made:
        made.directory.project("desk")
        project(desk, trackers=[{"id": 8, "name": "Bug"}])
        desk.server.append(mail("After"))
        made.receivers[0].once()
    assert ["After"] == subjects(desk)
    assert '"tracker_id": 8' in changes[-1]


@pytest.mark.fault("M7")
def test_a_tracker_that_is_gone(desk: Desk) -> None:
    """A mail is not filed under another tracker than the settings name: it waits until that is there again."""
    change(desk, tracker="Request")
    desk.server.append(mail("Asked for"))
    (outcome,) = desk.receive(hurry=False)
    assert [] == desk.issues
    assert 'tracker "Request" by the mailbox does not exist here' in outcome.line

    project(desk, trackers=[*PROJECT["trackers"], {"id": 2, "name": "Request"}])
    desk.receive(hurry=False)
    assert ["Asked for"] == subjects(desk)


@pytest.mark.fault("M7", "B7")
def test_a_login_renamed(desk: Desk) -> None:
    """A mail whose sender's login was renamed meanwhile is decided about anew at once."""
    desk.answers = [(412, "")]
    desk.server.append(mail("Renamed"))
    desk.receive(hurry=False)
    assert ["Renamed"] == subjects(desk)


@pytest.mark.fault("M14", "N14")
def test_a_service_goes_on_by_itself(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A running service tries a paused mailbox now and then, and goes on when its settings fit again."""
    with contextlib.suppress(ImportError):
        monkeypatch.setattr("redmine_mailbridge.store.pauses.LONGEST", 0.3)
    project(desk, status=5)
    desk.server.append(mail("Waits"))
    with serving(desk, monkeypatch, {}) as (made, _service):
        assert until(lambda: [row.reason for row in made.archive.messages(_all())] not in ([], [None]))
        project(desk)
        assert until(lambda: subjects(desk) == ["Waits"])


def _all() -> Any:
    from redmine_mailbridge.store.queries.messages import MessageFilter

    return MessageFilter()


@pytest.mark.fault("N14")
def test_it_is_told(desk: Desk) -> None:
    """Health, which alerts and the overview are made of, says once what to change, and for how long; a restart does not
    forget it, and the end of the pause is told.
    """
    project(desk, status=5)
    desk.server.append(mail("Waits"))
    desk.receive(hurry=False)
    with desk.application() as made:
        made.receivers[0].once()
        health = Health(made.store.database, made.store.clock)
        pulse = made.service(listen=False)._pulse
        pulse.begin([_Thread()])
        condition = health.all()["settings:desk"]
        assert "project desk by the mailbox is closed" in (condition.error or "")
        assert "goes on by itself" in (condition.error or "")
        project(desk)
        made.shared.fitness.look_now()
        made.receivers[0].once()
        pulse.once([_Thread()])
        assert health.all()["settings:desk"].error is None


class _Thread:
    """A mailbox's thread, as far as it is watched."""

    name_of_mailbox = "desk"
    error = None
    doing = "waiting"
    tried = True
    certificate_until = None


@pytest.mark.fault("N14")
def test_a_pass_by_hand_says_it(desk: Desk) -> None:
    """`receive --once` says that the mailbox is paused, and ends with an error."""
    from redmine_mailbridge.tasks.service.service import one_pass

    project(desk, status=5)
    desk.server.append(mail("Waits"))
    with desk.application() as made:
        errors = one_pass(made.receivers, made.shared, made.tasks, update=True, on_outcome=lambda _one: None)
    assert any("paused" in line and "is closed" in line for line in errors)


@pytest.mark.parametrize("how", ["renamed", "left out"])
def test_the_settings_change(desk: Desk, how: str) -> None:
    """A mailbox that is renamed while it is paused stays so; who waits for one that is left out goes on."""
    project(desk, status=5)
    desk.server.append(mail("Waits"))
    desk.server.append(mail("Waits too"))
    desk.receive(hurry=False)
    box = desk.settings.mailboxes["desk"]
    name = "support" if how == "renamed" else "desk"
    desk.settings = desk.settings.model_copy(update={"mailboxes": {name: box}})
    project(desk)
    with contextlib.suppress(MailbridgeError):
        desk.receive(hurry=False)
    assert ["Waits", "Waits too"] == sorted(subjects(desk))
