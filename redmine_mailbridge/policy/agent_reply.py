"""An agent who replies by mail, instead of writing a note in Redmine. Pure.

With `issue.agent_replies = "mail"` the note is sent to the requester as if it had been written in Redmine. That needs
more than to act as the agent in Redmine: what a forged From could say would reach a customer in the team's name. So
only the mail server's verdict counts, under `trust = "authenticated"`, and the note is written in the agent's own name.
In any other case it is private, and the account's own address receives a message with the reason.
"""

from dataclasses import replace

from redmine_mailbridge.model.facts import Issue, User
from redmine_mailbridge.model.plan import AgentReply, NotMailed
from redmine_mailbridge.policy.context import DecisionContext
from redmine_mailbridge.policy.issue_match import IssueMatch
from redmine_mailbridge.policy.own_mail import sent_by_machine
from redmine_mailbridge.util.dataclass import dataclass

PRIVATE = "/private"


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
    setting = context.route.issue.agent_replies
    agent = _agent(context, issue)
    if setting == "note" or agent is None:
        return JudgedReply(context, match)
    if sent_by_machine(context.message):
        context.steps.add(f"a machine sent it in the name of {agent.login}: it is not sent to the requester")
        return JudgedReply(context, match)
    context, asked = _without_command(context)
    if asked or setting == "private" or match.private:
        why = f"its first line is {PRIVATE}" if asked else "agent_replies" if setting == "private" else match.how
        context.steps.add(f"the reply of the agent {agent.login} is a private note ({why})")
        return JudgedReply(context, replace(match, private=True), AgentReply())
    if by_hand:
        return JudgedReply(context, match)
    obstacle = _obstacle(context, match)
    if obstacle is None:
        context.steps.add(f"the reply of the agent {agent.login} is sent to the requester (agent_replies)")
        return JudgedReply(context, match, AgentReply(to_requester=True))
    why = OBSTACLES[obstacle]
    context.steps.add(f"the reply of the agent {agent.login} is private and not sent to the requester: {why}")
    return JudgedReply(context, replace(match, private=True), AgentReply(not_mailed=obstacle, account=agent.mail))


OBSTACLES = {
    NotMailed.UNPROVEN: "the mail server does not prove the sender",
    NotMailed.TRUST: 'that needs trust = "authenticated"',
    NotMailed.NO_ACCESS: "the agent may not write to the issue in their own name",
}
"""For the operator; what the agent reads is in outgoing/reasons.py."""


def _agent(context: DecisionContext, issue: Issue) -> User | None:
    """The agent whose address the sender has, proven or not: an active user who may edit issues in the project, and who
    neither wrote the issue nor is behind another From address.
    """
    user = context.sender.user or context.sender.claimed
    if user is None or user.status != "active" or context.sender.through is not None or user.id == issue.author_id:
        return None
    return user if context.sender.address.key in context.facts.agents.get(issue.project, ()) else None


def _obstacle(context: DecisionContext, match: IssueMatch) -> NotMailed | None:
    """Why the note may not be sent to the requester; None if it may."""
    if any(route.issue.trust != "authenticated" for route in context.routes):
        return NotMailed.TRUST
    if context.message.authenticity.verdict != "passed" or not context.sender.proven:
        return NotMailed.UNPROVEN
    if not match.as_user or not context.facts.can_impersonate:
        return NotMailed.NO_ACCESS
    return None


def _without_command(context: DecisionContext) -> tuple[DecisionContext, bool]:
    """The message without `/private` in its first line, and whether that was there."""
    body = context.message.body
    texts, asked = {}, False
    for name in ("written", "whole"):
        line, _, rest = getattr(body, name).lstrip().partition("\n")
        if line.strip().lower() == PRIVATE:
            texts[name], asked = rest.lstrip("\n"), True
    message = replace(context.message, body=replace(body, **texts))
    return (replace(context, message=message) if asked else context), asked
