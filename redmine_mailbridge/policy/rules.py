"""Which rules match a message, and their combined result."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import field

from redmine_mailbridge.model.mail import Message
from redmine_mailbridge.model.trace import Trace
from redmine_mailbridge.policy.patterns import address_fits, header_fits, sender_fits
from redmine_mailbridge.settings.issue import Route
from redmine_mailbridge.settings.patterns import Pattern
from redmine_mailbridge.settings.rules import Rule
from redmine_mailbridge.util.dataclass import dataclass

_PLACE = re.compile(r"\{([a-z_]{1,20})(?:\.([A-Za-z0-9_-]{1,80}))?\}")


@dataclass(frozen=True, slots=True)
class MatchedRules:
    """The matching rules, in order, and the named groups of their patterns."""

    rules: tuple[Rule, ...] = ()
    groups: Mapping[str, str] = field(default_factory=dict)

    @property
    def named(self) -> str:
        """The rules' names for a step line."""
        return ", ".join(f'"{rule.name}"' for rule in self.rules)


def apply_rules(message: Message, route: Route, steps: Trace) -> MatchedRules:
    """Given a message, return the first rule that matches, or all of them if the route says so."""
    rules, groups = [], dict[str, str]()
    for rule in route.rules:
        rule_groups = rule_fits(rule, message)
        if rule_groups is None:
            continue
        rules.append(rule)
        groups |= rule_groups
        steps.add(f'rule "{rule.name}" matches')
        if route.issue.rules == "first":
            break
    return MatchedRules(tuple(rules), groups)


def rule_fits(rule: Rule, message: Message) -> dict[str, str] | None:
    """Given a rule, return its named groups if every condition holds; None if one does not."""
    groups = dict[str, str]()
    for condition_groups in _conditions(rule, message):
        if condition_groups is None:
            return None
        groups |= condition_groups
    return groups


def _conditions(rule: Rule, message: Message) -> Iterator[Mapping[str, str] | None]:
    """Yield for each condition of the rule its groups, None if it does not hold."""
    if rule.sender is not None:
        yield _groups_if(sender_fits(rule.sender, message))
    if rule.recipient is not None:
        pattern = rule.recipient
        named = [address.address for address in message.recipients] + list(message.recipients_of_record)
        if pattern.startswith("/"):
            yield next((match for address in named if (match := Pattern(pattern).search(address)) is not None), None)
        else:
            yield _groups_if(any(address_fits(pattern, address) for address in named))
    for name, pattern in rule.header.items():
        yield header_fits(message, name, pattern)
    if rule.larger_than is not None:
        yield _groups_if(message.size > rule.larger_than)
    if rule.smaller_than is not None:
        yield _groups_if(message.size < rule.smaller_than)
    if rule.has_attachment is not None:
        yield _groups_if(bool(message.attachments) is rule.has_attachment)
    if rule.subject is not None:
        yield Pattern(rule.subject).search(message.subject)
    if rule.text is not None:
        yield Pattern(rule.text).search(message.body.whole or message.body.written)


def _groups_if(holds: bool) -> Mapping[str, str] | None:
    return {} if holds else None


def fill(template: str, message: Message, groups: Mapping[str, str]) -> str:
    """Given a template of the settings, return it with the mail's words in their places, on one line, at most 2,000
    characters each. A place that names nothing known stays as it is written; one that the mail leaves empty is "".
    """

    def place(placeholder: re.Match[str]) -> str:
        name, part = placeholder[1], placeholder[2] or ""
        match name, part:
            case "sender", "name" | "address" | "domain":
                value = str(getattr(message.sender, part))
            case "subject", "":
                value = message.subject
            case "message_id", "":
                value = message.message_id
            case "date", "":
                value = message.date.date().isoformat() if message.date else ""
            case "header", _ if part:
                value = message.header(part)
            case "match", _ if part:
                value = groups.get(part, "")
            case _:
                return placeholder[0]
        return " ".join(value.split())[:2000]

    return _PLACE.sub(place, template)
