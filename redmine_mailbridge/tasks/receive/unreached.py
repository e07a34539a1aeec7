"""What the agents of an issue are notified of when a reply to a closed issue that continues there could not follow."""

from redmine_mailbridge.redmine.write_intent import CreatedRecord, WriteIntent
from redmine_mailbridge.store.notices import NewNotice


def notices(intent: WriteIntent, mail_id: int, made: CreatedRecord) -> dict[int, NewNotice]:
    """Given a message's intent and what it made, return the notice by the issue that gets it; empty if none does.

    It names no sender, and nothing of the message: who may read this issue may not be allowed to read the other.
    """
    if intent.unreached is None:
        return {}
    answered, where = made.issue, "It is a note there"
    if made.created:
        answered, where = intent.related or made.issue, f"It became #{made.issue}"
    text = (
        f"A mail answers #{answered}, which is closed and continues in this issue. {where}, since its sender may not "
        "write to this issue."
    )
    return {intent.unreached: NewNotice(f"unreached/{mail_id}", text)}
