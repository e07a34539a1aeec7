"""Reads mails and makes plans of them: facts → decide. Writes nothing."""

import datetime as dt
import mmap
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from redmine_mailbridge.mail.parse import parse
from redmine_mailbridge.model.mail import Message, ReadingOptions
from redmine_mailbridge.model.plan import Facts, KnownMail, Plan, Project
from redmine_mailbridge.model.stored_mail import MailRow
from redmine_mailbridge.policy.decide import decide
from redmine_mailbridge.policy.fact_request import needs
from redmine_mailbridge.policy.manual import Wish, by_hand
from redmine_mailbridge.policy.own_addresses import MailboxIdentity, responsible
from redmine_mailbridge.policy.settings_alone import settings_alone
from redmine_mailbridge.redmine.facts import FactFinder
from redmine_mailbridge.settings.issue import Route
from redmine_mailbridge.store.queries.messages import Archive


@dataclass(frozen=True, slots=True)
class Context:
    """What handling needs to know of a mailbox: how its mail is read, and what becomes of it."""

    identity: MailboxIdentity
    route: Route
    options: ReadingOptions

    def without_holding(self) -> Self:
        """The same for a mail that an admin has accepted, whichever of our mailboxes is responsible for it."""
        routes = {name: route.without_holding() for name, route in self.identity.routes.items()}
        identity = replace(self.identity, routes=routes)
        return replace(self, route=self.route.without_holding(), identity=identity)


class Decider:
    """Reads mails and makes plans; writes nothing. Safe to share among threads."""

    def __init__(self, contexts: Mapping[str, Context], archive: Archive | None, facts: FactFinder | None) -> None:
        self.contexts = contexts
        self._archive = archive
        self._facts = facts

    def read(self, content: bytes | mmap.mmap, mailbox: str, *, truncated: bool = False) -> Message:
        """Given a mail's bytes (or a mapping of them), return the message as this mailbox reads it; as the first one
        does, where the settings do not know this one any more.
        """
        options = self.contexts.get(mailbox, next(iter(self.contexts.values()))).options
        return parse(content, replace(options, truncated=True) if truncated else options)

    def plan(
        self,
        message: Message,
        mailbox: str,
        *,
        first_sync: bool = False,
        accepted: bool = False,
        row: MailRow | None = None,
        wish: Wish | None = None,
    ) -> tuple[Plan, Facts]:
        """Given a message, gather the facts and decide. Raise RedmineUnavailable when Redmine cannot be asked.

        `accepted`: an admin has let the mail pass, so that nothing holds it. `row`: what the store knows of it (None:
        it comes now). `wish`: an admin wants more than that.
        """
        context = self.contexts[mailbox]
        if wish is not None:
            facts = self._gather(message, context, first_sync=first_sync, row=row, wish=wish)
            return by_hand(message, context.route, context.identity, facts, wish), facts
        if accepted:
            context = context.without_holding()
        facts = self._gather(message, context, first_sync=first_sync, row=row)
        if row is not None:
            facts = replace(facts, kept_at=dt.datetime.fromtimestamp(row.kept_at, dt.UTC))
        return decide(message, context.route, context.identity, facts), facts

    def settings_alone(self, message: Message, mailbox: str, facts: Facts, project: Project) -> Plan:
        """Given a message, its mailbox, what is known and the project of its issue, return the plan of an issue that
        holds nothing of the mail.
        """
        context = self.contexts[mailbox]
        return settings_alone(message, context.route, context.identity, facts, project)

    def _gather(
        self,
        message: Message,
        context: Context,
        *,
        first_sync: bool,
        row: MailRow | None,
        wish: Wish | None = None,
    ) -> Facts:
        now = dt.datetime.now(dt.UTC)
        if self._facts is None:
            return Facts(now=now, offline=True)
        wanted = needs(message, context.route, context.identity)
        wanted = wanted if wish is None else wish.needs(wanted)
        known: dict[str, KnownMail] = {}
        participants: dict[int, frozenset[str]] = {}
        newest: dict[int, int] = {}
        noted: dict[int, int] = {}
        same_subject = None
        if self._archive is not None:
            rows = self._archive.by_message_id(wanted.message_ids)
            ours = self._archive.sent_by_us(one for one in wanted.message_ids if one not in rows)
            known = {key: KnownMail(key, issue, "", "out", to) for key, (issue, to) in ours.items()}
            known |= {key: KnownMail(key, seen.issue, seen.sender or "") for key, seen in rows.items()}
            if wanted.same_subject:
                same_subject = self._bundled(message, context, now.timestamp() if row is None else row.came_at)
            noted = self._archive.issues_of(number for number, _ in wanted.journals)
            issues = {*wanted.issues, *noted.values(), *(mail.issue for mail in known.values() if mail.issue)}
            issues |= {same_subject} if same_subject else set()
            participants = self._archive.participants(issues)
            newest = self._archive.newest_notes(issues)
        facts = self._facts.gather(
            wanted,
            now=now,
            known=known,
            participants=participants,
            journal_issues=noted,
            same_subject_issue=same_subject,
            first_sync=first_sync,
        )
        made_by = self._archive.mailboxes(facts.issues) if self._archive is not None else {}
        told = {
            number: replace(one, mailbox=made_by.get(number, ""), noted=newest.get(number, 0))
            for number, one in facts.issues.items()
        }
        return replace(facts, issues=told)

    def _bundled(self, message: Message, context: Context, came: float) -> int | None:
        """The issue of a mail of the same sender and subject that came within bundle_window of this one."""
        if self._archive is None:
            return None
        _, route = responsible(message, context.identity, context.route)
        window = route.issue.bundle_window.total_seconds()
        key = message.sender.key
        first = self._archive.same_subject(key, message.subject, since=came - window, until=came + window)
        return first.issue if first else None
