"""What would become of a mail: for `explain` and the admin page. Writes nothing."""

from dataclasses import dataclass

from redmine_mailbridge.model.mail import Message
from redmine_mailbridge.model.plan import Plan
from redmine_mailbridge.policy.explanation import as_lines
from redmine_mailbridge.tasks.receive.planner import Decider


@dataclass(frozen=True, slots=True)
class Explained:
    """A mail as it is read, the plan for it, and the plan as lines for people."""

    message: Message
    plan: Plan
    lines: tuple[str, ...]


def explain(decider: Decider, content: bytes, mailbox: str) -> Explained:
    """Given a mail's bytes and the mailbox that it would have come to, return what would be done, and why.

    Raise RedmineUnavailable when Redmine cannot be asked.
    """
    message = decider.read(content, mailbox)
    plan, _facts = decider.plan(message, mailbox)
    return Explained(message, plan, as_lines(plan))
