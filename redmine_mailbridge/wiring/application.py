"""The only place that builds objects from settings and wires them.

Nothing here decides or does anything: reading this file shows who knows whom.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import get_args

from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.mail.message_ids import Signer
from redmine_mailbridge.mail.mime.address_syntax import spellings
from redmine_mailbridge.mailboxes.contract import Mailbox
from redmine_mailbridge.mailboxes.factory import open_mailbox
from redmine_mailbridge.mailboxes.login_limit import MOST, LoginLimiter, LoginLimits
from redmine_mailbridge.model.mail import TextFormat
from redmine_mailbridge.model.mailbox import LoginChoice, MailboxConfig, MailProtocol, Security
from redmine_mailbridge.outgoing.issue_mailer import Letters
from redmine_mailbridge.outgoing.outbox_sender import Sending
from redmine_mailbridge.policy.own_addresses import MailboxIdentity
from redmine_mailbridge.redmine.client import Client, Connection
from redmine_mailbridge.redmine.facts import FactFinder
from redmine_mailbridge.redmine.formatting import NO_FORMAT, FormatWatch, text_format
from redmine_mailbridge.redmine.groups import Groups
from redmine_mailbridge.redmine.metadata import Directory
from redmine_mailbridge.redmine.trial import Trial
from redmine_mailbridge.redmine.writer import Writer
from redmine_mailbridge.settings.mailbox import MailboxSettings
from redmine_mailbridge.settings.models import RedmineSettings, Settings
from redmine_mailbridge.settings.value_types import reveal
from redmine_mailbridge.store.accounts import Accounts
from redmine_mailbridge.store.health import Health
from redmine_mailbridge.store.issue_copy import Issues
from redmine_mailbridge.store.maildrops import Maildrop
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.pauses import MailboxPauses
from redmine_mailbridge.store.queries.messages import Archive
from redmine_mailbridge.store.retention import forget_raw
from redmine_mailbridge.tasks.aggregate.aggregate import Aggregator
from redmine_mailbridge.tasks.receive.acknowledgements import Answers
from redmine_mailbridge.tasks.receive.circuit_breaker import Gate
from redmine_mailbridge.tasks.receive.copies import CopyFinder
from redmine_mailbridge.tasks.receive.executor import CarryOut, Rules
from redmine_mailbridge.tasks.receive.fetch.fetcher import Reading
from redmine_mailbridge.tasks.receive.fetch.succession import NamedMailbox, Succession
from redmine_mailbridge.tasks.receive.held_replies import ReplyGate
from redmine_mailbridge.tasks.receive.ordering import Conversations
from redmine_mailbridge.tasks.receive.planner import Context, Decider
from redmine_mailbridge.tasks.receive.processor import Handler
from redmine_mailbridge.tasks.receive.receiver import Receiver, Shared
from redmine_mailbridge.tasks.receive.settings_fitness import Fitness
from redmine_mailbridge.tasks.service.alerts import Alerts
from redmine_mailbridge.tasks.service.health_monitor import Pulse
from redmine_mailbridge.tasks.service.idle_watcher import FolderListener
from redmine_mailbridge.tasks.service.mailbox_thread import MailboxThread
from redmine_mailbridge.tasks.service.service import Service, Tasks
from redmine_mailbridge.tasks.update.issue_sync import Mirror
from redmine_mailbridge.tasks.update.rule_runner import TimeRules
from redmine_mailbridge.util.process_owner import become_owner
from redmine_mailbridge.wiring.aggregate import aggregator
from redmine_mailbridge.wiring.oauth import TokenGiver, sign_ins, token_of
from redmine_mailbridge.wiring.outgoing import agent_answers, asking, desks, letters, ours, sending
from redmine_mailbridge.wiring.schedule import scheduled
from redmine_mailbridge.wiring.time_rules import time_rules


def redmine_connection(settings: RedmineSettings) -> Connection:
    """Where Redmine is, and what is said to whoever stands before it."""
    return Connection(
        url=settings.url,
        key=reveal(settings.api_key),
        ca_file=str(settings.ca_file) if settings.ca_file else None,
        connect_timeout=min(10.0, settings.timeout.total_seconds()),
        read_timeout=settings.timeout.total_seconds(),
        max_parallel=settings.max_parallel,
        gateway_user=settings.gateway_user or "",
        gateway_password=reveal(settings.gateway_password) if settings.gateway_user else "",
        key_at=settings.key_at,
    )


def redmine_client(settings: RedmineSettings) -> Client:
    """The way to Redmine."""
    return Client(redmine_connection(settings))


def directory_of(client: Client, settings: RedmineSettings) -> Directory:
    """What is remembered of Redmine's names, projects and people, for as long as the settings say."""
    return Directory(client, life=settings.directory_life.total_seconds())


def fact_finder(client: Client, directory: Directory, settings: RedmineSettings) -> FactFinder:
    """What asks Redmine for all that a decision needs."""
    return FactFinder(client, directory, language=settings.language)


def with_text_format(settings: Settings) -> Settings:
    """Given settings, return them with Redmine's text formatting, which Redmine is asked for where they do not say it.

    Raise SettingsError when it does not tell: issues full of raw markup would be the price of a guess.
    """
    if settings.redmine.text_format is not None:
        return settings
    client = redmine_client(settings.redmine)
    try:
        found = text_format(client.connection)
    finally:
        client.close()
    known = next((name for name in get_args(TextFormat) if name == found), None)
    if known is None:
        raise SettingsError(NO_FORMAT)
    return settings.model_copy(update={"redmine": settings.redmine.model_copy(update={"text_format": known})})


def mailbox(
    name: str,
    settings: MailboxSettings,
    store: Store | None = None,
    *,
    tokens: TokenGiver | None = None,
    logins: LoginLimiter | None = None,
) -> Mailbox:
    """One mailbox, not connected yet. With a store, POP3 and Graph ask it what is known already.

    `tokens` gives OAuth's, for a mailbox that logs in with them; `logins` bounds the logins to the account.
    """
    config = MailboxConfig(
        name=name,
        host=settings.host,
        port=settings.port,
        username=settings.username,
        protocol=MailProtocol(settings.protocol),
        security=Security(settings.security),
        password=reveal(settings.password),
        token=tokens,
        token_refused=tokens.refused if tokens is not None else None,
        ca_file=settings.ca_file,
        timeout=settings.timeout.total_seconds(),
        take_login=logins.take if logins is not None else None,
        login=LoginChoice(settings.login),
        allow_cleartext=settings.allow_cleartext,
        prevent_cleartext_login=settings.prevent_cleartext_login,
        prevent_ntlm=settings.prevent_ntlm,
        authorize_as=settings.authorize_as,
    )

    if store is None:
        return open_mailbox(config)
    if config.protocol is MailProtocol.POP3:
        return open_mailbox(config, known=Maildrop(store, name))

    def known(uids: Sequence[str]) -> Collection[str]:
        return store.known(name, None, uids, validity=config.protocol.value)  # Graph's ids are of no two folders

    return open_mailbox(config, known=known)


def contexts(settings: Settings, secret: Callable[[str], str]) -> dict[str, Context]:
    """How each mailbox reads its mail and what becomes of it, the active ones first; `secret` gives the store's own
    random values. One that is not active is nobody else's neighbour: only what it has read before is finished.
    """
    boxes = settings.active_mailboxes
    resting = {name: box for name, box in settings.mailboxes.items() if not box.active}
    addresses = {
        one: name
        for name, box in boxes.items()
        for address in (box.address, *box.aliases)
        for one in spellings(address)
    }
    routes = {
        name: box.route for name, box in settings.mailboxes.items()
    }  # one that rests still has a say in its issues
    instance = secret("instance")
    signer = Signer(secret("signing-key").encode(), instance)
    return {
        name: Context(
            identity=MailboxIdentity(
                name=name,
                address=box.address,
                addresses=addresses,
                routes=routes | {name: box.route},
                redmine_addresses=spellings(settings.redmine.mail_from) if settings.redmine.mail_from else frozenset(),
                signer=signer,
                text_format=settings.redmine.markup,
            ),
            route=box.route,
            options=box.reading.options(
                settings.redmine.markup,
                own_addresses=settings.own_addresses,
                loop_value=instance,
                write_above=box.answers.write_above,
            ),
        )
        for name, box in (boxes | resting).items()
    }


def open_store(settings: Settings) -> Store:
    """The store, its tables brought up to date. Root goes on as the owner of its folder from here on."""
    file = settings.store.sqlite_file
    become_owner(file.parent if file is not None else None)
    return Store.open(settings.store.database_url(), settings.store.raw_folder)


@dataclass(slots=True)
class Application:
    """Everything that works on mail, wired. Made by `build`; `close` it at the end."""

    settings: Settings
    store: Store
    archive: Archive
    client: Client
    directory: Directory
    decider: Decider
    shared: Shared
    receivers: tuple[Receiver, ...]
    sending: Sending
    tasks: Tasks
    mirror: Mirror
    letters: Letters
    rules: TimeRules
    hours: Aggregator
    pool: ThreadPoolExecutor = field(repr=False)
    open_reader: Callable[[str, MailboxSettings], Mailbox] = field(repr=False)

    def service(self, *, listen: bool = True) -> Service:
        """The threads and the schedule of `run`."""
        threads = [MailboxThread(one, self.shared, self.archive, listen=listen) for one in self.receivers]
        listeners = [one for thread in threads for one in self._listeners(thread)] if listen else []
        health = Health(self.store.database, self.store.clock)
        admin = self.settings.admin
        alerts = Alerts(
            health,
            self.letters,
            admin.alert_to,
            after=admin.alert_after.total_seconds(),
            clock=self.store.clock,
        )
        pulse = Pulse(health, self.shared.gate, self.sending, after=alerts.once, paused=self.shared.fitness.words_of)
        return Service(threads, self.shared, self.sending, self.tasks, pulse, listeners=listeners)

    def _listeners(self, thread: MailboxThread) -> Iterator[FolderListener]:
        """What listens to the further folders of a mailbox: one connection each."""
        name = thread.receiver.mailbox.name
        box = self.settings.mailboxes[name]
        for folder in box.folders[1:]:
            yield FolderListener(
                self.open_reader(name, box), folder, thread.wake, self.shared.stop, quiet=lambda: thread.backoff.pause
            )

    def upkeep(self) -> int:
        """Forget the raw mails whose time is over, files of nobody, times of a wrong clock. Return how many mails."""
        self.store.hurry_filing()
        self.store.raw.sweep_spool()
        keep = self.settings.store.keep_raw.total_seconds()
        return forget_raw(self.store, older_than=time.time() - keep)

    def close(self) -> None:
        """Let the mail in hand end, close what is open."""
        self.shared.stop.set()
        self.pool.shutdown(wait=True)
        for receiver in self.receivers:
            receiver.mailbox.close()
        self.client.close()
        self.store.close()


def build(settings: Settings, *, only: Sequence[str] = (), logins: LoginLimits | None = None) -> Application:
    """Given settings, and the names of the mailboxes to work on (none: all active ones), wire everything. `logins` are
    those counted by an application before it.

    Nothing is connected yet, but the store is open and its tables are up to date; where the settings do not say how
    Redmine formats texts, it has been asked. Raise SettingsError when nobody says it.
    """
    settings = with_text_format(settings)
    store = open_store(settings)
    archive = Archive(store.database)
    client = redmine_client(settings.redmine)
    life = settings.redmine.directory_life.total_seconds()
    directory = directory_of(client, settings.redmine)
    decider = Decider(contexts(settings, store.secret), archive, fact_finder(client, directory, settings.redmine))
    stop = threading.Event()
    gate, replies = Gate(ask=client.whoami, forget_pause=client.pace.forget_pause), ReplyGate()
    client.on_heard(gate.heard)
    pool = ThreadPoolExecutor(settings.receive.workers, thread_name_prefix="mail")
    watch = FormatWatch(client.connection, settings.redmine.markup, life)
    fitness = Fitness(MailboxPauses(store), archive, decider, directory, Trial(client), formatting=watch)
    shared = Shared(store, pool, Conversations(), gate, stop, succession_of(settings, store), fitness)
    settle = settings.redmine.settle.total_seconds()
    rules = Rules(settle, settings.redmine.marker_field, settings.redmine.markup)
    spoken = desks(settings, store.secret)
    desk = Answers(spoken, ours=ours(settings))
    handler = Handler(
        store,
        decider,
        CarryOut(
            store,
            Writer(client, directory),
            directory,
            rules,
            groups=Groups(client, directory),
            answers=desk,
            stop=stop,
        ),
        gate,
        fitness,
        answers=desk,
        settle=settle,
        give_up_after=settings.receive.give_up_after,
        replies=replies,
    )
    signs = sign_ins(settings, store.database)
    limits = logins or LoginLimits()
    folders = Counter[str]()  # every folder is listened to over a connection of its own
    for box in settings.active_mailboxes.values():
        folders[box.account] += len(box.folders)

    def reader(name: str, box: MailboxSettings) -> Mailbox:
        limiter = limits.of(box.account, MOST + max(folders[box.account], 1) - 1)
        return mailbox(name, box, store, tokens=token_of(signs, name), logins=limiter)

    receivers = tuple(
        Receiver(
            reader(name, box),
            _reading(box, settings),
            shared,
            read=handler.read,
            find_copies=CopyFinder(store, decider).find,
            handle=handler.handle,
            finishes_others=not only and number == 0,
        )
        for number, (name, box) in enumerate(settings.active_mailboxes.items())
        if not only or name in only
    )
    post = letters(settings, store, decider, spoken, client, directory)
    mirror = Mirror(Issues(store.database, store.clock), client, directory, life=life)
    agents = agent_answers(settings, store, client, directory, mirror=mirror, letters=post)
    timed = time_rules(settings, store, client, directory, mirror=mirror, letters=post)
    hours = aggregator(settings, store, client, directory, mirror=mirror, letters=post)
    return Application(
        settings=settings,
        store=store,
        archive=archive,
        client=client,
        directory=directory,
        decider=decider,
        shared=shared,
        receivers=receivers,
        sending=sending(settings, store, stop, signs, asking(store, post, client.whoami)),
        tasks=scheduled(settings, store, (agents, timed), replies, aggregate=hours.once),
        mirror=mirror,
        letters=post,
        rules=timed,
        hours=hours,
        pool=pool,
        open_reader=reader,
    )


def succession_of(settings: Settings, store: Store) -> Succession:
    """Who goes on with the mails that the store knows."""
    named = [
        NamedMailbox(name, box.account, box.address.lower(), frozenset(box.folders), box.active)
        for name, box in settings.mailboxes.items()
    ]
    return Succession(Accounts(store.database), named)


def _reading(box: MailboxSettings, settings: Settings) -> Reading:
    return Reading(
        folders=box.folders,
        success_folder=box.success_folder,
        failure_folder=box.failure_folder,
        max_size=settings.receive.max_mail_size,
        in_hand=settings.receive.workers * 2,
        batch=max(1, settings.receive.workers // 2),
        after_success=box.after_success,
        after_failure=box.after_failure,
        keep_for=box.keep_days * 86400.0 if box.keep_days is not None else None,
        files_at_the_end=box.protocol == "pop3",
        give_up_after=settings.receive.give_up_after,
        start=box,
    )
