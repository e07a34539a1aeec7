"""Wires the copy of Redmine's issues: what keeps it current, whom their requester fields name, and which issues become
conversations.
"""

from redmine_mailbridge.redmine.client import Client
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.redmine.recent_issues import RecentIssues
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.store.begun_issues import BegunIssues
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.note_decisions import NoteDecisions
from redmine_mailbridge.store.notices import Notices
from redmine_mailbridge.tasks.update.beginning.commanded_requesters import CommandedRequesters, CommandsOfMailbox
from redmine_mailbridge.tasks.update.beginning.conversation_starter import ConversationStarter
from redmine_mailbridge.tasks.update.command_rights import CommandRights
from redmine_mailbridge.tasks.update.issue_sync import IssueSync
from redmine_mailbridge.tasks.update.requesters.requester_corrector import RequesterCorrector
from redmine_mailbridge.tasks.update.requesters.requester_field_guard import RequesterFieldGuard
from redmine_mailbridge.tasks.update.requesters.requester_fields import RequesterFields
from redmine_mailbridge.wiring.outgoing import command_users, ours
from redmine_mailbridge.wiring.store import issues


def synchronization(settings: Settings, store: Store, client: Client, metadata: MetadataCache) -> IssueSync:
    """What keeps the copy of Redmine's issues current, and begins the conversations of issues made there."""
    boxes = settings.active_mailboxes
    begun = BegunIssues(store.database, store.clock)
    rights, notices = CommandRights(metadata), Notices(store.database, store.clock)
    fields = RequesterFields(
        {name: box.issue.requester_field for name, box in settings.mailboxes.items()},
        ours(settings),
        settings.redmine.markup,
    )
    allowed = {name: command_users(box) for name, box in settings.mailboxes.items()}
    guard = RequesterFieldGuard(allowed, rights, notices, settings.redmine.markup)
    begins = {name: box for name, box in boxes.items() if box.issue.conversations_from_redmine}
    commanded = CommandedRequesters(
        {
            name: CommandsOfMailbox(box.answers.marker, command_users(box))
            for name, box in begins.items()
            if not command_users(box).is_empty
        },
        rights,
        notices,
        of_mails=issues(store).mails_of,
        wrong_with=lambda address: fields.address(address)[1],
        text_format=settings.redmine.markup,
    )
    starter = ConversationStarter(
        {name: box.issue.project or "" for name, box in begins.items()},
        begun,
        notices,
        fields,
        client=client,
        metadata=metadata,
        being_written=NoteDecisions(store.database, store.clock).being_written,
        commanded=commanded,
    )
    return IssueSync(
        issues(store),
        client,
        metadata,
        RecentIssues(client),
        requesters=RequesterCorrector(fields, store.requesters, begun, guard),
        starter=starter,
        markers={name: box.answers.marker for name, box in settings.mailboxes.items()},
    )
