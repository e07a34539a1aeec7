"""Wires how mail is sent: over which server or account, with which limits, and how the outbox is emptied."""

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from redmine_mailbridge.mailboxes.login_limit import LoginLimits
from redmine_mailbridge.outgoing.outbox_sender import Ask, OutboxSender, SendingAccount, nobody_asked
from redmine_mailbridge.outgoing.smtp import ConsoleTransport, SmtpTransport, Transport
from redmine_mailbridge.outgoing.smtp_config import SmtpConfig
from redmine_mailbridge.sasl.bearer_messages import BY_TOKEN
from redmine_mailbridge.sasl.username import parse_username
from redmine_mailbridge.settings.mailbox import MailboxSettings
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.settings.outgoing import DEFAULT_TIMEOUT, SMTP_PORTS, OutgoingSettings
from redmine_mailbridge.settings.value_types import reveal
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.util.dataclass import dataclass
from redmine_mailbridge.util.lazy import lazy_import
from redmine_mailbridge.wiring.graph import graph_config
from redmine_mailbridge.wiring.oauth import TokenGiver, outgoing_connection, token_of
from redmine_mailbridge.wiring.sent import sent_copier
from redmine_mailbridge.wiring.store import outbox, task_book

if TYPE_CHECKING:
    from redmine_mailbridge.oauth.sign_in_service import SignIns
    from redmine_mailbridge.outgoing import graph
else:  # few send by it
    graph = lazy_import("redmine_mailbridge.outgoing.graph")


def sent_by(settings: Settings, box: MailboxSettings) -> OutgoingSettings:
    """How a mailbox's answers are sent: its own table, over [outgoing], over its incoming name and password.

    A mailbox of `deliver` has neither, and sends without a login unless the settings of sending have one.
    """
    chosen = box.outgoing.over(settings.outgoing)
    if chosen.username == "":
        return chosen
    if box.protocol == "deliver" and not (chosen.username or chosen.password or chosen.oauth):
        return chosen.model_copy(update={"username": ""})
    taken = {"username": chosen.username or box.username, "password": chosen.password or box.password}
    return chosen.model_copy(update=taken)


@dataclass(frozen=True, slots=True)
class SendingLimit:
    """An account that mail is sent by: the mailboxes that share it, and how many mails a day they may send together
    (0: as many as they like).
    """

    mailboxes: tuple[str, ...]
    most_a_day: int


def sending_limits(settings: Settings) -> tuple[SendingLimit, ...]:
    """Given settings, return each account that mail is sent by, once."""
    sent = {name: sent_by(settings, box) for name, box in settings.active_mailboxes.items()}
    accounts: dict[tuple[str | None, ...], list[str]] = {}
    for name, out in sent.items():
        if out.sends:
            accounts.setdefault(_account(out), []).append(name)
    return tuple(SendingLimit(tuple(names), sent[names[0]].most_a_day) for names in accounts.values())


def sending(
    settings: Settings,
    store: Store,
    stop: threading.Event,
    signs: "SignIns | None" = None,
    ask: Callable[[], Ask] = nobody_asked,
    *,
    limits: LoginLimits | None = None,
) -> OutboxSender:
    """What empties the outbox; `signs` gives the tokens where servers are logged in to by OAuth, `ask` whom to ask of
    each mail, `limits` bounds the logins to the accounts that copies go to.
    """
    lines: dict[str, SendingAccount] = {}
    before_end = store.database.before_change
    sent = {name: sent_by(settings, box) for name, box in settings.active_mailboxes.items()}
    answering = {
        name
        for name, box in settings.active_mailboxes.items()
        if box.answers.notes != "never" or box.answers.third_parties
    }
    for name, box in settings.active_mailboxes.items():
        out = sent[name]
        account = tuple(other for other, its in sent.items() if _account(its) == _account(out))
        if out.transport == "console":
            lines[name] = SendingAccount(ConsoleTransport, 0, 0, account, reports=box.answers.report != "field")
        elif out.server is not None:
            tokens = token_of(signs, outgoing_connection(name, box, settings))
            lines[name] = SendingAccount(
                transport_of(name, out, out.server, tokens, box, before_end),
                out.most_a_day,
                out.most_a_minute,
                account,
                reserved=out.most_a_day // 2 if any(other in answering for other in account) else 0,
                reports=box.answers.report != "field",
            )
    book = task_book(store)
    copier = sent_copier(settings, store, stop, signs, limits)
    return OutboxSender(
        outbox(store), lines, stop, lambda: book.stopped, ask, copier=copier, check_held=store.database.check_held
    )


def transport_of(  # noqa: PLR0917 - what one mailbox sends by
    name: str,
    out: OutgoingSettings,
    host: str,
    tokens: TokenGiver | None,
    box: MailboxSettings,
    before_end: Callable[[], None] | None = None,
) -> Callable[[], Transport]:
    """What opens the way to the server that a mailbox's mail is sent by."""
    if out.transport == "graph":
        config = replace(graph_config(name, out, host, tokens, box), before_change=before_end)
        return partial(graph.GraphTransport, config)
    return partial(SmtpTransport, replace(smtp_config(out, host, tokens, box), before_end=before_end))


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
