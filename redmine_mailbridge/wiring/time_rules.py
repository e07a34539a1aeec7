"""Wires the rules of time. Only `app` and the commands use it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.outgoing.issue_mail.mailer import IssueMailer
from redmine_mailbridge.redmine.client import Client
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.redmine.piggyback import Piggyback
from redmine_mailbridge.redmine.writer import Writer
from redmine_mailbridge.settings.calendars import calendars
from redmine_mailbridge.settings.mailbox import MailboxSettings
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.store.issue_copy import IssueCopy
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.note_decisions import NoteDecisions
from redmine_mailbridge.store.rule_runs import RuleRuns
from redmine_mailbridge.tasks.update.issue_sync import IssueSync
from redmine_mailbridge.tasks.update.issue_turns import IssueTurns
from redmine_mailbridge.tasks.update.mailed_notes import MailedNotes
from redmine_mailbridge.tasks.update.rule_mail import RuleMail
from redmine_mailbridge.tasks.update.rule_request import RuleChange
from redmine_mailbridge.tasks.update.rule_runner import RulePolicy, RuleRunner
from redmine_mailbridge.util.suggest import did_you_mean
from redmine_mailbridge.wiring.sending import sent_by
from redmine_mailbridge.wiring.store import message_queries, open_store


def time_rules(
    settings: Settings,
    store: Store,
    client: Client,
    metadata: MetadataCache,
    *,
    issue_sync: IssueSync,
    mailer: IssueMailer,
    piggyback: Piggyback | None = None,
    now: Callable[[], float] | None = None,
) -> RuleRunner:
    """What carries out the rules of time. `now` is the clock by which rules are due (None: the store's)."""
    text_format = settings.redmine.markup
    issues = IssueCopy(store.database, now or store.clock)
    mailed_notes = MailedNotes(
        NoteDecisions(store.database, store.clock).mailed_notes,
        [name for name, box in settings.active_mailboxes.items() if _left(box)],
        lambda: _writers(settings, metadata),
    )
    return RuleRunner(
        policy(settings),
        issue_sync=issue_sync,
        issues=issues,
        rule_runs=RuleRuns(store.database, store.clock),
        writer=Writer(client, metadata, piggyback),
        change=RuleChange(metadata, text_format, _languages(settings)),
        # a rule that sends `closed` says so itself; answers.closed is about every other closing
        mail=RuleMail(
            mailer.with_kinds("closed"),
            metadata,
            issues,
            mailed_notes=mailed_notes,
            markers={name: box.answers.marker for name, box in settings.active_mailboxes.items()},
            text_format=text_format,
            redmine_url=settings.redmine.url,
        ),
        message_queries=message_queries(store),
        turns=IssueTurns("rules", client.whoami, issues.record),
        mailed_notes=mailed_notes,
    )


def _languages(settings: Settings) -> dict[str, str]:
    """The language of each mailbox."""
    return {name: sent_by(settings, box).language or "en" for name, box in settings.active_mailboxes.items()}


def _writers(settings: Settings, metadata: MetadataCache) -> frozenset[int]:
    """The users who write for people without an account: the bridge's own, and each ticket_user."""
    names = {box.senders.ticket_user for box in settings.mailboxes.values() if box.senders.ticket_user is not None}
    users = [metadata.people.by_login(name) for name in sorted(names)]
    return frozenset({metadata.people.me().user.id, *(user.id for user in users if user is not None)})


def policy(settings: Settings) -> RulePolicy:
    """What the settings say about rules of time."""
    return RulePolicy(
        rules=settings.rules,
        calendars=calendars(settings.calendars),
        mailboxes=tuple(settings.active_mailboxes),
        settle=settings.redmine.settle.total_seconds(),
    )


def _left(box: MailboxSettings) -> bool:
    """Are all notes of a mailbox left to Redmine, by the settings' own word?"""
    answers = box.answers
    leaves_users = "redmine_users" in answers.model_fields_set and answers.redmine_users == "leave_to_redmine"
    return leaves_users and answers.notes == "never"


@contextmanager
def opened(settings: Settings) -> Iterator[RuleRunner]:
    """Given settings, lend the rules of time for a question; everything is closed behind it."""
    from redmine_mailbridge.wiring import application as app

    application = app.build(settings)
    try:
        yield application.rules
    finally:
        application.close()


def release(settings: Settings, name: str) -> None:
    """Resume a rule that stopped at its max_issues. Raise SettingsError when the rule does not exist or has not
    stopped.
    """
    with _rule_runs(settings, name) as rule_runs:
        if not rule_runs.release(name):
            raise SettingsError(f'rule "{name}" is not paused')


def retry(settings: Settings, name: str) -> int:
    """An admin lets a rule try again where Redmine refused it. Return on how many issues. Raise as `release`."""
    with _rule_runs(settings, name) as rule_runs:
        return rule_runs.forget_failed(name)


@contextmanager
def _rule_runs(settings: Settings, name: str) -> Iterator[RuleRuns]:
    known = [rule.name for rule in settings.rules]
    if name not in known:
        raise SettingsError(f'no rule is called "{name}"{did_you_mean(name, known)}')
    store = open_store(settings)
    try:
        yield RuleRuns(store.database, store.clock)
    finally:
        store.close()
