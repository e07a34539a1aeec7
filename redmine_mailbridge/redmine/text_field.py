"""Can a custom field of a project's issues hold a text? Pure."""

from redmine_mailbridge.model.facts import Project
from redmine_mailbridge.policy.issue_fields import known_id
from redmine_mailbridge.util.dataclass import dataclass
from redmine_mailbridge.util.suggest import did_you_mean

TEXT_FORMATS = frozenset({"string", "text"})
"""The formats of custom fields that hold any text, as Redmine names them."""


@dataclass(frozen=True, slots=True)
class TextField:
    """A custom field for a text: its id, and the most characters that it holds (0: unlimited, or unknown)."""

    number: int
    max_length: int = 0


def text_field(name: str, project: Project | None, tracker: str) -> TextField | str:
    """Given the name or id of a custom field, a project as Redmine shows it, and a tracker by name, return the field,
    or one line that says why it cannot hold a text in issues of that tracker. Only an administrator's key sees formats,
    lengths and trackers; what is unknown is not an obstacle.
    """
    if project is None:
        return "Redmine does not show the project"
    number = known_id(name, project.custom_fields)
    if number is None:
        near = did_you_mean(name, project.custom_fields)
        return f'custom field "{name}" does not exist in project {project.identifier}{near}'
    kind = project.kinds.get(number)
    if kind is None:
        return TextField(number)
    if kind.format not in TEXT_FORMATS:
        return f'custom field "{name}" has the format {kind.format}: it must be a text'
    tracker_id = project.trackers.get(tracker.lower())
    if kind.trackers and tracker_id is not None and tracker_id not in kind.trackers:
        return f'custom field "{name}" is not enabled for the tracker {tracker}'
    return TextField(number, kind.max_length)
