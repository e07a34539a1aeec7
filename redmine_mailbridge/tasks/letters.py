"""Mail to people about an issue, and to admins: composed, kept within the limits, and queued once.

    kind, issue, key ──▶ Message-ID (always the same) ──▶ template ──▶ thread ──▶ outbox, a row for each person

Who calls it with the same kind, issue and key again, after a crash or by mistake, queues nothing new.
"""

import datetime as dt
import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog

from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.mail.automatic import takes_no_reply
from redmine_mailbridge.mail.message import Address
from redmine_mailbridge.outgoing.addresses import mailable
from redmine_mailbridge.outgoing.letter import BY_PEOPLE, File, Letter
from redmine_mailbridge.outgoing.limits import held_back
from redmine_mailbridge.outgoing.variables import Fields
from redmine_mailbridge.store.issues import IssueRow
from redmine_mailbridge.store.outbox import NewAnswer, Outbox
from redmine_mailbridge.tasks.desk import Desk
from redmine_mailbridge.tasks.threads import Thread, Threads

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Composed:
    """The mails of one letter, one for each person; none, and why not, when it does not go out."""

    mails: tuple[NewAnswer, ...] = ()
    why_not: str = ""


class Letters:
    """Composes and queues. Safe to share among threads. `ours` are the addresses that are never written to (lower
    case); `system` is the desk that speaks to admins, None when nothing can be sent.
    """

    def __init__(
        self,
        desks: Mapping[str, Desk],
        outbox: Outbox,
        threads: Threads,
        *,
        ours: Collection[str],
        system: Desk | None,
        clock: Callable[[], float],
    ) -> None:
        self.desks = desks
        self._outbox = outbox
        self._threads = threads
        self._ours = frozenset(ours)
        self._system = system
        self._clock = clock

    def with_kinds(self, *kinds: str) -> "Letters":
        """The same for one who sends these kinds whatever the settings switch on for the others."""
        desks = {name: replace(desk, kinds=desk.kinds.union(kinds)) for name, desk in self.desks.items()}
        return Letters(desks, self._outbox, self._threads, ours=self._ours, system=self._system, clock=self._clock)

    def queue(  # noqa: PLR0917 - the contract of whoever sends mail about an issue
        self,
        kind: str,
        issue: IssueRow,
        key: str,
        to: Sequence[Address],
        variables: Mapping[str, Any],
        attachments: Sequence[File] = (),
    ) -> str:
        """Given a kind of mail, its issue, what it is about (a rule's application …), to whom it goes and what the
        kind's template may speak of beside the issue, queue it. Return the line for the record.
        """
        made = self.compose(kind, issue, key, to, variables, attachments=attachments)
        if not made.mails:
            return f"no {kind} mail: {made.why_not}"
        return "; ".join(line for _, line in self._outbox.queue(made.mails, mail_id=issue.mail_id))

    @property
    def reaches_admins(self) -> bool:
        """Is there a way at all to write to admins?"""
        return self._system is not None

    def queue_system(
        self, kind: str, key: str, to: Sequence[Address], variables: Mapping[str, Any]
    ) -> tuple[bool, str]:
        """Given a kind of mail to admins, what it is about, to whom it goes and what its template may speak of, queue
        it. Return whether it stands in the outbox for somebody now, and one line.
        """
        desk, people = self._system, self._reachable(to, kind)
        if desk is None or not people:
            return False, f"no {kind} mail: {'nothing can be sent' if desk is None else 'nobody to write to'}"
        try:
            values = {**desk.variables(self._clock()), **variables}
            texts = desk.finished(desk.templates.safely(kind, desk.language, values), None)
        except SettingsError as error:
            log.warning("letter.template", kind=kind, reason=str(error))
            return False, f"no {kind} mail: {error}"
        own_id = f"{kind}.{_serial(key)}.{desk.signer.short_instance}@{desk.sender.host}"
        letter = Letter(
            kind, desk.sender, people[0], texts.subject, texts.text, own_id, texts.html,
            loop_value=desk.signer.instance, also=tuple(people[1:]),
        )  # fmt: skip
        said = self._outbox.queue(self._copies(desk, letter, people, None))
        return any(stands for stands, _ in said), "; ".join(line for _, line in said)

    def compose(
        self,
        kind: str,
        issue: IssueRow,
        key: str,
        to: Sequence[Address],
        variables: Mapping[str, Any],
        *,
        attachments: Sequence[File] = (),
        cc: Sequence[Address] = (),
        thread: Thread | None = None,
    ) -> Composed:
        """As `queue`, without queueing: return the mails, for whoever queues them with something else at once."""
        desk = self.desks.get(issue.mailbox)
        if desk is None:
            return Composed(why_not=f"mailbox {issue.mailbox} has nowhere to send by")
        if kind not in desk.kinds:
            return Composed(why_not=f"it is switched off for mailbox {issue.mailbox}")
        thread = thread or self._threads.of(issue)
        to_requester = any(one.key == issue.requester.lower() for one in to)
        if kind not in BY_PEOPLE and to_requester and not thread.answerable:
            return Composed(why_not="the customer's mail came from a machine")
        first = self._reachable(to, kind)
        people = self._reachable([*to, *cc], kind)
        if not people:
            return Composed(why_not="nobody to write to")
        if not first:
            first, cc = people[:1], people[1:]
        try:
            values = {**desk.variables(self._clock()), **desk.about(issue), **_of_thread(thread), **variables}
            texts = desk.finished(desk.templates.safely(kind, desk.language, values), issue.id)
        except SettingsError as error:
            log.warning("letter.template", kind=kind, issue=issue.id, reason=str(error))
            return Composed(why_not=str(error))
        keys = {one.key for one in first}
        letter = Letter(
            kind=kind,
            sender=desk.sender,
            to=first[0],
            subject=texts.subject,
            text=texts.text,
            html=texts.html,
            message_id=desk.signer.message_id(kind, issue.id, _serial(key), desk.sender.host),
            in_reply_to=thread.in_reply_to,
            references=thread.references,
            loop_value=desk.signer.instance,
            also=tuple(first[1:]),
            cc=tuple(one for one in people if one.key not in keys),
            files=tuple(attachments),
            topic=thread.subject,
            index=thread.index,
        )
        return Composed(self._copies(desk, letter, people, issue.id))

    def thread(self, issue: IssueRow) -> Thread:
        """The conversation that a mail about this issue continues."""
        return self._threads.of(issue)

    def _reachable(self, people: Sequence[Address], kind: str) -> list[Address]:
        """Those of these people whom we may write to, each once: never ourselves, nor by a machine to nobody."""
        able = [one for one in map(mailable, people) if one is not None and one.key not in self._ours]
        found = {one.key: one for one in reversed(able)}
        kept = [found[key] for key in dict.fromkeys(one.key for one in able)]
        return [one for one in kept if kind in BY_PEOPLE or not takes_no_reply(one)]

    def _copies(
        self, desk: Desk, letter: Letter, people: Sequence[Address], issue: int | None
    ) -> tuple[NewAnswer, ...]:
        content = letter.as_bytes(dt.datetime.fromtimestamp(self._clock(), dt.UTC))
        return tuple(
            NewAnswer(
                mailbox=desk.mailbox,
                kind=letter.kind,
                sender=desk.sender.address,
                recipient=one.address,
                message_id=letter.message_id,
                content=content,
                why_not=lambda count: held_back(count, refusal=False),
                issue=issue,
            )
            for one in people
        )


def _of_thread(thread: Thread) -> dict[str, Any]:
    """What the templates may speak of the conversation."""
    return {
        "agent": {"name": ""},
        "fields": Fields(),
        "thread": {"subject": thread.subject, "reply_subject": thread.reply_subject},
        "history": [{"author": one.author, "date": one.date, "text": one.text} for one in thread.history],
    }


def _serial(key: str) -> str:
    """Given what a mail is about, return a short word that stands for it in its Message-ID."""
    plain = len(key) <= 40 and all(c in "0123456789abcdefghijklmnopqrstuvwxyz-" for c in key) and key
    return key if plain else hashlib.sha256(key.encode()).hexdigest()[:32]
