"""What is said of rules of time: what each has done, is about to do, and whether it asks first."""

from dataclasses import asdict, dataclass
from typing import Any

from redmine_mailbridge.policy.time_rules.due import Application
from redmine_mailbridge.settings.time_rules import TimeRule
from redmine_mailbridge.store.issue_copy import IssueRow
from redmine_mailbridge.store.rule_runs import Tally


@dataclass(frozen=True, slots=True)
class Due:
    """A rule that is due for an issue, as a preview shows it: `what` it would do, in words."""

    issue: IssueRow
    application: Application
    what: str

    def as_json(self) -> dict[str, Any]:
        """The same for programs."""
        return asdict(self.application) | {"subject": self.issue.subject, "what": self.what}


@dataclass(frozen=True, slots=True)
class RuleState:
    """A rule as a list shows it: in words (`text`), what it has done, for how many issues it is due, and whether it
    stopped since these are more than its at_most.
    """

    rule: TimeRule
    text: str
    tally: Tally
    due: int
    stopped: bool

    def as_json(self) -> dict[str, Any]:
        """The same for programs."""
        about = {"rule": self.rule.name, "active": self.rule.active, "text": self.text}
        return about | asdict(self.tally) | {"due": self.due, "stopped": self.stopped}
