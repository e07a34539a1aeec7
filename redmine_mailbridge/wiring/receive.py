"""Wires the task receive: what takes each mail to its outcome, and the receivers of the mailboxes."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from redmine_mailbridge.redmine.formatting import FormatWatch
from redmine_mailbridge.redmine.groups import Groups
from redmine_mailbridge.redmine.taking_back import TakeBack
from redmine_mailbridge.redmine.trial import TrialWrites
from redmine_mailbridge.redmine.writer import Writer
from redmine_mailbridge.tasks.receive.acknowledgements import AutoReplies
from redmine_mailbridge.tasks.receive.circuit_breaker import CircuitBreaker
from redmine_mailbridge.tasks.receive.copies import CopyFinder
from redmine_mailbridge.tasks.receive.executor import PlanExecutor, WriteRules
from redmine_mailbridge.tasks.receive.held_replies import ReplyHold
from redmine_mailbridge.tasks.receive.manual_changes import ManualChangeRunner
from redmine_mailbridge.tasks.receive.ordering import ConversationOrder
from redmine_mailbridge.tasks.receive.processor import MessageProcessor
from redmine_mailbridge.tasks.receive.receiver import Receiver, SharedResources
from redmine_mailbridge.tasks.receive.settings_fitness import SettingsFitness
from redmine_mailbridge.wiring.core import Core
from redmine_mailbridge.wiring.mailboxes import OpenMailbox, reading_of, succession_of
from redmine_mailbridge.wiring.store import outbox, pauses


def shared_of(core: Core, pool: ThreadPoolExecutor) -> SharedResources:
    """What all receivers share. The circuit breaker notes every response of Redmine from here on."""
    settings, client = core.settings, core.client
    breaker = CircuitBreaker(ask=client.whoami, forget_pause=client.limiter.forget_pause, denied=lambda: client.denied)
    client.on_heard(breaker.note_response)
    client.before_late_write(core.store.database.check_fence)
    if (before_change := core.store.database.before_change) is not None:
        client.before_bytes(before_change)
    ttl = settings.redmine.cache_ttl.total_seconds()
    settings_fitness = SettingsFitness(
        pauses(core.store),
        core.message_queries,
        core.planner,
        core.metadata,
        TrialWrites(client),
        formatting=FormatWatch(client.connection, settings.redmine.markup, ttl),
    )
    succession = succession_of(settings, core.store)
    return SharedResources(
        core.store, pool, ConversationOrder(), breaker, threading.Event(), succession, settings_fitness
    )


def handler_of(core: Core, shared: SharedResources, answers: AutoReplies, replies: ReplyHold) -> MessageProcessor:
    """What takes one mail to its outcome."""
    return MessageProcessor(
        core.store,
        core.planner,
        _executor(core, answers, shared.stop),
        shared.breaker,
        shared.settings_fitness,
        message_queries=core.message_queries,
        outbox=outbox(core.store),
        answers=answers,
        settle=core.settings.redmine.settle.total_seconds(),
        max_attempts=core.settings.receive.max_attempts,
        replies=replies,
    )


def _executor(core: Core, answers: AutoReplies, stop: threading.Event) -> PlanExecutor:
    """What writes plans to Redmine."""
    redmine = core.settings.redmine
    return PlanExecutor(
        core.store,
        core.message_queries,
        Writer(core.client, core.metadata, core.piggyback),
        core.metadata,
        WriteRules(redmine.settle.total_seconds(), redmine.marker_field, redmine.markup),
        groups=Groups(core.client, core.metadata),
        answers=answers,
        stop=stop,
    )


def manual_changes_of(core: Core) -> ManualChangeRunner:
    """What carries out decisions about messages that are in Redmine."""
    take_back = TakeBack(core.client, Writer(core.client, core.metadata))
    settle = core.settings.redmine.settle.total_seconds()
    return ManualChangeRunner(core.store.manual_changes, core.message_queries, take_back, settle)


def receivers_of(
    core: Core, shared: SharedResources, handler: MessageProcessor, opened: OpenMailbox, only: Sequence[str]
) -> tuple[Receiver, ...]:
    """The receivers of the mailboxes named in `only`, of all active ones where none is named."""
    settings = core.settings
    return tuple(
        Receiver(
            opened(name, box),
            reading_of(box, settings),
            shared,
            read=handler.read,
            find_copies=CopyFinder(core.store, core.planner).find,
            handle=handler.process,
            carry_on=manual_changes_of(core).carry_on,
            finishes_others=not only and number == 0,
        )
        for number, (name, box) in enumerate(settings.active_mailboxes.items())
        if not only or name in only
    )
