"""The plan for a mail that becomes a new issue."""

from dataclasses import dataclass

from redmine_mailbridge.model.plan import Action, NewUser, Plan, Project, Told
from redmine_mailbridge.policy.context import Case
from redmine_mailbridge.policy.issue_fields import Resolver, of_no_use, wanted_of_new, watchers
from redmine_mailbridge.policy.issue_match import Thread
from redmine_mailbridge.policy.issue_text import compose, named, say_what_is_cut, subject_of
from redmine_mailbridge.policy.project import Place, candidates, find_project
from redmine_mailbridge.policy.rules import Matched, apply_rules
from redmine_mailbridge.policy.sender import joins, new_user


@dataclass(frozen=True, slots=True)
class Author:
    """Who writes the issue: `act_as` a login, None the bridge's own user; `user` is made first. `refused` ends it."""

    act_as: str | None = None
    user: NewUser | None = None
    refused: str = ""
    named: bool = True


def create(case: Case, thread: Thread, again: str) -> Plan:
    """Given a mail that reaches no issue, or starts again behind a closed one (`again` says why), return the plan."""
    message = case.message
    matched = apply_rules(message, case.route, case.steps)
    acting = next((rule for rule in matched.rules if rule.action), None)
    if acting is not None and acting.action is not None:
        return case.end(Action(acting.action), f'rule "{acting.name}" says so')
    text = message.body.written or message.body.whole
    place = find_project(candidates(case, matched, case.keywords(text)), case.facts, case.steps)
    if place.action is not None and not case.facts.offline:
        return case.end(place.action, f"{again}; {place.why}" if again else place.why, told=Told.PLACE)
    author = _author(case, place)
    if author.refused:
        return case.end(Action.REFUSE, author.refused, project=place.identifier, told=Told.NOT_ALLOWED)
    reason = f"{again or 'a new mail'}; {place.why}"
    return _written(case, matched, place, author, reason=reason, thread=thread)


def _author(case: Case, place: Place) -> Author:
    """Given where the issue goes, return who writes it: the sender where trust and permissions allow it."""
    facts, user, settings = case.facts, case.sender.user, case.route.issue
    if facts.offline or place.identifier is None:
        return Author(named=False)
    if user is not None:
        may = place.identifier in facts.may_add_issues
        if settings.check_permissions and not may:
            return Author(refused=f"{user.login} may not add issues in {place.identifier}")
        if may and facts.can_impersonate:
            return Author(user.login, named=False)
        why = "cannot be written as by this key" if may else "may not add issues there, but check_permissions is off"
        case.steps.add(f"{user.login} {why}: the bridge's own user writes and names the sender")
        return Author()
    made = new_user(case.sender, case.route, facts) if settings.unknown_sender == "create" else None
    if made is not None:
        case.steps.add(_told(made))
        if made.status == "active" and place.identifier in facts.anyone_may_add:
            if case.sender.proven:
                return Author(made.login, made, named=False)
            case.steps.add("nothing proves who wrote, so that the new user is named and does not write")
    elif settings.unknown_sender == "create" and case.sender.claimed is None:
        case.steps.add("no user is made: this key may not, or the sender is forged")
    return Author(_ticket_user(case), made)


def _told(made: NewUser) -> str:
    """The line that says which user is made, and how."""
    notice = "Redmine's account mail" if made.send_information else "our own mail" if made.own_notice else "no mail"
    language = f", language {made.language}" if made.language else ""
    return f"a user {made.login} is made ({made.status}{language}; told by {notice})"


def _ticket_user(case: Case) -> str | None:
    """The login that writes for unknown senders; None, the bridge's own user, when it is not set or not usable."""
    wanted = case.route.senders.ticket_user
    if wanted is None:
        return None
    user = case.facts.logins.get(wanted.lower())
    if user is not None and user.status == "active" and case.facts.can_impersonate:
        case.steps.add(f"the ticket_user {user.login} writes and names the sender")
        return user.login
    case.steps.add(f"ticket_user {wanted} cannot be used; the bridge's own user writes")
    return None


def _written(case: Case, matched: Matched, place: Place, author: Author, *, reason: str, thread: Thread) -> Plan:
    """Given all decisions, write the plan."""
    message, facts, project = case.message, case.facts, place.project
    written = message.body.written or message.body.whole
    tracker = wanted_of_new(message, case.sender, case.route, matched, case.keywords(written).values).values.get(
        "tracker"
    )
    keywords = case.keywords(written, case.fields_of(project, _known_tracker(project, tracker) if project else None))
    if place.by_address:
        keywords = keywords.dropping("project")
    wanted = wanted_of_new(message, case.sender, case.route, matched, keywords.values)
    if thread.private:
        wanted.want("is_private", "1", "the private note that it answers")
    subject = subject_of(message, facts.default_language)
    fields = Resolver(project, facts, case.steps, case.languages).fields(wanted, subject)
    keywords = keywords.dropping(*of_no_use(keywords.values, fields, project, case.languages))
    text = _text(case, keywords.without(message.body.whole or message.body.written), author)
    say_what_is_cut(case.steps, text, case.route.issue.description_limit, subject)
    watching = [name for rule in matched.rules for name in rule.watchers]
    watched = watchers(case.watching_mail(place.identifier), case.sender, facts, tuple(watching))
    return case.plan(
        Action.CREATE,
        reason,
        project=place.identifier,
        act_as=author.act_as,
        new_user=author.user,
        fields=fields,
        text=text,
        text_limit=case.route.issue.description_limit,
        watchers=watched,
        keywords=keywords.values,
        keyword_lines=keywords.lines,
        related_issue=_related(case, thread, place, private=bool(fields.is_private)),
        groups=joins(case.sender, author.user, case.route, facts),
        template=case.answer("received"),
    )


def _known_tracker(project: Project, tracker: str | None) -> str | None:
    """The tracker that is wanted, if the project has it; else it will be the first."""
    known = tracker is not None and (tracker.lower() in project.trackers or tracker.isdecimal())
    return tracker if known else None


def _related(case: Case, thread: Thread, place: Place, *, private: bool) -> int | None:
    """The issue to link: the closed one behind which this one starts, or one out of reach when both are public."""
    if thread.issue is not None:
        case.steps.add(f"#{thread.issue.id} is linked")
        return thread.issue.id
    related, project = thread.related, place.project
    if related is None or project is None or case.facts.offline:
        return None
    if related.public and project.public and not private:
        case.steps.add(f"#{related.id} is linked, since both are public")
        return related.id
    return None


def _text(case: Case, text: str, author: Author) -> str:
    """Given the person's text, return the description."""
    if case.facts.offline:
        return text
    first = ""
    if author.named:
        claim = case.sender.claimed.login if case.sender.claimed else None
        if claim is None and author.user is not None and not case.sender.proven:
            claim = author.user.login  # as the next mail of that address will say
        cc = tuple(address for address in case.message.cc if not case.mailbox.ours(address.address))
        first = named(case.sender.address, cc, claim, case.mailbox.text_format)
    return compose(case.message, text, first, case.mailbox.text_format)
