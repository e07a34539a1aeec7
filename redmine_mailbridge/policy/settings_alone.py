"""What the settings alone ask for of the issue that a mail becomes: without what the mail itself says. Pure."""

from dataclasses import replace

from redmine_mailbridge.model.facts import Facts, Project
from redmine_mailbridge.model.mail import Message
from redmine_mailbridge.model.plan import Action, Plan
from redmine_mailbridge.policy.context import DecisionContext
from redmine_mailbridge.policy.issue_fields import Resolver
from redmine_mailbridge.policy.own_addresses import MailboxIdentity, responsible
from redmine_mailbridge.policy.requested_fields import filled_from_mail, requested_of_new
from redmine_mailbridge.policy.rules import apply_rules
from redmine_mailbridge.policy.strictest import different
from redmine_mailbridge.settings.issue import Route

ORDINARY = "A text of a usual length, as people write it, which no rule about texts finds too short or too long. " * 3
"""A placeholder for a message's text where only the settings matter."""


def settings_alone(message: Message, route: Route, mailbox: MailboxIdentity, facts: Facts, project: Project) -> Plan:
    """Given a mail, the route and identity of its mailbox, what is known and the project of its issue, return the plan
    of an issue that holds nothing of the mail: no words, no keyword lines, no custom field that is filled from them, no
    address, no date but today's. What a stranger can make Redmine refuse is not the settings' fault.
    """
    _, responsible_route = responsible(message, mailbox, route)
    context = DecisionContext.of(message, different((responsible_route, route)), mailbox, facts)
    matched = apply_rules(message, context.route, context.steps)
    requested = requested_of_new(replace(message, date=None), context.sender, context.route, matched, {})
    of_the_mail = filled_from_mail((context.route.issue, *matched.rules)) | {context.route.issue.requester_field or ""}
    requested.custom = {name: value for name, value in requested.custom.items() if name not in of_the_mail}
    fields = Resolver(project, facts, context.steps, context.languages).fields(requested, "")
    plan = context.plan(Action.CREATE, "values from the settings only", project=project.identifier, fields=fields)
    return replace(plan, text=ORDINARY, attachments=(), left_out=())
