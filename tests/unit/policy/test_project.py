"""Which project a mail goes to, when Redmine is not asked."""

import datetime as dt

from redmine_mailbridge.model.facts import Facts
from redmine_mailbridge.model.plan import Action
from redmine_mailbridge.model.trace import Trace
from redmine_mailbridge.policy.project import ProjectChoice, find_project

NOW = dt.datetime(2026, 1, 5, 10, 0, tzinfo=dt.UTC)


def test_a_project_is_taken_at_its_word_when_redmine_is_not_asked() -> None:
    found = find_project(
        iter([("Support", "the mailbox"), ("other", "the mailbox")]), Facts(NOW, offline=True), Trace()
    )
    assert ProjectChoice("support", None, "project Support from the mailbox") == found


def test_a_project_that_redmine_does_not_have_is_not_taken_when_it_was_asked() -> None:
    found = find_project(iter([("Support", "the mailbox")]), Facts(NOW), Trace())
    assert (None, Action.HOLD) == (found.identifier, found.action)
