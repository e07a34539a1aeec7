"""Do two settings name one custom field, by its name and by its number? Loading the settings compares only names."""

from collections.abc import Iterator

from redmine_mailbridge.checks.result import Check
from redmine_mailbridge.policy.issue_fields import known_id
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.settings.contradictions import FieldUse, field_uses
from redmine_mailbridge.settings.models import Settings


def same_field_checks(settings: Settings, metadata: MetadataCache) -> Iterator[Check]:
    """Given settings, yield a line for each setting whose custom field another one names, in the mailbox's project.
    Raise RedmineError.
    """
    for mailbox, box in settings.active_mailboxes.items():
        project = metadata.project(box.issue.project) if box.issue.project else None
        first: dict[int, FieldUse] = {}
        for use in field_uses(mailbox, box.route, settings.redmine, settings.aggregate):
            number = known_id(use.field, project.custom_fields) if project is not None else None
            other = first.setdefault(number, use) if number is not None else use
            if other is not use:
                words = (
                    f'"{use.field}" is the custom field "{other.field}" of {other.setting}, and each would overwrite '
                )
                words += "the other's value; create a custom field for each, and name the other one here"
                yield Check(f"mailbox {mailbox}: {use.setting}", False, words)
