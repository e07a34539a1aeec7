"""Explains what would be done with a mail, for `explain` and the admin page. Writes nothing."""

from redmine_mailbridge.model.mail import Message
from redmine_mailbridge.model.plan import Plan
from redmine_mailbridge.policy.explanation import as_lines
from redmine_mailbridge.tasks.receive.planner import Planner
from redmine_mailbridge.util.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Explanation:
    """A parsed mail, its plan, and the plan as readable lines."""

    message: Message
    plan: Plan
    lines: tuple[str, ...]


def explain(planner: Planner, content: bytes, mailbox: str) -> Explanation:
    """Given a mail's content and the mailbox that it would arrive in, return what would be done, and why.

    Raise RedmineUnavailable.
    """
    message = planner.read(content, mailbox)
    plan, _facts = planner.plan(message, mailbox)
    return Explanation(message, plan, as_lines(plan))
