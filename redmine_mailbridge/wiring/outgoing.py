"""Wires what goes out by mail: who speaks in whose name, over which server. Only `app` and the checks use it."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from redmine_mailbridge.mail.message_ids import Signer
from redmine_mailbridge.model.mail import Address, Message
from redmine_mailbridge.oauth.sign_in_service import SignIns
from redmine_mailbridge.outgoing.addresses import mailable
from redmine_mailbridge.outgoing.conversation import Threads
from redmine_mailbridge.outgoing.issue_mailer import Letters
from redmine_mailbridge.outgoing.message import Sender
from redmine_mailbridge.outgoing.outbox_sender import Ask, Line, Sending, nobody_asked
from redmine_mailbridge.outgoing.sender_profile import Desk
from redmine_mailbridge.outgoing.smtp import ConsoleTransport, SmtpTransport
from redmine_mailbridge.outgoing.smtp_config import SmtpConfig
from redmine_mailbridge.outgoing.still_readable import Readable
from redmine_mailbridge.outgoing.templates import Templates
from redmine_mailbridge.redmine.client import Client
from redmine_mailbridge.redmine.issue_visibility import look
from redmine_mailbridge.redmine.metadata import Directory
from redmine_mailbridge.redmine.writer import Writer
from redmine_mailbridge.sasl.bearer_messages import BY_TOKEN
from redmine_mailbridge.sasl.username import parse_username
from redmine_mailbridge.settings.mailbox import MailboxSettings
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.settings.outgoing import DEFAULT_TIMEOUT, SMTP_PORTS, OutgoingSettings
from redmine_mailbridge.settings.value_types import reveal
from redmine_mailbridge.store.issue_copy import Issues
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.note_decisions import Answered
from redmine_mailbridge.store.note_intents import NoteIntents
from redmine_mailbridge.store.notices import Notices
from redmine_mailbridge.store.outbox import Outbox
from redmine_mailbridge.store.queries.conversations import Talk
from redmine_mailbridge.store.task_state import TaskBook
from redmine_mailbridge.tasks.receive.planner import Decider
from redmine_mailbridge.tasks.update.agent_notes import AgentAnswers
from redmine_mailbridge.tasks.update.delivery_failures import Undelivered
from redmine_mailbridge.tasks.update.issue_sync import Mirror
from redmine_mailbridge.tasks.update.issue_turns import Turns
from redmine_mailbridge.tasks.update.note_filter import Mailing
from redmine_mailbridge.wiring.oauth import TokenGiver, outgoing_connection, token_of

SWITCHED = ("received", "received_reply", "reminder", "escalation")
"""The kinds of mail that `[mailboxes.NAME.answers]` switches for whoever sends them."""


def sent_by(settings: Settings, box: MailboxSettings) -> OutgoingSettings:
    """How a mailbox's answers are sent: its own table, over [outgoing], over its incoming name and password."""
    chosen = box.outgoing.over(settings.outgoing)
    if chosen.username == "":
        return chosen
    taken = {"username": chosen.username or box.username, "password": chosen.password or box.password}
    return chosen.model_copy(update=taken)


def ours(settings: Settings) -> frozenset[str]:
    """The addresses that nothing is ever sent to, lower case: our mailboxes', our senders', and Redmine's own."""
    senders = {sent_by(settings, box).from_address or "" for box in settings.mailboxes.values()}
    return frozenset(
        one.lower() for one in {*settings.own_addresses, *senders, settings.redmine.mail_from or ""} if one
    )


def desks(settings: Settings, secret: Callable[[str], str]) -> dict[str, Desk]:
    """How each mailbox speaks; one that has nowhere to send to has no desk."""
    instance, signing_key = secret("instance"), secret("signing-key").encode()
    made: dict[str, Desk] = {}
    for name, box in settings.active_mailboxes.items():
        out = sent_by(settings, box)
        if not out.sends:
            continue
        on = {"refused", "registration", "closed"}  # sent only where the route, a rule or the station says so
        on |= {kind for kind in SWITCHED if getattr(box.answers, kind)}
        on |= {"answer"} if box.answers.notes != "never" else set()
        made[name] = Desk(
            mailbox=name,
            sender=_sender(out.from_address or box.address, out),
            templates=Templates(out.templates),
            language=out.language or "en",
            kinds=frozenset(on),
            signer=Signer(signing_key, instance),
            redmine_url=settings.redmine.url,
            write_above=box.answers.write_above or "",
            private_projects=box.answers.private_projects,
            trust_reply_to=box.answers.trust_reply_to,
        )
    return made


def _sender(address: str, out: OutgoingSettings) -> Sender:
    """The name that mail bears, its domains in ASCII: the settings have let no other address pass."""
    sent, answered = (mailable(Address("", one)) for one in (address, out.reply_to or ""))
    return Sender(sent.address if sent else address, out.from_name or "", answered.address if answered else "")


def letters(  # noqa: PLR0917 - what it is wired to
    settings: Settings, store: Store, decider: Decider, made: Mapping[str, Desk], client: Client, directory: Directory
) -> Letters:
    """What composes mail about issues, and mail to admins: those by the first mailbox that can send."""
    system = next(iter(made.values()), None)
    if system is not None and settings.outgoing.from_address is not None:
        out = settings.outgoing
        system = replace(system, sender=_sender(out.from_address or "", out))

    def read(raw: str, truncated: bool, mailbox: str) -> Message:
        name = mailbox if mailbox in decider.contexts else next(iter(decider.contexts))
        return decider.read(store.raw.read(raw), name, truncated=truncated)

    outbox = Outbox(store.database, store.clock)

    def is_user(address: str) -> bool:
        return directory.people.by_address(address) is not None

    threads = Threads(Talk(store.database), read, is_user)
    return Letters(
        made, outbox, threads,
        look=partial(look, client), ours=ours(settings), system=system, clock=store.clock,
    )  # fmt: skip


def agent_answers(
    settings: Settings, store: Store, client: Client, directory: Directory, *, mirror: Mirror, letters: Letters
) -> AgentAnswers:
    """The station that keeps the copy of Redmine's issues and mails what agents write."""
    mailings = {
        name: Mailing(
            notes=box.answers.notes,
            closed=box.answers.closed,
            marker=box.answers.marker,
            cc=box.answers.cc,
            max_cc=box.answers.max_cc,
            leave_to_redmine=box.answers.redmine_users == "leave_to_redmine",
            max_attachments=box.answers.max_attachments,
        )
        for name, box in settings.active_mailboxes.items()
    }
    issues = Issues(store.database, store.clock)
    return AgentAnswers(
        mirror,
        issues,
        Answered(store.database, store.clock),
        letters,
        client,
        directory,
        undelivered=Undelivered(
            Outbox(store.database, store.clock),
            Notices(store.database, store.clock),
            Writer(client, directory),
            settings.redmine.markup,
            intents=NoteIntents(store.database),
            settle=settings.redmine.settle.total_seconds(),
            turns=Turns("private notes", client.whoami, issues.record),
        ),
        mailings=mailings,
        text_format=settings.redmine.markup,
    )


def asking(store: Store, told: Letters, is_there: Callable[[], object]) -> Callable[[], Ask]:
    """What asks Redmine of a mail right before it leaves, as `told` asks when mail is composed; `is_there` asks for a
    sign of life.
    """
    issues = Issues(store.database, store.clock)

    def requester(number: int) -> str:
        row = issues.get(number)
        return row.requester if row is not None else ""

    return lambda: Readable(told.desks, told.look, requester, is_there).why_not


def sending(
    settings: Settings,
    store: Store,
    stop: threading.Event,
    signs: SignIns | None = None,
    ask: Callable[[], Ask] = nobody_asked,
) -> Sending:
    """What empties the outbox; `signs` gives the tokens where servers are logged in to by OAuth, `ask` whom to ask of
    each mail.
    """
    lines: dict[str, Line] = {}
    sent = {name: sent_by(settings, box) for name, box in settings.active_mailboxes.items()}
    answering = {name for name, box in settings.active_mailboxes.items() if box.answers.notes != "never"}
    for name, box in settings.active_mailboxes.items():
        out = sent[name]
        account = tuple(other for other, its in sent.items() if _account(its) == _account(out))
        if out.transport == "console":
            lines[name] = Line(ConsoleTransport, 0, 0, account)
        elif out.host is not None:
            tokens = token_of(signs, outgoing_connection(name, box, settings))
            lines[name] = Line(
                partial(SmtpTransport, smtp_config(out, out.host, tokens, box)),
                out.most_a_day,
                out.most_a_minute,
                account,
                reserved=out.most_a_day // 2 if any(other in answering for other in account) else 0,
            )
    book = TaskBook(store.database, store.clock)
    return Sending(Outbox(store.database, store.clock), lines, stop, lambda: book.stopped, ask)


def _account(out: OutgoingSettings) -> tuple[str | None, ...]:
    """What one account of a mail server is known by; its limits count for all mailboxes that send by it."""
    return out.transport, (out.host or "").lower(), (out.username or "").lower()


def smtp_config(
    out: OutgoingSettings, host: str, tokens: TokenGiver | None = None, box: MailboxSettings | None = None
) -> SmtpConfig:
    """Where and how one mailbox sends. `tokens` gives OAuth's, for a server that is logged in to with them; what `box`
    forbids to log in by is forbidden here too.
    """
    security = out.security or "starttls"
    username = out.username or None
    if username is not None:  # who logs in to a shared mailbox sends as themselves, a token's owner as the mailbox
        name = parse_username(username)
        username = name.mailbox if tokens is not None else name.sign_in
    return SmtpConfig(
        host=host,
        port=out.port or SMTP_PORTS[security],
        security=security,
        username=username,
        password=reveal(out.password) if out.password is not None else "",
        ca_file=out.ca_file,
        timeout=(out.timeout or DEFAULT_TIMEOUT).total_seconds(),
        token=tokens,
        token_refused=tokens.refused if tokens is not None else None,
        mechanisms=BY_TOKEN if out.login in {None, "auto"} else (str(out.login).upper(),),
        login=out.login or "auto",
        prevent_cleartext_login=box is not None and box.prevent_cleartext_login,
        prevent_ntlm=box is not None and box.prevent_ntlm,
    )
