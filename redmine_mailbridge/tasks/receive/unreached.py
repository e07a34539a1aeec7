"""What the agents of an issue are notified of: a reply to a closed issue that continues there could not follow, or an
agent's reply is not sent to the requester, since its note has only a part of it.
"""

from redmine_mailbridge.redmine.write_intent import CreatedRecord, WriteIntent
from redmine_mailbridge.store.notices import NewNotice

UNSENT = (
    "A reply by mail is not sent to the requester: Redmine stored only its beginning as a note, and the rest in "
    "further notes. Write the answer in Redmine, or send it in parts."
)


def notices(intent: WriteIntent, mail_id: int, record: CreatedRecord) -> dict[int, NewNotice]:
    """Given a message's intent and the record of what it created, return the notice by the issue that gets it; empty if
    none does.

    It names no sender, and nothing of the message: who may read this issue may not be allowed to read the other.
    """
    if intent.unsent:
        return {record.issue: NewNotice(f"unsent/{mail_id}", UNSENT)}
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
