"""Parses mails and makes their plans: facts → decide. Writes nothing."""

import datetime as dt
import mmap
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from redmine_mailbridge.model.facts import Facts, KnownMail, Project
from redmine_mailbridge.model.mail import Message, ReadingOptions, SpamVerdict
from redmine_mailbridge.model.plan import Plan
from redmine_mailbridge.model.stored_mail import StoredMail
from redmine_mailbridge.policy.decide import decide
from redmine_mailbridge.policy.fact_request import requested_facts
from redmine_mailbridge.policy.manual import ManualDecision, by_hand
from redmine_mailbridge.policy.new_issue import settings_alone
from redmine_mailbridge.policy.own_addresses import MailboxIdentity, responsible
from redmine_mailbridge.policy.requester import MOST_NAMED
from redmine_mailbridge.policy.sender_list import candidates
from redmine_mailbridge.policy.vouched import customer_named
from redmine_mailbridge.redmine.facts import FactFinder
from redmine_mailbridge.settings.issue import Route
from redmine_mailbridge.store.queries.messages import MessageQueries
from redmine_mailbridge.store.sender_list import SenderList
from redmine_mailbridge.util.dataclass import dataclass
from redmine_mailbridge.util.lazy import lazy_import

if TYPE_CHECKING:
    from redmine_mailbridge.mail import parse
else:  # a pass that finds no new mail parses none
    parse = lazy_import("redmine_mailbridge.mail.parse")


@dataclass(frozen=True, slots=True)
class MailboxContext:
    """The settings of a mailbox for planning: how its mail is parsed, and the rules that decide."""

    identity: MailboxIdentity
    route: Route
    options: ReadingOptions

    def without_holding(self) -> Self:
        """The same for a mail that an admin has accepted, whichever mailbox is responsible for it."""
        routes = {name: route.without_holding() for name, route in self.identity.routes.items()}
        identity = replace(self.identity, routes=routes)
        return replace(self, route=self.route.without_holding(), identity=identity)


class Planner:
    """Parses mails and makes plans; writes nothing. Safe to share among threads."""

    def __init__(
        self,
        contexts: Mapping[str, MailboxContext],
        message_queries: MessageQueries | None,
        facts: FactFinder | None,
        senders: SenderList | None = None,
    ) -> None:
        self.contexts = contexts
        self._message_queries = message_queries
        self._facts = facts
        self._senders = senders

    def read(self, content: bytes | mmap.mmap, mailbox: str, *, truncated: bool = False) -> Message:
        """Given a mail's content (or a memory map of it), return the message as this mailbox parses it, or as the first
        mailbox does if this one is no longer in the settings.
        """
        options = self.contexts.get(mailbox, next(iter(self.contexts.values()))).options
        return parse.parse(content, replace(options, truncated=True) if truncated else options)

    def plan(
        self,
        message: Message,
        mailbox: str,
        *,
        first_sync: bool = False,
        accepted: bool = False,
        row: StoredMail | None = None,
        manual_decision: ManualDecision | None = None,
    ) -> tuple[Plan, Facts]:
        """Given a message, gather the facts and decide. Raise RedmineUnavailable when Redmine cannot be asked.

        `accepted`: an admin has let the mail pass, so that nothing holds it. `row`: what the store knows of it (None:
        it comes now). `manual_decision`: an admin wants more than that.
        """
        context = self.contexts[mailbox]
        if manual_decision is not None:
            facts = self._gather(message, context, first_sync=first_sync, row=row, manual_decision=manual_decision)
            return by_hand(message, context.route, context.identity, facts, manual_decision), facts
        if accepted:
            context = context.without_holding()
            message = replace(message, spam=SpamVerdict())
        facts = self._gather(message, context, first_sync=first_sync, row=row)
        if self._senders is not None:
            people = (message.sender, *message.original_from[:MOST_NAMED], *message.reply_to[:MOST_NAMED])
            people += customer_named(message)
            patterns = dict.fromkeys(pattern for person in people for pattern in candidates(person.address))
            facts = replace(facts, listed_senders=self._senders.among(tuple(patterns)))
        if row is not None:
            facts = replace(facts, kept_at=dt.datetime.fromtimestamp(row.kept_at, dt.UTC))
        return decide(message, context.route, context.identity, facts), facts

    def settings_alone(self, message: Message, mailbox: str, facts: Facts, project: Project) -> Plan:
        """Given a message, its mailbox, the facts and the project of its issue, return the plan of an issue that
        contains only the values from the settings.
        """
        context = self.contexts[mailbox]
        return settings_alone(message, context.route, context.identity, facts, project)

    def _gather(
        self,
        message: Message,
        context: MailboxContext,
        *,
        first_sync: bool,
        row: StoredMail | None,
        manual_decision: ManualDecision | None = None,
    ) -> Facts:
        now = dt.datetime.now(dt.UTC)
        if self._facts is None:
            return Facts(now=now, offline=True)
        fact_request = requested_facts(message, context.route, context.identity)
        fact_request = fact_request if manual_decision is None else manual_decision.request(fact_request)
        known: dict[str, KnownMail] = {}
        newest: dict[int, int] = {}
        noted: dict[int, int] = {}
        same_subject = None
        if self._message_queries is not None:
            rows = self._message_queries.by_message_id(fact_request.message_ids)
            ours = self._message_queries.sent_by_us(
                message_id for message_id in fact_request.message_ids if message_id not in rows
            )
            known = {key: KnownMail(key, issue, "", "out", to) for key, (issue, to) in ours.items()}
            known |= {key: KnownMail(key, seen.issue, seen.sender or "") for key, seen in rows.items()}
            if fact_request.same_subject:
                same_subject = self._bundled(message, context, now.timestamp() if row is None else row.arrived_at)
            noted = self._message_queries.issues_of(number for number, _ in fact_request.journals)
            issues = {*fact_request.issues, *noted.values(), *(mail.issue for mail in known.values() if mail.issue)}
            issues |= {same_subject} if same_subject else set()
            newest = self._message_queries.newest_notes(issues)
        facts = self._facts.gather(
            fact_request,
            now=now,
            known=known,
            journal_issues=noted,
            same_subject_issue=same_subject,
            first_sync=first_sync,
        )
        if self._message_queries is None:
            return facts
        apart = frozenset[str]()
        if fact_request.message_ids or facts.issues:  # a new mail is in no thread
            apart = self._message_queries.third_party_ids((message.message_id, *fact_request.message_ids))
        return replace(_with_mails(facts, self._message_queries, newest), third_party_ids=apart)

    def _bundled(self, message: Message, context: MailboxContext, arrived_at: float) -> int | None:
        """The issue of a mail of the same sender and subject that came within bundle_window of this one."""
        if self._message_queries is None:
            return None
        _, route = responsible(message, context.identity, context.route)
        window = route.issue.bundle_window.total_seconds()
        key = message.sender.key
        first = self._message_queries.same_subject(
            key, message.subject, since=arrived_at - window, until=arrived_at + window
        )
        return first.issue if first else None


def _with_mails(facts: Facts, message_queries: MessageQueries, newest: Mapping[int, int]) -> Facts:
    """Given the facts, and the newest note by mail of each issue before Redmine was asked, return them with what the
    store knows of the issues.
    """
    participants, made_by = message_queries.participants(facts.issues), message_queries.mailboxes(facts.issues)
    mailed, begun = message_queries.mailed(facts.issues), message_queries.begun(facts.issues)
    third_parties = message_queries.third_parties(facts.issues)
    issues = {
        number: replace(
            issue,
            participants=participants.get(number, frozenset()),
            mailed=mailed.get(number, frozenset()),
            third_parties=third_parties.get(number, frozenset()),
            mailbox=made_by.get(number, ""),
            noted=newest.get(number, 0),
            begun=number in begun,
        )
        for number, issue in facts.issues.items()
    }
    return replace(facts, issues=issues)
