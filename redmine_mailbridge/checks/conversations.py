"""What `check` says of conversations that begin in Redmine: whose they are, and what begins one."""

from collections.abc import Iterator

from redmine_mailbridge.checks.result import Check
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.settings.models import Settings


def conversations(settings: Settings, metadata: MetadataCache) -> Iterator[Check]:
    """Given settings, yield a line for each mailbox whose conversations may begin in Redmine. Raise RedmineError."""
    mailboxes: dict[int, str] = {}
    for name, box in settings.active_mailboxes.items():
        issue = box.issue
        project = metadata.project(issue.project) if issue.conversations_from_redmine and issue.project else None
        if project is None:  # an unknown one has a line of its own
            continue
        title = f"mailbox {name}: conversations_from_redmine"
        other = mailboxes.setdefault(project.id, name)
        if other != name:
            words = (
                f"mailbox {other} begins the conversations of project {project.identifier} already; set it to false "
            )
            words += "in one of the two"
            yield Check(title, False, words)
            continue
        if not box.outgoing.over(settings.outgoing).sends:
            words = "no server to send by is set; set host in [outgoing], or outgoing.host of this mailbox"
            yield Check(title, False, words)
            continue
        may_command = box.answers.command_roles or box.answers.command_groups
        begins = [f'the field "{issue.requester_field}" names an address'] if issue.requester_field else []
        begins += ["a note begins with /requester or /to"] if may_command else []
        words = f"issues of project {project.identifier} begin one when {' or '.join(begins)}"
        yield Check(title, True, f"{words}; their public notes from then on are mailed")
