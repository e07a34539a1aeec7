"""Manual decisions about mails: the commands `messages retry|accept|reject` and the buttons of the admin page."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from enum import StrEnum

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.manual_change import UNFINISHED, ManualChange, Phase
from redmine_mailbridge.model.stored_mail import DELETED, StoredMail
from redmine_mailbridge.policy.manual import ManualDecision
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.queries.messages import MessageFilter, MessageQueries
from redmine_mailbridge.store.task_state import TaskState
from redmine_mailbridge.util.dataclass import dataclass


class Decision(StrEnum):
    """The possible decisions. IMPORT ignores what rejected the mail; FILE makes it a note of an issue, NEW a new issue.
    A mail that is in Redmine is moved by these two. UNDO reverts the last of these three.
    """

    RETRY = "retry"
    ACCEPT = "accept"
    REJECT = "reject"
    IMPORT = "import"
    FILE = "file"
    NEW = "new"
    UNDO = "undo"


DONE = {
    Decision.RETRY: "will be retried with the next receive",
    Decision.ACCEPT: "will be processed with the next receive",
    Decision.REJECT: "is rejected",
    Decision.IMPORT: "will be imported with the next receive",
    Decision.FILE: "will become a note of the issue with the next receive",
    Decision.NEW: "will become a new issue with the next receive",
    Decision.UNDO: "will be undone with the next receive",
}
MOVES = frozenset({Decision.FILE, Decision.NEW, Decision.UNDO})
"""The decisions that a mail in Redmine allows."""
PLACES = frozenset({Decision.IMPORT, Decision.FILE, Decision.NEW})
"""The decisions about where a mail is to be written, too late for one whose request may be on its way."""


LEAVES = (
    "the issue that it created is closed; if there are notes in it, it stays open, and later notes there are not mailed"
)
"""What is to be known before a mail leaves the issue that it created."""


@dataclass(frozen=True, slots=True)
class DecisionResult:
    """The result of a decision about one mail: `words` says what happens next, or why nothing does; `hint` what else is
    to be known, "" if nothing is.
    """

    id: int
    ok: bool
    words: str
    subject: str = ""
    hint: str = ""


def decide(
    store: Store,
    message_queries: MessageQueries,
    ids: Sequence[int],
    decision: Decision,
    *,
    by: str = "an admin",
    issue: int | None = None,
    project: str | None = None,
    subject: str | None = None,
    dry_run: bool = False,
) -> Iterator[DecisionResult]:
    """Given mails, a decision and who made it, apply it to each. Yield the results.

    `issue` is for FILE; `project` and `subject` replace the values that an IMPORT would otherwise have.
    """
    manual_decision = ManualDecision(by, issue, project, subject, new=decision is Decision.NEW)
    rows = {row.id: row for row in message_queries.messages(MessageFilter(ids=ids, limit=len(ids)))}
    for mail_id in ids:
        row = rows.get(mail_id)
        why_not = refusal(row, decision) or (None if row is None else _obstacle(store, row, decision, issue))
        if row is None or why_not is not None:
            yield DecisionResult(mail_id, False, why_not or "this message does not exist")
        elif dry_run or _do(store, row, decision, by, manual_decision):
            leaves = decision in MOVES and row.state is State.DONE and row.created_issue is not None
            yield DecisionResult(mail_id, True, DONE[decision], row.subject or "", LEAVES if leaves else "")
        else:
            yield DecisionResult(mail_id, False, "it has changed in the meantime")


def hurry(message_queries: MessageQueries, book: TaskState, ids: Sequence[int]) -> None:
    """Given mails with a decision, have a running service process them now, unless all tasks are stopped."""
    rows = message_queries.messages(MessageFilter(ids=ids, limit=len(ids)))
    hurry_mailboxes(book, {row.location.mailbox for row in rows})


def hurry_mailboxes(book: TaskState, names: Iterable[str]) -> None:
    """Given mailboxes, have a running service process them now, unless all tasks are stopped."""
    if not book.stopped:
        for name in sorted(names):
            book.request_run(f"receive:{name}")


def refusal(row: StoredMail | None, decision: Decision) -> str | None:
    """Given a mail and a decision, return why it cannot be applied; None when it can."""
    if row is None:
        return "this message does not exist"
    if decision in {Decision.ACCEPT, Decision.REJECT} and row.state is not State.HELD:
        return f"it is {row.state.value}, not held"
    if row.raw is None and row.filed_to == DELETED and decision is not Decision.REJECT:
        return "its content is no longer stored"  # otherwise it would be fetched again
    if decision is Decision.RETRY and row.state is State.DONE:
        return "it has already been processed"
    if row.issue is not None and row.state is State.DONE and decision not in MOVES:
        return f"it is in Redmine already, #{row.issue}"
    return None


def possible(store: Store, row: StoredMail) -> frozenset[Decision]:
    """Given a mail, return the decisions it allows. A mail that waits to be processed may also be filed manually."""
    return frozenset(
        decision
        for decision in Decision
        if refusal(row, decision) is None and _obstacle(store, row, decision, None) is None
    )


def _obstacle(store: Store, row: StoredMail, decision: Decision, issue: int | None) -> str | None:
    """Given a mail, return why earlier decisions, or other mails of its issue, do not allow it to be moved, or a
    decision to be undone; None if they do.
    """
    if decision in PLACES and row.state is State.WRITE_PENDING:
        return "it is being written to Redmine: decide when that is done"
    last_change = store.manual_changes.last(row.id) if decision in MOVES else None
    if decision is Decision.UNDO:
        if last_change is None:
            return "nothing was decided manually"
        if last_change.phase in {Phase.UNDOING, Phase.CLEARING}:
            return "it is being undone already"
        return _needed(store, row)
    if decision in MOVES and row.issue is not None and row.state is State.DONE:
        return _stuck(store, row, row.issue, issue, last_change)
    return None


def _needed(store: Store, row: StoredMail) -> str | None:
    """Given a mail, return why it cannot leave the issue that it created: other mails belong to it; None if it can."""
    if row.issue is None or row.created_issue is None:
        return None
    others = store.manual_changes.others_at(row.issue, row.id)
    return f"#{row.issue} has {others} other messages: move them first" if others else None


def _stuck(store: Store, row: StoredMail, here: int, issue: int | None, last_change: ManualChange | None) -> str | None:
    """Given a mail in Redmine, return why it cannot be moved from there to an issue; None if it can."""
    if last_change is not None and last_change.phase in UNFINISHED:
        return "the last decision has not been carried out yet"
    if issue == here:
        return f"it already belongs to #{issue}"
    if row.journal is None and row.created_issue is None:
        return "it is a copy of another message"
    return _needed(store, row)


def _do(store: Store, row: StoredMail, decision: Decision, by: str, manual_decision: ManualDecision) -> bool:
    mail_id = row.id
    if decision is Decision.UNDO:
        last_change = store.manual_changes.last(mail_id)
        return last_change is not None and store.manual_changes.undo(last_change, by)
    if decision in MOVES and row.state is State.DONE and row.issue is not None:
        moved = replace(manual_decision, moved=True)
        return store.manual_changes.move(mail_id, str(moved), by, moved.destination)
    match decision:
        case Decision.RETRY:
            return store.retry(mail_id, by=by)
        case Decision.ACCEPT:
            return store.retry(mail_id, accept=True, by=by)
        case Decision.REJECT:
            return store.reject(mail_id, by=by)
        case _:
            return store.retry(mail_id, manual_decision=str(manual_decision), by=by)
