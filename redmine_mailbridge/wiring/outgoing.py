"""Wires the mail about issues: in whose name it is written, and what is asked before it leaves."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import partial

from redmine_mailbridge.mail.message_ids import THIRD_PARTY, Signer
from redmine_mailbridge.mail.mime.address_syntax import spellings
from redmine_mailbridge.mail.mime.mailable import mailable
from redmine_mailbridge.model.mail import Address, Message
from redmine_mailbridge.outgoing.conversation import ConversationFinder
from redmine_mailbridge.outgoing.issue_mail.mailer import IssueMailer
from redmine_mailbridge.outgoing.message import FromIdentity
from redmine_mailbridge.outgoing.outbox_sender import Ask
from redmine_mailbridge.outgoing.resend import send_again
from redmine_mailbridge.outgoing.sender_profile import AGENT, SenderProfile, without_agent
from redmine_mailbridge.outgoing.still_readable import ReadableCheck
from redmine_mailbridge.outgoing.templates import Templates
from redmine_mailbridge.redmine.client import Client
from redmine_mailbridge.redmine.issue_visibility import visible_issue
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.redmine.piggyback import Piggyback
from redmine_mailbridge.redmine.writer import Writer
from redmine_mailbridge.settings.mailbox import MailboxSettings
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.settings.outgoing import OutgoingSettings
from redmine_mailbridge.store.begun_issues import BegunIssues
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.note_decisions import NoteDecisions
from redmine_mailbridge.store.note_intents import NoteIntents
from redmine_mailbridge.store.notices import Notices
from redmine_mailbridge.store.outgoing.rows import QueuedMail
from redmine_mailbridge.store.queries.conversations import ConversationQueries
from redmine_mailbridge.tasks.receive.planner import Planner
from redmine_mailbridge.tasks.update.agent_notes import AgentNoteMailer
from redmine_mailbridge.tasks.update.command_rights import CommandUsers
from redmine_mailbridge.tasks.update.delivery_failures import DeliveryFailures
from redmine_mailbridge.tasks.update.issue_sync import IssueSync
from redmine_mailbridge.tasks.update.issue_turns import IssueTurns
from redmine_mailbridge.tasks.update.note_decider import NoteDecider
from redmine_mailbridge.tasks.update.note_filter import NoteMailPolicy
from redmine_mailbridge.tasks.update.note_hider import NoteHider
from redmine_mailbridge.tasks.update.requesters.note_requesters import NoteRequesters
from redmine_mailbridge.tasks.update.requesters.requester_field_writer import RequesterFieldWriter
from redmine_mailbridge.tasks.update.requesters.requester_fields import RequesterFields
from redmine_mailbridge.wiring.answers import bounce_status, held_answers
from redmine_mailbridge.wiring.sending import sent_by
from redmine_mailbridge.wiring.store import issues as issues_of
from redmine_mailbridge.wiring.store import outbox

SWITCHED = ("received", "received_reply", "reminder", "escalation")
"""The kinds of mail that `[mailboxes.NAME.answers]` switches for whoever sends them."""


def ours(settings: Settings) -> frozenset[str]:
    """The addresses that nothing is ever sent to, lower case: our mailboxes', our senders', and Redmine's own."""
    senders = {sent_by(settings, box).from_address or "" for box in settings.mailboxes.values()}
    return frozenset(
        address.lower() for address in {*settings.own_addresses, *senders, settings.redmine.mail_from or ""} if address
    )


def profiles(settings: Settings, secret: Callable[[str], str]) -> dict[str, SenderProfile]:
    """How each mailbox speaks; one that has nowhere to send to has no profile."""
    instance, signing_key = secret("instance"), secret("signing-key").encode()
    by_mailbox: dict[str, SenderProfile] = {}
    for name, box in settings.active_mailboxes.items():
        out = sent_by(settings, box)
        if not out.sends:
            continue
        on = {
            "refused",
            "withheld",
            "registration",
            "closed",
        }  # sent only where the route, a rule or a step of the update says so
        on |= {kind for kind in SWITCHED if getattr(box.answers, kind)}
        on |= {"answer"} if box.answers.notes != "never" else set()
        on |= {THIRD_PARTY} if box.answers.third_parties else set()
        by_mailbox[name] = SenderProfile(
            mailbox=name,
            sender=_sender(out.from_address or box.address, out),
            templates=Templates(out.templates),
            language=out.language or "en",
            kinds=frozenset(on),
            signer=Signer(signing_key, instance),
            redmine_url=settings.redmine.url,
            reply_marker_line=box.answers.reply_marker_line or "",
            private_projects=box.answers.private_projects,
            trust_reply_to=box.answers.trust_reply_to,
            languages=tuple(out.languages or ()),
            aliases=_aliases(box) if out.from_alias else {},
            agents_name=out.from_name if out.from_name and AGENT in out.from_name else "",
            time_zone=out.time_zone or "",
            command_marker=box.answers.marker,
        )
    return by_mailbox


def _aliases(box: MailboxSettings) -> dict[str, str]:
    """From each address of a mailbox, as it may be written, to the sender of answers to mail that was sent there."""
    senders = dict.fromkeys(spellings(box.address), "")
    for alias in box.aliases:
        to = mailable(Address("", alias))
        senders |= dict.fromkeys(spellings(alias) - senders.keys(), to.address if to is not None else "")
    return senders


def _sender(address: str, out: OutgoingSettings) -> FromIdentity:
    """The sender's name and address, domains in ASCII: the settings accept no other address."""
    sent, answered = (mailable(Address("", written)) for written in (address, out.reply_to or ""))
    name = without_agent(out.from_name or "")
    return FromIdentity(sent.address if sent else address, name, answered.address if answered else "")


def mailer(  # noqa: PLR0917 - what it is wired to
    settings: Settings,
    store: Store,
    planner: Planner,
    by_mailbox: Mapping[str, SenderProfile],
    client: Client,
    metadata: MetadataCache,
) -> IssueMailer:
    """What composes mail about issues, and mail to admins: those by the first mailbox that can send."""
    system = next(iter(by_mailbox.values()), None)
    if system is not None and settings.outgoing.from_address is not None:
        out = settings.outgoing
        system = replace(system, sender=_sender(out.from_address or "", out))

    def read(raw: str, truncated: bool, mailbox: str) -> Message:
        name = mailbox if mailbox in planner.contexts else next(iter(planner.contexts))
        return planner.read(store.raw.read(raw), name, truncated=truncated)

    def is_user(address: str) -> bool:
        return metadata.people.by_address(address) is not None

    conversations = ConversationFinder(ConversationQueries(store.database), read, is_user)
    return IssueMailer(
        by_mailbox, outbox(store), conversations,
        show_issue=partial(visible_issue, client), own_addresses=ours(settings), system=system, clock=store.clock,
    )  # fmt: skip


SendAgain = Callable[[Collection[int] | None, str], list[tuple[QueuedMail, str]]]
"""Given ids of failed mails (None: all) and who asks, as `outgoing.resend.send_again`."""


def resending(store: Store, mailer: IssueMailer) -> SendAgain:
    """What queues failed mail again, for the command line and the pages: Redmine is asked first."""
    return lambda ids, by: send_again(outbox(store), mailer.profiles, mailer.show_issue, ids, by=by)


def _note_requesters(settings: Settings, store: Store, metadata: MetadataCache) -> NoteRequesters:
    """What compares whom issues named as their requesters then and now."""
    names = {name: box.issue.requester_field for name, box in settings.mailboxes.items()}
    fields = RequesterFields(names, ours(settings), settings.redmine.markup)
    return NoteRequesters(fields, issues_of(store), BegunIssues(store.database, store.clock), metadata)


def agent_answers(
    settings: Settings,
    store: Store,
    client: Client,
    metadata: MetadataCache,
    *,
    issue_sync: IssueSync,
    mailer: IssueMailer,
    piggyback: Piggyback | None = None,
) -> AgentNoteMailer:
    """The step of the update that keeps the copy of Redmine's issues and mails what agents write."""
    issues, decisions = issues_of(store), NoteDecisions(store.database, store.clock)
    writer, notices = Writer(client, metadata, piggyback), Notices(store.database, store.clock)
    requesters = _note_requesters(settings, store, metadata)
    return AgentNoteMailer(
        issue_sync,
        issues,
        decisions,
        mailer,
        client,
        decider=NoteDecider(
            decisions,
            mailer,
            client,
            metadata,
            requesters=requesters,
            queries=ConversationQueries(store.database),
            text_format=settings.redmine.markup,
        ),
        delivery_failures=DeliveryFailures(
            outbox(store),
            notices,
            writer,
            settings.redmine.markup,
            intents=NoteIntents(store.database),
            settle=settings.redmine.settle.total_seconds(),
            turns=IssueTurns("private notes", client.whoami, issues.record),
            bounce_status=bounce_status(settings, store, metadata),
        ),
        held=held_answers(settings, store),
        hider=NoteHider(decisions, writer, IssueTurns("private notes", client.whoami, issues.record), notices),
        field_writer=RequesterFieldWriter(
            {name: box.issue.requester_field for name, box in settings.mailboxes.items()},
            store.requesters,
            client,
            IssueTurns("the requester field", client.whoami, issues.record),
        ),
        requesters=requesters,
        mailings={name: _note_mail_policy(box) for name, box in settings.active_mailboxes.items()},
    )


def _note_mail_policy(box: MailboxSettings) -> NoteMailPolicy:
    """What a mailbox mails of its issues."""
    return NoteMailPolicy(
        notes=box.answers.notes,
        closed=box.answers.closed,
        marker=box.answers.marker,
        cc=box.answers.cc,
        max_cc=box.answers.max_cc,
        leave_to_redmine=box.answers.redmine_users == "leave_to_redmine",
        max_attachments=box.answers.max_attachments,
        inline_pictures=box.answers.inline_pictures,
        max_picture_width=box.answers.max_picture_width,
        command_users=command_users(box),
        third_parties=box.answers.third_parties,
    )


def command_users(box: MailboxSettings) -> CommandUsers:
    """Who may change the recipients of a mailbox's issues."""
    roles, groups = (
        frozenset(name.strip().lower() for name in names)
        for names in (box.answers.command_roles, box.answers.command_groups)
    )
    return CommandUsers(roles, groups)


def asking(store: Store, mailer: IssueMailer, is_there: Callable[[], object]) -> Callable[[], Ask]:
    """What asks Redmine of a mail right before it leaves, as when mail is composed; `is_there` asks for a
    sign of life.
    """
    issues = issues_of(store)

    def requester(number: int) -> str:
        row = issues.get(number)
        return row.requester if row is not None else ""

    return lambda: ReadableCheck(mailer.profiles, mailer.show_issue, requester, is_there).why_not
