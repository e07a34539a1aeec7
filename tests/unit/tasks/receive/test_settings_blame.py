"""Whose fault a rejection is: the settings', with what to change in one line each, or the mail's own."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace

import pytest

from redmine_mailbridge.errors import RedmineError, RedmineRefused, RedmineUnavailable
from redmine_mailbridge.mail.parse import parse
from redmine_mailbridge.model.facts import Facts, Issue, Project
from redmine_mailbridge.model.plan import Action, Plan
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.tasks.receive.settings_fitness import DecisionAttempt, SettingsFitness
from redmine_mailbridge.wiring.application import Application
from tests.product import mail
from tests.unit.tasks.fake_redmine import PROJECT, FakeRedmine

KEY_USER, ANNA = 1, 5
NEW = Plan(Action.CREATE, "new", project="desk", act_as="anna")
NOTE = Plan(Action.NOTE, "note", project="desk", issue=3, act_as="anna")
FACTS = Facts(dt.datetime(2026, 1, 5, tzinfo=dt.UTC), issues={one: Issue(one, "desk", "Printer") for one in (1, 3)})
REFUSED = RedmineRefused("no", status=403)


@pytest.fixture
def made(fake: FakeRedmine) -> Iterator[Application]:
    fake.users = {"anna": ANNA}
    with fake.application() as application:
        yield application


@pytest.fixture
def fitness(made: Application) -> SettingsFitness:
    return made.shared.settings_fitness


@pytest.fixture
def project(made: Application) -> Project:
    found = made.metadata.project("desk")
    assert found is not None
    return found


def may(metadata: MetadataCache, permission: str, project: Project) -> bool:
    anna = metadata.people.by_login("anna")
    assert anna is not None
    known = metadata.people.by_id(anna.id)
    assert known is not None
    return metadata.may(known.rights, permission, project)


# ---------------------------------------------------------------------- what a user may not


@pytest.mark.parametrize(
    ("plan", "status", "permission"),
    [(NEW, 403, "add_issues"), (NOTE, 403, "add_issue_notes"), (NOTE, 204, "add_issue_notes")],
)
def test_a_user_who_may_not_write_is_known_from_then_on(
    made: Application, project: Project, plan: Plan, status: int, permission: str
) -> None:
    """The next decision counts with it; the other permission stays as it was."""
    other = {"add_issues": "add_issue_notes", "add_issue_notes": "add_issues"}[permission]
    assert may(made.metadata, permission, project)
    assert made.shared.settings_fitness.learn(DecisionAttempt(plan), RedmineRefused("no", status=status))
    assert (False, True) == (may(made.metadata, permission, project), may(made.metadata, other, project))


@pytest.mark.parametrize(
    ("plan", "error"),
    [
        (None, REFUSED),
        (replace(NEW, act_as=None), REFUSED),
        (NEW, RedmineUnavailable("away")),
        (NEW, RedmineRefused("no", status=422)),
        (replace(NEW, action=Action.HOLD), REFUSED),
        (replace(NOTE, private_note=True), REFUSED),
        (replace(NEW, act_as="nadia"), REFUSED),
        (replace(NEW, project="other"), REFUSED),
        (replace(NEW, project=None), REFUSED),
    ],
)
def test_what_says_nothing_of_a_user_s_rights_is_not_learnt(
    made: Application, project: Project, fake: FakeRedmine, plan: Plan | None, error: RedmineError
) -> None:
    """Another error, the key's own user, a private note, a user or a project that is not there."""
    fake.pages["/projects/other.json"] = 404
    assert not made.shared.settings_fitness.learn(DecisionAttempt(plan), error)
    assert (True, True) == tuple(may(made.metadata, one, project) for one in ("add_issues", "add_issue_notes"))


# ---------------------------------------------------------------------- what the settings name


def blamed(fitness: SettingsFitness, plan: Plan | None, error: RedmineRefused = REFUSED) -> tuple[str, ...]:
    facts = None if plan is None else FACTS
    return fitness.blame(parse(mail("Printer")), "desk", DecisionAttempt(plan, facts), error)


def test_a_note_that_the_key_s_user_may_not_write(
    fitness: SettingsFitness, made: Application, project: Project
) -> None:
    """Each permission that is missing is named, that for private notes only where one was to be written."""
    own = replace(NOTE, act_as=None)
    assert () == blamed(fitness, own)
    lacking = "the bridge's user lacks the permission {} in project desk"
    made.metadata.deny(KEY_USER, "set_notes_private", project)
    assert () == blamed(fitness, own)
    assert (lacking.format("set_notes_private"),) == blamed(fitness, replace(own, private_note=True))
    for permission in ("view_issues", "add_issue_notes"):
        made.metadata.deny(KEY_USER, permission, project)
    assert (lacking.format("view_issues"), lacking.format("add_issue_notes")) == blamed(fitness, own)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"status": 5}, ("project desk is closed",)),
        ({"enabled_modules": []}, ("project desk has no module Issue tracking",)),
    ],
)
def test_a_note_in_a_project_that_takes_none(
    fake: FakeRedmine, fitness: SettingsFitness, values: dict[str, object], expected: tuple[str, ...]
) -> None:
    for path in ("/projects/desk.json", "/projects/7.json"):
        fake.pages[path] = {"project": PROJECT | values}
    assert expected == blamed(fitness, replace(NOTE, act_as=None))
    assert () == blamed(fitness, NOTE), "its author is another user, whose rights no setting gives"


def test_a_note_in_a_project_that_no_setting_names_is_the_mail_s_own_fault(
    fitness: SettingsFitness, made: Application, project: Project
) -> None:
    """So is one on an issue that is not known."""
    made.metadata.deny(KEY_USER, "add_issue_notes", project)
    own = replace(NOTE, act_as=None)
    assert () == blamed(fitness, replace(own, issue=4))
    assert () == blamed(fitness, replace(own, issue=None))
    elsewhere = replace(FACTS, issues={3: Issue(3, "other", "Printer")})
    assert () == fitness.blame(parse(mail("Printer")), "desk", DecisionAttempt(own, elsewhere), REFUSED)


def test_before_a_decision_and_where_nothing_was_to_be_written_the_settings_are_not_to_blame(
    fitness: SettingsFitness, fake: FakeRedmine
) -> None:
    """Although Redmine takes no issue at all."""
    fake.wrong = lambda _values: ["Customer cannot be blank"]
    error = RedmineRefused("no", messages=("Customer cannot be blank",))
    assert () == blamed(fitness, None, error)
    assert () == blamed(fitness, replace(NEW, action=Action.IGNORE), error)


def test_a_project_that_is_gone_is_named(fitness: SettingsFitness, fake: FakeRedmine) -> None:
    fake.pages["/projects/other.json"] = 404
    expected = "project other no longer exists, or the bridge's user may not see it"
    assert (expected,) == blamed(fitness, replace(NEW, project="other"))


@pytest.mark.parametrize("act_as", [None, "anna"])
def test_what_redmine_says_of_any_issue_is_the_settings_fault(
    fitness: SettingsFitness, fake: FakeRedmine, act_as: str | None
) -> None:
    """Of the mail's error that part is named which an issue of the settings' values alone has too."""
    fake.wrong = lambda _values: ["Customer cannot be blank"]
    both = RedmineRefused("no", messages=("Customer cannot be blank", "Description is rude"))
    assert ("project desk: Customer cannot be blank",) == blamed(fitness, replace(NEW, act_as=act_as), both)
    other = RedmineRefused("no", messages=("Description is rude",))
    assert () == blamed(fitness, replace(NEW, act_as=act_as), other)
    assert () == blamed(fitness, replace(NEW, act_as=act_as), REFUSED), "another refusal than that of the trial"


def test_what_only_an_issue_of_the_settings_lacks_is_not_named(fitness: SettingsFitness, fake: FakeRedmine) -> None:
    """The mail may set what the settings do not."""
    fake.wrong = lambda _values: ["Customer cannot be blank", "Category cannot be blank"]
    error = RedmineRefused("no", messages=("Customer cannot be blank",))
    assert ("project desk: Customer cannot be blank",) == blamed(fitness, replace(NEW, act_as=None), error)


def test_a_project_in_which_the_key_s_user_may_write_nothing_is_named(
    fitness: SettingsFitness, made: Application, fake: FakeRedmine, project: Project
) -> None:
    """Redmine refuses any issue there (403): the missing permission is said, or its own words where all seem there."""
    assert made.metadata.people.me().rights.admin
    fake.who = (403, {}, "")
    (line,) = blamed(fitness, replace(NEW, act_as=None))
    assert line.startswith("project desk: ")
    made.metadata.deny(KEY_USER, "add_issues", project)
    expected = "the bridge's user lacks the permission add_issues in project desk"
    assert (expected,) == blamed(fitness, replace(NEW, act_as=None))


def test_what_redmine_says_of_the_values_is_not_a_missing_permission(
    fitness: SettingsFitness, made: Application, fake: FakeRedmine, project: Project
) -> None:
    """Even if one is missing: it was not what the issue was refused for."""
    fake.wrong = lambda _values: ["Customer cannot be blank"]
    made.metadata.deny(KEY_USER, "view_issues", project)
    error = RedmineRefused("no", messages=("Customer cannot be blank",))
    assert ("project desk: Customer cannot be blank",) == blamed(fitness, replace(NEW, act_as=None), error)


@pytest.mark.parametrize(("ticket_user", "expected"), [("Anna", ("project desk: Not for Anna",)), (None, ())])
def test_a_user_of_the_settings_is_the_settings_fault(
    fake: FakeRedmine, ticket_user: str | None, expected: tuple[str, ...]
) -> None:
    """What is refused of any issue that the ticket_user creates; that of a sender's own user is not, where the key's
    user may create it.
    """
    fake.users = {"anna": ANNA}
    values = fake.settings.model_dump(exclude_unset=True)
    values["mailboxes"]["desk"]["senders"] = {"ticket_user": ticket_user} if ticket_user else {}
    fake.settings = Settings.model_validate(values)
    with fake.application() as made:
        answers = iter([["Not for Anna"], ["Not for Anna"], [], []])  # of two requests as anna, and of the key's user
        fake.wrong = lambda _values: next(answers)
        error = RedmineRefused("no", messages=("Not for Anna",))
        assert expected == blamed(made.shared.settings_fitness, NEW, error)
