"""Do the roles and groups exist whose members may change recipients by commands in notes, and do commands count?"""

from collections.abc import Iterable, Iterator

from redmine_mailbridge.checks.result import Check
from redmine_mailbridge.redmine.client import Client
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.settings.mailbox import MailboxSettings
from redmine_mailbridge.util.suggest import did_you_mean

NO_COMMANDS = (
    'with answers.notes = "never", commands in notes (/cc, /uncc, /requester, /private, /nomail) have no effect, and '
    'whoever writes one is not informed; set answers.notes to "public_notes" or "marked" to have them carried out'
)


def command_users(name: str, box: MailboxSettings, client: Client, metadata: MetadataCache) -> Iterator[Check]:
    """Given a mailbox, yield a line for each role or group of its settings that does not exist, or that the key cannot
    see, and one if they may use commands that have no effect. Raise RedmineError.
    """
    answers = box.answers
    named = [key for key in ("command_roles", "command_groups") if getattr(answers, key)]
    if named and answers.notes == "never" and not answers.third_parties:
        yield Check(f"mailbox {name}: answers.{named[0]}", None, NO_COMMANDS)
    if answers.command_roles:
        listed = client.get_or_none("/roles.json")
        roles = [str(role.get("name", "")).strip() for role in (listed or {"roles": ()})["roles"]]
        yield from _unknown(f"mailbox {name}: answers.command_roles", "role", answers.command_roles, roles)
    if not answers.command_groups:
        return
    title = f"mailbox {name}: answers.command_groups"
    if not metadata.can_impersonate:
        words = "needs an administrator's key: only that can list groups; use answers.command_roles, or such a key"
        yield Check(title, False, words)
    else:
        yield from _unknown(title, "group", answers.command_groups, metadata.groups())


def _unknown(title: str, what: str, names: tuple[str, ...], known: Iterable[str]) -> Iterator[Check]:
    lowered = {each.lower() for each in known}
    for name in names:
        if name.strip().lower() not in lowered:
            yield Check(title, False, f'{what} "{name}" does not exist{did_you_mean(name, known)}')
