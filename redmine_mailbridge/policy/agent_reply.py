"""An agent who replies by mail, instead of writing a note in Redmine. Pure.

With `issue.agent_replies = "mail"` the note is sent to the requester as if it had been written in Redmine. That needs
more than to act as the agent in Redmine: what a forged From could say would reach a customer in the team's name. So
only the mail server's verdict counts, under `trust = "authenticated"`, and the note is written in the agent's own name.
In any other case it is private, and the account's own address receives a message with the reason. The same applies to a
reply that does not reach its issue: the new issue is private.
"""

from dataclasses import replace

from redmine_mailbridge.model.facts import Issue, User
from redmine_mailbridge.model.plan import AgentReply, NotMailed
from redmine_mailbridge.policy.context import DecisionContext
from redmine_mailbridge.policy.issue_match import IssueMatch, foreign
from redmine_mailbridge.policy.note_commands import PRIVATE, without_private
from redmine_mailbridge.policy.own_mail import sent_by_machine
from redmine_mailbridge.policy.references import references
from redmine_mailbridge.util.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class JudgedReply:
    """A reply with its match as the agent's side decides it: `match` is private if the note must be. `agent_reply` is
    None if the reply is not an agent's, or if the settings treat it like any other.
    """

    context: DecisionContext
    match: IssueMatch
    agent_reply: AgentReply | None = None


def judge(context: DecisionContext, match: IssueMatch, issue: Issue, *, by_hand: bool = False) -> JudgedReply:
    """Given a reply and the issue that it may reach, return it with what happens to an agent's note. What a person
    files (`by_hand`) is not the agent's own decision: it is private if the agent said so, and sent to no one.
    """
    settings = {route.issue.agent_replies for route in context.routes}
    setting = context.route.issue.agent_replies
    agent = _agent(context, issue)
    if settings == {"note"} or agent is None:
        return JudgedReply(context, match)
    context, asked = _without_command(context)
    own = _is_own(agent, issue)
    if not asked and (own or setting == "note"):
        return JudgedReply(context, match)
    if asked or setting == "private" or match.private:
        why = f"it begins with {PRIVATE}" if asked else "agent_replies" if setting == "private" else match.how
        context.steps.add(f"the reply of the agent {agent.login} is a private note ({why})")
        return JudgedReply(context, replace(match, private=True), AgentReply())
    if by_hand or _unsent(context, agent):
        return JudgedReply(context, match)
    obstacle = _obstacle(context, match)
    if obstacle is None:
        context.steps.add(
            f"the reply of the agent {agent.login} is treated like a note in Redmine: answers.notes decides whether it "
            "is sent to the requester (agent_replies)"
        )
        return JudgedReply(context, match, AgentReply(to_requester=True))
    why = OBSTACLES[obstacle]
    context.steps.add(f"the reply of the agent {agent.login} is private and not sent to the requester: {why}")
    return JudgedReply(context, replace(match, private=True), AgentReply(not_mailed=obstacle, account=agent.mail))


def continues(context: DecisionContext, issue: Issue) -> bool:
    """Is it a reply of an agent that stays in its issue, even if others' replies to a closed one create a new one?"""
    agent = _agent(context, issue)
    return context.about(issue).route.issue.agent_replies != "note" and agent is not None and not _is_own(agent, issue)


def judge_new(context: DecisionContext, match: IssueMatch) -> JudgedReply:
    """Given a mail that becomes a new issue, return it with its match: that is private if an agent's mail, proven or
    not, begins with `/private`, or is a reply that does not reach its issue.
    """
    user, key = context.sender.user or context.sender.claimed, context.sender.address.key
    settings = {route.issue.agent_replies for route in context.routes}
    if settings == {"note"} or user is None or all(key not in agents for agents in context.facts.agents.values()):
        return JudgedReply(context, match)
    context, asked = _without_command(context)
    return JudgedReply(context, replace(match, private=True)) if asked else _not_reaching(context, match)


def _not_reaching(context: DecisionContext, match: IssueMatch) -> JudgedReply:
    """The same for a mail without the command: what an agent replies in an issue is not meant for all who may read the
    project, and if it was meant for the requester, the agent must know that it was not sent.
    """
    issue = match.related if match.issue is None and not context.facts.offline else None
    agent = _agent(context, issue) if issue is not None and _answers(context, issue) else None
    setting = context.about(issue).route.issue.agent_replies if issue is not None else "note"
    if issue is None or agent is None or _is_own(agent, issue) or setting == "note" or _unsent(context, agent):
        return JudgedReply(context, match)
    context.steps.add(f"the reply of the agent {agent.login} does not reach #{issue.id}: the new issue is private")
    match = replace(match, private=True)
    if setting == "private":
        return JudgedReply(context, match)
    obstacle = NotMailed.NO_ACCESS if context.sender.proven else NotMailed.UNPROVEN
    return JudgedReply(context, match, AgentReply(not_mailed=obstacle, account=agent.mail))


def _answers(context: DecisionContext, issue: Issue) -> bool:
    """Does a mail refer to the issue by anything but another system's tag?"""
    hints = references(context.message, context.mailbox, context.facts, proven=context.sender.proven)
    return any(hint.issue == issue.id and not foreign(hint, issue) for hint in hints)


OBSTACLES = {
    NotMailed.UNPROVEN: "the mail server does not prove the sender",
    NotMailed.TRUST: 'that needs trust = "authenticated"',
    NotMailed.NO_ACCESS: "the agent may not write to the issue in their own name",
    NotMailed.OTHERS_TEXT: "it has no text of its own, or is a forwarded message",
}
"""For the operator; what the agent reads is in outgoing/reasons.py."""


def _agent(context: DecisionContext, issue: Issue) -> User | None:
    """The agent whose address the sender has, proven or not: an active user who may edit issues in the project, and who
    is not behind another From address.
    """
    user = context.sender.user or context.sender.claimed
    if user is None or user.status != "active" or context.sender.through is not None:
        return None
    return user if context.sender.address.key in context.facts.agents.get(issue.project, ()) else None


def _is_own(agent: User, issue: Issue) -> bool:
    """Is it the agent's own question? Whoever made an issue in Redmine whose conversation began there asks nothing."""
    return agent.id == issue.author_id and not issue.begun


def _unsent(context: DecisionContext, agent: User) -> bool:
    """Is the reply none that the agent sends to the requester now: a machine's, or old mail?"""
    if sent_by_machine(context.message):
        context.steps.add(f"a machine sent it in the name of {agent.login}: it is not sent to the requester")
        return True
    if context.facts.first_sync:
        context.steps.add(f"the reply of the agent {agent.login} is old mail: it is not sent to the requester")
        return True
    return False


def _obstacle(context: DecisionContext, match: IssueMatch) -> NotMailed | None:
    """Why the note may not be sent to the requester; None if it may."""
    if any(route.issue.trust != "authenticated" for route in context.routes):
        return NotMailed.TRUST
    if context.message.authenticity.verdict != "passed" or not context.sender.proven:
        return NotMailed.UNPROVEN
    if not match.as_user or not context.facts.can_impersonate:
        return NotMailed.NO_ACCESS
    body = context.message.body
    if context.message.forwarded is not None or (body.whole.strip() and not body.written.strip()):
        return NotMailed.OTHERS_TEXT
    return None


def _without_command(context: DecisionContext) -> tuple[DecisionContext, bool]:
    """The message without `/private` at its start, and whether that was there. Lines that may be keyword lines can
    precede it; what else is in its line is part of the text.
    """
    body = context.message.body
    written, whole = without_private(body.written), without_private(body.whole)
    if written is None and whole is None:
        return context, False
    kept = replace(
        body, written=body.written if written is None else written, whole=body.whole if whole is None else whole
    )
    return replace(context, message=replace(context.message, body=kept)), True
