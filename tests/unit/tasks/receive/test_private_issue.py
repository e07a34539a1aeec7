"""A private issue is written by a user who can make it private, and never becomes public."""

from collections.abc import Iterator

import pytest

from redmine_mailbridge.errors import RedmineRefused, SettingsUnfit
from redmine_mailbridge.model.facts import Project
from redmine_mailbridge.model.mail import Address
from redmine_mailbridge.model.plan import Action, IssueFields, Plan
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.tasks.receive.private_issue import PERMISSIONS, kept_private
from tests.unit.tasks.fake_redmine import FakeRedmine

KEY_USER, ANNA = 1, 5
PRIVATE = Plan(
    Action.CREATE, "new", project="desk", requester=Address("Anna", "anna@example.com"), act_as="anna",
    fields=IssueFields(is_private=True), text="It burns",
)  # fmt: skip


@pytest.fixture
def metadata(fake: FakeRedmine) -> Iterator[MetadataCache]:
    """What is known of a Redmine where the key's user is an admin, and anna may make no issue private."""
    fake.users = {"anna": ANNA}
    with fake.application() as made:
        yield made.metadata


@pytest.fixture
def project(metadata: MetadataCache) -> Project:
    found = metadata.project("desk")
    assert found is not None
    return found


def deny(metadata: MetadataCache, project: Project, *permissions: str) -> None:
    for one in permissions:
        metadata.deny(KEY_USER, one, project)


@pytest.mark.parametrize("right", PERMISSIONS)
def test_an_author_who_may_make_it_private_writes_it(fake: FakeRedmine, right: str) -> None:
    """Either permission of the author's role suffices; nothing is changed."""
    fake.users = {"anna": ANNA}
    fake.pages["/roles/3.json"]["role"]["permissions"] = ["view_issues", "add_issues", right]
    with fake.application() as made:
        found = made.metadata.project("desk")
        assert found is not None
        assert (PRIVATE, ANNA, ()) == kept_private(PRIVATE, found, made.metadata, ANNA, "common_mark")


def test_an_author_who_may_not_is_named_and_the_key_s_user_writes(metadata: MetadataCache, project: Project) -> None:
    """The text says on whose behalf, and the history why."""
    plan, author, lines = kept_private(PRIVATE, project, metadata, ANNA, "common_mark")
    assert (None, None) == (plan.act_as, author)
    assert plan.text.endswith("\n\nIt burns")
    assert "anna@example.com" in plan.text
    assert ("anna may not create private issues here: written by the bridge's own user",) == lines


def test_one_of_the_two_permissions_suffices_for_the_key_s_user(metadata: MetadataCache, project: Project) -> None:
    deny(metadata, project, PERMISSIONS[0])
    plan, author, lines = kept_private(PRIVATE, project, metadata, ANNA, "common_mark")
    assert (None, None, 1) == (plan.act_as, author, len(lines))


def test_what_the_key_s_user_writes_anyway_is_not_changed(metadata: MetadataCache, project: Project) -> None:
    """Without an author to act as there is nobody to name."""
    plan = Plan(Action.CREATE, "new", project="desk", fields=IssueFields(is_private=True), text="It burns")
    assert (plan, None, ()) == kept_private(plan, project, metadata, None, "common_mark")


@pytest.mark.parametrize("plan", [Plan(Action.CREATE, "new"), Plan(Action.NOTE, "note", fields=PRIVATE.fields)])
def test_what_is_to_be_no_private_issue_is_left_alone(metadata: MetadataCache, project: Project, plan: Plan) -> None:
    """A public issue, and a note, whoever may not make issues private."""
    deny(metadata, project, *PERMISSIONS)
    assert (plan, ANNA, ()) == kept_private(plan, project, metadata, ANNA, "common_mark")


def test_where_nobody_may_the_settings_do_not_fit_or_the_mail_is_refused(
    metadata: MetadataCache, project: Project
) -> None:
    """It says which permission is missing: the mailbox waits if its settings want the issue private, the mail is
    refused if its own keyword does.
    """
    deny(metadata, project, *PERMISSIONS)
    lacking = "the bridge's user lacks the permission set_issues_private in project desk"
    with pytest.raises(SettingsUnfit) as unfit:
        kept_private(PRIVATE, project, metadata, ANNA, "common_mark")
    assert (f"{lacking}: private issues would become public",) == unfit.value.lines
    asked = Plan(
        Action.CREATE, "new", project="desk", fields=IssueFields(is_private=True), keywords={"is_private": "1"}
    )
    with pytest.raises(RedmineRefused) as refused:
        kept_private(asked, project, metadata, None, "common_mark")
    assert (403, f"the private issue would become public: {lacking}") == (refused.value.status, str(refused.value))


@pytest.mark.fault("A32-2")
def test_what_a_mail_answers_does_not_pause_its_mailbox(metadata: MetadataCache, project: Project) -> None:
    """Anyone can send a mail that answers a private note: it is refused alone, and no other mail waits for it."""
    deny(metadata, project, *PERMISSIONS)
    plan = Plan(Action.CREATE, "new", project="desk", fields=IssueFields(is_private=True), private_by_mail=True)
    with pytest.raises(RedmineRefused):
        kept_private(plan, project, metadata, None, "common_mark")
