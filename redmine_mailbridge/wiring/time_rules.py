"""Wires the rules of time. Only `app` and the commands use it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.outgoing.issue_mailer import Letters
from redmine_mailbridge.redmine.client import Client
from redmine_mailbridge.redmine.metadata import Directory
from redmine_mailbridge.redmine.writer import Writer
from redmine_mailbridge.settings.calendars import calendars
from redmine_mailbridge.settings.mailbox import MailboxSettings
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.store.issue_copy import Issues
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.note_decisions import Answered
from redmine_mailbridge.store.queries.messages import Archive
from redmine_mailbridge.store.rule_runs import Applications
from redmine_mailbridge.tasks.update.issue_sync import Mirror
from redmine_mailbridge.tasks.update.issue_turns import Turns
from redmine_mailbridge.tasks.update.mailed_notes import Told
from redmine_mailbridge.tasks.update.rule_mail import RuleMail
from redmine_mailbridge.tasks.update.rule_request import RuleChange
from redmine_mailbridge.tasks.update.rule_runner import Policy, TimeRules
from redmine_mailbridge.util.suggest import did_you_mean


def time_rules(
    settings: Settings,
    store: Store,
    client: Client,
    directory: Directory,
    *,
    mirror: Mirror,
    letters: Letters,
    now: Callable[[], float] | None = None,
) -> TimeRules:
    """What carries out the rules of time. `now` is the clock by which rules are due (None: the store's)."""
    text_format = settings.redmine.markup
    issues = Issues(store.database, now or store.clock)
    return TimeRules(
        policy(settings),
        mirror=mirror,
        issues=issues,
        applications=Applications(store.database, store.clock),
        writer=Writer(client, directory),
        change=RuleChange(directory, text_format),
        # a rule that sends `closed` says so itself; answers.closed is about every other closing
        mail=RuleMail(letters.with_kinds("closed"), directory, text_format),
        archive=Archive(store.database),
        turns=Turns("rules", client.whoami, issues.record),
        told=Told(
            Answered(store.database, store.clock).told,
            [name for name, box in settings.active_mailboxes.items() if _left(box)],
            lambda: _writers(settings, directory),
        ),
    )


def _writers(settings: Settings, directory: Directory) -> frozenset[int]:
    """The users who write for people without an account: the bridge's own, and each ticket_user."""
    names = {box.senders.ticket_user for box in settings.mailboxes.values() if box.senders.ticket_user is not None}
    users = [directory.people.by_login(name) for name in sorted(names)]
    return frozenset({directory.people.me().user.id, *(user.id for user in users if user is not None)})


def policy(settings: Settings) -> Policy:
    """What the settings say about rules of time."""
    return Policy(
        rules=settings.rules,
        calendars=calendars(settings.calendars),
        mailboxes=tuple(settings.active_mailboxes),
        settle=settings.redmine.settle.total_seconds(),
    )


def _left(box: MailboxSettings) -> bool:
    """Are all notes of a mailbox left to Redmine, by the settings' own word?"""
    answers = box.answers
    said = "redmine_users" in answers.model_fields_set and answers.redmine_users == "leave_to_redmine"
    return said and answers.notes == "never"


@contextmanager
def opened(settings: Settings) -> Iterator[TimeRules]:
    """Given settings, lend the rules of time for a question; everything is closed behind it."""
    from redmine_mailbridge.wiring import application as app

    application = app.build(settings)
    try:
        yield application.rules
    finally:
        application.close()


def release(settings: Settings, name: str) -> None:
    """An admin lets a rule go on that stopped at its at_most. Raise SettingsError when there is no such rule, or when
    it has not stopped.
    """
    with _applications(settings, name) as applications:
        if not applications.release(name):
            raise SettingsError(f'rule "{name}" has not stopped: there is nothing to let go on')


def retry(settings: Settings, name: str) -> int:
    """An admin lets a rule try again where Redmine refused it. Return on how many issues. Raise as `release`."""
    with _applications(settings, name) as applications:
        return applications.forget_failed(name)


@contextmanager
def _applications(settings: Settings, name: str) -> Iterator[Applications]:
    known = [rule.name for rule in settings.rules]
    if name not in known:
        raise SettingsError(f'there is no rule "{name}"{did_you_mean(name, known)}')
    from redmine_mailbridge.wiring import application as app

    store = app.open_store(settings)
    try:
        yield Applications(store.database, store.clock)
    finally:
        store.close()
