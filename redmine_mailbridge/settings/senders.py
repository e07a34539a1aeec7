"""Who may write to a mailbox, and as whom: `[mailboxes.NAME.senders]`."""

from typing import Literal

from redmine_mailbridge.settings.base import Table, key
from redmine_mailbridge.settings.patterns import SenderPattern
from redmine_mailbridge.settings.value_types import Name

UnknownSender = Literal["accept", "create", "hold", "ignore", "refuse"]


class DomainRule(Table):
    """What holds for the senders of one domain."""

    project: Name | None = key("The project that their new issues go to.", None)
    tracker: Name | None = key("The tracker of their new issues.", None)
    category: Name | None = key("The category of their new issues.", None)
    priority: Name | None = key("The priority of their new issues.", None)
    assignee: Name | None = key("Who gets their new issues.", None)
    group: Name | None = key("The Redmine group that their users join, made for them or not; made when missing.", None)
    customer: Name | None = key("What stands in customer_field.", None, shown="the domain")


class CreateUser(Table):
    """How `unknown_sender = "create"` makes a user."""

    login: Literal["address", "local"] = key("Take the whole address as login, or what stands before the @.", "address")
    status: Literal["active", "registered", "locked"] = key("The new user's status.", "active")
    language: str = key("The new user's language, such as de.", "", shown="Redmine's default")
    groups: tuple[Name, ...] = key("Groups that the new user joins; made when missing.", ())
    notice: Literal["redmine", "own", "none"] = key(
        "Which mail tells the new user: Redmine's account mail, our template `registration`, or none.", "none"
    )


class SenderSettings(Table):
    """Who may write to a mailbox, and as whom."""

    ticket_user: Name | None = key(
        "The login that writes the issues of unknown senders (needs an admin's key).", None, shown="the key's own user"
    )
    locked: Literal["refuse", "ignore", "accept"] = key(
        "What becomes of a locked user's mail; \"accept\" treats it as an unknown sender's.", "refuse"
    )
    failed_authentication: Literal["stranger", "hold", "refuse"] = key(
        "What becomes of mail that your own mail server says is forged: a stranger's, kept aside, or refused.",
        "stranger",
    )
    internal_domains: tuple[Name, ...] = key(
        'The domains that trust = "internal" speaks of. Your mail server must refuse outside mail that bears them.',
        (),
    )
    internal_mark: SenderPattern | None = key(
        "A header that only your own servers can set and strip from outside, such as "
        '"X-MS-Exchange-Organization-AuthAs: Internal"; with it trust = "internal" also asks for it.',
        None,
        shown="none",
    )
    block: tuple[SenderPattern, ...] = key(
        'Whose mail is not taken: "someone@example.com", "example.com", "*.example.com", "Header-Name: pattern", '
        '"/expression/" over the From line, "*" for everybody.',
        (),
    )
    allow: tuple[SenderPattern, ...] = key("Whose mail is taken although `block` names it; written alike.", ())
    blocked: Literal["ignore", "refuse"] = key("What becomes of blocked mail.", "refuse")
    customer_field: Name | None = key("The custom field that takes the sender's domain or its name.", None)
    domains: dict[Name, DomainRule] = key("Rules for the senders of a domain, by domain.", {})
    create: CreateUser = key("How users are made.", CreateUser())
