"""What `check` asks Redmine: whether it answers, whom the key belongs to, and what that user may not do."""

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from redmine_mailbridge.checks.foretell import Foretelling
from redmine_mailbridge.checks.names import mailbox_names
from redmine_mailbridge.checks.result import Check
from redmine_mailbridge.checks.rules import rule_changes, rule_names
from redmine_mailbridge.checks.samples import Samples
from redmine_mailbridge.errors import RedmineError
from redmine_mailbridge.model.mail import TextFormat
from redmine_mailbridge.redmine.client import Client
from redmine_mailbridge.redmine.formatting import NO_FORMAT, text_format
from redmine_mailbridge.redmine.metadata import Directory
from redmine_mailbridge.settings.mailbox import MailboxSettings
from redmine_mailbridge.settings.models import Settings

NO_ADMIN = (
    "the key is no administrator's: issues are written by the bridge's own user, the sender named in the text; "
    "users can be neither found by any of their addresses nor made; custom fields and groups cannot be listed"
)
TEXT_FORMATS = ("string", "text")


def redmine_checks(settings: Settings, client: Client, directory: Directory) -> Iterator[Check]:
    """Given settings and the way to Redmine, yield what is found, as it is found. Never raises ours."""
    try:
        me = directory.people.me().user
    except RedmineError as error:
        yield Check("redmine", False, str(error))
        return
    yield Check("redmine", True, f"{settings.redmine.url} answers; the key is {me.login or me.name}'s")
    try:
        yield Check("redmine: rights", True, "administrator") if me.admin else Check("redmine: rights", None, NO_ADMIN)
        yield from _own_user(settings, client)
        yield _formatting(settings, client)
        if settings.redmine.marker_field:
            yield _marker(settings.redmine.marker_field, settings, directory)
        samples, marker = Samples(client), settings.redmine.marker_field
        for name, box in settings.active_mailboxes.items():
            yield from mailbox_names(name, box, directory)
            yield from Foretelling(name, box, client, directory, samples, marker=marker).checks()
            yield from _own_address(name, box, directory)
        yield from rule_names(settings, directory)
        yield from rule_changes(settings, samples, directory)
    except RedmineError as error:
        yield Check("redmine", False, str(error))


def somebodys(user: Mapping[str, Any]) -> str:
    """Given the key's own user as Redmine shows it, return what is wrong when a person works with that account; ""
    where nobody has ever logged in with it, or Redmine does not tell.
    """
    when, login = str(user.get("last_login_on") or "")[:10], user.get("login") or "the key's user"
    if not when:
        return ""
    return (
        f"somebody logs in as {login} (last on {when}): what {login} writes in Redmine counts as the bridge's own and "
        "is mailed to nobody; make the bridge a user that nobody else uses, and take that one's key"
    )


def _own_user(settings: Settings, client: Client) -> Iterator[Check]:
    """A person's own key, where agents' notes are mailed: those of that person would go to nobody."""
    if all(box.answers.notes == "never" for box in settings.active_mailboxes.values()):
        return
    wrong = somebodys(client.whoami())
    if wrong:
        yield Check("redmine: the bridge's user", None, wrong)


def _formatting(settings: Settings, client: Client) -> Check:
    wanted = settings.redmine.text_format
    found = text_format(client.connection)
    if wanted is None:
        known = found in get_args(TextFormat)
        return Check("redmine: text format", known, f"{found}, as Redmine says" if known else NO_FORMAT)
    if found is None:
        words = f"{wanted}, by the settings; compare Administration, Settings, General: this Redmine does not tell"
        return Check("redmine: text format", True, words)
    if found == wanted:
        return Check("redmine: text format", True, str(wanted))
    words = f'Redmine has {found}, the settings say {wanted}: set [redmine] text_format = "{found}"'
    return Check("redmine: text format", False, words)


def _marker(name: str, settings: Settings, directory: Directory) -> Check:
    """The field that makes an interrupted write findable: it must be there, hold text, and be a filter everywhere."""
    title = f"redmine: marker_field {name}"
    if not directory.can_impersonate:
        return _marker_unseen(title, name, settings, directory)
    field = next((f for f in directory.issue_fields() if f.name.lower() == name.lower()), None)
    if field is None:
        return Check(title, False, f'there is no issue custom field "{name}"')
    wrong = []
    if field.format not in TEXT_FORMATS:
        wrong.append(f"its format is {field.format}, not text")
    if not field.filterable:
        wrong.append('it is not "used as a filter": Redmine would ignore it in a search')
    for box in settings.active_mailboxes.values():
        project = directory.project(box.issue.project) if box.issue.project else None
        if project is None:
            continue
        without = sorted(t for t, number in project.trackers.items() if number not in field.tracker_ids)
        if name.lower() not in project.custom_fields:
            wrong.append(f"it is not enabled in project {project.identifier}")
        elif without:
            wrong.append(f"it is not enabled for the trackers {', '.join(without)} of project {project.identifier}")
    return Check(title, not wrong, "; ".join(dict.fromkeys(wrong)) or "text, a filter, enabled where it is needed")


def _marker_unseen(title: str, name: str, settings: Settings, directory: Directory) -> Check:
    """The same with a key that may not list custom fields: it learns of them from a project, or from its issues."""
    words = "only an administrator's key can look whether it is a text used as a filter"
    projects = [directory.project(box.issue.project or "") for box in settings.active_mailboxes.values()]
    without = [one.identifier for one in projects if one is not None and name.lower() not in one.custom_fields]
    if without:
        where = ", ".join(dict.fromkeys(without))
        words += (
            f"; this key does not see it in project {where}: until it does (with the first issue there, before Redmine "
            "5.1), mails there bear no marker, and an interrupted write is found by writer, project and words"
        )
    return Check(title, None, words)


def _own_address(name: str, box: MailboxSettings, directory: Directory) -> Iterator[Check]:
    """A mailbox's address that is also a user's: Redmine's own notifications would come back into the mailbox."""
    for address in (box.address, *box.aliases):
        user = directory.people.by_address(address)
        if user is not None:
            words = (
                f"{address} is also the address of the Redmine user {user.login or user.name}: Redmine's notifications "
                "to it come back here. They make no issue, but give that user another address, or none to notify of"
            )
            yield Check(f"mailbox {name}: loop", None, words)
