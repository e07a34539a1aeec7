"""The plan for a message that becomes a note."""

from dataclasses import replace

from redmine_mailbridge.model.facts import Facts, Issue
from redmine_mailbridge.model.mail import LeftOut
from redmine_mailbridge.model.plan import Action, IssueFields, Plan
from redmine_mailbridge.policy.agent_reply import JudgedReply, judge
from redmine_mailbridge.policy.context import DecisionContext
from redmine_mailbridge.policy.issue_fields import Resolver, known_id, of_no_use, watchers
from redmine_mailbridge.policy.issue_match import IssueMatch
from redmine_mailbridge.policy.issue_text import compose, named, say_what_is_cut
from redmine_mailbridge.policy.keywords import Keywords
from redmine_mailbridge.policy.requested_fields import RequestedFields, add_keywords
from redmine_mailbridge.policy.sender import joins
from redmine_mailbridge.util.suggest import did_you_mean

SHOWN_TO_ALL = "Redmine shows the files of a private note to everybody who sees the issue; it stays in the mail"


def note(
    context: DecisionContext, match: IssueMatch, *, why: str = "", machine: bool = False, by_hand: bool = False
) -> Plan:
    """Given a message and the issue that it may reach, return the plan of the note. Raise AssertionError without one.

    A machine's message (`machine`) changes nothing and claims no user. One that a person files (`by_hand`) is not sent
    to the requester.
    """
    issue = match.issue
    assert issue is not None, "a note needs an issue"  # noqa: S101 - the caller has looked
    judged = JudgedReply(context, match) if machine else judge(context, match, issue, by_hand=by_hand)
    context, match = judged.context, judged.match
    context = _for_the_team(context) if match.private else context
    user = context.sender.user if match.as_user else None
    act_as = user.login if user and context.facts.can_impersonate and not machine else None
    written = context.message.body.written or context.message.body.whole
    by_agent = judged.agent_reply is not None
    changes = (Keywords(), IssueFields()) if machine else _changes(context, match, issue, written, by_agent=by_agent)
    keywords, fields = changes
    first = ""
    if act_as is None and not context.facts.offline:
        claim = context.sender.claimed.login if context.sender.claimed and not machine else None
        first = named(context.sender.address, (), claim, context.mailbox.text_format, context.through)
    apart = machine or match.third_party  # neither changes who takes part
    full = keywords.without(written) if context.facts.offline else _complete(context, keywords.without(written), first)
    say_what_is_cut(context.steps, full, context.route.issue.description_limit)
    watching = () if apart else watchers(context.watching_mail(issue.project), context.sender, context.facts, ())
    return context.plan(
        Action.NOTE,
        why or f"it belongs to #{issue.id}, identified by {match.how}",
        project=issue.project or None,
        issue=issue.id,
        act_as=act_as,
        fields=fields,
        text=full,
        text_limit=context.route.issue.description_limit,
        private_note=match.private,
        watchers=tuple(number for number in watching if number not in issue.watcher_ids),
        keywords=keywords.values,
        keyword_lines=keywords.lines,
        groups=() if apart else joins(context.sender, None, context.route, context.facts),
        template=_template(context, judged, machine=machine),
        agent_reply=judged.agent_reply,
        machine=machine,
        third_party=match.third_party,
        unreached_issue=match.unreached.id if match.unreached else None,
    )


def _template(context: DecisionContext, judged: JudgedReply, *, machine: bool) -> str | None:
    """The kind of auto-reply to a reply: agents are informed only of what did not reach the requester."""
    if judged.agent_reply is not None:
        return context.answer("withheld") if judged.agent_reply.not_mailed is not None else None
    silent = machine or judged.match.private or judged.match.third_party
    return None if silent else context.answer("received_reply")


def _for_the_team(context: DecisionContext) -> DecisionContext:
    """The same for a private note, whose files Redmine would show to everyone who sees the issue: they are only
    named."""
    message = context.message
    named = tuple(LeftOut(file.name, SHOWN_TO_ALL) for file in message.attachments)
    return replace(context, message=replace(message, attachments=(), left_out=(*message.left_out, *named)))


def _complete(context: DecisionContext, text: str, first: str) -> str:
    return compose(context.message, text, first, context.mailbox.text_format)


def _changes(
    context: DecisionContext, match: IssueMatch, issue: Issue, text: str, *, by_agent: bool
) -> tuple[Keywords, IssueFields]:
    """Given the text, return its keyword lines and the fields that they and a reopening change.

    Keyword lines are applied if Redmine itself checks them (the sender's own user writes), if the sender is
    known to be allowed to edit the issue, or if permissions are not checked: not for a third party, whose mail would
    close the issue or set its fields for the customer to see.
    """
    settings, facts = context.route.issue, context.facts
    project = facts.projects.get(issue.project.lower())
    impersonated = match.as_user and facts.can_impersonate
    keywords = Keywords()
    may_edit = context.sender.through is None and issue.editable_by_sender
    unchecked = not settings.check_permissions and not match.third_party
    if facts.offline or impersonated or may_edit or unchecked:
        keywords = context.keywords(text, context.fields_of(project, issue.tracker or None))
        keywords = keywords.dropping("project")
    requested = RequestedFields()
    add_keywords(requested, keywords.values)
    if "status" not in requested.values and (status := _status(context, match, issue, by_agent=by_agent)) is not None:
        requested.want("status", status, "the mailbox")
    if not (requested.values or requested.custom):
        return keywords, IssueFields()
    fields = Resolver(project, facts, context.steps, context.languages).fields(requested, None)
    return keywords.dropping(*of_no_use(keywords.values, fields, project, context.languages)), fields


def _status(context: DecisionContext, match: IssueMatch, issue: Issue, *, by_agent: bool) -> str | None:
    """The status of an issue after a reply: by the map of statuses, or by reopening; None: unchanged. A private
    note of an agent changes none.
    """
    settings = context.route.issue
    if not context.message.automatic.may_change_status or (issue.closed and settings.closed_reply != "reopen"):
        return None
    if by_agent and match.private:
        return None  # it is a word among the team, or nothing proves that it is theirs
    mapped = None
    if not by_agent and not match.third_party and _by_customer(context, match, issue):
        after = {before.lower(): after for before, after in settings.reply_status.items()}
        mapped = _known(context, "reply_status", after.get(issue.status.lower()))
    if mapped is not None:
        context.steps.add(f"#{issue.id}: status changes from {issue.status} to {mapped} (reply_status)")
        return mapped
    status = _reopening(context, context.facts) if issue.closed else None
    if status is not None:
        context.steps.add(f"#{issue.id} is closed and reopened as {status}")
    return status


def _by_customer(context: DecisionContext, match: IssueMatch, issue: Issue) -> bool:
    """Is the reply the customer's? An agent writes as their own Redmine user who is not the issue's author."""
    user = context.sender.user if match.as_user else None
    return user is None or user.id == issue.author_id


def _reopening(context: DecisionContext, facts: Facts) -> str | None:
    """The name of the status that reopens: the route's if it exists, else the first open one."""
    status = _known(context, "reopen_status", context.route.issue.reopen_status)
    if status is not None:
        return status
    return next((name for name, number in facts.statuses.items() if number not in facts.closed_statuses), None)


def _known(context: DecisionContext, key: str, status: str | None) -> str | None:
    """Given a status in the settings, return it if Redmine has it."""
    facts = context.facts
    if status is None or facts.offline or known_id(status, facts.statuses) is not None:
        return status
    context.steps.add(f'{key} "{status}" does not exist{did_you_mean(status, facts.statuses)}')
    return None
