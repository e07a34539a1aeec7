"""How one mailbox speaks to people: in whose name, in which language, which kinds of mail, and what each bears."""

import datetime as dt
import html
from dataclasses import dataclass
from typing import Any

from redmine_mailbridge.mail.message_ids import Signer
from redmine_mailbridge.outgoing.message import Sender
from redmine_mailbridge.outgoing.template_variables import Named
from redmine_mailbridge.outgoing.templates import Rendered, Templates
from redmine_mailbridge.store.issue_copy import IssueRow


@dataclass(frozen=True, slots=True)
class Desk:
    """How one mailbox answers: `kinds` are those that are switched on, `write_above` the line above which people are
    asked to write, "" for none. `private_projects`: customers hear of private issues and projects too.
    `trust_reply_to`: what the bridge says by itself goes to the Reply-To of any mail.
    """

    mailbox: str
    sender: Sender
    templates: Templates
    language: str
    kinds: frozenset[str]
    signer: Signer
    redmine_url: str
    write_above: str = ""
    private_projects: bool = False
    trust_reply_to: bool = False

    def finished(self, texts: Rendered, issue: int | None) -> Rendered:
        """Given a mail's texts and the issue it speaks of, return them with the line above which to write and the
        marker by which an answer is recognised, even one that lost its headers.
        """
        text, page = texts.text.rstrip(), texts.html.rstrip()
        if issue is None:
            return Rendered(texts.subject, f"{text}\n", page)
        marker = self.signer.marker(issue)
        above = f"{self.write_above}\n\n" if self.write_above else ""
        line = f'<p style="color:#888">{html.escape(self.write_above)}</p>\n' if self.write_above else ""
        small = f'\n<p style="color:#aaa;font-size:10px">{marker}</p>\n'
        return Rendered(texts.subject, f"{above}{text}\n\n{marker}\n", f"{line}{page}{small}" if page else "")

    def variables(self, now: float) -> dict[str, Any]:
        """What every template may speak of."""
        return {
            "mailbox": {"name": self.mailbox, "address": self.sender.address},
            "redmine_url": self.redmine_url,
            "now": when(now),
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
                "created": when(issue.created_on),
                "updated": when(issue.updated_on),
                "closed_on": when(issue.closed_on),
            },
            "requester": {"name": issue.requester_name, "address": issue.requester},
            "project": Named(issue.project, issue.project_name, f"{url}/projects/{issue.project}"),
        }


def when(seconds: float | None) -> str:
    """Given seconds since the epoch, return the time as people read it, in this machine's zone; "" for None."""
    return "" if seconds is None else f"{dt.datetime.fromtimestamp(seconds).astimezone():%Y-%m-%d %H:%M}"
