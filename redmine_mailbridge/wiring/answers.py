"""Wires what an issue shows of the notes that were mailed: a custom field, private notes, the status after a bounce."""

import datetime as dt
from zoneinfo import ZoneInfo

from redmine_mailbridge.outgoing.last_answer import FieldPlace, LastAnswerField
from redmine_mailbridge.redmine.client import Client
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.redmine.piggyback import Piggyback
from redmine_mailbridge.redmine.writer import Writer
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.notices import Notices
from redmine_mailbridge.store.outgoing.answers import MailedAnswers
from redmine_mailbridge.tasks.update.answer_reports import AnswerReports, ReportPolicy
from redmine_mailbridge.tasks.update.bounce_status import BounceStatus
from redmine_mailbridge.tasks.update.held_answers import DailyLimit, HeldAnswers
from redmine_mailbridge.tasks.update.issue_turns import IssueTurns
from redmine_mailbridge.wiring.sending import sending_limits, sent_by
from redmine_mailbridge.wiring.store import issues


def answer_field(settings: Settings, store: Store, metadata: MetadataCache) -> LastAnswerField | None:
    """The field that is written together with other requests; None if no mailbox has one."""
    zones = _zones(settings)
    places = {
        name: FieldPlace(box.issue.last_answer_field, zones[name], box.answers.notes != "never")
        for name, box in settings.mailboxes.items()
        if box.issue.last_answer_field is not None
    }
    return LastAnswerField(places, _answers(store), issues(store), metadata) if places else None


def held_answers(settings: Settings, store: Store) -> HeldAnswers:
    """What reports notes that wait for a limit."""
    limits = {
        name: DailyLimit(limit.mailboxes, limit.most_a_day)
        for limit in sending_limits(settings)
        for name in limit.mailboxes
    }
    notices = Notices(store.database, store.clock)
    return HeldAnswers(_answers(store), notices, settings.redmine.markup, zones=_zones(settings), limits=limits)


def bounce_status(settings: Settings, store: Store, metadata: MetadataCache) -> BounceStatus:
    """The status that an issue gets when a mail about it was not delivered."""
    statuses = {
        name: box.issue.bounce_status for name, box in settings.mailboxes.items() if box.issue.bounce_status is not None
    }
    return BounceStatus(statuses, issues(store), metadata)


def answer_reports(
    settings: Settings, store: Store, client: Client, metadata: MetadataCache, piggyback: Piggyback | None
) -> AnswerReports:
    """The step of the update that shows in issues which notes were sent."""
    zones = _zones(settings)
    policies = {name: ReportPolicy(box.answers.report, zones[name]) for name, box in settings.mailboxes.items()}
    return AnswerReports(
        _answers(store),
        Writer(client, metadata, piggyback),
        held_answers(settings, store),
        IssueTurns("last answer", client.whoami, issues(store).record),
        policies,
        text_format=settings.redmine.markup,
    )


def _answers(store: Store) -> MailedAnswers:
    return MailedAnswers(store.database, store.clock)


def _zones(settings: Settings) -> dict[str, dt.tzinfo | None]:
    """The time zone of each mailbox's mail; None: this machine's."""
    zones = {name: sent_by(settings, box).time_zone for name, box in settings.mailboxes.items()}
    return {name: ZoneInfo(zone) if zone else None for name, zone in zones.items()}
