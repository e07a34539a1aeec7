"""What a person decides about mails: the commands `retry`, `accept`, `reject`, and the buttons of the admin page."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.stored_mail import DELETED, MailRow
from redmine_mailbridge.policy.manual import Wish
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.queries.messages import Archive, MessageFilter
from redmine_mailbridge.store.task_state import TaskBook


class Decision(StrEnum):
    """What may be decided. IMPORT overrules what turned the mail away; FILE makes it a note of an issue."""

    RETRY = "retry"
    ACCEPT = "accept"
    REJECT = "reject"
    IMPORT = "import"
    FILE = "file"


DONE = {
    Decision.RETRY: "is tried again with the next receive",
    Decision.ACCEPT: "goes on with the next receive",
    Decision.REJECT: "is refused",
    Decision.IMPORT: "is imported with the next receive",
    Decision.FILE: "becomes a note of the issue with the next receive",
}


@dataclass(frozen=True, slots=True)
class Decided:
    """What came of a decision about one mail: `words` say what happens now, or why nothing does."""

    id: int
    ok: bool
    words: str
    subject: str = ""


def decide(
    store: Store,
    ids: Sequence[int],
    decision: Decision,
    *,
    by: str = "an admin",
    issue: int | None = None,
    project: str | None = None,
    subject: str | None = None,
    dry_run: bool = False,
) -> Iterator[Decided]:
    """Given mails and what was decided, by whom, do it with each. Yield what came of it.

    `issue` is for FILE; `project` and `subject` take the place of what an IMPORT would have had.
    """
    wish = str(Wish(by, issue, project, subject))
    rows = {row.id: row for row in Archive(store.database).messages(MessageFilter(ids=ids, limit=len(ids)))}
    for wanted in ids:
        row = rows.get(wanted)
        why_not = refusal(row, decision)
        if row is None or why_not is not None:
            yield Decided(wanted, False, why_not or "there is no such mail")
        elif dry_run or _do(store, wanted, decision, by, wish):
            yield Decided(wanted, True, DONE[decision], row.subject or "")
        else:
            yield Decided(wanted, False, "it has changed in the meantime")


def hurry(store: Store, ids: Sequence[int]) -> None:
    """Given mails that were decided about, have a running service look at them now, unless all is stopped."""
    rows = Archive(store.database).messages(MessageFilter(ids=ids, limit=len(ids)))
    hurry_mailboxes(store, {row.location.mailbox for row in rows})


def hurry_mailboxes(store: Store, names: Iterable[str]) -> None:
    """Given mailboxes' names, have a running service look at them now, unless all is stopped."""
    book = TaskBook(store.database, store.clock)
    if not book.stopped:
        for name in sorted(names):
            book.wish(f"receive:{name}")


def refusal(row: MailRow | None, decision: Decision) -> str | None:
    """Given a mail and a decision, return why it cannot be carried out; None when it can."""
    if row is None:
        return "there is no such mail"
    if decision in {Decision.ACCEPT, Decision.REJECT} and row.state is not State.HELD:
        return f"it is {row.state.value}, not held"
    if row.raw is None and row.filed_to == DELETED and decision is not Decision.REJECT:
        return "its bytes are gone"  # from the store too; else they are fetched anew
    if decision is Decision.RETRY and row.state is State.DONE:
        return "it is done"
    if row.issue is not None and row.state is State.DONE:
        return f"it is in Redmine already, #{row.issue}"
    return None


def possible(row: MailRow) -> frozenset[Decision]:
    """Given a mail, return what may be decided about it. A mail that waits for its turn may be filed by hand, too."""
    return frozenset(decision for decision in Decision if refusal(row, decision) is None)


def _do(store: Store, mail_id: int, decision: Decision, by: str, wish: str) -> bool:
    match decision:
        case Decision.RETRY:
            return store.retry(mail_id, by=by)
        case Decision.ACCEPT:
            return store.retry(mail_id, accept=True, by=by)
        case Decision.REJECT:
            return store.reject(mail_id, by=by)
        case _:
            return store.retry(mail_id, wish=wish, by=by)
