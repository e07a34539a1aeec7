"""What each kind of outgoing mail is called."""

from typing import Final

MAIL_KINDS: Final = {
    "received": "acknowledgement",
    "received_reply": "acknowledgement of a reply",
    "refused": "rejection notice",
    "withheld": "notice of a withheld reply",
    "registration": "account notice",
    "answer": "agent's answer",
    "third_party": "third-party mail",
    "closed": "closing notice",
    "reminder": "reminder",
    "escalation": "escalation",
    "budget": "budget warning",
    "alert": "alert",
}
"""By the kind, which is the name of its templates."""
