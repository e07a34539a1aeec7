"""A plan as `explain` prints it: one JSON object per file with fixed keys, or lines of text."""

from typing import Any

from redmine_mailbridge.model.mail import Message
from redmine_mailbridge.model.plan import Plan


def as_json(file: str, message: Message, plan: Plan) -> dict[str, Any]:
    """Given a file's name, its mail and the plan, return what `explain --json` prints, the keys in fixed order."""
    return {
        "file": file,
        "message_id": message.message_id,
        "from": message.sender.address,
        "subject": message.subject,
        "automatic": message.automatic.kind.value if message.automatic.kind else None,
        "plan": plan.action.value,
        "issue": plan.issue,
        "project": plan.project,
        "reason": plan.reason,
        "text": plan.text,
        "quoted": plan.quoted,
        "attachments": [
            {
                "name": attachment.name,
                "content_type": attachment.content_type,
                "size": attachment.size,
                "sha256": attachment.sha256,
                "inline": attachment.inline,
            }
            for attachment in plan.attachments
        ],
        "left_out": [{"name": part.name, "why": part.why} for part in plan.left_out],
        "keywords": dict(plan.keywords),
    }


def as_lines(plan: Plan) -> tuple[str, ...]:
    """Given a plan, return the lines of text: the plan, the steps that led to it, and its attachments."""
    lines = [str(plan), *(f"  - {step}" for step in plan.steps)]
    lines += [f"  ! waits until the settings fit Redmine: {line}" for line in plan.unfit]
    lines += [f"  + {attachment.name} ({attachment.size} bytes)" for attachment in plan.attachments]
    lines += [f"  ! {part.name} left out: {part.why}" for part in plan.left_out]
    return tuple(lines)
