"""What the agents of an issue are notified of when a reply to a closed issue that continues there could not follow."""

from redmine_mailbridge.redmine.write_intent import CreatedRecord, WriteIntent
from redmine_mailbridge.store.notices import NewNotice


def notices(intent: WriteIntent, mail_id: int, record: CreatedRecord) -> dict[int, NewNotice]:
    """Given a message's intent and the record of what it created, return the notice by the issue that gets it; empty if
    none does.

    It names no sender, and nothing of the message: who may read this issue may not be allowed to read the other.
    """
    if intent.unreached is None:
        return {}
    answered, outcome = record.issue, "It is a note there"
    if record.created:
        answered, outcome = intent.related or record.issue, f"It became #{record.issue}"
    text = (
        f"A mail answers #{answered}, which is closed and continues in this issue. {outcome}, since its sender may not "
        "write to this issue."
    )
    return {intent.unreached: NewNotice(f"unreached/{mail_id}", text)}
