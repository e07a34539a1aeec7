"""What `receive --json` says of a mail."""

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.plan import Action, Plan
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.queries.messages import MessageFilter, MessageQueries
from redmine_mailbridge.tasks.receive.result import ProcessingResult
from tests.unit.store.kept import describe, keep


def test_every_key_has_its_value(store: Store) -> None:
    """Where it was read, who wrote it, what was decided and made, why, and where it lies now."""
    describe(store, number := keep(store, 4, folder="INBOX/Sub"), "1@x", sender="kim@c.example", subject="Printer")
    (row,) = MessageQueries(store.database).messages(MessageFilter(ids=[number]))
    result = ProcessingResult(row, State.DONE, "why", 7, 3, plan=Plan(Action.NOTE, "why")).filed_to("Processed")
    assert {
        "id": number, "mailbox": "support", "folder": "INBOX/Sub", "uid": "4", "message_id": "1@x",
        "from": "kim@c.example", "subject": "Printer", "state": "done", "action": "note", "issue": 7, "journal": 3,
        "reason": "why", "filed": "Processed", "retry_at": None,
    } == result.as_json()  # fmt: skip
    assert (False, False) == (result.open, result.junk)

    waits = ProcessingResult(row, State.WRITE_PENDING, "later", retry_at=5.0)
    assert waits.open
    expected = {"state": "write_pending", "action": None, "issue": None, "filed": None, "retry_at": 5.0}
    assert expected == {name: waits.as_json()[name] for name in expected}
