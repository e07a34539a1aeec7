"""The fields that the settings, the rules and a message's keyword lines request for an issue, by name."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import field

from redmine_mailbridge.model.mail import Message
from redmine_mailbridge.policy.rules import MatchedRules, fill
from redmine_mailbridge.policy.sender import Sender, domain_rule
from redmine_mailbridge.settings.issue import IssueSettings, Route
from redmine_mailbridge.settings.rules import Rule
from redmine_mailbridge.util.dataclass import dataclass

KEYWORD_LINE = "a keyword line"
_NAMES = {
    "tracker": "tracker",
    "category": "category",
    "priority": "priority",
    "status": "status",
    "assigned_to": "assignee",
    "fixed_version": "version",
}


@dataclass(slots=True)
class RequestedFields:
    """The requested fields of an issue, by name; later values replace earlier ones; `custom` are custom fields."""

    values: dict[str, str] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    custom: dict[str, str] = field(default_factory=dict)

    def want_custom(self, name: str, value: str, origin: str) -> None:
        """Request a value for a custom field."""
        self.custom[name] = value
        self.origins[f"custom field {name}"] = origin

    def want(self, name: str, value: str | int | None, origin: str) -> None:
        """Request a value for a field; None and "" are ignored."""
        if value is not None and str(value).strip():
            self.values[name] = str(value).strip()
            self.origins[name] = origin


def requested_of_new(
    message: Message, sender: Sender, route: Route, matched: MatchedRules, keywords: Mapping[str, str]
) -> RequestedFields:
    """Given a message that creates an issue, return the requested fields: by the mailbox, then the message's
    importance, the sender's domain, the rules (an earlier one overrides a later one), and last the message's keyword
    lines.
    """
    requested, settings = RequestedFields(), route.issue
    _from_settings(requested, settings, "the mailbox", message, matched.groups)
    requested.want("priority", settings.priority_by_importance.get(message.importance), "the mail's importance")
    if settings.requester_field:
        requested.want_custom(settings.requester_field, sender.address.address, "requester_field")
    if (matching := domain_rule(sender, route)) is not None:
        domain, domain_defaults = matching
        for name in ("tracker", "category", "priority"):
            requested.want(name, getattr(domain_defaults, name), f"the domain {domain}")
        requested.want("assigned_to", domain_defaults.assignee, f"the domain {domain}")
        if route.senders.customer_field:
            requested.want_custom(
                route.senders.customer_field, domain_defaults.customer or domain, f"the domain {domain}"
            )
    for rule in reversed(matched.rules):
        _from_settings(requested, rule, f'rule "{rule.name}"', message, matched.groups)
    private = requested.origins.get("is_private", "") if requested.values.get("is_private") == "1" else ""
    add_keywords(requested, keywords)
    if private:
        requested.want(
            "is_private", "1", private
        )  # an issue that is private by the settings cannot be made public by a line
    return requested


def _from_settings(
    requested: RequestedFields, settings: IssueSettings | Rule, origin: str, message: Message, groups: Mapping[str, str]
) -> None:
    """Given the mailbox's settings or a rule, add its fields."""
    for name, key in _NAMES.items():
        requested.want(name, getattr(settings, key), origin)
    requested.want("parent_issue", settings.parent, origin)
    if settings.private is not None:
        requested.want("is_private", "1" if settings.private else "0", origin)
    for name, span in (("start_date", settings.start_in), ("due_date", settings.due_in)):
        if span is not None:
            requested.want(name, _day(message, span), origin)
    for name, template in settings.custom_fields.items():
        requested.want_custom(name, fill(template, message, groups), origin)


def filled_from_mail(sources: Iterable[IssueSettings | Rule]) -> set[str]:
    """Given the mailbox's settings and rules, return the custom fields that contain text from messages."""
    return {name for source in sources for name, template in source.custom_fields.items() if "{" in template}


def _day(message: Message, span: dt.timedelta) -> str:
    """Given a span, return its end date, counted from the message's; from today (+N) if the message has no date."""
    try:
        return (message.date.date() + span).isoformat() if message.date else f"+{span.days}"
    except OverflowError:
        return f"+{span.days}"


def add_keywords(requested: RequestedFields, keywords: Mapping[str, str]) -> None:
    """Given the keyword lines of a message, add their fields, including custom fields."""
    for name, value in keywords.items():
        if attribute_of(name) is None:
            requested.want_custom(name, value, KEYWORD_LINE)
        elif name != "project":
            requested.want(name, value, KEYWORD_LINE)


def attribute_of(key: str) -> str | None:
    """Given the key of a keyword line, return the attribute of an issue that it sets, by its API name; None if
    it names a custom field.
    """
    if key in {"start_date", "due_date", "estimated_hours", "done_ratio", "is_private"}:
        return key
    return f"{key}_id" if key in {*_NAMES, "parent_issue", "project"} else None
