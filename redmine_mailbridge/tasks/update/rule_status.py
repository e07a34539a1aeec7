"""The status of time-based rules: past runs, due issues, and whether a rule waits for confirmation."""

from dataclasses import asdict
from typing import Any

from redmine_mailbridge.policy.time_rules.due import RuleMatch
from redmine_mailbridge.settings.time_rules import TimeRule
from redmine_mailbridge.store.issue_copy import IssueRow
from redmine_mailbridge.store.rule_runs import Tally
from redmine_mailbridge.util.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class DueRule:
    """A rule that is due for an issue, for a preview. `what` describes its actions."""

    issue: IssueRow
    match: RuleMatch
    what: str

    def as_json(self) -> dict[str, Any]:
        """The same for programs."""
        return asdict(self.match) | {"subject": self.issue.subject, "what": self.what}


@dataclass(frozen=True, slots=True)
class RuleStatus:
    """A rule for a list: its description (`text`), the number of past runs and of due issues, and whether it stopped
    because more issues are due than its max_issues.
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
