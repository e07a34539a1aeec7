"""Where a reply to a closed issue goes: to the issue that it duplicates, or to its copy, if the sender may write there.

Relations are set in Redmine, by people who may manage them; a message cannot. They say where a conversation continues,
never who may take part in it: the sender's access to that issue is checked as for any other.
"""

from dataclasses import replace

from redmine_mailbridge.model.facts import Issue, Successor
from redmine_mailbridge.policy.context import DecisionContext
from redmine_mailbridge.policy.issue_match import IssueMatch, access
from redmine_mailbridge.policy.proof import proven
from redmine_mailbridge.policy.references import Reference, Strength


def follow(context: DecisionContext, match: IssueMatch) -> IssueMatch:
    """Given the issue that a message may reach, return the one in which it continues, as far as the sender may write
    there. `unreached` is the first one to which the sender may not.
    """
    seen: set[int] = set()
    while (issue := match.issue) is not None and issue.id not in seen:
        seen.add(issue.id)
        unreached: Issue | None = None
        for successor, target in _open_first(context, issue, seen):
            step = _step(context, match, issue, successor, target)
            if step is not None:
                match, unreached = step, None
                break
            unreached = unreached or target
        match = replace(match, unreached=unreached)
    return match


def _open_first(context: DecisionContext, issue: Issue, seen: set[int]) -> list[tuple[Successor, Issue]]:
    """The issues in which a closed one continues, without those that are passed already."""
    followed, known = context.route.issue.follow_closed, context.facts.issues
    successors = [
        successor for successor in issue.successors if successor.relation in followed and successor.issue not in seen
    ]
    continuing = [(successor, known[successor.issue]) for successor in successors if successor.issue in known]
    return sorted(continuing, key=lambda pair: pair[1].closed)


def _step(
    context: DecisionContext, match: IssueMatch, issue: Issue, successor: Successor, target: Issue
) -> IssueMatch | None:
    """Given a closed issue and one in which it continues, return the match of that one; None if the sender may not
    write there.

    A reference to the closed issue is none to the other: it only proves who sent the message, if it proves that. In a
    copy the participants of the closed issue take part too.
    """
    relation = "duplicates" if successor.relation == "duplicates" else "was copied to"
    is_proven = proven(context.message, context.sender, context.mailbox, context.facts)
    reference = Reference(target.id, relation, Strength.SECRET if is_proven else Strength.GUESSABLE)
    theirs = issue.participants if successor.relation == "copied_to" else frozenset()
    about = context.about(issue)
    answer = access(about, replace(target, participants=target.participants | theirs), reference)
    context.steps.add(f"#{issue.id} is closed and {relation} #{target.id}: {answer.why}")
    if not answer.admitted:
        return None
    how = f"{match.how}; #{issue.id} is closed and {relation} #{target.id}"
    return replace(match, issue=target, how=how, as_user=answer.as_user)
