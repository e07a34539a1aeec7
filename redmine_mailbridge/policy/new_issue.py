"""The plan for a message that becomes a new issue, and what of it the settings alone ask for. Pure."""

from dataclasses import replace

from redmine_mailbridge.model.facts import Facts, Project
from redmine_mailbridge.model.mail import Message
from redmine_mailbridge.model.plan import Action, AgentReply, NewUser, Plan, RejectionReason
from redmine_mailbridge.policy.agent_reply import judge_new
from redmine_mailbridge.policy.context import DecisionContext
from redmine_mailbridge.policy.issue_fields import Resolver, of_no_use, watchers
from redmine_mailbridge.policy.issue_match import IssueMatch
from redmine_mailbridge.policy.issue_text import compose, named, say_what_is_cut, subject_of
from redmine_mailbridge.policy.own_addresses import MailboxIdentity, responsible
from redmine_mailbridge.policy.project import ProjectChoice, candidates, find_project
from redmine_mailbridge.policy.requested_fields import filled_from_mail, requested_of_new
from redmine_mailbridge.policy.rules import MatchedRules, apply_rules
from redmine_mailbridge.policy.sender import joins, new_user
from redmine_mailbridge.policy.strictest import different
from redmine_mailbridge.policy.vouched import passed_on
from redmine_mailbridge.settings.issue import Route
from redmine_mailbridge.util.dataclass import dataclass

ORDINARY = "A text of a usual length, as people write it, which no rule about texts finds too short or too long. " * 3
"""A placeholder for a message's text where only the settings matter."""


@dataclass(frozen=True, slots=True)
class Author:
    """The author: `act_as` is a login, None the bridge's own user; `user` is created first. `refused` rejects it."""

    act_as: str | None = None
    user: NewUser | None = None
    refused: str = ""
    named: bool = True


def create(context: DecisionContext, match: IssueMatch, again: str) -> Plan:
    """Given a message that reaches no issue, or follows a closed one (`again` is why), return the plan."""
    judged = judge_new(context, match)
    context, match = judged.context, judged.match
    message = context.message
    matched = apply_rules(message, context.route, context.steps)
    acting = next((rule for rule in matched.rules if rule.action), None)
    if acting is not None and acting.action is not None:
        return context.finish(Action(acting.action), f'rule "{acting.name}" says so')
    text = message.body.written or message.body.whole
    place = find_project(candidates(context, matched, context.keywords(text)), context.facts, context.steps)
    if place.action is not None and not context.facts.offline:
        return context.finish(
            place.action, f"{again}; {place.why}" if again else place.why, rejection_reason=RejectionReason.PLACE
        )
    context = passed_on(context, place)
    author = _author(context, place)
    if author.refused:
        return context.finish(
            Action.REFUSE, author.refused, project=place.identifier, rejection_reason=RejectionReason.NOT_ALLOWED
        )
    reason = f"{again or 'a new mail'}; {place.why}"
    return _written(context, matched, place, author, text, reason=reason, match=match, agent_reply=judged.agent_reply)


def _author(context: DecisionContext, place: ProjectChoice) -> Author:
    """Given the issue's project, return its author: the sender if trust and permissions allow it."""
    facts, user, settings = context.facts, context.sender.user, context.route.issue
    if facts.offline or place.identifier is None:
        return Author(named=False)
    if user is not None:
        may = place.identifier in facts.may_add_issues
        if settings.check_permissions and not may:
            return Author(refused=f"{user.login} may not add issues in {place.identifier}")
        if may and facts.can_impersonate:
            return Author(user.login, named=False)
        why = (
            "cannot be impersonated with this API key"
            if may
            else "may not add issues there, but check_permissions is off"
        )
        context.steps.add(f"{user.login} {why}: the bridge's own user writes and names the sender")
        return Author()
    creates = settings.unknown_sender == "create" and not context.message.spam.spam
    made = new_user(context.sender, context.route, facts) if creates else None
    if made is not None:
        context.steps.add(_creation_line(made))
        if made.status == "active" and place.identifier in facts.anyone_may_add:
            if context.sender.proven:
                return Author(made.login, made, named=False)
            context.steps.add("the sender is not proven, so the new user is named but is not the author")
    elif settings.unknown_sender == "create" and context.sender.address.key in facts.taken_addresses:
        context.steps.add(
            "no user is created: the address is an additional address of a user whom the API does not name"
        )
    elif settings.unknown_sender == "create" and context.message.spam.spam:
        context.steps.add("no user is created for spam")
    elif settings.unknown_sender == "create" and context.sender.claimed is None:
        context.steps.add("no user is created: the API key may not, or the sender is forged")
    return Author(_ticket_user(context), made)


def _creation_line(made: NewUser) -> str:
    """The line about the user that is created."""
    notice = "Redmine's account mail" if made.send_information else "our own mail" if made.own_notice else "no mail"
    language = f", language {made.language}" if made.language else ""
    return f"a user {made.login} is created ({made.status}{language}; notified by {notice})"


def _ticket_user(context: DecisionContext) -> str | None:
    """The login that writes for unknown senders; None, the bridge's own user, if it is not set or not usable."""
    login = context.route.senders.ticket_user
    if login is None:
        return None
    user = context.facts.logins.get(login.lower())
    if user is not None and user.status == "active" and context.facts.can_impersonate:
        context.steps.add(f"the ticket_user {user.login} writes and names the sender")
        return user.login
    context.steps.add(f"ticket_user {login} cannot be used; the bridge's own user writes")
    return None


def _written(
    context: DecisionContext,
    matched: MatchedRules,
    place: ProjectChoice,
    author: Author,
    written: str,
    *,
    reason: str,
    match: IssueMatch,
    agent_reply: AgentReply | None,
) -> Plan:
    """Given all decisions, and the text whose keyword lines count (not an attached mail's), build the plan."""
    message, facts, project = context.message, context.facts, place.project
    tracker = requested_of_new(
        message, context.sender, context.route, matched, context.keywords(written).values
    ).values.get("tracker")
    keywords = context.keywords(
        written, context.fields_of(project, _known_tracker(project, tracker) if project else None)
    )
    if place.by_address:
        keywords = keywords.dropping("project")
    requested = requested_of_new(message, context.sender, context.route, matched, keywords.values)
    by_settings = requested.values.get("is_private") == "1" and "is_private" not in keywords.values
    if match.private:
        requested.want("is_private", "1", "the private note that it answers, /private, or an agent's reply")
    subject = subject_of(message, facts.default_language)
    fields = Resolver(project, facts, context.steps, context.languages).fields(requested, subject)
    keywords = keywords.dropping(*of_no_use(keywords.values, fields, project, context.languages))
    text = _text(context, keywords.without(message.body.whole or message.body.written), author)
    say_what_is_cut(context.steps, text, context.route.issue.description_limit, subject)
    watching = [name for rule in matched.rules for name in rule.watchers]
    watched = watchers(context.watching_mail(place.identifier), context.sender, facts, tuple(watching))
    return context.plan(
        Action.CREATE,
        reason,
        project=place.identifier,
        act_as=author.act_as,
        new_user=author.user,
        fields=fields,
        text=text,
        text_limit=context.route.issue.description_limit,
        watchers=watched,
        keywords=keywords.values,
        keyword_lines=keywords.lines,
        related_issue=_related(context, match, place, private=bool(fields.is_private)),
        groups=joins(context.sender, author.user, context.route, facts),
        template=context.answer("received" if agent_reply is None else "withheld"),
        agent_reply=agent_reply,
        private_by_mail=match.private and not by_settings,
        unreached_issue=match.unreached.id if match.unreached else None,
    )


def _known_tracker(project: Project, tracker: str | None) -> str | None:
    """The requested tracker, if the project has it; else the first is used."""
    known = tracker is not None and (tracker.lower() in project.trackers or tracker.isdecimal())
    return tracker if known else None


def _related(context: DecisionContext, match: IssueMatch, place: ProjectChoice, *, private: bool) -> int | None:
    """The issue to link: the closed one that this one follows, or an inaccessible one if both are public."""
    if match.issue is not None:
        context.steps.add(f"#{match.issue.id} is linked")
        return match.issue.id
    related, project = match.related, place.project
    if related is None or project is None or context.facts.offline:
        return None
    if related.public and project.public and not private:
        context.steps.add(f"#{related.id} is linked, since both are public")
        return related.id
    return None


def _text(context: DecisionContext, text: str, author: Author) -> str:
    """Given the person's text, return the description."""
    if context.facts.offline:
        return text
    first = ""
    if author.named:
        claim = context.sender.claimed.login if context.sender.claimed else None
        if claim is None and author.user is not None and not context.sender.proven:
            claim = author.user.login  # as the next mail of that address will say
        cc = tuple(address for address in context.message.cc if not context.mailbox.ours(address.address))
        first = named(context.sender.address, cc, claim, context.mailbox.text_format, context.through)
    return compose(context.message, text, first, context.mailbox.text_format)


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
