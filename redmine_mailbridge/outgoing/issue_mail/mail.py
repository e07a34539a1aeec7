"""A mail about an issue: what it is made of, and what becomes of it when it is composed."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from redmine_mailbridge.model.mail import Address
from redmine_mailbridge.outgoing.conversation import Conversation
from redmine_mailbridge.outgoing.dates import Moment
from redmine_mailbridge.outgoing.message import OutgoingFile
from redmine_mailbridge.redmine.issue_visibility import VisibleIssue
from redmine_mailbridge.store.issue_copy import IssueRow
from redmine_mailbridge.store.outgoing.adding import NewAnswer
from redmine_mailbridge.util.dataclass import dataclass

Variables = Mapping[str, Any] | Callable[[VisibleIssue], Mapping[str, Any]]
"""The template variables beside those of the issue; a function if they depend on what may be read now."""
NO_QUESTION: Mapping[str, Any] = {"journal": 0, "text": "", "html": "", "author": "", "date": Moment(None)}
"""What a reminder quotes where nothing was asked."""


@dataclass(frozen=True, slots=True)
class IssueMail:
    """A mail about an issue that is to be composed. `kind`, `issue` and `key` (a journal, the run of a rule) identify
    it: the same ones are never mailed twice. `variables` are what the template may use beside the issue; `template` is
    the kind whose template is used, "" for the mail's own kind.
    """

    kind: str
    issue: IssueRow
    key: str
    to: Sequence[Address]
    variables: Variables
    cc: Sequence[Address] = ()
    files: Sequence[OutgoingFile] = ()
    template: str = ""

    @property
    def template_kind(self) -> str:
        """The kind whose template is used."""
        return self.template or self.kind


@dataclass(frozen=True, slots=True)
class ReadableIssue:
    """An issue as Redmine shows it now, and its conversation."""

    visible: VisibleIssue
    conversation: Conversation


@dataclass(frozen=True, slots=True)
class ComposedMail:
    """One mail as it goes out, a copy for each person; no copies, and why not, when it does not. `not_to_requester`
    says why it goes to others only, where it was meant for the customer too.
    """

    mails: tuple[NewAnswer, ...] = ()
    why_not: str = ""
    not_to_requester: str = ""
