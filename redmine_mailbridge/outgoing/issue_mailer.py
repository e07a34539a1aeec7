"""Mail to people about an issue, and to admins: composed, kept within the limits, and queued once.

    kind, issue, key ──▶ Message-ID (always the same) ──▶ what may be read now ──▶ template ──▶ thread ──▶ outbox,
                                                                                       a row for each person

Who calls it with the same kind, issue and key again, after a crash or by mistake, queues nothing new. Whoever has the
mail composed, nothing is told of an issue that Redmine does not show now, and nothing of one that is not public to the
customer and those in Cc, unless the mailbox says so (`private_projects`).
"""

import datetime as dt
import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog

from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.mail.automatic import takes_no_reply
from redmine_mailbridge.model.mail import Address
from redmine_mailbridge.outgoing.addresses import comparable, mailable, without_tag
from redmine_mailbridge.outgoing.conversation import Thread, Threads
from redmine_mailbridge.outgoing.message import BY_PEOPLE, File, Letter
from redmine_mailbridge.outgoing.rate_limits import held_back
from redmine_mailbridge.outgoing.sender_profile import Desk
from redmine_mailbridge.outgoing.template_variables import Fields
from redmine_mailbridge.redmine.issue_visibility import Look, Visible
from redmine_mailbridge.store.issue_copy import IssueRow
from redmine_mailbridge.store.outbox import NewAnswer, Outbox

log = structlog.get_logger(__name__)


PRIVATE = "the project or the issue is private (answers.private_projects)"


@dataclass(frozen=True, slots=True)
class Composed:
    """The mails of one letter, one for each person; none, and why not, when it does not go out. `without` are those
    whom no mail can go to; `not_to_requester` says why it goes to others only, where it was meant for the customer too.
    """

    mails: tuple[NewAnswer, ...] = ()
    why_not: str = ""
    without: tuple[Address, ...] = ()
    not_to_requester: str = ""


@dataclass(frozen=True, slots=True)
class _Audience:
    """Who gets a mail. `private`: somebody does not, since the issue is not public."""

    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    to_requester: bool
    private: bool
    without: tuple[Address, ...]


class Letters:
    """Composes and queues. Safe to share among threads. `look` asks Redmine for an issue as it is now; `ours` are the
    addresses that are never written to; `system` is the desk that speaks to admins, None when nothing can be sent.
    """

    def __init__(
        self,
        desks: Mapping[str, Desk],
        outbox: Outbox,
        threads: Threads,
        *,
        look: Look,
        ours: Collection[str],
        system: Desk | None,
        clock: Callable[[], float],
    ) -> None:
        self.desks = desks
        self._outbox = outbox
        self._threads = threads
        self.look = look
        self._ours = frozenset(map(comparable, ours))
        self._system = system
        self._clock = clock

    def with_kinds(self, *kinds: str) -> "Letters":
        """The same for one who sends these kinds whatever the settings switch on for the others."""
        desks = {name: replace(desk, kinds=desk.kinds.union(kinds)) for name, desk in self.desks.items()}
        return Letters(
            desks, self._outbox, self._threads,
            look=self.look, ours=self._ours, system=self._system, clock=self._clock,
        )  # fmt: skip

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
        lines = [line for _, line in self._outbox.queue(made.mails, mail_id=issue.mail_id)]
        return "; ".join(
            [*lines, *([f"not to the customer: {made.not_to_requester}"] if made.not_to_requester else [])]
        )

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
        desk, people = self._system, self.reachable(to, kind)
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
        said = self._outbox.queue(self._copies(desk, letter, None))
        return any(stands for stands, _ in said), "; ".join(line for _, line in said)

    def compose(  # noqa: PLR0911 - a list of reasons
        self,
        kind: str,
        issue: IssueRow,
        key: str,
        to: Sequence[Address],
        variables: Mapping[str, Any],
        *,
        attachments: Sequence[File] = (),
        cc: Sequence[Address] = (),
        now: tuple[Visible, Thread] | None = None,
        template: str = "",
    ) -> Composed:
        """As `queue`, without queueing: return the mails, for whoever queues them with something else at once.

        `now` is the issue as Redmine shows it at this moment and its conversation, for whoever has asked just now;
        `template` is the one that speaks, where it is not that of the kind. Raise RedmineUnavailable.
        """
        desk, spoken = self.desks.get(issue.mailbox), template or kind
        if desk is None:
            return Composed(why_not=f"mailbox {issue.mailbox} has nowhere to send by")
        if spoken not in desk.kinds:
            return Composed(why_not=f"it is switched off for mailbox {issue.mailbox}")
        now = now or self._now(issue)
        if now is None:
            return Composed(why_not="Redmine does not show the issue any more")
        visible, thread = now
        people = self._audience(kind, issue, to, cc, told=visible.public or desk.private_projects)
        if people.to_requester and kind not in BY_PEOPLE and not thread.answerable:
            return Composed(why_not="the customer's mail came from a machine")
        if not people.to:
            return Composed(why_not=PRIVATE if people.private else "nobody to write to", without=people.without)
        try:
            values = {**desk.variables(self._clock()), **desk.about(issue), **_of_thread(thread), **variables}
            texts = desk.finished(desk.templates.safely(spoken, desk.language, values), issue.id)
        except SettingsError as error:
            log.warning("letter.template", kind=kind, issue=issue.id, reason=str(error))
            return Composed(why_not=str(error))
        letter = Letter(
            kind=kind,
            sender=desk.sender,
            to=people.to[0],
            subject=texts.subject,
            text=texts.text,
            html=texts.html,
            message_id=desk.signer.message_id(kind, issue.id, _serial(key), desk.sender.host),
            in_reply_to=thread.in_reply_to,
            references=thread.references,
            loop_value=desk.signer.instance,
            also=people.to[1:],
            cc=people.cc,
            files=tuple(attachments),
            topic=thread.subject,
            index=thread.index,
        )
        mails = self._copies(desk, letter, issue.id)
        return Composed(mails, without=people.without, not_to_requester=PRIVATE if people.private else "")

    def _now(self, issue: IssueRow) -> tuple[Visible, Thread] | None:
        visible = self.look(issue.id)
        return None if visible is None else (visible, self._threads.of(issue, visible))

    def _audience(
        self, kind: str, issue: IssueRow, to: Sequence[Address], cc: Sequence[Address], *, told: bool
    ) -> "_Audience":
        """Who of these people gets the mail; `told`: the customer's side may know of the issue."""
        requester = comparable(issue.requester)
        asked = any(comparable(one.address) == requester for one in to)
        if not told:
            to, cc = [one for one in to if comparable(one.address) != requester], ()
        first, copied = self.reachable(to, kind), self.reachable(cc, kind)
        if not first:
            first, copied = copied[:1], copied[1:]
        keys = {one.key for one in first}
        return _Audience(
            to=tuple(first),
            cc=tuple(one for one in copied if one.key not in keys),
            to_requester=asked and told,
            private=not told and (asked or not to),
            without=tuple(one for one in (*to, *cc) if mailable(one) is None),
        )

    def thread(self, issue: IssueRow, visible: Visible) -> Thread:
        """The conversation that a mail about this issue continues."""
        return self._threads.of(issue, visible)

    def reachable(self, people: Sequence[Address], kind: str) -> list[Address]:
        """Those of these people whom we may write to, each once: never ourselves, nor by a machine to machines."""
        able = [one for one in map(mailable, people) if one is not None and not self._is_ours(one)]
        found = {one.key: one for one in reversed(able)}
        kept = [found[key] for key in dict.fromkeys(one.key for one in able)]
        return [one for one in kept if kind in BY_PEOPLE or not takes_no_reply(one)]

    def _is_ours(self, one: Address) -> bool:
        return bool({one.key, without_tag(one.key)} & self._ours)

    def _copies(self, desk: Desk, letter: Letter, issue: int | None) -> tuple[NewAnswer, ...]:
        """The mail for each whom it goes to: who has an address beyond ASCII gets it with addresses as they are."""
        now = dt.datetime.fromtimestamp(self._clock(), dt.UTC)
        people = (letter.to, *letter.also, *letter.cc)
        contents = {
            plain: letter.as_bytes(now, international=not plain) for plain in {one.address.isascii() for one in people}
        }
        return tuple(
            NewAnswer(
                mailbox=desk.mailbox,
                kind=letter.kind,
                sender=desk.sender.address,
                recipient=one.address,
                message_id=letter.message_id,
                content=contents[one.address.isascii()],
                why_not=lambda count: held_back(count, refusal=False),
                issue=issue,
                among=BY_PEOPLE if letter.kind in BY_PEOPLE else None,
                person="" if letter.kind in BY_PEOPLE else without_tag(one.key),
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
