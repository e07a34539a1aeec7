"""Who may write to a mailbox, and as which user: `[mailboxes.NAME.senders]`."""

from typing import Literal

from redmine_mailbridge.settings.base import SettingsTable, setting
from redmine_mailbridge.settings.patterns import SenderPattern
from redmine_mailbridge.settings.value_types import Name

UnknownSender = Literal["accept", "create", "hold", "ignore", "refuse"]


class DomainRule(SettingsTable):
    """Settings for the senders of one domain."""

    project: Name | None = setting("The project that their new issues go to.", None)
    tracker: Name | None = setting("The tracker of their new issues.", None)
    category: Name | None = setting("The category of their new issues.", None)
    priority: Name | None = setting("The priority of their new issues.", None)
    assignee: Name | None = setting("The assignee of their new issues.", None)
    group: Name | None = setting(
        "The Redmine group that their users join, also users that the bridge did not create; created if missing.", None
    )
    customer: Name | None = setting("The value for customer_field.", None, shown="the domain")


class CreateUser(SettingsTable):
    """How `unknown_sender = "create"` creates a user."""

    login: Literal["address", "local"] = setting(
        "The new user's login: the whole address, or the part before the @.", "address"
    )
    status: Literal["active", "registered", "locked"] = setting("The new user's status.", "active")
    language: str = setting("The new user's language, such as de.", "", shown="Redmine's default")
    groups: tuple[Name, ...] = setting("Groups that the new user joins; created if missing.", ())
    notice: Literal["redmine", "own", "none"] = setting(
        "Which message the new user receives: Redmine's account mail, the bridge's template `registration`, or none.",
        "none",
    )


class SenderSettings(SettingsTable):
    """Who may write to a mailbox, and as which user."""

    ticket_user: Name | None = setting(
        "The login that creates the issues of unknown senders (requires an admin's key).",
        None,
        shown="the key's own user",
    )
    locked: Literal["refuse", "ignore", "accept"] = setting(
        'What happens to messages from a locked user; "accept" treats the sender as unknown.', "refuse"
    )
    failed_authentication: Literal["stranger", "hold", "refuse"] = setting(
        "What happens to messages that your mail server reports as forged: treat the sender as unknown, hold, or "
        "refuse.",
        "stranger",
    )
    internal_domains: tuple[Name, ...] = setting(
        'The domains for trust = "internal". Your mail server must reject outside mail with these domains.',
        (),
    )
    internal_mark: SenderPattern | None = setting(
        "A header that only your own servers can set, and that they strip from outside mail, such as "
        '"X-MS-Exchange-Organization-AuthAs: Internal"; trust = "internal" then also requires it.',
        None,
        shown="none",
    )
    block: tuple[SenderPattern, ...] = setting(
        'Senders whose messages are not accepted: "someone@example.com", "example.com", "*.example.com", "Header-Name: '
        'pattern", "/expression/" over the From line, "*" for everyone.',
        (),
    )
    allow: tuple[SenderPattern, ...] = setting("Exceptions to `block`, in the same syntax.", ())
    blocked: Literal["ignore", "refuse"] = setting("What happens to blocked messages.", "refuse")
    forms: tuple[SenderPattern, ...] = setting(
        "Senders whose mail is other people's, such as web forms and shops, in the same syntax as `block`: the person "
        "in Reply-To or X-Original-From is the requester, who is named in the issue and gets the replies.",
        (),
    )
    reply_to: Literal["automatic", "forms", "never"] = setting(
        'When the person in Reply-To or X-Original-From is the requester instead of the From address. "forms": with a '
        'sender in `forms`, or one of the bridge\'s own addresses in From. "automatic": also with From addresses that '
        "take no replies, of well-known forms and shops, and of mailing lists that rewrite From, unless "
        '`failed_authentication` keeps forged messages out. "never": only From counts.',
        "automatic",
    )
    spam: Literal["accept", "hold", "junk", "refuse"] = setting(
        "What happens to messages that your mail server reports as spam: accept, hold, move to the junk folder, or "
        "refuse. Spam is never acknowledged. Requires reading.trusted_authserv_ids.",
        "accept",
    )
    customer_field: Name | None = setting("The custom field for the sender's domain or its name.", None)
    domains: dict[Name, DomainRule] = setting("Settings for the senders of a domain, by domain.", {})
    create: CreateUser = setting("How users are created.", CreateUser())
