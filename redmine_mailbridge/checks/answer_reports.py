"""What `check` says of the settings by which an issue shows what became of mail: the field, the status, their cost."""

from collections.abc import Iterator

from redmine_mailbridge.checks.result import Check
from redmine_mailbridge.model.facts import Project
from redmine_mailbridge.policy.issue_fields import known_id
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.redmine.text_field import text_field
from redmine_mailbridge.settings.mailbox import MailboxSettings

ENOUGH = 100
"""Characters that the value of the field usually takes."""
COSTS = (
    "each answer is a write to its issue: Redmine notifies watchers of it, and the issue counts as updated; "
    'answers.report = "field" avoids that'
)


def reporting_checks(
    here: str, box: MailboxSettings, project: Project | None, metadata: MetadataCache
) -> Iterator[Check]:
    """Given a mailbox's title and settings, and its project if it has one, yield a line for each problem that is not
    reported as an unknown name, and for what the settings cost. Raise RedmineError.
    """
    if box.issue.bounce_status is not None:
        statuses = metadata.statuses()
        if known_id(box.issue.bounce_status, statuses.ids) in statuses.closed:
            words = f'"{box.issue.bounce_status}" is a closed status, which undelivered mail does not set'
            yield Check(f"{here}: bounce_status", False, f"{words}; name an open one")
    if box.answers.report != "field" and box.answers.notes != "never":
        yield Check(f"{here}: answers.report", None, COSTS)
    if box.issue.last_answer_field is not None:
        yield from _field(f"{here}: last_answer_field", box.issue.last_answer_field, box, project)


def _field(title: str, name: str, box: MailboxSettings, project: Project | None) -> Iterator[Check]:
    """What keeps the field from holding the value, in the mailbox's own project."""
    if box.answers.notes == "never":
        yield Check(title, None, 'answers.notes = "never": no notes are sent, so the field stays empty')
    if project is None or known_id(name, project.custom_fields) is None:
        return  # an unknown name
    if name.lower() in set(project.custom_fields) - set(project.fields_of(box.issue.tracker)):
        return  # a field of other trackers: likewise
    field = text_field(name, project, box.issue.tracker or next(iter(project.trackers), ""))
    if isinstance(field, str):
        yield Check(title, False, f"{field}; nothing is written to it")
    elif 0 < field.max_length < ENOUGH:
        words = f"the field holds {field.max_length} characters: longer values are cut; {ENOUGH} are enough"
        yield Check(title, None, words)
