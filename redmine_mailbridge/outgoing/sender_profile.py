"""How one mailbox sends mail: sender, language, the kinds of mail that are enabled, and the content of each."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from typing import Any
from zoneinfo import ZoneInfo

from redmine_mailbridge.mail.message_ids import THIRD_PARTY, TO_TEAM, Signer
from redmine_mailbridge.outgoing.dates import Moment, in_zone
from redmine_mailbridge.outgoing.message import FromIdentity
from redmine_mailbridge.outgoing.personal_names import as_written, to_greet
from redmine_mailbridge.outgoing.template_variables import NamedText
from redmine_mailbridge.outgoing.templates import Rendered, Templates, is_language
from redmine_mailbridge.store.issue_copy import IssueRow
from redmine_mailbridge.util.dataclass import dataclass

AGENT = "{agent}"
"""The placeholder of the agent's name in `from_name`."""
_CONNECTING = re.compile(r"^(?:(?:via|über|per|par|from|von|at|de|for|für)\s|[@|,:;·–—/-])\s{0,10}", re.IGNORECASE)


def without_agent(name: str) -> str:
    """Given a sender's name with "{agent}", return what signs mail that no agent wrote: "Example support" of "{agent}
    via Example support" and of "{agent} (Example support)".
    """
    if AGENT not in name:
        return name
    rest = _CONNECTING.sub("", " ".join(name.replace(AGENT, "").split()))
    return rest.strip(" ()|,-–—@")


@dataclass(frozen=True, slots=True)
class SenderProfile:
    """How one mailbox answers: `language` is for whom no other is known, `languages` those that customers are written
    to in (none: all that have templates); `kinds` are those that are switched on, `reply_marker_line` the line above
    which people are asked to write, "" for none. `private_projects`: customers hear of private issues and projects too.
    `trust_reply_to`: automatic replies go to the Reply-To of any mail. `aliases` go from each address of the mailbox
    (lower case) to the one that answers a mail that was sent there, "" for the mailbox's own sender.
    """

    mailbox: str
    sender: FromIdentity
    templates: Templates
    language: str
    kinds: frozenset[str]
    signer: Signer
    redmine_url: str
    reply_marker_line: str = ""
    private_projects: bool = False
    trust_reply_to: bool = False
    languages: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    agents_name: str = ""
    """The sender's name of agents' answers, with "{agent}" for the agent's; "" if it is that of all mail."""
    time_zone: str = ""
    """The time zone of dates; "" for this machine's."""
    command_marker: str = ""
    """The word that counts as a command in agents' notes, too (`answers.marker`); "" for none."""

    def sender_for(self, written_to: Iterable[str], agent: str = "") -> FromIdentity:
        """Given the addresses that the customer wrote to, in order, and the agent who answers, return the sender of the
        answer: the first of the mailbox's addresses among them, if that is an alias, else the mailbox's own sender.
        """
        sender = self.sender
        if agent and self.agents_name:
            sender = replace(sender, name=self.agents_name.replace(AGENT, agent))
        alias = next((self.aliases[address.lower()] for address in written_to if address.lower() in self.aliases), "")
        return replace(sender, address=alias) if alias else sender

    def language_for(self, kind: str, customers: str) -> str:
        """Given a kind of mail and the language that the customer writes, return the one to write in: for a customer
        the same where there is a template in it, else the mailbox's own.
        """
        if kind in TO_TEAM:
            return self.language
        allowed = not self.languages or any(is_language(customers, language) for language in self.languages)
        return customers if allowed and self.templates.speaks(kind, customers) else self.language

    def mail(self, kind: str, language: str, variables: Mapping[str, Any], issue: int | None) -> Rendered:
        """Given a kind of mail, a language, what its template may speak of and the issue it is about, return the mail's
        texts: with the line above which to write, and the marker by which an answer is recognised even when it lost
        its headers.
        """
        zone = ZoneInfo(self.time_zone) if self.time_zone else None
        variables = in_zone(variables, zone)
        around = {
            **self._always(),
            "now": variables["now"],
            "reply_line": self.reply_marker_line if issue is not None else "",
            "reference": self.signer.marker(issue, third_party=kind == THIRD_PARTY) if issue is not None else "",
            "issue": {"id": issue or 0},
        }
        return self.templates.mail(kind, language, variables, around)

    def variables(self, now: float) -> dict[str, Any]:
        """What every template may speak of."""
        return {**self._always(), "now": Moment.of(now)}

    def _always(self) -> dict[str, Any]:
        signature = self.sender.name or self.sender.address
        return {
            "mailbox": {"name": self.mailbox, "address": self.sender.address, "signature": signature},
            "redmine_url": self.redmine_url,
        }

    def about(self, issue: IssueRow) -> dict[str, Any]:
        """What the templates about an issue may speak of."""
        url = self.redmine_url.rstrip("/")
        return {
            "issue": {
                "id": issue.id,
                "subject": issue.subject,
                "url": f"{url}/issues/{issue.id}",
                "status": issue.status,
                "closed": issue.closed,
                "priority": issue.priority,
                "tracker": issue.tracker,
                "assignee": issue.assignee or "",
                "private": issue.private,
                "created": Moment.of(issue.created_on),
                "updated": Moment.of(issue.updated_on),
                "closed_on": Moment.of(issue.closed_on),
            },
            "requester": person(issue.requester_name, issue.requester),
            "project": NamedText(issue.project, issue.project_name, f"{url}/projects/{issue.project}"),
        }


def person(name: str, address: str) -> dict[str, str]:
    """A person's template variables: the name as it is written, the address, and the name for a greeting."""
    return {"name": as_written(name), "address": address, "greeting": to_greet(name)}
