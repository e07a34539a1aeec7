"""One thing that is wrong, or may become so."""

from collections.abc import Iterable
from enum import IntEnum

from redmine_mailbridge.conditions.kinds import KINDS, ConditionKind
from redmine_mailbridge.util.dataclass import dataclass


class Severity(IntEnum):
    """How bad it is, with the numbers that Nagios and Checkmk use. OK: too early to call it a problem."""

    OK = 0
    WARNING = 1
    CRITICAL = 2

    @property
    def word(self) -> str:
        """The word in lower case."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Condition:
    """What is wrong. `key` is one of `KINDS` and never changes its meaning; `subject` is what it is about: a mailbox, a
    server (host:port), or "" if there is only one. `since` is when it began, in epoch seconds, None if unknown.
    `detail` completes the title of its kind, in one line. `dormant`: whether it is over is not
    tried at present, so that it needs neither action nor an alert.
    """

    key: str
    subject: str
    severity: Severity
    since: float | None
    detail: str
    dormant: bool = False

    @property
    def kind(self) -> ConditionKind:
        """Its kind."""
        return KINDS[self.key]

    @property
    def title(self) -> str:
        """What is wrong, without details."""
        return self.kind.title.format(subject=self.subject)

    @property
    def problem(self) -> str:
        """What is wrong, in one line."""
        return f"{self.title}: {self.detail}" if self.detail else self.title

    @property
    def remedy(self) -> str:
        """What to do, in one line."""
        return self.kind.remedy.format(subject=self.subject)

    def as_json(self) -> dict[str, str | float | None]:
        """The object that `status --json` and `/health` print; times in epoch seconds."""
        return {
            "key": self.key,
            "subject": self.subject,
            "severity": self.severity.word,
            "since": self.since,
            "problem": self.problem,
            "remedy": self.remedy,
        }

    @property
    def name(self) -> str:
        """The key and the subject."""
        return f"{self.key} {self.subject}" if self.subject else self.key


def worst(conditions: Iterable[Condition]) -> Severity:
    """Given conditions, return the highest severity; OK without any."""
    return max((condition.severity for condition in conditions), default=Severity.OK)
