"""What `check` asks Redmine: whether it answers, whose key it is, and what that user may not do."""

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from redmine_mailbridge.checks.advice import REDMINE, with_advice
from redmine_mailbridge.checks.command_users import command_users
from redmine_mailbridge.checks.conversations import conversations
from redmine_mailbridge.checks.field_uses import same_field_checks
from redmine_mailbridge.checks.foretell import RefusalForecast
from redmine_mailbridge.checks.names import mailbox_names
from redmine_mailbridge.checks.result import Check
from redmine_mailbridge.checks.rules import rule_changes, rule_names
from redmine_mailbridge.checks.samples import Samples
from redmine_mailbridge.errors import RedmineError
from redmine_mailbridge.model.mail import TextFormat
from redmine_mailbridge.policy.field_names import LANGUAGES, words_for
from redmine_mailbridge.redmine.client import Client
from redmine_mailbridge.redmine.formatting import NO_FORMAT, text_format
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.redmine.trial import TrialWrites
from redmine_mailbridge.settings.mailbox import MailboxSettings
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.settings.redmine import RedmineSettings

NO_ADMIN = (
    "the key is not an administrator's: the bridge's own user creates the issues and names the sender in the text; "
    "users cannot be found by their addresses, nor created; custom fields and groups cannot be listed"
)
FURTHER_ADDRESSES = (
    "this Redmine is older than 5.1: it finds users by their default address only; mail from another address of a "
    "user counts as an unknown sender's"
)
NO_AGENTS = (
    'issue.agent_replies = "mail": a key without admin rights cannot write in the name of agents, so their replies by '
    "mail are private notes and are not sent to customers"
)
TEXT_FORMATS = ("string", "text")


def redmine_checks(
    settings: Settings, client: Client, metadata: MetadataCache, *, try_issues: bool = False
) -> Iterator[Check]:
    """Given settings and the way to Redmine, yield each result as it is found. Never raises MailbridgeError.

    Redmine is only read, unless (`try_issues`) it is also asked what it would reject of new issues, by requests that
    cannot create one.
    """
    try:
        me = metadata.people.me().user
    except RedmineError as error:
        yield Check("redmine", False, with_advice(str(error), REDMINE))
        return
    yield Check("redmine", True, f"{settings.redmine.url} answers; the key belongs to {me.login or me.name}")
    try:
        yield Check("redmine: rights", True, "administrator") if me.admin else Check("redmine: rights", None, NO_ADMIN)
        yield from _own_user(settings, client)
        yield _formatting(settings, client)
        yield from _languages(settings.redmine)
        if me.admin and not metadata.people.is_5_1():
            yield Check("redmine: further addresses", None, FURTHER_ADDRESSES)
        if settings.redmine.marker_field:
            yield _marker(settings.redmine.marker_field, settings, metadata)
        samples, marker = Samples(client), settings.redmine.marker_field
        trial = TrialWrites(client) if try_issues else None
        for name, box in settings.active_mailboxes.items():
            yield from mailbox_names(name, box, metadata)
            yield from command_users(name, box, client, metadata)
            yield from RefusalForecast(name, box, client, metadata, samples, marker=marker, trial=trial).checks()
            yield from _own_address(name, box, metadata)
            if box.issue.agent_replies == "mail" and not metadata.can_impersonate:
                yield Check(f"mailbox {name}: agents' replies", None, NO_AGENTS)
        yield from same_field_checks(settings, metadata)
        yield from conversations(settings, metadata)
        yield from rule_names(settings, metadata)
        yield from rule_changes(settings, samples, metadata)
    except RedmineError as error:
        yield Check("redmine", False, str(error))


def somebodys(user: Mapping[str, Any]) -> str:
    """Given the key's own user as Redmine shows it, return what is wrong if a person works with that account; "" if it
    has never been used to log in, or Redmine does not show that.
    """
    when, login = str(user.get("last_login_on") or "")[:10], user.get("login") or "the key's user"
    if not when:
        return ""
    return (
        f"someone logs in as {login} (last on {when}): what {login} writes in Redmine counts as the bridge's own and "
        "is not mailed; create a user for the bridge that no person uses, and use the key of that user"
    )


def _languages(settings: RedmineSettings) -> Iterator[Check]:
    """The languages in the settings for which the bridge has no field names."""
    for language in dict.fromkeys((settings.language, *(settings.keyword_languages or ()))):
        if not language.lower().startswith("en") and not words_for(language):
            known = ", ".join(("en", *LANGUAGES))
            words = f'the language "{language}" (language, keyword_languages) is not supported; supported are {known}'
            yield Check("redmine: languages", False, words)


def _own_user(settings: Settings, client: Client) -> Iterator[Check]:
    """Warn of a person's own key if agents' notes are mailed: that person's notes would not be mailed."""
    boxes = settings.active_mailboxes.values()
    if all(box.answers.notes == "never" and not box.answers.third_parties for box in boxes):
        return
    wrong = somebodys(client.whoami())
    if wrong:
        yield Check("redmine: the bridge's user", None, wrong)


def _formatting(settings: Settings, client: Client) -> Check:
    configured = settings.redmine.text_format
    reported = text_format(client.connection)
    if configured is None:
        known = reported in get_args(TextFormat)
        return Check("redmine: text format", known, f"{reported}, as Redmine reports" if known else NO_FORMAT)
    if reported is None:
        words = (
            f"{configured}, by the settings; compare with Administration, Settings, General, since this Redmine does "
            "not report it"
        )
        return Check("redmine: text format", True, words)
    if reported == configured:
        return Check("redmine: text format", True, str(configured))
    words = f'Redmine has {reported}, but the settings say {configured}: set [redmine] text_format = "{reported}"'
    return Check("redmine: text format", False, words)


def _marker(name: str, settings: Settings, metadata: MetadataCache) -> Check:
    """The field that makes an interrupted write findable: it must exist, hold text, and be a filter everywhere."""
    title = f"redmine: marker_field {name}"
    if not metadata.can_impersonate:
        return _marker_unseen(title, name, settings, metadata)
    field = next((f for f in metadata.issue_fields() if f.name.lower() == name.lower()), None)
    if field is None:
        return Check(title, False, f'no issue custom field is called "{name}"')
    problems = []
    if field.format not in TEXT_FORMATS:
        problems.append(f"its format is {field.format}, not text")
    if not field.filterable:
        problems.append('it is not "used as a filter": Redmine would ignore it in a search')
    for box in settings.active_mailboxes.values():
        project = metadata.project(box.issue.project) if box.issue.project else None
        if project is None:
            continue
        without = sorted(tracker for tracker, number in project.trackers.items() if number not in field.tracker_ids)
        if name.lower() not in project.custom_fields:
            problems.append(f"it is not enabled in project {project.identifier}")
        elif without:
            problems.append(f"it is not enabled for the trackers {', '.join(without)} of project {project.identifier}")
    return Check(
        title,
        not problems,
        "; ".join(dict.fromkeys(problems)) or "a text field, used as a filter, enabled where needed",
    )


def _marker_unseen(title: str, name: str, settings: Settings, metadata: MetadataCache) -> Check:
    """The same with a key that may not list custom fields: it sees them on a project or its issues."""
    words = "only an administrator's key can verify that it is a text field used as a filter"
    projects = [metadata.project(box.issue.project or "") for box in settings.active_mailboxes.values()]
    without = [
        project.identifier for project in projects if project is not None and name.lower() not in project.custom_fields
    ]
    if without:
        identifiers = ", ".join(dict.fromkeys(without))
        words += (
            f"; this key does not see it in project {identifiers}: until it does (before Redmine 5.1, with the first "
            "issue there), messages there get no marker, and an interrupted write is found by author, project and text"
        )
    return Check(title, None, words)


def _own_address(name: str, box: MailboxSettings, metadata: MetadataCache) -> Iterator[Check]:
    """A mailbox's address that is also a user's: Redmine's own notifications would come back into the mailbox."""
    for address in (box.address, *box.aliases):
        user = metadata.people.by_address(address)
        if user is not None:
            words = (
                f"{address} is also the address of the Redmine user {user.login or user.name}: Redmine's notifications "
                "to it come back here. They create no issue, but give that user another address or turn off its "
                "notifications"
            )
            yield Check(f"mailbox {name}: loop", None, words)
