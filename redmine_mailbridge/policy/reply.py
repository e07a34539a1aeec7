"""The plan for a mail that becomes a note."""

from dataclasses import replace

from redmine_mailbridge.model.mail import LeftOut
from redmine_mailbridge.model.plan import Action, Facts, Issue, IssueFields, Plan
from redmine_mailbridge.policy.context import Case
from redmine_mailbridge.policy.issue_fields import Resolver, Wanted, add_keywords, known_id, of_no_use, watchers
from redmine_mailbridge.policy.issue_match import Thread
from redmine_mailbridge.policy.issue_text import compose, named, say_what_is_cut
from redmine_mailbridge.policy.keywords import Keywords
from redmine_mailbridge.policy.sender import joins
from redmine_mailbridge.util.suggest import did_you_mean

SHOWN_TO_ALL = "Redmine shows the files of a private note to everybody who sees the issue; it stays in the mail"


def note(case: Case, thread: Thread, *, why: str = "", machine: bool = False) -> Plan:
    """Given a mail and the issue that it may reach, return the plan of the note. Raise AssertionError without one.

    A machine's mail (`machine`) changes nothing and names nobody as claimed.
    """
    case = _for_the_team(case) if thread.private else case
    issue = thread.issue
    assert issue is not None, "a note needs an issue"  # noqa: S101 - the caller has looked
    user = case.sender.user if thread.as_user else None
    act_as = user.login if user and case.facts.can_impersonate and not machine else None
    written = case.message.body.written or case.message.body.whole
    keywords, fields = (Keywords(), IssueFields()) if machine else _changes(case, thread, issue, written)
    first = ""
    if act_as is None and not case.facts.offline:
        claim = case.sender.claimed.login if case.sender.claimed and not machine else None
        first = named(case.sender.address, (), claim, case.mailbox.text_format)
    full = keywords.without(written) if case.facts.offline else _complete(case, keywords.without(written), first)
    say_what_is_cut(case.steps, full, case.route.issue.description_limit)
    watching = () if machine else watchers(case.watching_mail(issue.project), case.sender, case.facts, ())
    return case.plan(
        Action.NOTE,
        why or f"it belongs to #{issue.id} by {thread.how}",
        project=issue.project or None,
        issue=issue.id,
        act_as=act_as,
        fields=fields,
        text=full,
        text_limit=case.route.issue.description_limit,
        private_note=thread.private,
        watchers=tuple(number for number in watching if number not in issue.watcher_ids),
        keywords=keywords.values,
        keyword_lines=keywords.lines,
        groups=() if machine else joins(case.sender, None, case.route, case.facts),
        template=None if machine or thread.private else case.answer("received_reply"),
        machine=machine,
    )


def _for_the_team(case: Case) -> Case:
    """The same for a private note, whose files Redmine would show to everybody who sees the issue: they are named."""
    message = case.message
    named = tuple(LeftOut(file.name, SHOWN_TO_ALL) for file in message.attachments)
    return replace(case, message=replace(message, attachments=(), left_out=(*message.left_out, *named)))


def _complete(case: Case, text: str, first: str) -> str:
    return compose(case.message, text, first, case.mailbox.text_format)


def _changes(case: Case, thread: Thread, issue: Issue, text: str) -> tuple[Keywords, IssueFields]:
    """Given the text, return its keyword lines and the fields that they and a reopening change.

    Keyword lines count when Redmine itself watches over them (the sender's own user writes), when the sender is
    known to be allowed to edit the issue, or when permissions are not checked.
    """
    settings, facts = case.route.issue, case.facts
    project = facts.projects.get(issue.project.lower())
    impersonated = thread.as_user and facts.can_impersonate
    keywords = Keywords()
    if facts.offline or impersonated or issue.editable_by_sender or not settings.check_permissions:
        keywords = case.keywords(text, case.fields_of(project, issue.tracker or None))
        keywords = keywords.dropping("project")
    wanted = Wanted()
    add_keywords(wanted, keywords.values)
    if "status" not in wanted.values and (status := _status(case, thread, issue)) is not None:
        wanted.want("status", status, "the mailbox")
    if not (wanted.values or wanted.custom):
        return keywords, IssueFields()
    fields = Resolver(project, facts, case.steps, case.languages).fields(wanted, None)
    return keywords.dropping(*of_no_use(keywords.values, fields, project, case.languages)), fields


def _status(case: Case, thread: Thread, issue: Issue) -> str | None:
    """The status that a reply gives to its issue: by the map of statuses, or since it reopens; None: it stays."""
    settings = case.route.issue
    if not case.message.automatic.may_change_status or (issue.closed and settings.closed_reply != "reopen"):
        return None
    mapped = None
    if _by_customer(case, thread, issue):
        after = {before.lower(): after for before, after in settings.reply_status.items()}
        mapped = _known(case, "reply_status", after.get(issue.status.lower()))
    if mapped is not None:
        case.steps.add(f"#{issue.id} goes from {issue.status} to {mapped} by reply_status")
        return mapped
    status = _reopening(case, case.facts) if issue.closed else None
    if status is not None:
        case.steps.add(f"#{issue.id} is closed and reopened as {status}")
    return status


def _by_customer(case: Case, thread: Thread, issue: Issue) -> bool:
    """Is the reply the customer's? An agent writes as a Redmine user of their own who is not the issue's author."""
    user = case.sender.user if thread.as_user else None
    return user is None or user.id == issue.author_id


def _reopening(case: Case, facts: Facts) -> str | None:
    """The name of the status that reopens: the route's when there is such a one, else the first open one."""
    given = _known(case, "reopen_status", case.route.issue.reopen_status)
    if given is not None:
        return given
    return next((name for name, number in facts.statuses.items() if number not in facts.closed_statuses), None)


def _known(case: Case, key: str, given: str | None) -> str | None:
    """Given a status that the settings name, return it when Redmine has it."""
    facts = case.facts
    if given is None or facts.offline or known_id(given, facts.statuses) is not None:
        return given
    case.steps.add(f'{key} "{given}" does not exist{did_you_mean(given, facts.statuses)}')
    return None
