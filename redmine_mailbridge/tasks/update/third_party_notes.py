"""Mail to third parties: a private note that begins with `/to address …` goes to these addresses, and to no one else.

Private notes go to no one otherwise, and public ones to the customer's side. So the two never mix: what is mailed to a
third party is private in Redmine, where the customer cannot read it, and what the customer is mailed is public. Such a
mail holds the note and the files that came with it; nothing of the customer, of other notes or of the conversation. It
has a thread of its own, one for each set of addresses (`store/queries/conversations.py`), and a Message-ID and a marker
of its own kind, by which replies are recognized (`policy/issue_match.py`).

A note that cannot be mailed as it is goes to no one; another private note says why.
"""

from collections.abc import Iterator

import structlog

from redmine_mailbridge.mail.message_ids import THIRD_PARTY
from redmine_mailbridge.mail.mime.address_syntax import is_among
from redmine_mailbridge.model.mail import TextFormat
from redmine_mailbridge.outgoing.conversation import Conversation
from redmine_mailbridge.outgoing.issue_mail.mail import IssueMail, ReadableIssue
from redmine_mailbridge.outgoing.issue_mail.mailer import IssueMailer
from redmine_mailbridge.policy.issue_text import literal
from redmine_mailbridge.policy.note_commands import NoteCommands
from redmine_mailbridge.store.note_decisions import NoteDecision, NoteDecisions
from redmine_mailbridge.store.notices import NewNotice
from redmine_mailbridge.store.queries.conversations import ConversationQueries
from redmine_mailbridge.tasks.update.command_review import JournalInTurn, writers_of
from redmine_mailbridge.tasks.update.command_rights import CommandRights
from redmine_mailbridge.tasks.update.note_content import NoteContentComposer
from redmine_mailbridge.tasks.update.note_filter import AgentNote, files_of_private
from redmine_mailbridge.tasks.update.note_variables import note_variables

log = structlog.get_logger(__name__)

MOST_ADDRESSES = 20
"""How many addresses one note may name."""
SHOWN = 10


class ThirdPartyNotes:
    """Decides the notes to third parties, as `NoteDecider` does all others."""

    def __init__(
        self,
        decisions: NoteDecisions,
        mailer: IssueMailer,
        content: NoteContentComposer,
        queries: ConversationQueries,
        *,
        rights: CommandRights,
        text_format: TextFormat,
    ) -> None:
        self._decisions = decisions
        self._mailer = mailer
        self._content = content
        self._queries = queries
        self._rights = rights
        self._text_format = text_format

    def take(self, turn: JournalInTurn, commands: NoteCommands) -> int | None:
        """Given an agent's note and its commands, decide the note if it is for third parties. Return the number of
        mails queued; None if it is not. Raise RateLimited when it must wait.
        """
        if not commands.for_third_parties:
            return None
        why_not = next(self._obstacles(turn, commands), "")
        if why_not:
            return self._not_mailed(turn, commands, why_not)
        files = files_of_private(turn.entry, turn.visible.issue_data)
        url = self._mailer.profiles[turn.row.mailbox].redmine_url
        content = self._content.compose(AgentNote(commands.text, files), turn.mailing, url)
        people = self._mailer.reachable(commands.to, THIRD_PARTY)
        thread = self._queries.third_party_thread(turn.row.id, [person.address for person in people])
        conversation = Conversation("", in_reply_to=thread[-1] if thread else "", references=thread)
        mail = IssueMail(
            THIRD_PARTY,
            turn.row,
            f"j{turn.number}",
            people,
            note_variables(content, turn.entry),
            files=tuple(content.files),
        )
        composed = self._mailer.compose(mail, ReadableIssue(turn.visible, conversation))
        if not composed.mails:
            return self._not_mailed(turn, commands, composed.why_not)
        line = f"{turn.line}: mailed to third parties: {', '.join(copy.recipient for copy in composed.mails)}"
        line += "".join(f"; {problem}" for problem in content.problems)
        decision = NoteDecision(turn.number, turn.row.id, 0.0, line)
        queued = self._decisions.decide(decision, composed.mails, mail_id=turn.row.mail_id)
        log.info("third_parties.queued", issue=turn.row.id, journal=turn.number, mails=len(composed.mails))
        return len(composed.mails) if queued else 0

    def _obstacles(self, turn: JournalInTurn, commands: NoteCommands) -> Iterator[str]:
        """Why a note is mailed to no one, the first reason first."""
        if commands.held_back:
            yield f"it also begins with {commands.held_back}"
        if not turn.entry.get("private_notes"):
            yield "only a private note is: customers with an account can read this one in Redmine"
        yield from map(str, commands.problems)
        project = int(turn.visible.issue_data["project"]["id"])
        if refusal := self._rights.refusal(writers_of(turn.entry), project, turn.mailing.command_users):
            yield refusal
        if others := ", ".join(name for name in commands.by_name if name != "/to"):
            yield f"a note with /to can have no other command ({others})"
        if len(commands.to) > MOST_ADDRESSES:
            yield f"it names more than {MOST_ADDRESSES} addresses"
        if any(is_among(person.address, [turn.row.requester.lower()]) for person in commands.to):
            yield "it names the customer, to whom public notes are mailed"
        if len(self._mailer.reachable(commands.to, THIRD_PARTY)) < len(commands.to):
            yield "it names an address of our own, or one that cannot receive mail"
        if not commands.text.strip():
            yield "it has no text"

    def _not_mailed(self, turn: JournalInTurn, commands: NoteCommands, why: str) -> int:
        """Record that a note is mailed to no one, and tell the agents in a private note. A public one with `/private`
        is to be hidden.
        """
        shown = ", ".join(person.address for person in commands.to[:SHOWN])
        addresses = f" to {literal(shown, self._text_format)}" if shown else ""
        text = f"The note {turn.number} was not mailed{addresses}: {literal(why, self._text_format)}"
        line = f"{turn.line}: not mailed to third parties: {why}"
        decision = NoteDecision(turn.number, turn.row.id, 0.0, line)
        notices = [NewNotice(f"third_party/{turn.number}", text)]
        hide = commands.private and not turn.entry.get("private_notes")
        self._decisions.decide(decision, mail_id=turn.row.mail_id, notices=notices, hide=hide)
        return 0
